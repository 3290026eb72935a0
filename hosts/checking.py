"""Requests that were acknowledged are held against what is in their files, and then handed on.

A header is read by another process, which takes milliseconds on an idle machine and far longer on a busy one,
or for ever: nobody waits for that to be told that a request is on the disk.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeAlias

from audiosr_fx.errors import ParameterError, StorageError
from audiosr_fx.files import AudioInfo
from audiosr_fx.wording import shown
from hosts.asks import Ask
from hosts.inbox import Inbox
from hosts.ledger import Entry, Ledger

Look: TypeAlias = Callable[[Path], AudioInfo]
Region: TypeAlias = tuple[int, int]
Found: TypeAlias = Region | Exception

_THREADS: Final = 8
_STOP_S: Final = 2.0


def find_region(ask: Ask, look: Look) -> Region:
    """First sample and end of what an ask is about.

    Args:
        ask: what somebody wants.
        look: reads a file's header.

    Raises:
        AudioFormatError: a file that is no audio.
        ParameterError: it has no such region, or channels that do not fit each other.
    """
    infos = [look(source) for source in ask.sources]
    if len(infos) > 1:
        _check_channels(infos)
    return ask.span.within(infos[0])


class Checking:
    """Looks at files from ``start`` to ``stop``, of one request at a time, and past those that are stuck.

    What is wrong with a request is not told here but handed on like a region, so that it has its turn among
    the others and is tried again where the disk is full.
    """

    def __init__(self, ledger: Ledger, look: Look, hand_on: Callable[[int, Found], None]) -> None:
        """Nothing is started yet.

        Args:
            ledger: of requests.
            look: reads a file's header; bounded in time, for any thread.
            hand_on: takes a request's number, and its region or what is wrong with it.
        """
        self._ledger, self._look, self._hand_on = ledger, look, hand_on
        self._waiting: Inbox[Entry] = Inbox(sys.maxsize)  # the ledger takes no more than it may
        self._threads = [
            threading.Thread(target=self._run, name=f"bridge check {number}", daemon=True)
            for number in range(_THREADS)
        ]

    def start(self) -> None:
        """Go on with what an earlier run left, then with what comes."""
        for entry in self._ledger.waiting():
            self.put(entry)
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop; what is open stays in the ledger."""
        self._waiting.close()
        until = time.monotonic() + _STOP_S
        for thread in self._threads:  # one on a dead mount may never end
            if thread.is_alive():
                thread.join(max(0.0, until - time.monotonic()))

    def put(self, entry: Entry) -> None:
        """Check a request as soon as may be, and hand it on."""
        self._waiting.put(entry.peer, entry)

    def _run(self) -> None:
        while True:
            with self._waiting.next() as entry:
                if entry is None:
                    return
                if not self._has_ended(entry):
                    self._hand_on(entry.number, self._find(entry.ask))

    def _has_ended(self, entry: Entry) -> bool:
        """Whether it was cancelled meanwhile, as far as the disk answers."""
        with suppress(StorageError):
            now = self._ledger.find(entry.ask.request)
            return now is None or now.is_ended
        return False

    def _find(self, ask: Ask) -> Found:
        try:
            return find_region(ask, self._look)
        except Exception as error:
            return error


def _check_channels(infos: Sequence[AudioInfo]) -> None:
    first = infos[0]
    for info in infos:
        if info.channels != 1:
            raise ParameterError(f"{shown(info.path)}: has {info.channels} channels; expected a mono file")
        if (info.sample_rate, info.frames) != (first.sample_rate, first.frames):
            raise ParameterError(
                f"{shown(info.path)}: has {info.frames} samples at {info.sample_rate} Hz, but"
                f" {shown(first.path)} has {first.frames} at {first.sample_rate} Hz"
            )

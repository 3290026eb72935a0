"""Between the looks and the queue: one thread reads what is ready, so that no look waits for a disk.

Another measures what shares a gain, so that no stem waits for an album to be decoded.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from audiosr_fx.errors import AudioSRError, RenderCancelled, StorageError
from audiosr_fx.wording import shown
from watchfolder.folder import ReadyBatch
from watchfolder.intake import Intake, Placed, Refused

RETRY_S: Final = 5.0
FAULT_S: Final = 60.0
MOST_AT_ONCE: Final = 300
"""Files in one step: more are quicker, but keep who asks the queue something waiting for longer."""
_log = logging.getLogger(__name__)


class Handover:
    """Batches go in, jobs come of them; what the queue does not take is given back after a while."""

    def __init__(
        self, intake: Intake, wake: Callable[[], None], stopping: threading.Event, clock: Callable[[], float]
    ) -> None:
        """``wake``: called when all was handed on. ``stopping``: ends the thread."""
        self._intake = intake
        self._wake = wake
        self._stopping = stopping
        self._clock = clock
        self._batches: queue.SimpleQueue[ReadyBatch | None] = queue.SimpleQueue()
        self._to_measure: queue.SimpleQueue[Placed | None] = queue.SimpleQueue()
        self._returned: queue.SimpleQueue[tuple[float, ReadyBatch, dict[str, str]]] = queue.SimpleQueue()
        self._returns = 0
        self._refused: dict[Path, str] = {}
        self._guard = threading.Lock()
        self._size = 0
        self._threads = [
            threading.Thread(target=self._run, name="handover", daemon=True),
            threading.Thread(target=self._run_measuring, name="measuring", daemon=True),
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def join(self, timeout_s: float) -> None:
        """Wait for its end, after ``stopping`` was set."""
        self._batches.put(None)
        self._to_measure.put(None)
        end_s = time.monotonic() + timeout_s
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, end_s - time.monotonic()))

    @property
    def size(self) -> int:
        """How many files are on their way."""
        return self._size

    @property
    def is_idle(self) -> bool:
        """Whether nothing is on its way or is to be given back."""
        return self._size == 0 and self._returned.empty()

    @property
    def returns(self) -> int:
        """How often in a row files were given back because the queue took nothing."""
        return self._returns

    def put(self, batch: ReadyBatch) -> None:
        """Hand a batch on; returns at once."""
        self._count(len(batch.stamps))
        self._batches.put(batch)

    def take_back(self, now_s: float) -> None:
        """Let files be found again that could not be handed on; for the thread that looks."""
        later = []
        is_return = False
        while True:
            try:
                due_s, batch, reasons = self._returned.get_nowait()
            except queue.Empty:
                break
            if due_s > now_s:
                later.append((due_s, batch, reasons))
            elif reasons:
                batch.folder.put_off(batch, reasons, now_s)
            else:
                batch.folder.give_back(batch)
                is_return = True
        self._returns += is_return
        for entry in later:
            self._returned.put(entry)

    def _run(self) -> None:
        while (batch := self._batches.get()) is not None and not self._stopping.is_set():
            batches = self._with_more(batch)
            with self._given_back_if_it_fails(batches):
                self._hand_on_all(batches)
            self._done_with(batches)

    def _hand_on_all(self, batches: Sequence[ReadyBatch]) -> None:
        """Hand batches on in one step, else each alone, so that one with a fault does not keep the others."""
        try:
            self._hand_on(batches)
            return
        except (RenderCancelled, StorageError):
            raise
        except Exception:
            if len(batches) == 1:
                raise
        for batch in batches:
            with self._given_back_if_it_fails([batch]):
                self._hand_on([batch])

    def _hand_on(self, batches: Sequence[ReadyBatch]) -> None:
        """Put batches into the queue but for those that are measured first, by the other thread."""
        placed, refused = self._intake.place(batches)
        refused += self._enter([one for one in placed if not one.is_to_be_measured])
        self._tell(batches, refused)
        for one in placed:
            if one.is_to_be_measured:
                self._count(len(one.batch.stamps))
                self._to_measure.put(one)

    def _run_measuring(self) -> None:
        """In a thread of its own: to decode an album takes as long as it takes, and others shall not wait."""
        while (placed := self._to_measure.get()) is not None and not self._stopping.is_set():
            with self._given_back_if_it_fails([placed.batch]):
                self._tell([placed.batch], self._enter([self._intake.measured(placed)]))
            self._done_with([placed.batch])

    def _enter(self, placed: Sequence[Placed]) -> Refused:
        refused = self._intake.enter(placed)
        if placed:
            self._returns = 0
        return refused

    def _done_with(self, batches: Sequence[ReadyBatch]) -> None:
        self._count(-sum(len(one.stamps) for one in batches))
        if self._size == 0:  # not after every step: each look takes a while where files are many
            self._wake()

    def _with_more(self, batch: ReadyBatch) -> list[ReadyBatch]:
        """A batch and those behind it, as many as go into one step."""
        batches, count = [batch], len(batch.stamps)
        while count < MOST_AT_ONCE:
            try:
                more = self._batches.get_nowait()
            except queue.Empty:
                break
            if more is None:
                self._batches.put(None)
                break
            batches.append(more)
            count += len(more.stamps)
        return batches

    def _tell(self, batches: Sequence[ReadyBatch], refused: Refused) -> None:
        """Say once why files cannot be taken, and let them be tried again later, be it for days."""
        before = {source: self._refused.pop(source, "") for batch in batches for source in _sources(batch)}
        for batch, one in refused:
            source = batch.folder.settings.input / one.name
            self._refused[source] = one.reason
            level = logging.DEBUG if before.get(source) == one.reason else logging.ERROR
            _log.log(level, "%s cannot be taken: %s", shown(source), one.reason)
            self._returned.put((self._clock(), batch, {one.name: one.reason}))

    @contextmanager
    def _given_back_if_it_fails(self, batches: Sequence[ReadyBatch]) -> Iterator[None]:
        """Let batches be found again after a while if nothing of them was taken in."""
        count = sum(len(batch.stamps) for batch in batches)
        try:
            yield
        except RenderCancelled:
            return
        except (AudioSRError, OSError) as error:  # a full disk, above all
            _log.warning("%d files wait to be handed on: %s", count, error)
            self._give_back(batches, RETRY_S)
        except Exception:
            _log.exception("a fault in handing files on; it is tried again")
            self._give_back(batches, FAULT_S)

    def _give_back(self, batches: Sequence[ReadyBatch], pause_s: float) -> None:
        due_s = self._clock() + pause_s
        for batch in batches:
            self._returned.put((due_s, batch, {}))

    def _count(self, change: int) -> None:
        with self._guard:
            self._size += change


def _sources(batch: ReadyBatch) -> Iterator[Path]:
    return (batch.folder.settings.input / name for name in batch.names)

"""Receipts: the newest reply to a request as a small file, for hosts that can send but cannot listen.

Ardour's Lua and the like have no socket to hear ``done`` with, but they can look at a file. A receipt lies in
the folder ``restored`` beside the source, wherever outputs themselves go, and its name is the request's word.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from audiosr_fx import atomic
from audiosr_fx.errors import StorageError
from audiosr_fx.jobs.database import is_disk_full
from audiosr_fx.wording import one_line, shown
from hosts.asks import OUTPUT_FOLDER
from hosts.ledger import Entry, Ledger
from hosts.osc import Argument, Message
from hosts.roots import Roots

SUFFIX: Final = ".receipt"
_log = logging.getLogger(__name__)


def receipt_path(source: Path, request: str) -> Path:
    """Where the receipt of a request lies."""
    return source.parent / OUTPUT_FOLDER / f"{request}{SUFFIX}"


class Receipts:
    """Writes receipts for requests of one ledger, so that none goes back from its end to its progress."""

    def __init__(self, ledger: Ledger, roots: Roots) -> None:
        self._ledger, self._roots = ledger, roots
        self._lock = threading.RLock()

    @contextmanager
    def ending(self, entry: Entry, reply: Message) -> Iterator[None]:
        """Leave the receipt of a request's end, in a block that writes the end into the ledger.

        In this order: killed in between, the request is ended, and its receipt left, once more.

        Raises:
            StorageError: the disk is full; it may be called again.
        """
        with self._lock:
            if not self._ledger.get(entry.number).is_ended:
                self.leave(entry, reply)
            yield

    def leave_while_open(self, entry: Entry, reply: Message) -> None:
        """Leave a receipt of how far a request is, unless it has ended; what fails is passed over."""
        if entry.ask.options.receipt:
            with self._lock, suppress(StorageError):
                if not self._ledger.get(entry.number).is_ended:
                    self.leave(entry, reply)

    def leave(self, entry: Entry, reply: Message) -> None:
        """Leave the receipt of a request, where it wants one.

        Raises:
            StorageError: the disk is full.
        """
        if entry.ask.options.receipt:
            self._write(receipt_path(entry.ask.sources[0], entry.ask.request), reply)

    def leave_refusal(self, source: Path, request: str, reply: Message) -> None:
        """Leave the receipt of what did not become a request, unless its word stands for another."""
        with self._lock, suppress(StorageError):
            if self._ledger.find(request) is None:
                self._write(receipt_path(source, request), reply)

    def _write(self, path: Path, reply: Message) -> None:
        """Address and arguments, a line each; whole or not at all, in place of the one before."""
        lines = (reply.address, *(_line(value) for value in reply.arguments))
        temporary = atomic.temporary_beside(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not self._roots.holds(path.parent):
                _log.warning("no receipt at %s (a link that leads out of its root)", shown(path))
                return
            atomic.write_through(temporary, "".join(f"{line}\n" for line in lines).encode("utf-8", "replace"))
            os.replace(temporary, path)
        except OSError as error:
            with suppress(OSError):  # there may be no folder, or none to write in
                temporary.unlink(missing_ok=True)
            if is_disk_full(error):
                raise StorageError(f"{shown(path)}: {one_line(error)}") from error
            _log.warning("no receipt at %s (%s)", shown(path), error.strerror)


def _line(value: Argument) -> str:
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    return "".join(c if c not in "\r\n" else " " for c in text)

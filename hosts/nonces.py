"""Nonces that were used, in memory and on the disk: a restart does not make an overheard message good again.

Refusing what was signed before the start would not do: the sender's clock may be ahead of ours.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from audiosr_fx.atomic import publish, temporary_beside, write_through
from audiosr_fx.errors import MessageError, StorageError
from audiosr_fx.wording import shown

FILE_NAME: Final = "nonces"
WINDOW_S: Final = 30
"""Seconds that the clocks of a sender and ours, and the way between them, may differ by."""
MAX_NONCES: Final = 100_000
_KEEP_S: Final = 2 * WINDOW_S  # a message may come WINDOW_S before the time it is signed with
_LENGTH: Final = range(16, 65)
_LINE: Final = re.compile(rb"(\d{1,12}) ([0-9a-f]{32})")


class Nonces:
    """Each is good once for as long as its message could be taken.

    They are written without waiting for the disk: what kills the server takes none with it, but a machine
    that loses its power may forget those of the last seconds.
    """

    def __init__(self, path: Path | None = None, *, clock: Callable[[], float] = time.time) -> None:
        """Those in the file, if there is one, were used.

        Args:
            path: where they are kept; None keeps them in memory alone.
            clock: seconds since 1970.

        Raises:
            StorageError: the file cannot be read or written.
        """
        self._path = path
        self._used: OrderedDict[str, float] = OrderedDict()
        self._file: int | None = None
        self._written = 0
        if path is not None:
            try:
                self._read(path, clock())
                self._write_anew(path)
            except OSError as cause:
                raise StorageError(f"{shown(path)}: cannot be kept ({cause.strerror})") from cause

    def use(self, nonce: str, now: float) -> None:
        """Use one, at a time in seconds since 1970.

        Raises:
            MessageError: it was used, has another form, or cannot be noted.
        """
        self._forget(now)
        key = hashlib.sha256(nonce.encode("utf-8", "replace")).hexdigest()[:32]
        if len(nonce) not in _LENGTH or key in self._used or len(self._used) >= MAX_NONCES:
            raise MessageError("a message's nonce was used before, or is not of 16 to 64 characters")
        try:
            self._note(key, now)
        except OSError as cause:
            raise MessageError(f"a message's nonce cannot be noted ({cause.strerror})") from cause
        self._used[key] = now

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _forget(self, now: float) -> None:
        while self._used and next(iter(self._used.values())) < now - _KEEP_S:
            self._used.popitem(last=False)

    def _read(self, path: Path, now: float) -> None:
        """What is on the disk; a line that a kill cut short is passed over."""
        with suppress(FileNotFoundError):
            for line in path.read_bytes().split(b"\n"):
                if match := _LINE.fullmatch(line):
                    self._used[match[2].decode()] = min(float(match[1]), now)  # a clock may be set back
        self._forget(now)

    def _write_anew(self, path: Path) -> None:
        """A file of those that are remembered, and open for more."""
        self.close()
        temporary = temporary_beside(path)
        try:
            write_through(temporary, b"".join(_line(*used) for used in self._used.items()), mode=0o600)
            publish(temporary, path, overwrite=True)
        finally:
            temporary.unlink(missing_ok=True)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._written = len(self._used)

    def _note(self, key: str, now: float) -> None:
        if self._path is None:
            return
        if self._file is None or self._written > len(self._used) + MAX_NONCES:
            self._write_anew(self._path)
        assert self._file is not None
        line = _line(key, now)
        if os.write(self._file, line) < len(line):
            raise OSError(0, "the disk took half of it")
        self._written += 1


def _line(key: str, at: float) -> bytes:
    """A break in front too: what was cut short before it then stands alone."""
    return b"\n%d %s\n" % (at, key.encode())

"""The last words of a process: what it wrote on stderr, of which only the end is kept."""

from __future__ import annotations

import os
import threading
from typing import IO, Final

KEPT_BYTES: Final = 16 * 1024
_BLOCK: Final = 8 * 1024
_JOIN_S: Final = 1.0
_LONGEST: Final = 300  # characters of a line


class LastWords:
    """Reads a pipe to its end in a thread of its own, so that who writes never waits, and keeps the end."""

    def __init__(self, pipe: IO[bytes]) -> None:
        """``pipe``: is read until nobody can write into it any more, also where it is closed here before."""
        self._descriptor = os.dup(pipe.fileno())
        self._kept = bytearray()
        self._thread = threading.Thread(target=self._read, name="last words", daemon=True)
        self._thread.start()

    def lines(self) -> list[str]:
        """The last lines that are not empty, fit to be shown; for one that has ended."""
        self._thread.join(_JOIN_S)  # not for ever: a process that it started may hold the pipe
        lines = bytes(self._kept).decode("utf-8", "replace").splitlines()
        return [_printable(line.strip())[-_LONGEST:] for line in lines if line.strip()]

    def _read(self) -> None:
        try:
            while block := os.read(self._descriptor, _BLOCK):
                self._kept += block
                del self._kept[:-KEPT_BYTES]
        finally:
            os.close(self._descriptor)


def _printable(line: str) -> str:
    """A line that moves no cursor and rings no bell."""
    return "".join(letter if letter.isprintable() else " " for letter in line)

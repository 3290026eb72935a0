"""What files hold, read while nobody waits: asked for under the store's lock, read outside of it.

A slow disk would else hold up everybody who wants something of the store.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Final

from audiosr_fx.jobs.order import hash_file

_MAX_READS: Final = 3
"""How often a file is read that is another each time somebody looks."""


class Digests:
    """SHA-256 of files by their path, good for as long as a file's identity, size and dates are the same."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[tuple[int, ...], str]] = {}
        self._wanted: dict[Path, None] = {}
        self._reads: dict[Path, int] = {}

    @property
    def is_complete(self) -> bool:
        """Whether all that was asked for could be told."""
        return not self._wanted

    def of(self, path: Path) -> str:
        """The digest of a file as it is now; empty where it must be read first, or changes all the time.

        Raises:
            OSError: it is not there, or the disk does not answer.
        """
        known = self._known.get(path)
        if known is not None and known[0] == _stamp(path):
            return known[1]
        if self._reads.get(path, 0) < _MAX_READS:
            self._wanted[path] = None
        return ""

    def read(self) -> None:
        """Read what was asked for; what cannot be read is told of when it is asked for the next time."""
        for path in self._wanted:
            self._reads[path] = self._reads.get(path, 0) + 1
            with suppress(OSError):
                before = _stamp(path)
                self._known[path] = before, hash_file(path)
        self._wanted.clear()


def _stamp(path: Path) -> tuple[int, ...]:
    now = path.stat()
    return now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns

"""A lock on a folder that one process at a time can hold, and that is free at once when that process dies."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Final

from audiosr_fx.errors import JobError

START_PATIENCE_S: Final = 2.0
"""How long a service that starts waits for who holds the lock but a moment, as audiosr-fx jobs cancel."""
_POLL_S: Final = 0.05

if os.name == "nt":
    import msvcrt

    def _take(stream: IO[str]) -> None:
        stream.seek(1 << 20)  # beyond what says who holds it, which others may then read
        msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        stream.seek(0)
else:
    import fcntl

    def _take(stream: IO[str]) -> None:
        fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_held(path: Path) -> bool:
    """Whether a process holds the lock of a file, or that cannot be told; for looking, nothing is made."""
    try:
        with path.open("r+") as stream:
            _take(stream)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


class FolderLock:
    """Holds a lock file from its making until ``close``, or the end of the process however it ends.

    Raises:
        JobError: another process holds it; the message says which.
        OSError: the file cannot be made.
    """

    def __init__(self, path: Path, what: str, *, patience_s: float = 0.0) -> None:
        """Take the lock.

        Args:
            path: of the lock file; it stays there, as removing it would let two in.
            what: what is locked, for the message.
            patience_s: how long to try again while another process holds it.
        """
        self.path = path
        self._stream = os.fdopen(
            os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600), "r+"
        )
        try:
            _take_within(patience_s, self._stream)
        except OSError as cause:
            holder = self._stream.read(20).strip()
            self._stream.close()
            whom = f"process {holder}" if holder.isdigit() else "another process"
            raise JobError(f"{what} is in use by {whom}; stop that first, or talk to it") from cause
        with contextlib.suppress(OSError):  # who holds it is said for people alone; a full disk is no reason
            self._stream.truncate(0)
            self._stream.write(f"{os.getpid()}\n")
            self._stream.flush()

    def close(self) -> None:
        """Let go of it."""
        with contextlib.suppress(OSError):
            self._stream.close()

    def __enter__(self) -> FolderLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _take_within(patience_s: float, stream: IO[str]) -> None:
    """Take the lock of an opened file, if need be only when it is free; OSError where it stays taken."""
    until = time.monotonic() + patience_s
    while True:
        try:
            return _take(stream)
        except OSError:
            if time.monotonic() >= until:
                raise
        time.sleep(_POLL_S)

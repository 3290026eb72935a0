"""Claims on folders: two daemons never share one, nor have folders in one another, whatever state they keep.

A claim is a lock of the system on the opened folder itself, so nothing is written into it, and it is free at
once when its holder dies. The folders above it are locked for sharing: any number of daemons may have folders
in them, and none may have all of them. On a network folder it holds among the processes of one machine.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from audiosr_fx.errors import JobError
from audiosr_fx.wording import shown

_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_WAY_OUT: Final = "stop that first, or choose another folder"


class FolderClaim:
    """A folder that is ours until ``close``, opened.

    Attributes:
        descriptor: of the folder, for looking into it.
        identity: its device and inode.
    """

    def __init__(self, folder: Path) -> None:
        """Claim a folder.

        Raises:
            JobError: another process has it, a folder in it, or one that it lies in. So has this one, where
                it claimed such a folder before.
            OSError: it is not there, or is no folder.
        """
        self._above: list[_Above] = []
        self.descriptor = os.open(folder, _FLAGS)
        try:
            _lock_whole(self.descriptor, folder)
            status = os.fstat(self.descriptor)
            for parent in Path(os.path.realpath(folder)).parents:
                self._share(parent, folder)
        except BaseException:
            self.close()
            raise
        self.identity = (status.st_dev, status.st_ino)

    def close(self) -> None:
        """Let others have it."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1
        while self._above:
            self._above.pop().let_go()

    def __enter__(self) -> FolderClaim:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _share(self, parent: Path, folder: Path) -> None:
        """Keep others from claiming all of a folder above ours, as far as we may open it."""
        try:
            self._above.append(_Above.of(parent))
        except BlockingIOError as cause:
            raise JobError(
                f"{shown(folder)}: another audiosr-fx watches {shown(parent)}, in which it lies, or writes to"
                f" that; {_WAY_OUT}"
            ) from cause
        except OSError:  # not ours to open, or on a system of files without locks: nobody's claim, then
            return


class _Above:
    """A folder above some that this process has, opened once for all of them: there may be hundreds."""

    _guard: Final = threading.Lock()
    _known: Final[dict[tuple[int, int], _Above]] = {}

    def __init__(self, descriptor: int, identity: tuple[int, int]) -> None:
        self._descriptor = descriptor
        self._identity = identity
        self._holders = 0

    @classmethod
    def of(cls, folder: Path) -> _Above:
        """Lock a folder for sharing until ``let_go``.

        Raises:
            BlockingIOError: somebody has all of it.
            OSError: it cannot be opened or locked.
        """
        with _closed_on_error(os.open(folder, _FLAGS)) as descriptor, cls._guard:
            status = os.fstat(descriptor)
            identity = (status.st_dev, status.st_ino)
            above = cls._known.get(identity)
            if above is None:
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
                above = cls._known[identity] = cls(descriptor, identity)
            else:
                os.close(descriptor)
            above._holders += 1
            return above

    def let_go(self) -> None:
        """One holder less; the last one gives it free."""
        with self._guard:
            self._holders -= 1
            if not self._holders:
                del self._known[self._identity]
                os.close(self._descriptor)


def _lock_whole(descriptor: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as cause:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # as those do that have a folder in it
            what = "a folder in it, or writes to one"
        except BlockingIOError:
            what = "it or writes to it"
        raise JobError(f"{shown(folder)}: another audiosr-fx watches {what}; {_WAY_OUT}") from cause


@contextmanager
def _closed_on_error(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    except BaseException:
        os.close(descriptor)
        raise

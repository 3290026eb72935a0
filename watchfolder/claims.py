"""Claims on folders: two daemons never share one, whatever state they keep where.

A claim is a lock of the system on the opened folder itself, so nothing is written into it, and it is free at
once when its holder dies. On a network folder it holds among the processes of one machine.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from audiosr_fx.errors import JobError
from audiosr_fx.wording import shown


class FolderClaim:
    """A folder that is ours until ``close``, opened.

    Attributes:
        descriptor: of the folder, for looking into it.
        identity: its device and inode.
    """

    def __init__(self, folder: Path) -> None:
        """Claim a folder.

        Raises:
            JobError: another process has it.
            OSError: it is not there, or is no folder.
        """
        self.descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            status = os.fstat(self.descriptor)
        except BlockingIOError as cause:
            os.close(self.descriptor)
            raise JobError(
                f"{shown(folder)}: another audiosr-fx watches it or writes to it; stop that first, or choose"
                " another folder"
            ) from cause
        except OSError:
            os.close(self.descriptor)
            raise
        self.identity = (status.st_dev, status.st_ino)

    def close(self) -> None:
        """Let others have it."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def __enter__(self) -> FolderClaim:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

"""Room on the disk for a log before it is written, so that a sync writes what is in it and nothing else.

A file that grows has a new size and new blocks at each sync, which the file system writes down as well, in
its own journal, behind whatever else waits there. Written over, a log costs the one write that it must.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Final

_BLOCK: Final = 1 << 20
_SPARE: Final = 10


def make_room(path: Path, size: int) -> None:
    """Fill an existing file up with zeros, on the disk when this returns; on a full disk none.

    Args:
        path: of a log that tells its own records from what follows them, as SQLite's does by checksums.
        size: in bytes; a file that is as long stays as it is.
    """
    with suppress(OSError), path.open("r+b", buffering=0) as stream:
        if shutil.disk_usage(path.parent).free < _SPARE * size:
            return  # others need it more
        end = stream.seek(0, os.SEEK_END)
        try:
            while (at := stream.tell()) < size:
                stream.write(bytes(min(_BLOCK, size - at)))
            os.fsync(stream.fileno())
        except OSError:
            stream.truncate(end)
            raise

"""What lies in a folder at one moment, looked at without following a symbolic link.

Times of files are only ever compared for being the same.
"""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

MAX_DEPTH: Final = 32
_NO_FOLLOW: Final = getattr(os, "O_NOFOLLOW", 0)
_FOLDER_FLAGS: Final = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0) | _NO_FOLLOW


class Stamp(NamedTuple):
    """What tells one state of a file from another without reading it; a tuple, for thousands at each look."""

    device: int
    inode: int
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Stamp:
        """From what ``lstat`` or ``fstat`` said."""
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The regular files of a folder at one moment.

    Attributes:
        root: device and inode of the folder itself; another one stands there where these change.
        files: by path relative to the folder, parts joined by ``/``.
        unreadable: sub-folders that could not be listed, with the reason; what was known to be in them still
            counts as there.
        folders: names of the sub-folders right in it, in their order.
    """

    root: tuple[int, int]
    files: Mapping[str, Stamp]
    unreadable: Mapping[str, str] = field(default_factory=dict)
    folders: Sequence[str] = ()


def take_snapshot(
    root: Path,
    is_wanted: Callable[[str], bool],
    is_ignored: Callable[[str], bool],
    *,
    recursive: bool,
    most_folders: float = math.inf,
) -> Snapshot:
    """List a folder without following a single symbolic link.

    Args:
        root: the folder.
        is_wanted: told the relative path of a file; whether it counts.
        is_ignored: told the name of a file or sub-folder; whether it is passed over.
        recursive: look into sub-folders too, to a depth of ``MAX_DEPTH``.
        most_folders: how many sub-folders are looked into.

    Raises:
        OSError: the folder itself is not there, or cannot be listed.
    """
    files: dict[str, Stamp] = {}
    unreadable: dict[str, str] = {}
    descriptor = os.open(root, _FOLDER_FLAGS & ~_NO_FOLLOW)
    try:
        status = os.fstat(descriptor)
        waiting: list[tuple[str, int]] = [("", 0)]
        folders: list[str] = []
        looked_into = 0
        while waiting and looked_into <= most_folders:
            prefix, depth = waiting.pop()
            looked_into += 1
            try:
                inner = _list(descriptor, prefix, files, is_wanted, is_ignored)
            except FileNotFoundError:
                if not prefix:
                    raise
                continue  # removed meanwhile
            except OSError as error:
                if not prefix:
                    raise
                unreadable[prefix.rstrip("/")] = error.strerror or str(error)
                continue
            if not prefix:
                folders = sorted(inner)
            if recursive and depth < MAX_DEPTH:
                waiting += [(f"{prefix}{name}/", depth + 1) for name in inner]
    finally:
        os.close(descriptor)
    root_is = (status.st_dev, status.st_ino)
    return Snapshot(root=root_is, files=files, unreadable=unreadable, folders=folders)


def open_within(root: int, relative: str, flags: int = os.O_RDONLY) -> int:
    """Open what a relative path leads to below an open folder, where no part of it is a symbolic link.

    Returns:
        A descriptor, which the caller closes.

    Raises:
        OSError: it is not there, a part of the path is a link, or it cannot be opened.
        ValueError: a path that could lead elsewhere.
    """
    parts = relative.split("/")
    if "\0" in relative or any(part in ("", ".", "..") for part in parts):
        raise ValueError(f"{relative!r} is no plain relative path")
    descriptor = os.dup(root)
    for place, part in enumerate(parts):
        is_last = place == len(parts) - 1
        how = flags | _NO_FOLLOW | getattr(os, "O_CLOEXEC", 0) if is_last else _FOLDER_FLAGS
        try:
            inner = os.open(part, how | getattr(os, "O_NONBLOCK", 0), dir_fd=descriptor)
        finally:
            os.close(descriptor)
        descriptor = inner
    return descriptor


def open_file_within(root: int, relative: str) -> BinaryIO:
    """The plain file that a relative path leads to, opened to read; as ``open_within``, and at once.

    Raises:
        OSError: as ``open_within``, or it is no plain file.
        ValueError: as ``open_within``.
    """
    descriptor = open_within(root, relative)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("it is no plain file")
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def _list(
    root: int,
    prefix: str,
    files: dict[str, Stamp],
    is_wanted: Callable[[str], bool],
    is_ignored: Callable[[str], bool],
) -> list[str]:
    """Put the files of one folder into a table; returns the names of its sub-folders."""
    descriptor = open_within(root, prefix.rstrip("/"), _FOLDER_FLAGS) if prefix else os.dup(root)
    inner = []
    try:
        with os.scandir(descriptor) as entries:
            for entry in entries:
                if is_ignored(entry.name):
                    continue
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue  # removed meanwhile
                if stat.S_ISDIR(status.st_mode):
                    inner.append(entry.name)
                elif stat.S_ISREG(status.st_mode) and is_wanted(prefix + entry.name):
                    files[prefix + entry.name] = Stamp.of(status)
    finally:
        os.close(descriptor)
    return inner

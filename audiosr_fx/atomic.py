"""Files that appear whole or not at all: written through to the disk, then given their name in one step."""

from __future__ import annotations

import ctypes
import errno
import os
import secrets
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

TEMPORARY_PREFIX: Final = ".audiosr_fx-"
TEMPORARY_SUFFIX: Final = ".part"

_AT_FDCWD: Final = -100
_RENAME_NOREPLACE: Final = 1
_RENAME_EXCL: Final = 4
_SPECIAL: Final = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_UNABLE: Final = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP}


def temporary_beside(path: Path) -> Path:
    """A name for what is not finished yet: hidden, ours, nobody else's, and on the same disk."""
    return path.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}{TEMPORARY_SUFFIX}")


@contextmanager
def folder_beside(path: Path) -> Iterator[Path]:
    """A new folder of such a name, gone at the end with all that is in it.

    Raises:
        OSError: it cannot be made.
    """
    folder = temporary_beside(path)
    try:
        folder.mkdir()
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Give an error of the system inside, which names no file where a number was written to, this name."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def write_through(path: Path, content: bytes, mode: int = 0o666) -> None:
    """Write a new file of that name and make sure that the disk has it.

    Raises:
        OSError: the name is taken, or the disk failed.
    """
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
    try:
        left = memoryview(content)
        with naming(path):
            while left:
                left = left[os.write(descriptor, left) :]
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def refuse_special(path: Path) -> None:
    """Refuse to replace what is neither a file nor a folder, or a link to such a thing: others work with it.

    Raises:
        OSError: its text says what it is.
    """
    try:
        kind = stat.S_IFMT(path.stat().st_mode)
    except (OSError, ValueError):  # nothing is there, or no such name can be
        return
    if kind in _SPECIAL:
        text = f"is {_SPECIAL[kind]}, which is never replaced; choose another name"
        raise OSError(errno.EINVAL, text, str(path))


def publish(temporary: Path, path: Path, *, overwrite: bool) -> None:
    """Give a finished file its name in one step; FileExistsError if the name is taken and must not be.

    Raises:
        OSError: it cannot be done, or as ``refuse_special``.
    """
    if overwrite:
        refuse_special(path)
        os.replace(temporary, path)
    else:
        try:
            os.link(temporary, path)
        except FileExistsError:
            raise
        except (OSError, NotImplementedError):  # a file system without hard links
            rename_exclusively(temporary, path)
        else:
            os.unlink(temporary)
    sync_folder(path.parent)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name beside ``path`` to write to, which takes its place if the block ends well, and is gone if not.

    The name is always the same: what a killed process left is written over by the next, however large. It
    is for files that one process writes, and is not written through to the disk, which for large ones that
    are written again and again would take too long.

    Raises:
        OSError: as ``refuse_special``.
    """
    refuse_special(path)
    temporary = path.with_name(f".{path.name}.part")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all, over one that is there.

    Raises:
        OSError: it cannot be written.
    """
    with replacing(path) as temporary, naming(path):
        temporary.write_text(text, encoding="utf-8")


def sync(path: Path) -> None:
    """Write a file or folder through to the disk."""
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Make sure that the disk has a folder's names, where the system can."""
    if os.name == "posix":
        with suppress(OSError):  # some network file systems refuse to sync a folder
            sync(folder)


def rename_exclusively(temporary: Path, path: Path) -> None:
    """Rename, but never over another file: by the system's own call, or by reserving the name first.

    Raises:
        OSError: FileExistsError where the name is taken.
    """
    rename = _system_rename()
    if os.name == "nt":
        os.rename(temporary, path)  # which refuses there
        return
    if rename is not None:
        number = rename(os.fsencode(temporary), os.fsencode(path))
        if number == 0:
            return
        if number not in _UNABLE:
            raise OSError(number, os.strerror(number), str(temporary), None, str(path))
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    held = os.fstat(descriptor)
    os.close(descriptor)
    try:
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            if os.path.samestat(path.lstat(), held):  # interrupted after the rename, it is the file itself
                path.unlink()
        raise


@lru_cache(maxsize=1)
def _system_rename() -> Any:
    """A call that renames without replacing and returns an error number; None where there is none."""
    try:
        library = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "darwin":
            function = library.renamex_np
            function.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_uint]
            return lambda old, new: ctypes.get_errno() if function(old, new, _RENAME_EXCL) else 0
        function = library.renameat2
        function.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
    except (AttributeError, OSError, TypeError):
        return None
    return lambda old, new: (
        ctypes.get_errno() if function(_AT_FDCWD, old, _AT_FDCWD, new, _RENAME_NOREPLACE) else 0
    )

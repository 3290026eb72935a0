"""The render cache: what a model made, on disk under the hash of all it was made from.

It may be deleted at any time, in part or whole, by anyone: an entry that is not there, or not what it was
when it was written, is made anew. Nothing that goes wrong here fails a render. Entries appear whole, by
renaming, so any number of processes may share a folder; the least recently used go first when it is full.
"""

from __future__ import annotations

import errno
import functools
import hashlib
import logging
import math
import os
import secrets
import shutil
import stat
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from platformdirs import user_cache_dir

from audiosr_fx.errors import ParameterError
from audiosr_fx.wording import brief

FOLDER_VARIABLE: Final = "AUDIOSR_FX_CACHE"
SIZE_VARIABLE: Final = "AUDIOSR_FX_CACHE_GB"
DEFAULT_GB: Final = 4.0  # nearly two hours of stereo, at 37 MB a minute

_MAGIC: Final = b"audiosr_fx cache 1\n"
_DIGEST_BYTES: Final = 32
_SUFFIX: Final = ".f32"
_TEMPORARY: Final = ".part"
_LARGEST: Final = 256 << 20  # of one entry; 32 channels take 28 MB
_KEPT_FREE: Final = 512 << 20  # of the disk: the result must find room
_STALE_S: Final = 3600.0
_SHARE_SWEPT: Final = 0.9
_TAG: Final = "Signature: 8a477f597d28d172789f06886806bc55\n# Rendered by audiosr_fx; safe to delete.\n"

_log = logging.getLogger(__name__)

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheUse:
    """How much a cache holds."""

    entries: int
    size_bytes: int


@dataclass(slots=True, kw_only=True)
class RenderCache:
    """Arrays by key in a folder.

    Attributes:
        folder: made when first needed; may hold other files, which are left alone.
        max_bytes: what all entries together may take; a little more for a moment.
    """

    folder: Path
    max_bytes: int = int(DEFAULT_GB * 1e9)
    _has_warned: bool = field(default=False, init=False, repr=False, compare=False)
    _unswept: int = field(default=1 << 62, init=False, repr=False, compare=False)

    def load(self, key: str) -> Array | None:
        """The array of that key, or None where there is none that is whole."""
        path = self._path(key)
        try:
            content = _read_regular(path)
            if content is None:
                return None
            array = _unpack(key, content)
            if array is None:
                path.unlink(missing_ok=True)
        except OSError:
            return None
        with suppress(OSError):  # a folder that can only be read
            os.utime(path)
        return array

    def save(self, key: str, array: Array) -> None:
        """Keep an array; says once, in the log, where that cannot be done."""
        content = _pack(key, array)
        path = self._path(key)
        temporary = path.with_name(f"{secrets.token_hex(8)}{_TEMPORARY}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._make_room(len(content))
            try:
                temporary.write_bytes(content)
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)
        except OSError as error:
            self._warn(error)

    def measure(self) -> CacheUse:
        """Count the entries."""
        sizes = [status.st_size for _, status in self._entries()]
        return CacheUse(entries=len(sizes), size_bytes=sum(sizes))

    def clear(self) -> CacheUse:
        """Delete every entry, and nothing else; returns how much that was."""
        entries = size = 0
        for path, status in self._entries(with_temporary=True):
            with suppress(OSError):
                path.unlink()
                entries += path.suffix == _SUFFIX
                size += status.st_size
        for shelf in self._shelves():
            with suppress(OSError):  # something else is in it
                shelf.rmdir()
        return CacheUse(entries=entries, size_bytes=size)

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key[2:]}{_SUFFIX}"

    def _make_room(self, size: int) -> None:
        """Delete what was not used for longest where an entry of that size is too much for folder or disk."""
        free = shutil.disk_usage(self.folder).free - _KEPT_FREE - size
        self._unswept += size
        if free < 0 or self._unswept > self.max_bytes // 64:
            self._sweep(self.max_bytes - size, max(0, -free))
            self._unswept = 0
        if free < 0 and shutil.disk_usage(self.folder).free < _KEPT_FREE + size:
            raise OSError(errno.ENOSPC, "the disk is nearly full")

    def _sweep(self, limit: int, wanted: int) -> None:
        """Go down below a limit in bytes, and by so many bytes at least; clear up after those that died."""
        with suppress(FileExistsError), (self.folder / "CACHEDIR.TAG").open("x", encoding="ascii") as tag:
            tag.write(_TAG)
        entries = []
        for path, status in self._entries(with_temporary=True):
            if path.suffix == _SUFFIX:
                entries.append((status.st_mtime_ns, status.st_size, path))
            elif status.st_mtime < time.time() - _STALE_S:
                path.unlink(missing_ok=True)
        used = sum(size for _, size, _ in entries)
        target = used if used <= limit else int(_SHARE_SWEPT * limit)
        target = min(target, used - wanted)
        for _, size, path in sorted(entries):
            if used <= target:
                return
            path.unlink(missing_ok=True)
            used -= size

    def _entries(self, *, with_temporary: bool = False) -> Iterator[tuple[Path, os.stat_result]]:
        suffixes = (_SUFFIX, _TEMPORARY) if with_temporary else (_SUFFIX,)
        for shelf in self._shelves():
            with suppress(OSError), os.scandir(shelf) as found:
                for item in found:
                    if item.name.endswith(suffixes):
                        with suppress(OSError):  # gone already
                            yield Path(item.path), item.stat(follow_symlinks=False)

    def _shelves(self) -> Iterator[Path]:
        """The folders that entries lie in: 00 to ff."""
        for number in range(256):
            shelf = self.folder / f"{number:02x}"
            if shelf.is_dir():
                yield shelf

    def _warn(self, error: OSError) -> None:
        if not self._has_warned:
            self._has_warned = True
            reason = error.strerror or error
            _log.warning("the render cache in %s takes nothing (%s); going on without", self.folder, reason)


def default_cache() -> RenderCache | None:
    """The cache of this user: in ``AUDIOSR_FX_CACHE``, else where the system keeps caches.

    ``AUDIOSR_FX_CACHE_GB`` is its size; at 0 there is none.

    Raises:
        ParameterError: a size that is none.
    """
    chosen = os.environ.get(FOLDER_VARIABLE)
    folder = (
        Path(chosen).expanduser().absolute() if chosen else Path(user_cache_dir("audiosr-fx")) / "renders"
    )
    text = os.environ.get(SIZE_VARIABLE) or str(DEFAULT_GB)
    try:
        gigabytes = float(text)
    except ValueError:
        gigabytes = math.nan
    if not 0.0 <= gigabytes <= 1e6:
        raise ParameterError(f"{SIZE_VARIABLE} is {text!r}; expected gigabytes, 0 to 1000000 (0 is no cache)")
    return _shared(folder, int(gigabytes * 1e9)) if gigabytes > 0.0 else None


def chosen_cache(choice: RenderCache | bool) -> RenderCache | None:
    """A cache as a caller asks for it: that one, the user's, or none.

    Raises:
        ParameterError: as ``check_cache``, or as ``default_cache``.
    """
    check_cache(choice)
    if isinstance(choice, RenderCache):
        return choice
    return default_cache() if choice else None


def check_cache(choice: RenderCache | bool) -> None:
    """Refuse what names no cache.

    Raises:
        ParameterError: neither True, False nor a ``RenderCache``.
    """
    if not isinstance(choice, (bool, RenderCache)):
        raise ParameterError(f"cache is {brief(choice)}; expected True, False or a RenderCache")


@functools.lru_cache(maxsize=8)
def _shared(folder: Path, max_bytes: int) -> RenderCache:
    """One object per folder, so that what it has to say is said once."""
    return RenderCache(folder=folder, max_bytes=max_bytes)


def _read_regular(path: Path) -> bytes | None:
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST:
        return None
    return path.read_bytes()


def _pack(key: str, array: Array) -> bytes:
    shape = struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape)
    payload = shape + np.ascontiguousarray(array, "<f4").tobytes()
    return b"".join([_MAGIC, _digest(key, payload), payload])


def _unpack(key: str, content: bytes) -> Array | None:
    """The array of an entry; None where a bit is not as it was written, or it is another's."""
    start = len(_MAGIC) + _DIGEST_BYTES
    payload = memoryview(content)[start:]
    if content[:start] != _MAGIC + _digest(key, payload):
        return None
    (dimensions,) = struct.unpack_from("<B", payload)
    shape = struct.unpack_from(f"<{dimensions}I", payload, 1)
    samples = np.frombuffer(payload, "<f4", offset=1 + 4 * dimensions)
    return samples.reshape(shape).astype(np.float32)


def _digest(key: str, payload: bytes | memoryview) -> bytes:
    digest = hashlib.blake2b(key.encode(), digest_size=_DIGEST_BYTES)
    digest.update(payload)
    return digest.digest()

"""A shim around every file operation that changes something, Python's and SQLite's: it counts them, and lets
one go wrong. A kill tears a write in half first; a full disk refuses whatever would need room.
"""

from __future__ import annotations

import _sqlite3
import ctypes
import errno
import os
import signal
import threading
from collections.abc import Callable
from typing import Any

_C = ctypes
_SQLITE = {
    "pwrite64": _C.CFUNCTYPE(_C.c_ssize_t, _C.c_int, _C.c_void_p, _C.c_size_t, _C.c_int64, use_errno=True),
    "pwrite": _C.CFUNCTYPE(_C.c_ssize_t, _C.c_int, _C.c_void_p, _C.c_size_t, _C.c_int64, use_errno=True),
    "write": _C.CFUNCTYPE(_C.c_ssize_t, _C.c_int, _C.c_void_p, _C.c_size_t, use_errno=True),
    "ftruncate": _C.CFUNCTYPE(_C.c_int, _C.c_int, _C.c_int64, use_errno=True),
    "unlink": _C.CFUNCTYPE(_C.c_int, _C.c_char_p, use_errno=True),
    "openDirectory": _C.CFUNCTYPE(_C.c_int, _C.c_char_p, _C.POINTER(_C.c_int), use_errno=True),
    "open": _C.CFUNCTYPE(_C.c_int, _C.c_char_p, _C.c_int, _C.c_int, use_errno=True),
}
_NEEDS_ROOM = {"open", "write", "pwrite", "pwrite64", "link", "mkdir", "rename", "replace", "fsync"}
_CREATES = os.O_CREAT
_PYTHON = ("open", "write", "fsync", "link", "unlink", "rename", "replace", "mkdir", "rmdir", "ftruncate")
_keep: list[Any] = []  # what SQLite holds pointers to must never be collected


class Faults:
    """Counts operations from 1 on. Install it once in a process of its own; there is no way back.

    Attributes:
        kill_at: the operation at which the process dies; 0 is none.
        full_from: the first operation that finds the disk full; 0 is none.
        full_for: how many find it so, before there is room again.
        count: operations so far.
        log: their names.
    """

    def __init__(self, *, kill_at: int = 0, full_from: int = 0, full_for: int = 3) -> None:
        self.kill_at = kill_at
        self.full_from = full_from
        self.full_for = full_for
        self.count = 0
        self.log: list[str] = []
        self._lock = threading.RLock()

    def install(self) -> None:
        """From here on every operation of this process is counted."""
        for name in _PYTHON:
            setattr(os, name, self._python(name, getattr(os, name)))
        _sqlite_calls(self._sqlite)

    def _next(self, name: str) -> tuple[bool, bool]:
        """Whether the operation is the last of this process, and whether it finds the disk full."""
        with self._lock:
            self.count += 1
            self.log.append(name)
            dies = self.count == self.kill_at
            is_full = self.full_from and self.count >= self.full_from and self.full_for > 0
            if is_full and name.removeprefix("sqlite ") in _NEEDS_ROOM:
                self.full_for -= 1
                return dies, True
            return dies, False

    def _python(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **more: Any) -> Any:
            if name == "open" and not (len(arguments) > 1 and arguments[1] & _CREATES):
                return function(*arguments, **more)
            dies, is_full = self._next(name)
            if dies:
                if name == "write":
                    function(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            if is_full:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return function(*arguments, **more)

        return call

    def _sqlite(self, name: str, function: Any) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            if name == "open" and not arguments[1] & _CREATES:
                return function(*arguments)
            dies, is_full = self._next(f"sqlite {name}")
            if dies:
                if name in ("pwrite", "pwrite64", "write"):
                    function(*arguments[:2], arguments[2] // 2, *arguments[3:])
                os.kill(os.getpid(), signal.SIGKILL)
            if is_full:
                _C.set_errno(errno.ENOSPC)
                return -1
            return function(*arguments)

        return call


class _Vfs(ctypes.Structure):
    """The head of ``sqlite3_vfs``, version 3, as sqlite3.h has it."""

    _fields_ = (
        ("version", _C.c_int),
        ("file_size", _C.c_int),
        ("longest_path", _C.c_int),
        ("next", _C.c_void_p),
        ("name", _C.c_char_p),
        ("data", _C.c_void_p),
        *((f"method_{number}", _C.c_void_p) for number in range(13)),
        ("set_system_call", _C.CFUNCTYPE(_C.c_int, _C.c_void_p, _C.c_char_p, _C.c_void_p)),
        ("get_system_call", _C.CFUNCTYPE(_C.c_void_p, _C.c_void_p, _C.c_char_p)),
    )


def sqlite_can_be_shimmed() -> bool:
    """Whether the SQLite in use can be reached; it can unless it is hidden inside the interpreter."""
    return hasattr(_C.CDLL(_sqlite3.__file__), "sqlite3_vfs_find")


def _sqlite_calls(wrap: Callable[[str, Any], Callable[..., Any]]) -> None:
    """Put a wrapper around the system calls that SQLite writes with."""
    library = _C.CDLL(_sqlite3.__file__)
    library.sqlite3_vfs_find.restype = _C.POINTER(_Vfs)
    pointer = library.sqlite3_vfs_find(None)
    vfs = pointer.contents
    assert vfs.version >= 3
    for name, kind in _SQLITE.items():
        address = vfs.get_system_call(pointer, name.encode())
        if not address:
            continue
        callback = kind(wrap(name, kind(address)))
        _keep.append(callback)
        assert vfs.set_system_call(pointer, name.encode(), _C.cast(callback, _C.c_void_p)) == 0

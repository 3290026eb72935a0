"""Turns on the processor for threads that answer, so that they need not sit out those of a render.

A render keeps every core busy, and a thread that wakes, because a message has come or a write has ended, by
default waits until whoever runs has had a turn of some milliseconds. Linux 6.12 and later lets one in at once
that asks for less than a turn at a time; its share stays the same, so it still sits one out when it has just
had more than that. What should not is done at the lowest real-time priority, where that is allowed. Python
has no calls of its own for either.
"""

from __future__ import annotations

import ctypes
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Final

TURN_S: Final = 0.000_4
"""Less than a message takes; longer turns let a thread in less often."""
_SET_ATTRIBUTES: Final = {"x86_64": 314, "aarch64": 274, "riscv64": 274}
"""Numbers of the system call ``sched_setattr``; that of ``sched_getattr`` is the next."""
_RESET_ON_FORK: Final = 1
_OTHER, _ROUND_ROBIN = 0, 2


class _Attributes(ctypes.Structure):
    """``struct sched_attr`` of Linux, in its first version."""

    _fields_ = (
        ("size", ctypes.c_uint32),
        ("policy", ctypes.c_uint32),
        ("flags", ctypes.c_uint64),
        ("nice", ctypes.c_int32),
        ("priority", ctypes.c_uint32),
        ("runtime_ns", ctypes.c_uint64),
        ("deadline_ns", ctypes.c_uint64),
        ("period_ns", ctypes.c_uint64),
    )


def take_short_turns(turn_s: float = TURN_S) -> bool:
    """Let the calling thread in sooner and for less long; threads and processes it starts are as ever.

    Args:
        turn_s: how long a turn is; Linux takes 0.1 to 100 ms.

    Returns:
        Whether the system took it; one before Linux 6.12 does, and changes nothing.

    Source: sched_setattr(2), and its field sched_runtime for SCHED_OTHER since Linux 6.12.
    """
    now = _attributes()
    if now is None or now.policy != _OTHER:
        return False  # somebody has chosen otherwise for us
    now.flags, now.runtime_ns = _RESET_ON_FORK, round(turn_s * 1e9)
    return _take(now)


@contextmanager
def first_turn() -> Iterator[bool]:
    """Let the calling thread in before others meanwhile, for a millisecond of work that somebody waits for.

    Linux lets those do so who may use real-time priorities, as users of JACK are set up to. This takes the
    lowest: whatever plays goes before. Threads and processes that it starts are as ever.

    Yields:
        Whether it is let in; elsewhere nothing changes.
    """
    before = _attributes()
    first = _Attributes(
        size=ctypes.sizeof(_Attributes), policy=_ROUND_ROBIN, flags=_RESET_ON_FORK, priority=1
    )
    is_first = before is not None and before.policy == _OTHER and _take(first)
    try:
        yield is_first
    finally:
        if before is not None and is_first:
            before.flags |= _RESET_ON_FORK  # not everybody may take it back
            _take(before)


def _attributes() -> _Attributes | None:
    """Of the calling thread; None where the system has none."""
    set_attributes = _SET_ATTRIBUTES.get(platform.machine())
    if sys.platform != "linux" or set_attributes is None or sys.maxsize < 2**32:
        return None
    found = _Attributes()
    failed = _system().syscall(set_attributes + 1, 0, ctypes.byref(found), ctypes.sizeof(found), 0)
    return None if failed else found


def _take(attributes: _Attributes) -> bool:
    """Ask the system for them, for the calling thread; only where it has some."""
    failed = _system().syscall(_SET_ATTRIBUTES[platform.machine()], 0, ctypes.byref(attributes), 0)
    return not failed


@cache
def _system() -> ctypes.PyDLL:
    """Its calls; Python's lock is kept meanwhile, which to get back takes longer than they do."""
    return ctypes.PyDLL(None)

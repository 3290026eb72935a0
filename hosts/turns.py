"""Short turns on the processor for threads that answer, so that they need not sit out those of a render.

A render keeps every core busy, and a thread that wakes, because a message has come or a write has ended, by
default waits until whoever runs has had a turn of some milliseconds. Linux 6.12 and later lets one in at once
that asks for less than a turn at a time; its share stays the same. Python has no call of its own for that.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from typing import Final

TURN_S: Final = 0.000_4
"""What a message takes."""
_SET_ATTRIBUTES: Final = {"x86_64": 314, "aarch64": 274, "riscv64": 274}
"""Numbers of the system call ``sched_setattr``."""
_RESET_ON_FORK: Final = 1


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
    number = _SET_ATTRIBUTES.get(platform.machine())
    if sys.platform != "linux" or number is None or sys.maxsize < 2**32:
        return False
    if os.sched_getscheduler(0) != os.SCHED_OTHER:
        return False  # somebody has chosen otherwise for us
    wanted = _Attributes(
        size=ctypes.sizeof(_Attributes),
        policy=os.SCHED_OTHER,
        flags=_RESET_ON_FORK,
        nice=os.getpriority(os.PRIO_PROCESS, 0),
        runtime_ns=round(turn_s * 1e9),
    )
    return bool(ctypes.CDLL(None).syscall(number, 0, ctypes.byref(wanted), 0) == 0)

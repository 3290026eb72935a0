"""Bounds that a process puts on itself, before it touches what it does not trust.

Light to import: whoever is to be bound should load nothing before.
"""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Final

_OPEN_FILES: Final = 64


def bind(*, memory_bytes: int, cpu_s: float, file_bytes: int) -> None:
    """Bound what this process may use, as far as the system can; it may be called again.

    Args:
        memory_bytes: of address space.
        cpu_s: of computing time from now on; it is counted in whole seconds.
        file_bytes: of any file that it writes.
    """
    try:
        import resource
    except ImportError:  # Windows
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    bounds = {
        "RLIMIT_AS": memory_bytes,
        "RLIMIT_CPU": math.ceil(used.ru_utime + used.ru_stime + cpu_s),
        "RLIMIT_FSIZE": file_bytes,
        "RLIMIT_NOFILE": _OPEN_FILES,
        "RLIMIT_CORE": 0,
    }
    for name, bound in bounds.items():
        with suppress(AttributeError, ValueError, OSError):  # each system knows some of them
            kind = getattr(resource, name)
            hard = resource.getrlimit(kind)[1]
            least = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
            resource.setrlimit(kind, (least, hard if name == "RLIMIT_CPU" else least))

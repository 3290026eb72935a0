"""The process that ``decoding`` starts: it binds itself, does what it is sent, and says what came of it."""

from __future__ import annotations

import json
import os
import sys
import threading
import traceback
from contextlib import suppress
from typing import Any


def _work() -> None:
    request = json.loads(sys.stdin.buffer.readline())
    out = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)  # what libraries print must not get among the messages

    def say(message: dict[str, Any]) -> None:
        out.write(json.dumps(message) + "\n")
        out.flush()

    threading.Thread(target=_end_with_parent, daemon=True).start()
    limits = request["limits"]
    _bind(limits)
    try:
        from audiosr_fx.decode_task import decode_into  # only now, when it is bound

        say(decode_into(request, say))
    except MemoryError:
        say({"error": f"{request['shown']}: needs too much memory to decode; convert it to WAV first"})
    except BaseException:
        traceback.print_exc()
        os._exit(1)  # without the end of an interpreter, which the thread above would disturb
    os._exit(0)


def _end_with_parent() -> None:
    """The parent keeps our stdin open; where it ends, so do we."""
    os.read(0, 1)
    os._exit(1)


def _bind(limits: dict[str, Any]) -> None:
    """Bound what this process may use, as far as the system can."""
    try:
        import resource
    except ImportError:  # Windows
        return
    bounds = {
        "RLIMIT_AS": limits["memory_bytes"],
        "RLIMIT_CPU": limits["cpu_s"],
        "RLIMIT_FSIZE": limits["max_bytes"] + 4096,
        "RLIMIT_NOFILE": 64,
        "RLIMIT_CORE": 0,
    }
    for name, bound in bounds.items():
        with suppress(AttributeError, ValueError, OSError):  # each system knows some of them
            kind = getattr(resource, name)
            hard = resource.getrlimit(kind)[1]
            least = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
            resource.setrlimit(kind, (least, hard if name == "RLIMIT_CPU" else least))


if __name__ == "__main__":
    _work()

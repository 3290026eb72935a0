"""The process that ``decoding`` starts: it binds itself, does what it is sent, and says what came of it."""

from __future__ import annotations

import json
import os
import sys
import threading
import traceback
from collections.abc import Mapping
from typing import Any

from audiosr_fx.child_voice import Voice
from audiosr_fx.process_limits import bind


def _work() -> None:
    request = json.loads(sys.stdin.buffer.readline())
    say = Voice().say
    threading.Thread(target=_end_with_parent, daemon=True).start()
    bind_to(request["limits"])
    try:
        from audiosr_fx.decode_task import decode_into  # only now, when it is bound

        say(decode_into(request, say))
    except MemoryError:
        say({"error": f"{request['shown']}: needs too much memory to decode; convert it to WAV first"})
    except BaseException:
        traceback.print_exc()
        os._exit(1)  # without the end of an interpreter, which the thread above would disturb
    os._exit(0)


def bind_to(limits: Mapping[str, Any]) -> None:
    """Bound this process as ``DecodeLimits`` say."""
    bind(memory_bytes=limits["memory_bytes"], cpu_s=limits["cpu_s"], file_bytes=limits["max_bytes"] + 4096)


def _end_with_parent() -> None:
    """The parent keeps our stdin open; where it ends, so do we."""
    os.read(0, 1)
    os._exit(1)


if __name__ == "__main__":
    _work()

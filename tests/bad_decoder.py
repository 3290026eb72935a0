"""A decoding process that misbehaves as the name of its file says, within the bounds of the real one."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any


def decode_into(request: dict[str, Any], say: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    what = Path(request["path"]).stem
    if what in ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGKILL"):
        os.kill(os.getpid(), signal.Signals[what])
    if what == "hangs":
        time.sleep(600)
    if what == "computes":
        while True:
            pass
    if what == "swells":
        hoard = [bytearray(1 << 20) for _ in range(1 << 20)]
        say({"frames": len(hoard)})
    if what == "writes":
        try:
            while True:
                os.write(request["spool"], bytes(1 << 20))
        except OSError as error:
            return {"error": f"{request['shown']}: {error.strerror}"}
    if what == "full":
        return {"error": "there is no room", "no_room": True}
    if what == "asks":
        return {"error": f"there is no room in {request['folder']}", "no_room": True}
    if what == "leaves":
        os._exit(3)
    if what == "babbles":
        os.write(1, b"this is printed by a library\n")
        say({"frames": 1})
        return {"error": "babbled"}
    raise ZeroDivisionError("nobody foresaw this")


if __name__ == "__main__":
    fake = ModuleType("audiosr_fx.decode_task")
    fake.__dict__["decode_into"] = decode_into
    sys.modules["audiosr_fx.decode_task"] = fake

    from audiosr_fx import decode_child

    decode_child._work()

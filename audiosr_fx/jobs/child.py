"""The worker's own process: takes tasks from stdin, one at a time, and tells on stdout how they go.

It starts with nothing loaded but the renderer's module; models stay in memory from task to task. Each line is
one JSON object. It ends at once when its parent does.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import threading
import time
from typing import Any, Final

from audiosr_fx.child_voice import Message, Voice
from audiosr_fx.errors import AudioSRError, RenderCancelled
from audiosr_fx.jobs.database import causes, is_disk_full
from audiosr_fx.jobs.order import hash_file
from audiosr_fx.jobs.task import DeviceMissing, Ending, Renderer, Task, task_from_dict
from audiosr_fx.json_values import finite
from audiosr_fx.wording import joined

BEAT_S: Final = 1.0
PROGRESS_S: Final = 0.2
_NO_MEMORY: Final = ("out of memory", "not enough memory", "can't allocate memory")
"""How torch says it in a plain RuntimeError, on a GPU and on a CPU."""


class _Process:
    """The messages of this process, and what it was last told."""

    def __init__(self) -> None:
        self._voice = Voice()
        self._voice.forward_logs()
        self._arrived = threading.Condition()
        self._waiting: dict[str, Any] | None = None
        self._cancelled = False
        self._told_at = 0.0

    def say(self, message: Message) -> None:
        self._voice.say(message)

    def listen(self) -> None:
        """Take lines in until the parent closes them or ends, then end."""
        for line in sys.stdin.buffer:
            told = json.loads(line)
            with self._arrived:
                if "task" in told:
                    self._waiting, self._cancelled = told["task"], False
                else:
                    self._cancelled = True
                self._arrived.notify()
        os._exit(0)

    def beat(self) -> None:
        while True:
            time.sleep(BEAT_S)
            self.say({"beat": True})

    def next_task(self) -> Task:
        with self._arrived:
            while self._waiting is None:
                self._arrived.wait()
            told, self._waiting = self._waiting, None
        return task_from_dict(told)

    def should_cancel(self) -> bool:
        return self._cancelled

    def tell_progress(self, progress: float) -> None:
        now = time.monotonic()
        if now - self._told_at >= PROGRESS_S:
            self._told_at = now
            self.say({"progress": progress})


def find_renderer(path: str) -> Renderer:
    """A function by ``module:name``."""
    module, _, name = path.partition(":")
    found: Renderer = getattr(importlib.import_module(module), name)
    return found


def run_task(renderer: Renderer, task: Task, process: _Process) -> dict[str, Any]:
    """Do a task; returns the message about its end."""
    try:
        result = renderer(task, process.tell_progress, process.should_cancel)
        told = {"ending": Ending.DONE, "sha256": hash_file(task.destination), "text": ""}
        return {**told, "result": finite(result)}
    except Exception as error:
        return {"ending": classify(error), "text": _described(error)}


def classify(error: BaseException) -> Ending:
    """What an error means for a job."""
    if isinstance(error, RenderCancelled):
        return Ending.CANCELLED
    if is_disk_full(error):
        return Ending.DISK_FULL
    if isinstance(error, DeviceMissing):
        return Ending.NO_DEVICE
    if any(_says_no_memory(one) for one in causes(error)):
        return Ending.NO_MEMORY
    return Ending.FAILED if isinstance(error, AudioSRError) else Ending.ERROR


def _says_no_memory(error: BaseException) -> bool:
    """Only torch's own errors are judged by their text; others may hold the name of a file."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return type(error) is RuntimeError and any(sign in str(error).lower() for sign in _NO_MEMORY)


def _described(error: BaseException) -> str:
    text = joined(str(error))
    if isinstance(error, AudioSRError) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def main() -> None:
    """Be a worker: ``python -m audiosr_fx.jobs.child module:renderer``."""
    process = _Process()
    renderer = find_renderer(sys.argv[1])
    threading.Thread(target=process.listen, daemon=True).start()
    threading.Thread(target=process.beat, daemon=True).start()
    process.say({"ready": True})
    while True:
        task = process.next_task()
        process.say(run_task(renderer, task, process))


if __name__ == "__main__":
    main()

"""A worker without a process of its own, for tests of what goes on in the service's: it renders at once."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from fake_renderers import BLOCKS, expected_content

from audiosr_fx.jobs.child import classify
from audiosr_fx.jobs.job import Job
from audiosr_fx.jobs.order import hash_file
from audiosr_fx.jobs.task import Ending, Task
from audiosr_fx.jobs.worker import Deliver, Report


class InlineWorker:
    """See ``audiosr_fx.jobs.worker.Worker``."""

    def __init__(self, device: str, renderer: str, deliver: Deliver, clock: Callable[[], float]) -> None:
        del renderer, clock
        self.device = device
        self.job: Job | None = None
        self.pid = None
        self._deliver = deliver

    @property
    def is_free(self) -> bool:
        return self.job is None

    def assign(self, job: Job, task: Task) -> None:
        self.job = job
        message: dict[str, Any]
        try:
            write_result(task)
            digest = hash_file(task.destination)
            message = {"ending": Ending.DONE, "sha256": digest, "result": {"inline": True}, "text": ""}
        except OSError as error:
            message = {"ending": classify(error), "text": str(error), "sha256": "", "result": {}}
        self._deliver(self, 0, message)

    def hear(self, number: int, message: dict[str, Any]) -> Report:
        del number
        assert self.job is not None
        job, self.job = self.job, None
        message["ending"] = Ending(message["ending"])
        return Report(job=job, **message)

    def start(self) -> None: ...
    def cancel(self) -> None: ...
    def check(self, stall_s: float) -> None: ...
    def restart(self) -> None: ...
    def close(self) -> None: ...


def write_result(task: Task) -> None:
    """What the fake renderer writes, by the plainest calls there are."""
    content = expected_content(task.order.request.source.read_bytes())
    size = -(-len(content) // BLOCKS)
    descriptor = os.open(task.destination, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    try:
        for start in range(0, len(content), size):
            os.write(descriptor, content[start : start + size])
    finally:
        os.close(descriptor)

"""A worker seen from the service: a child process that renders job after job and keeps its model warm."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol, TypeAlias

from audiosr_fx.child_process import ChildProcess, describe_end
from audiosr_fx.child_voice import Message, repeat_log
from audiosr_fx.jobs.job import Job
from audiosr_fx.jobs.task import Ending, Task

START_S: Final = 120.0
SILENT_S: Final = 60.0
CANCEL_S: Final = 1.5
RESTART_S: Final = 5.0
_log = logging.getLogger(__name__)

Deliver: TypeAlias = Callable[["Renders", int, dict[str, Any]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How a job ended in a worker."""

    job: Job
    ending: Ending
    text: str
    sha256: str = ""
    result: dict[str, Any]


class Renders(Protocol):
    """What a service needs of a worker; see ``Worker``."""

    job: Job | None

    @property
    def device(self) -> str: ...
    @property
    def is_free(self) -> bool: ...
    @property
    def pid(self) -> int | None: ...
    def start(self) -> None: ...
    def assign(self, job: Job, task: Task) -> None: ...
    def cancel(self) -> None: ...
    def hear(self, number: int, message: dict[str, Any]) -> Report | float | None: ...
    def check(self, stall_s: float) -> None: ...
    def restart(self) -> None: ...
    def close(self) -> None: ...


class Worker:
    """One child, restarted whenever it is gone. All methods are for one thread, the service's.

    Attributes:
        device: that its models run on.
        job: what it renders; None where it is idle.
    """

    def __init__(self, device: str, renderer: str, deliver: Deliver, clock: Callable[[], float]) -> None:
        """Nothing is started yet.

        Args:
            device: that its models run on.
            renderer: ``module:function``, see ``audiosr_fx.jobs.task.Renderer``.
            deliver: called from another thread with what the child says, and the number of that child.
            clock: monotonic, in seconds.
        """
        self.device = device
        self.job: Job | None = None
        self._renderer = renderer
        self._deliver = deliver
        self._clock = clock
        self._child: ChildProcess | None = None
        self._number = 0
        self._is_ready = False
        self._heard_at = 0.0
        self._moved_at = 0.0
        self._cancelled_at: float | None = None
        self._may_start_at = 0.0
        self._end_reason = ""

    @property
    def is_free(self) -> bool:
        """Whether it can be given a job."""
        return self._is_ready and self.job is None

    @property
    def pid(self) -> int | None:
        """Of the child; from any thread."""
        child = self._child
        return None if child is None else child.pid

    def start(self) -> None:
        """Start the child, if there is none and the last was not only just lost."""
        now = self._clock()
        if self._child is not None or now < self._may_start_at:
            return
        self._number += 1
        self._is_ready = False
        self._heard_at = now
        self._end_reason = ""
        try:
            self._child = ChildProcess("audiosr_fx.jobs.child", self._renderer)
        except OSError as error:
            self._may_start_at = now + RESTART_S
            _log.error("a worker cannot be started (%s)", error.strerror)
            return
        self._child.listen(partial(self._pass_on, self._child, self._number))

    def assign(self, job: Job, task: Task) -> None:
        """Hand it a job; it must be free."""
        assert self.is_free
        self.job = job
        self._cancelled_at = None
        self._moved_at = self._heard_at = self._clock()
        self._say({"task": task.to_dict()})

    def cancel(self) -> None:
        """Ask it to leave its job; ``check`` ends it if it does not soon."""
        if self.job is not None and self._cancelled_at is None:
            self._cancelled_at = self._clock()
            self._say({"cancel": True})

    def hear(self, number: int, message: dict[str, Any]) -> Report | float | None:
        """Take in what was delivered: the end of its job, how far that is, or nothing of note."""
        if number != self._number:  # from a child that is gone already
            return None
        self._heard_at = self._clock()
        if "gone" in message:
            return self._bury(message["gone"])
        if "ready" in message:
            self._is_ready = True
        elif "log" in message:
            repeat_log(message)
        elif self.job is not None and "progress" in message:
            self._moved_at = self._heard_at
            return float(message["progress"])
        elif self.job is not None and "ending" in message:
            return self._end(message)
        return None

    def check(self, stall_s: float) -> None:
        """End the child if it is silent, or its job does not move, or does not stop when asked to."""
        now = self._clock()
        if self._child is None:
            return
        allowed = SILENT_S if self._is_ready else START_S
        if self._cancelled_at is not None and now - self._cancelled_at > CANCEL_S:
            self.kill("it did not stop when asked to")
        elif now - self._heard_at > allowed:
            self.kill(f"no sign of life for {allowed:.0f} s")
        elif self.job is not None and now - self._moved_at > stall_s:
            self.kill(f"no progress for {stall_s:.0f} s")

    def kill(self, reason: str = "") -> None:
        """End the child; that it is gone will be delivered."""
        if self._child is not None:
            self._end_reason = self._end_reason or reason
            self._child.kill()

    def close(self) -> None:
        """End the child and wait for that; nothing more will be heard."""
        child, self._child = self._child, None
        self._number += 1
        self._is_ready = False
        self.job = None
        if child is not None:
            child.close()

    def restart(self) -> None:
        """A fresh child, for one that is not to be trusted any more."""
        self.close()
        self.start()

    def _end(self, message: dict[str, Any]) -> Report:
        assert self.job is not None
        job, self.job = self.job, None
        self._cancelled_at = None
        return Report(
            job=job,
            ending=Ending(message["ending"]),
            text=str(message.get("text", "")),
            sha256=str(message.get("sha256", "")),
            result=message.get("result", {}),
        )

    def _bury(self, fate: str) -> Report | None:
        """What is left of a child that is gone."""
        child, self._child = self._child, None
        was_ready, self._is_ready = self._is_ready, False
        if child is not None:
            child.close()
            if self._cancelled_at is None:
                self._repeat(self._end_reason or fate, child.last_words())
        if not was_ready:  # one that cannot even start is not tried without pause
            self._may_start_at = self._clock() + RESTART_S
            _log.error("a worker did not start (%s)", self._end_reason or fate)
        if self.job is None:
            return None
        ending = Ending.CRASHED if self._cancelled_at is None else Ending.CANCELLED
        return self._end({"ending": ending, "text": self._end_reason or fate})

    @staticmethod
    def _repeat(fate: str, said: Sequence[str]) -> None:
        """Tell what a child said last: its last line, and to who looks closely the others."""
        if said:
            _log.error("a worker has ended (%s), and said last: %s", fate, said[-1])
            for line in said[:-1]:
                _log.debug("it said: %s", line)

    def _say(self, message: Message) -> None:
        assert self._child is not None
        self._child.tell(json.dumps(message).encode("ascii") + b"\n")

    def _pass_on(self, child: ChildProcess, number: int, message: Message | None) -> None:
        """In a thread: deliver what a child says, and that it is gone."""
        self._deliver(self, number, {"gone": describe_end(child.wait())} if message is None else message)

"""What the bridge needs of a queue of renders; ``audiosr_fx.jobs.service.Service`` is one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from audiosr_fx.jobs.job import Event, Job, Submission
from audiosr_fx.jobs.order import Order


class RenderQueue(Protocol):
    """What the bridge needs of ``audiosr_fx.jobs.service.Service``."""

    def submit_orders(self, orders: Sequence[Order]) -> list[Submission]:
        """Take orders in, all or none; on the disk when this returns."""

    def cancel(self, job: int, reason: str = ...) -> Job:
        """Cancel a job; JobError where it has ended."""

    def retry(self, job: int) -> Job:
        """Queue a job again that has ended without a file."""

    def events(
        self, since: int = ..., *, job: int | None = ..., wait_s: float = ..., limit: int = ...
    ) -> list[Event]:
        """What happened after an event; waits where there is nothing yet."""

    @property
    def store(self) -> JobSource:
        """What is known of jobs."""


class JobSource(Protocol):
    """What the bridge reads of a store."""

    def get(self, job: int) -> Job:
        """One job; JobError where there is none."""

    def find_source(self, path: Path) -> int | None:
        """The job that has not ended and whose source a file is."""

    def last_event(self) -> int:
        """The newest event."""

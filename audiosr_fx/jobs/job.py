"""A job as the store knows it, what happened to it, and what a submission came to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from audiosr_fx.jobs.order import Order
from audiosr_fx.jobs.states import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One row of the store.

    Attributes:
        id: counts up from 1, never used twice.
        key: of its order; no two jobs have the same.
        order: what is to be made.
        state: where it stands.
        output_name: reserved for it in ``order.request.folder``; may have a number that was not asked for.
        token: raised each time the job is taken; only who holds the newest may publish.
        attempts: how often it was taken.
        crashes: how often a worker died or hung over it.
        errors: how often it failed in a way nobody foresaw.
        is_small: render in small batches, because memory ran out once.
        progress: 0 to 1.
        reason: why it stands where it does; one line.
        created, changed: seconds since 1970, for people; nothing is decided by them.
        output_sha256: of the file that is, or is about to be, published.
        result: what the render said of itself, as the manifest has it.
    """

    id: int
    key: str
    order: Order
    state: State
    output_name: str
    token: int
    attempts: int
    crashes: int
    errors: int
    is_small: bool
    progress: float
    reason: str
    created: float
    changed: float
    output_sha256: str
    result: dict[str, Any]

    @property
    def output(self) -> Path:
        """The file it makes."""
        return self.order.request.folder / self.output_name

    def to_dict(self) -> dict[str, Any]:
        """For JSON, and for people."""
        request = self.order.request
        return {
            "id": self.id,
            "state": str(self.state),
            "reason": self.reason,
            "source": str(request.source),
            "output": str(self.output),
            "region": request.region,
            "preset": request.preset,
            "priority": request.priority,
            "origin": request.origin,
            "tag": request.tag,
            "progress": round(self.progress, 4),
            "attempts": self.attempts,
            "crashes": self.crashes,
            "created": self.created,
            "changed": self.changed,
            "key": self.key,
            "output_sha256": self.output_sha256,
            "result": self.result,
        }


def new_job(id: int, key: str, order: Order, now: float) -> Job:
    """A job as it is when it has just been taken in."""
    return Job(
        id=id,
        key=key,
        order=order,
        state=State.QUEUED,
        output_name=order.request.output_name,
        token=0,
        attempts=0,
        crashes=0,
        errors=0,
        is_small=False,
        progress=0.0,
        reason="",
        created=now,
        changed=now,
        output_sha256="",
        result={},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to a job; the store only ever adds them.

    Attributes:
        id: counts up; a reader asks for those after the last it has seen.
        job: whose.
        time: seconds since 1970, for people.
        old, new: states; None before it was there. Equal for progress.
        reason: one line.
        progress: 0 to 1.
    """

    id: int
    job: int
    time: float
    old: State | None
    new: State
    reason: str
    progress: float

    @property
    def is_move(self) -> bool:
        """Whether the job went from one state to another; otherwise it is progress."""
        return self.old is not self.new

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "id": self.id,
            "job": self.job,
            "time": self.time,
            "old": None if self.old is None else str(self.old),
            "new": str(self.new),
            "reason": self.reason,
            "progress": round(self.progress, 4),
        }


class Outcome(StrEnum):
    """What a submission came to."""

    QUEUED = "queued"
    REPEATED = "repeated"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """The answer to a submitted order.

    Attributes:
        outcome: ``queued``: it will be rendered. ``repeated``: it is a job already, which stands as ``job``
            says. ``skipped``: its output name is taken, and the request says to leave it then.
        job: None where it was skipped.
        reason: one line.
    """

    outcome: Outcome
    job: Job | None
    reason: str = ""

    @property
    def is_new(self) -> bool:
        """Whether there is something to render now that was not before."""
        return self.outcome is Outcome.QUEUED

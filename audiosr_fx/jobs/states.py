"""The states of a job, and the moves between them that are allowed."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from audiosr_fx.errors import JobError


class State(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    PUBLISHING = "publishing"
    PARKED = "parked"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"

    @property
    def is_live(self) -> bool:
        """Whether there is still something to come."""
        return self in LIVE


LIVE: Final = frozenset({State.QUEUED, State.RUNNING, State.PUBLISHING, State.PARKED})

MOVES: Final[Mapping[State, frozenset[State]]] = {
    State.QUEUED: frozenset({State.RUNNING, State.PARKED, State.CANCELLED, State.SUPERSEDED}),
    State.RUNNING: frozenset(set(State) - {State.RUNNING, State.DONE}),
    State.PUBLISHING: frozenset({State.DONE, State.QUEUED, State.FAILED, State.SUPERSEDED}),
    State.PARKED: frozenset({State.QUEUED, State.CANCELLED, State.SUPERSEDED}),
    State.DONE: frozenset({State.QUEUED}),  # where its output is gone, or another's
    State.FAILED: frozenset({State.QUEUED}),
    State.CANCELLED: frozenset({State.QUEUED}),
    State.SUPERSEDED: frozenset({State.QUEUED}),
}


def check_move(job: int, old: State, new: State) -> None:
    """Raise JobError where a job may not move so."""
    if new not in MOVES[old]:
        allowed = ", ".join(sorted(MOVES[old]))
        raise JobError(f"job {job} is {old} and cannot become {new}; it can become {allowed}")

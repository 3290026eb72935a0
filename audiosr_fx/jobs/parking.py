"""Jobs that are put aside for want of room or of a device: each is tried again after a wait of its own.

To try one may mean to decode it all anew. So the waits of a job that never fits grow, as long as there are
others to render; where there is nothing else to do, it is tried as often as a queue at rest looks again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

FIRST_S: Final = 0.5
LONGEST_S: Final = 60.0
IDLE_S: Final = 5.0
"""Longest wait where nothing else is to be done: a disk with room again is found out by trying."""


@dataclass(slots=True)
class _Stay:
    wait_s: float = 0.0
    since_s: float | None = None
    """None while it is tried."""


class Parking:
    """Waits by the number of a job and a monotonic clock; nothing of it is kept over a restart."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._stays: dict[int, _Stay] = {}

    @property
    def known(self) -> list[int]:
        """The jobs that were put aside and have not ended otherwise since, be it that they are tried now."""
        return [*self._stays]

    def put(self, job: int) -> bool:
        """A job was parked; its wait is twice that of the last time. Returns whether there was no such."""
        is_new = job not in self._stays
        stay = self._stays.setdefault(job, _Stay())
        stay.wait_s = min(LONGEST_S, 2 * stay.wait_s or FIRST_S)
        stay.since_s = self._clock()
        return is_new

    def due(self, *, is_idle: bool = False) -> list[int]:
        """The jobs whose wait is over.

        Args:
            is_idle: whether there is nothing else to do.
        """
        now = self._clock()
        longest = IDLE_S if is_idle else LONGEST_S
        return [
            job
            for job, stay in self._stays.items()
            if stay.since_s is not None and now - stay.since_s >= min(stay.wait_s, longest)
        ]

    def take_out(self, asked: Collection[int], out: Collection[int]) -> None:
        """Jobs are about to be tried: those that are ``out``; what else was asked for is parked no more."""
        for job in asked:
            if job in out:
                self._stays[job].since_s = None
            else:
                del self._stays[job]

    def forget(self, job: int) -> None:
        """A job ended otherwise; if it is parked once more, its wait begins short."""
        self._stays.pop(job, None)

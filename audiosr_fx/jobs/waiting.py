"""Jobs that wait to be rendered: queued ones by their turn, parked ones when a wait of their own is over."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from audiosr_fx.jobs.job import Job
from audiosr_fx.jobs.parking import Parking
from audiosr_fx.jobs.store import JobStore


class Waiting:
    """Picks the next job of a store; for one thread."""

    def __init__(self, store: JobStore, clock: Callable[[], float]) -> None:
        """``clock``: monotonic, in seconds."""
        self._store = store
        self._parking = Parking(clock)
        self._put_last: list[int] = []  # parked until just now: one other job is tried before them

    def park(self, job: Job, reason: str) -> bool:
        """Put a running job aside for want of room or of a device; whether that is the first time."""
        self._store.park(job.id, job.token, reason)
        return self._parking.put(job.id)

    def forget(self, job: Job) -> None:
        """A job ended otherwise; if it is parked once more, its wait begins short."""
        self._parking.forget(job.id)

    def next(self, *, untried_first: bool = False) -> Job | None:
        """What to render next; parked jobs are tried when their wait is over, and when nothing else waits.

        Args:
            untried_first: let all that was not put aside yet go ahead, as there may be room for that.
        """
        self._unpark(self._parking.due())
        job = self._store.take(last=self._parking.known if untried_first else self._put_last)
        if job is None and (due := self._parking.due(is_idle=True)):
            self._unpark(due)
            job = self._store.take()
        if job is not None:
            self._put_last = []
        return job

    def _unpark(self, due: Sequence[int]) -> None:
        """Queue parked jobs again; one other is tried before them."""
        if due:
            self._put_last = self._store.unpark(due)
            self._parking.take_out(due, self._put_last)

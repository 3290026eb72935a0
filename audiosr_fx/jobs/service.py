"""The service: the one owner of a store, its workers and what they publish, behind every front door."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Final, TypeVar

from audiosr_fx.errors import AWAY, AudioSRError, JobError, ParameterError, StorageError
from audiosr_fx.jobs.database import is_disk_full
from audiosr_fx.jobs.job import Event, Job, Submission
from audiosr_fx.jobs.order import Order, place_order
from audiosr_fx.jobs.pause import Pause
from audiosr_fx.jobs.publish import Publisher
from audiosr_fx.jobs.request import RenderRequest
from audiosr_fx.jobs.settling import Settling
from audiosr_fx.jobs.states import State
from audiosr_fx.jobs.store import ENDED, JobStore
from audiosr_fx.jobs.task import Ending, Task, check_device
from audiosr_fx.jobs.waiting import Waiting
from audiosr_fx.jobs.worker import Deliver, Renders, Report, Worker
from audiosr_fx.wording import shown

RENDERER: Final = "audiosr_fx.jobs.rendering:render"
STALL_S: Final = 900.0
STOP_S: Final = 2.0
PROGRESS_S: Final = 1.0
_TURN_S: Final = 0.25
T = TypeVar("T")
_log = logging.getLogger(__name__)


class Service:
    """Renders what is submitted until it is stopped; but for ``start`` and ``stop``, from any thread.

    Use it as a context manager: it starts, and stops at the end, handing back what is unfinished.
    """

    def __init__(
        self,
        store: JobStore,
        *,
        devices: Sequence[str] = ("auto",),
        renderer: str = RENDERER,
        stall_s: float = STALL_S,
        clock: Callable[[], float] = time.monotonic,
        publisher: Publisher | None = None,
        make_worker: Callable[[str, str, Deliver, Callable[[], float]], Renders] = Worker,
    ) -> None:
        """Nothing is started yet.

        Args:
            store: that nobody else changes; it is not closed here.
            devices: one worker for each; ``auto``, ``cpu``, ``cuda:0``, ...
            renderer: what workers run, as ``module:function``.
            stall_s: how long a job may be without progress.
            clock: monotonic, in seconds.
            publisher: brings files out; None is the usual one.
            make_worker: of a device, the renderer, where it tells what happens, and the clock.

        Raises:
            ParameterError: a device that is none, or none at all; or no time to stall.
        """
        if not devices or not stall_s > 0:
            raise ParameterError(f"devices is {devices!r}, stall_s {stall_s}; expected some, and above 0")
        devices = [check_device(device) for device in devices]
        self.store = store
        self._publisher = publisher or Publisher(store)
        self._pause = Pause(clock)
        self._waiting = Waiting(store, clock)
        self._settling = Settling(store, self._publisher, self._waiting, self._pause, self._tell_changed)
        self._stall_s = stall_s
        self._clock = clock
        self._inbox: queue.SimpleQueue[tuple[Renders, int, dict[str, Any]] | None] = queue.SimpleQueue()
        self._workers = [make_worker(device, renderer, self._deliver, clock) for device in devices]
        self._told_at: dict[int, float] = {}
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Service:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Go on with what an earlier run left, then render what is queued, in a thread of its own.

        Raises:
            StorageError: the store cannot be written.
        """
        self._settling.recover()
        with suppress(OSError, StorageError):  # a full disk: the thread goes on with it
            self._settling.publish_rest()
        self._publisher.sweep()
        self._inbox.put(None)  # do not wait for somebody to call
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)
        self._thread.start()

    def stop(self, grace_s: float = STOP_S) -> None:
        """Take no more jobs, hand back those that run, and end the workers; within grace_s and a second.

        Args:
            grace_s: for workers to leave their jobs by themselves.
        """
        self._stopping.set()
        self._inbox.put(None)
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()
            self._hand_back(grace_s)
        self._tell_changed()

    # For front doors

    def submit(self, request: RenderRequest) -> Submission:
        """Take a request in; on the disk when this returns.

        Raises: as ``place_order`` and ``JobStore.submit``.
        """
        return self.submit_order(place_order(request))

    def submit_order(self, order: Order) -> Submission:
        """Take an order in; see ``JobStore.submit``."""
        return self.submit_orders([order])[0]

    def submit_orders(self, orders: Sequence[Order]) -> list[Submission]:
        """Take many orders in, all or none; see ``JobStore.submit_all``."""
        done = self.store.submit_all(orders)
        self._wake()
        return done

    def cancel(self, job: int, reason: str = "cancelled") -> Job:
        """Cancel a job; a worker that renders it is free again within two seconds.

        Raises:
            JobError: there is none, it has ended, or is being published.
        """
        done = self.store.cancel(job, reason)
        self._wake()
        return done

    def supersede(self, job: int, reason: str) -> Job:
        """Say that nobody wants a job's result any more; raises as ``cancel``."""
        done = self.store.supersede(job, reason)
        self._wake()
        return done

    def retry(self, job: int) -> Job:
        """Queue a job again that has ended without a file.

        Raises:
            JobError: it has not, or its output is there.
        """
        done = self.store.retry(job)
        self._wake()
        return done

    def clear(self, states: Iterable[State], *, ids: Iterable[int] = ()) -> int:
        """Forget jobs that have ended; see ``JobStore.clear``."""
        return self.store.clear(states, ids=ids)

    def events(
        self, since: int = 0, *, job: int | None = None, wait_s: float = 0.0, limit: int = 1000
    ) -> list[Event]:
        """What happened after an event; where there is nothing yet, it is waited for that long."""
        return self._await(lambda: self.store.events(since, job=job, limit=limit), bool, wait_s)

    def wait(self, job: int, timeout_s: float | None = None) -> Job:
        """Wait until a job has ended; returns it as it is then, or when the time is over."""
        return self._await(lambda: self.store.get(job), lambda found: found.state in ENDED, timeout_s)

    def drain(self, timeout_s: float | None = None) -> bool:
        """Wait until every job has ended; False where the time is over before, or the service stops."""
        return not self._await(self._unfinished, lambda count: count == 0, timeout_s)

    @property
    def rests(self) -> int:
        """How often it has rested, for want of a device or of a disk, since a job was last done or new."""
        return self._pause.rests

    def status(self) -> dict[str, Any]:
        """How things stand, for people and for JSON."""
        return {
            "jobs": {str(state): count for state, count in self.store.counts().items()},
            "workers": [_told(one) for one in self._workers],
            "paused": self._pause.reason,
        }

    # The thread

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._turn()
            except (StorageError, OSError) as error:
                self._pause.rest_after(error)
            except AudioSRError as error:
                _log.error("%s", error)
            except Exception:
                _log.exception("a fault of the job service; it goes on")
                self._stopping.wait(_TURN_S)

    def _turn(self) -> None:
        """Everything there is to do now, then wait for what comes."""
        self._hear(_TURN_S)
        for worker in self._workers:
            worker.start()
            worker.check(self._stall_s)
            self._cancel_if_unwanted(worker)
        if self._pause.is_on:
            if not self._pause.is_over:
                return
            self._pause.end()
        self._settling.settle()
        if not self._pause.is_on:
            self._assign()

    def _hear(self, wait_s: float) -> None:
        """Take in what workers said, waiting for the first."""
        with suppress(queue.Empty):
            while True:
                item = self._inbox.get(timeout=wait_s) if wait_s else self._inbox.get_nowait()
                wait_s = 0.0
                if item is None:
                    continue
                worker, number, message = item
                job = worker.job
                heard = worker.hear(number, message)
                if isinstance(heard, Report):
                    self._told_at.pop(heard.job.id, None)
                    self._settling.put(heard)
                    if heard.ending in (Ending.NO_MEMORY, Ending.ERROR):  # what it holds may be broken
                        worker.restart()
                elif heard is not None and job is not None:
                    self._note_progress(job, heard)

    def _note_progress(self, job: Job, progress: float) -> None:
        now = self._clock()
        if now - self._told_at.get(job.id, -PROGRESS_S) < PROGRESS_S:
            return
        self._told_at[job.id] = now
        with suppress(JobError):  # cancelled meanwhile, or a full disk; it is only for people
            self.store.tell_progress(job.id, job.token, progress)
            self._tell_changed()

    def _cancel_if_unwanted(self, worker: Renders) -> None:
        if worker.job is None:
            return
        try:
            now = self.store.get(worker.job.id)
            is_wanted = now.state is State.RUNNING and now.token == worker.job.token
        except StorageError:
            raise
        except JobError:  # cancelled, and cleared already
            is_wanted = False
        if not is_wanted:
            worker.cancel()

    def _assign(self) -> None:
        """Give free workers something to do."""
        for worker in self._workers:
            if not worker.is_free or self._stopping.is_set():
                continue
            job = self._waiting.next(untried_first=self._pause.is_in_vain)
            if job is None:
                return
            self._tell_changed()
            try:
                staged = self._publisher.prepare(job)
            except OSError as error:
                is_to_heal = is_disk_full(error) or error.errno in AWAY
                ending = Ending.DISK_FULL if is_to_heal else Ending.FAILED
                text = f"{shown(job.order.request.folder)}: cannot be written to ({error.strerror or error})"
                self._settling.put(Report(job=job, ending=ending, text=text, result={}))
                continue
            task = Task(order=job.order, destination=staged, device=worker.device, is_small=job.is_small)
            worker.assign(job, task)

    def _hand_back(self, grace_s: float) -> None:
        """At the end: let workers leave their jobs, then end them; what has finished is published."""
        end = self._clock() + grace_s
        for worker in self._workers:
            worker.cancel()
        while any(worker.job is not None for worker in self._workers) and self._clock() < end:
            self._hear(0.05)
        running = [worker.job for worker in self._workers if worker.job is not None]
        for worker in self._workers:
            worker.close()
        try:
            for job in [*running, *self._settling.settle_done()]:
                with suppress(JobError):
                    self.store.hand_back(job.id, job.token, "the service was stopped", was_tried=False)
                self._publisher.discard(job)
        except (StorageError, OSError) as error:  # the next start does it
            _log.warning("not all could be handed back: %s", error)

    # Between threads

    def _unfinished(self) -> int:
        return sum(count for state, count in self.store.counts().items() if state not in ENDED)

    def _await(self, look: Callable[[], T], is_it: Callable[[T], bool], timeout_s: float | None) -> T:
        """Look at the store until it shows what is waited for, the time is over, or the service stops.

        A database that cannot be read for a moment, as on a full disk, is looked at again.
        """
        end = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            with self._changed:
                left = None if end is None else end - time.monotonic()
                is_over = (left is not None and left <= 0) or self._stopping.is_set()
                try:
                    found = look()
                except StorageError:
                    if is_over:
                        raise
                    left = _TURN_S if left is None else min(left, _TURN_S)
                else:
                    if is_over or is_it(found):
                        return found
                self._changed.wait(left)

    def _deliver(self, worker: Renders, number: int, message: dict[str, Any]) -> None:
        self._inbox.put((worker, number, message))

    def _wake(self) -> None:
        self._inbox.put(None)
        self._tell_changed()

    def _tell_changed(self) -> None:
        with self._changed:
            self._changed.notify_all()


def _told(worker: Renders) -> dict[str, Any]:
    """How a worker stands; asked from any thread, so it may lose its job meanwhile."""
    job = worker.job
    return {"device": worker.device, "pid": worker.pid, "job": None if job is None else job.id}

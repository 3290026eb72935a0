"""The store of jobs: what was asked for, where it stands, and what happened to it, in one SQLite file.

One process owns it, and one lock serves all its threads. Every change is one transaction that is on the disk
when the call returns. Nothing is decided by the wall clock; it only dates what people read.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeVar

from audiosr_fx.errors import JobError, ParameterError
from audiosr_fx.jobs import rows
from audiosr_fx.jobs.database import FILE_NAME, LOCK_NAME, open_database, storage_errors, transaction
from audiosr_fx.jobs.digests import Digests
from audiosr_fx.jobs.folders import FolderList
from audiosr_fx.jobs.job import Event, Job, Outcome, Submission
from audiosr_fx.jobs.ledger import Ledger
from audiosr_fx.jobs.lock import FolderLock
from audiosr_fx.jobs.names import RealNames
from audiosr_fx.jobs.order import Order
from audiosr_fx.jobs.rebuild import adopt, rebuild
from audiosr_fx.jobs.schema import TURN
from audiosr_fx.jobs.states import LIVE, State
from audiosr_fx.wording import shown

MAX_CRASHES: Final = 3
MAX_ERRORS: Final = 2
MAX_QUEUED: Final = 1_000_000
ENDED: Final = frozenset(State) - LIVE
T = TypeVar("T")


class JobStore:
    """Jobs on disk; see the methods. Use it as a context manager, or call ``close``.

    Attributes:
        folder: where the database is.
        name: tells the temporary files of this store from those of others.
        identity: another one for a store that is made in the place of a lost or damaged one; numbers of jobs
            and events are those of a store of one identity only.

    Raises:
        JobError: another process owns the folder, it lies on a network file system, or a newer program
            wrote it.
        StorageError: the database cannot be read or written.
        OSError: the folder cannot be made.
    """

    def __init__(
        self, folder: Path, *, wall_clock: Callable[[], float] = time.time, patience_s: float = 0.0
    ) -> None:
        """Open the store of a folder, make it, or build it anew from what a damaged one left.

        Args:
            folder: for the database; local, and of this user alone.
            wall_clock: dates for people.
            patience_s: how long to try again while another process owns the folder.
        """
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder = folder
        self.name = _store_name(folder)
        self._guard = threading.RLock()
        self._lock = FolderLock(folder / LOCK_NAME, f"{shown(folder)}: the job queue", patience_s=patience_s)
        try:
            self._connection, damaged = open_database(folder)
            self.identity = rows.identity(self._connection)
            self._ledger = Ledger(self._connection, wall_clock)
            self._folders = FolderList(folder / "folders.jsonl")
            if damaged is not None:
                with self._changing():
                    rebuild(self._ledger, damaged, self._folders.all())
        except BaseException:
            self._lock.close()
            raise

    def __enter__(self) -> JobStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database and the folder."""
        with self._guard:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._lock.close()

    # What is there

    def get(self, job: int) -> Job:
        """One job.

        Raises:
            JobError: there is none of that number.
        """
        with self._reading():
            return self._ledger.get(job)

    def history(self, job: int) -> tuple[Job, list[Event]]:
        """A job, and the moves that led to the very state it is in.

        Raises:
            JobError: there is none of that number.
        """
        with self._reading():
            return self._ledger.get(job), rows.list_moves(self._connection, job)

    def find(self, key: str) -> Job | None:
        """The job of an order's key."""
        with self._reading():
            return self._ledger.find(key)

    def jobs(self, states: Iterable[State] = (), *, after: int = 0, limit: int = 1000) -> list[Job]:
        """Jobs in the order of their making, a page at a time: those after an id, all states or some."""
        with self._reading():
            return rows.list_jobs(self._connection, states, after=after, limit=limit)

    def counts(self) -> dict[State, int]:
        """How many jobs there are in each state."""
        with self._reading():
            return rows.count_jobs(self._connection)

    def events(self, since: int = 0, *, job: int | None = None, limit: int = 1000) -> list[Event]:
        """What happened after an event, oldest first, a page at a time."""
        with self._reading():
            return rows.list_events(self._connection, since, job=job, limit=limit)

    def find_source(self, path: Path) -> int | None:
        """The job that has not ended and whose source is the very file at a path, whatever the names say."""
        with self._reading():
            return rows.find_source(self._connection, path)

    def last_event(self) -> int:
        """The id of the newest event; 0 where there is none."""
        with self._reading():
            return rows.last_event(self._connection)

    def output_folders(self) -> list[Path]:
        """Every folder that a job ever wrote to, for sweeping."""
        return self._folders.all()

    # Taking in

    def submit(self, order: Order) -> Submission:
        """Take an order in; on the disk when this returns.

        A repeated order is the job it was, unless that is superseded, or done and its output is gone or was
        replaced by that of another: then it is queued again. What failed or was cancelled stays so until
        ``retry``.

        Raises:
            ParameterError: the output is the source of a job, or no name is left for it.
            JobError: the queue is full.
            StorageError: nothing was taken in.
        """
        return self.submit_all([order])[0]

    def submit_all(self, orders: Sequence[Order]) -> list[Submission]:
        """Take many orders in, all or none, in one transaction; a few hundred at a time is quick."""
        for folder in {order.request.folder for order in orders}:
            self._folders.add(folder)
        real = RealNames()

        def submit(digests: Digests) -> list[Submission]:
            waiting = rows.count_jobs(self._connection)[State.QUEUED]
            if waiting + len(orders) > MAX_QUEUED:
                raise JobError(f"{waiting} jobs are waiting; wait for some, or cancel some")
            return [self._submit(order, real, digests) for order in orders]

        return self._changed_knowing(submit)

    def retry(self, job: int, reason: str = "asked for again") -> Job:
        """Queue a job again that has ended without a file, or whose file is gone or replaced by another's.

        Raises:
            JobError: it has not ended, or its output is there or its name taken.
        """

        def retry(digests: Digests) -> Job:
            found = self._ledger.get(job)
            if found.state is State.DONE and self._ledger.has_output(found, RealNames(), digests.of):
                raise JobError(f"job {job} is done, and {shown(found.output)} is there; remove that first")
            again = self._again(found, reason, digests)
            if again is None:
                raise JobError(f"job {job}: {shown(found.output)} is taken, and is to be left")
            return again

        return self._changed_knowing(retry)

    # Rendering

    def take(self, *, last: Collection[int] = ()) -> Job | None:
        """The next job to render, now running under a new token; None where nothing is queued.

        Higher priorities come first; what was tried before lets some others go ahead, see ``schema.TURN``.

        Args:
            last: ids that all others go ahead of, whatever their priority.
        """
        turn = f"ORDER BY {TURN}, id LIMIT 1"
        with self._changing():
            found = rows.find_jobs(
                self._connection,
                "state = 'queued' AND id NOT IN (SELECT value FROM json_each(?))",
                [json.dumps([*last])],
                turn,
            )
            if not found and last:
                found = rows.find_jobs(self._connection, "state = 'queued'", (), turn)
            if not found:
                return None
            job = found[0]
            return self._ledger.move(
                job, State.RUNNING, token=job.token + 1, attempts=job.attempts + 1, output_sha256=""
            )

    def tell_progress(self, job: int, token: int, progress: float) -> None:
        """Say how far a running job is, 0 to 1; it is a transaction, so no more often than people look."""
        with self._changing():
            found = self._held(job, token, State.RUNNING)
            self._ledger.update(found.id, progress=progress)
            self._ledger.note(found.id, State.RUNNING, State.RUNNING, "", progress)

    def begin_publishing(self, job: int, token: int, output_sha256: str, result: Mapping[str, Any]) -> Job:
        """Say which content is about to get the job's name; from here on it is finished, never cancelled.

        Raises:
            JobError: the job is not running under that token.
        """
        with self._changing():
            return self._ledger.move(
                self._held(job, token, State.RUNNING),
                State.PUBLISHING,
                output_sha256=output_sha256,
                result_json=json.dumps(result),
                progress=1.0,
            )

    def rename(self, job: int, token: int) -> Job | None:
        """Reserve another name for a job whose own was taken from outside; None where it may not have one."""
        with self._changing():
            found = self._held(job, token, State.PUBLISHING)
            self._ledger.release(job)
            name, _ = self._ledger.reserve(found, RealNames(), None)
            return None if name is None else self._ledger.get(job)

    def finish(self, job: int, token: int, reason: str = "") -> Job:
        """Say that a job's output is there."""
        with self._changing():
            return self._ledger.move(self._held(job, token, State.PUBLISHING), State.DONE, reason)

    def hand_back(self, job: int, token: int, reason: str, *, was_tried: bool = True) -> Job:
        """Queue a job again that nothing is wrong with: the service stops, or its file is to be made anew."""
        with self._changing():
            found = self._held(job, token, State.RUNNING, State.PUBLISHING)
            attempts = found.attempts if was_tried else found.attempts - 1
            return self._ledger.move(found, State.QUEUED, reason, attempts=attempts)

    def note_crash(self, job: int, token: int, reason: str) -> Job:
        """Say that a worker died or hung over a job: it is queued again, and failed after the third time."""
        with self._changing():
            found = self._held(job, token, State.RUNNING)
            crashes = found.crashes + 1
            if crashes >= MAX_CRASHES:
                told = f"the renderer ended {crashes} times over it; the last time: {reason}"
                return self._ledger.move(found, State.FAILED, told, crashes=crashes)
            return self._ledger.move(found, State.QUEUED, reason, crashes=crashes)

    def note_error(self, job: int, token: int, reason: str) -> Job:
        """Say that a job failed in a way nobody foresaw: it is tried once more."""
        with self._changing():
            found = self._held(job, token, State.RUNNING)
            new = State.QUEUED if found.errors + 1 < MAX_ERRORS else State.FAILED
            return self._ledger.move(found, new, reason, errors=found.errors + 1)

    def note_no_memory(self, job: int, token: int, reason: str) -> Job:
        """Say that memory ran out over a job: it is tried in small batches once, then has failed."""
        with self._changing():
            found = self._held(job, token, State.RUNNING)
            if found.is_small:
                told = (
                    f"memory ran out, in small batches too ({reason}); close programs, or use another device"
                )
                return self._ledger.move(found, State.FAILED, told)
            return self._ledger.move(found, State.QUEUED, f"{reason}; again in small batches", is_small=1)

    def fail(self, job: int, token: int, reason: str) -> Job:
        """Say that a job cannot be done; trying again would not help."""
        with self._changing():
            return self._ledger.move(
                self._held(job, token, State.RUNNING, State.PUBLISHING), State.FAILED, reason
            )

    def supersede(self, job: int, reason: str, token: int | None = None) -> Job:
        """Say that nobody wants a job's result any more, because its source or its request has changed."""
        with self._changing():
            found = self._ledger.get(job) if token is None else self._held(job, token, *LIVE)
            return self._ledger.move(found, State.SUPERSEDED, reason)

    def park(self, job: int, token: int, reason: str) -> Job:
        """Put a running job aside until what it lacks is there again.

        That is no fault of the job, however often it happens; but others go ahead the next time, so that one
        for which there is never room holds up nobody.
        """
        with self._changing():
            found = self._held(job, token, State.RUNNING)
            return self._ledger.move(found, State.PARKED, reason)

    def unpark(self, jobs: Iterable[int] | None = None) -> list[int]:
        """Queue parked jobs again, all or some; returns which."""
        with self._changing():
            if jobs is None:
                found = rows.find_jobs(self._connection, "state = 'parked'")
            else:
                ids = json.dumps(list(jobs))
                found = rows.find_jobs(
                    self._connection, "state = 'parked' AND id IN (SELECT value FROM json_each(?))", [ids]
                )
            for job in found:
                self._ledger.move(job, State.QUEUED, f"tries again: {job.reason}")
            return [job.id for job in found]

    def cancel(self, job: int, reason: str = "cancelled") -> Job:
        """Cancel a job that is queued, parked or running.

        Raises:
            JobError: it has ended, or is being published.
        """
        with self._changing():
            return self._ledger.move(self._ledger.get(job), State.CANCELLED, reason)

    # Keeping house

    def recover(self) -> list[Job]:
        """After a start: queue what ran or was parked again; returns what was being published, for a look."""
        with self._changing():
            for job in rows.find_jobs(self._connection, "state IN ('running', 'parked')"):
                is_running = job.state is State.RUNNING
                told = "the service was interrupted" if is_running else f"tries again: {job.reason}"
                self._ledger.move(job, State.QUEUED, told)
            return rows.find_jobs(self._connection, "state = 'publishing'")

    def clear(self, states: Iterable[State], *, ids: Iterable[int] = ()) -> int:
        """Forget jobs that have ended, by state or by id; files stay. Returns how many.

        Raises:
            JobError: a state or a job that has not ended.
        """
        with self._changing():
            wanted = list(states)
            if going := sorted(set(wanted) & LIVE):
                raise JobError(f"jobs that are {going[0]} have not ended; cancel them first")
            found = [self._ledger.get(id) for id in ids]
            for state in wanted:
                found += rows.find_jobs(self._connection, "state = ?", [state])
            jobs = {job.id: job for job in found}
            for job in jobs.values():
                if job.state in LIVE:
                    raise JobError(f"job {job.id} is {job.state}; cancel it first")
                self._ledger.delete(job.id)
            return len(jobs)

    # Inside

    def _submit(self, order: Order, real: RealNames, digests: Digests) -> Submission:
        key = order.key_in(real.folder(order.request.folder))
        known = self._ledger.find(key)
        if known is not None:
            return self._repeat(known, order, real, digests)
        job = self._ledger.insert(order, key, real)
        name, made = self._ledger.reserve(job, real, digests.of)
        if name is None:
            self._ledger.delete(job.id)
            wanted = shown(order.request.folder / order.request.output_name)
            return Submission(
                outcome=Outcome.SKIPPED, job=None, reason=f"{wanted} is taken, and is to be left"
            )
        self._ledger.note(job.id, None, State.QUEUED, f"from {order.request.origin}")
        if name != job.output_name:
            job = replace(job, output_name=name)
        if made is None:
            return Submission(outcome=Outcome.QUEUED, job=job)
        job = adopt(self._ledger, job, made)
        return Submission(outcome=Outcome.REPEATED, job=job, reason=job.reason)

    def _repeat(self, job: Job, order: Order, real: RealNames, digests: Digests) -> Submission:
        if job.state is State.PUBLISHING and order.output_is_replaced:
            self._ledger.keep_name(job, real)
        is_lost = job.state is State.DONE and not self._ledger.has_output(job, real, digests.of)
        if not is_lost and job.state is not State.SUPERSEDED:
            return Submission(outcome=Outcome.REPEATED, job=job, reason=f"is job {job.id}, {job.state}")
        job = self._ledger.ask_anew(job, order, real)
        reason = "its output is gone or replaced" if is_lost else "asked for again"
        again = self._again(job, reason, digests)
        if again is None:
            return Submission(outcome=Outcome.SKIPPED, job=None, reason=f"{shown(job.output)} is taken")
        outcome = Outcome.REPEATED if again.state is State.DONE else Outcome.QUEUED
        return Submission(outcome=outcome, job=again, reason=again.reason)

    def _again(self, job: Job, reason: str, digests: Digests) -> Job | None:
        """Queue an ended job anew; None where its name is taken and is to be left."""
        moved = self._ledger.move(job, State.QUEUED, reason, attempts=0, crashes=0, errors=0, is_small=0)
        self._ledger.release(job.id)
        name, made = self._ledger.reserve(moved, RealNames(), digests.of)
        if name is None:
            self._ledger.move(moved, State.CANCELLED, "its name is taken, and is to be left")
            return None
        queued = self._ledger.get(job.id)
        return queued if made is None else adopt(self._ledger, queued, made)

    def _held(self, id: int, token: int, *states: State) -> Job:
        """A job in one of some states, under a token; JobError where another has taken it meanwhile."""
        job = self._ledger.get(id)
        if job.token != token:
            raise JobError(f"job {id} was taken anew since (token {job.token}, not {token})")
        if job.state not in states:
            raise JobError(f"job {id} is {job.state}; expected {' or '.join(sorted(states))}")
        return job

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with self._guard, storage_errors(self.folder / FILE_NAME):
            yield

    def _changed_knowing(self, change: Callable[[Digests], T]) -> T:
        """Make a change that may depend on what files hold, which is read while the store is free.

        A change that asked for what nobody has read yet is undone, and made once more when that is read.
        """
        digests = Digests()
        while True:
            with suppress(_ReadFirst), self._changing():
                try:
                    changed = change(digests)
                except (JobError, ParameterError) as error:
                    if digests.is_complete:
                        raise
                    raise _ReadFirst from error
                if digests.is_complete:
                    return changed
                raise _ReadFirst
            digests.read()

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with self._guard, storage_errors(self.folder / FILE_NAME), transaction(self._connection):
            yield


class _ReadFirst(Exception):
    """A change cannot be made before some files are read."""


def _store_name(folder: Path) -> str:
    """The same for the same folder on the same machine, whatever becomes of the database."""
    place = f"{os.path.realpath(folder)}\n{platform.node()}"
    return hashlib.sha256(place.encode("utf-8", "surrogateescape")).hexdigest()[:8]

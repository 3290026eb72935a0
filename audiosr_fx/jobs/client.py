"""A queue seen from outside its service: through the door where one runs, else straight from the disk."""

from __future__ import annotations

import json
import socket
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final, TypeVar

from audiosr_fx.errors import JobError, MessageError, error_of
from audiosr_fx.jobs import rows
from audiosr_fx.jobs.database import FILE_NAME, LOCK_NAME, open_to_read, queue_option, storage_errors
from audiosr_fx.jobs.door import ADDRESS_FILE, MAX_ANSWER, MAX_PAGE
from audiosr_fx.jobs.job import Event, Job
from audiosr_fx.jobs.lock import is_held
from audiosr_fx.jobs.request import RenderRequest
from audiosr_fx.jobs.states import State
from audiosr_fx.jobs.store import JobStore

ANSWER_S: Final = 60.0
_POLL_S: Final = 0.25
T = TypeVar("T")


class Client:
    """The queue of a state folder. Results are as JSON has them, see ``Job.to_dict`` and ``Event.to_dict``.

    With a service running, everything goes through its door. Without one, what is there can be looked at, and
    jobs can be cancelled, queued again and cleared, which the next service finds so.

    Args:
        folder: of the store.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def is_there(self) -> bool:
        """Whether there is a queue, be it an empty one."""
        return (self.folder / FILE_NAME).exists()

    @property
    def is_served(self) -> bool:
        """Whether a process owns the queue, be it one that has no door."""
        return is_held(self.folder / LOCK_NAME)

    def submit(self, request: RenderRequest) -> dict[str, Any]:
        """Hand a request to the running service; returns its outcome, reason and job.

        Raises:
            JobError: no service runs.
            AudioSRError: as ``Service.submit``.
        """
        told = self._ask("submit", request=request.to_dict())
        if told is None:
            raise JobError(self.no_service("it"))
        answer: dict[str, Any] = told
        return answer

    def jobs(self, states: Sequence[State] = ()) -> list[dict[str, Any]]:
        """Every job, of some states or all, oldest first."""
        found: list[dict[str, Any]] = []
        while True:
            after = found[-1]["id"] if found else 0
            page = self._page(states, after)
            found += page
            if len(page) < MAX_PAGE:
                return found

    def show(self, job: int) -> dict[str, Any]:
        """One job with the events that moved it to its state.

        Raises:
            JobError: there is none.
        """
        answer: dict[str, Any] | None = self._ask("show", job=job)
        if answer is not None:
            return answer

        def look(connection: sqlite3.Connection) -> tuple[list[Job], list[Event]]:
            connection.execute("BEGIN")  # so that both are of one moment
            return rows.find_jobs(connection, "id = ?", [job]), rows.list_moves(connection, job)

        found, moves = self._look(look) or ([], [])
        if not found:
            raise JobError(f"there is no job {job}")
        return found[0].to_dict() | {"events": [event.to_dict() for event in moves]}

    def cancel(self, job: int) -> dict[str, Any]:
        """Cancel a job; raises JobError where that cannot be."""
        return self._change("cancel", job, JobStore.cancel)

    def retry(self, job: int) -> dict[str, Any]:
        """Queue a job again; raises JobError where that cannot be."""
        return self._change("retry", job, JobStore.retry)

    def clear(self, states: Sequence[State] = (), jobs: Sequence[int] = ()) -> int:
        """Forget jobs that have ended; returns how many."""
        answer: int | None = self._ask("clear", states=[str(state) for state in states], jobs=list(jobs))
        if answer is not None:
            return answer
        if not jobs and not self.is_there:
            return 0
        with self._store(*jobs) as store:
            return store.clear(states, ids=jobs)

    def last_event(self) -> int:
        """The number of the newest event."""
        answer: int | None = self._ask("last")
        if answer is not None:
            return answer
        return self._look(rows.last_event) or 0

    def events(self, since: int, *, job: int | None = None, wait_s: float = 0.0) -> list[dict[str, Any]]:
        """What happened after an event; waits a while where there is nothing yet."""
        answer: list[dict[str, Any]] | None = self._ask("events", since=since, job=job, wait_s=wait_s)
        if answer is not None:
            return answer
        found = self._look(lambda connection: rows.list_events(connection, since, job=job)) or []
        if not found:
            time.sleep(min(wait_s, _POLL_S))
        return [event.to_dict() for event in found]

    def status(self) -> dict[str, Any] | None:
        """What the service says of itself; None where none runs."""
        answer: dict[str, Any] | None = self._ask("status")
        return answer

    def no_service(self, what: str) -> str:
        """The line for who waits where no service runs: which command starts one that renders it."""
        starts = " or ".join(f"audiosr-fx {each}{queue_option(self.folder)}" for each in ("watch", "serve"))
        return f"no service runs that could render {what}; start one with {starts}"

    def _page(self, states: Sequence[State], after: int) -> list[dict[str, Any]]:
        answer: list[dict[str, Any]] | None = self._ask(
            "list", states=[str(state) for state in states], after=after
        )
        if answer is not None:
            return answer
        found = self._look(lambda it: rows.list_jobs(it, states, after=after, limit=MAX_PAGE)) or []
        return [job.to_dict() for job in found]

    def _change(self, command: str, job: int, change: Callable[[JobStore, int], Job]) -> dict[str, Any]:
        answer: dict[str, Any] | None = self._ask(command, job=job)
        if answer is not None:
            return answer
        with self._store(job) as store:
            return change(store, job).to_dict()

    def _look(self, look: Callable[[sqlite3.Connection], T]) -> T | None:
        """What a look at the disk finds; None where there is no queue."""
        connection = open_to_read(self.folder)
        if connection is None:
            return None
        with closing(connection), storage_errors(self.folder):
            return look(connection)

    def _store(self, *jobs: int) -> JobStore:
        """The queue, as one's own for a moment; it is not made to look for jobs in it."""
        if not self.is_there:
            raise JobError(f"there is no job {jobs[0]}")
        return JobStore(self.folder)

    def _ask(self, command: str, **told: Any) -> Any:
        """The answer of the service; None where none runs.

        One that has begun since its address was read does not know the secret that came with it; by then the
        address of its own is there, and it is asked anew.
        """
        known = self._address()
        while known is not None:
            try:
                return _answer(known, {"command": command, "secret": known.get("secret"), **told})
            except MessageError:
                known, before = self._address(), known
                if known == before:
                    raise
        return None

    def _address(self) -> dict[str, Any] | None:
        """Where the door is, as it says itself; None where none was ever opened, or it was closed."""
        try:
            known = json.loads((self.folder / ADDRESS_FILE).read_text("ascii"))
        except (OSError, ValueError):
            return None
        return known if isinstance(known, dict) else None


def _answer(known: dict[str, Any], message: dict[str, Any]) -> Any:
    """What the door of an address answers to a message; None where nobody is behind it.

    Raises:
        JobError: somebody is, but does not answer.
        AudioSRError: the answer.
    """
    try:
        connection = _connect(known["address"])
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None  # left behind by one that was killed, or not yet open
    try:
        with connection, connection.makefile("rwb") as stream:
            stream.write(json.dumps(message).encode("ascii") + b"\n")
            stream.flush()
            answer = json.loads(stream.readline(MAX_ANSWER) or b"{}")
    except ConnectionError:
        return None  # it has just ended, as where it closes without a word
    except (OSError, ValueError) as cause:
        raise JobError(f"the service does not answer ({cause}); is it just ending?") from cause
    if "error" in answer:
        error = error_of(answer["error"], str(answer.get("text", "")))
        raise error or MessageError(f"the service answers {answer['error']!r}")
    return answer.get("ok")


def _connect(address: Any) -> socket.socket:
    if isinstance(address, str):
        connection = socket.socket(socket.AF_UNIX)
        place: Any = address
    else:
        connection = socket.socket(socket.AF_INET)
        place = (address[0], address[1])
    try:
        connection.settimeout(ANSWER_S)
        connection.connect(place)
    except BaseException:
        connection.close()
        raise
    return connection

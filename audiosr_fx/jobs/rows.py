"""Jobs and events between Python and the rows of the database."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from audiosr_fx.jobs.job import Event, Job
from audiosr_fx.jobs.order import order_from_dict
from audiosr_fx.jobs.states import LIVE, State

_JOB: Final = (
    "id, key, order_json, state, output_name, token, attempts, crashes, errors, is_small, progress, reason,"
    " created, changed, output_sha256, result_json"
)
_EVENT: Final = "id, job, time, old, new, reason, progress"


def to_job(row: Sequence[Any]) -> Job:
    """A job from the columns of ``find_jobs``."""
    return Job(
        id=row[0],
        key=row[1],
        order=order_from_dict(json.loads(row[2])),
        state=State(row[3]),
        output_name=os.fsdecode(row[4]),
        token=row[5],
        attempts=row[6],
        crashes=row[7],
        errors=row[8],
        is_small=bool(row[9]),
        progress=row[10],
        reason=row[11],
        created=row[12],
        changed=row[13],
        output_sha256=row[14],
        result=json.loads(row[15]),
    )


def find_jobs(
    connection: sqlite3.Connection, where: str, values: Sequence[object] = (), rest: str = "ORDER BY id"
) -> list[Job]:
    """The jobs that a condition picks."""
    return [to_job(row) for row in connection.execute(f"SELECT {_JOB} FROM job WHERE {where} {rest}", values)]


def list_jobs(
    connection: sqlite3.Connection, states: Iterable[State], *, after: int, limit: int
) -> list[Job]:
    """Jobs in the order of their making, a page at a time: those after an id, all states or some."""
    wanted = [str(state) for state in states] or [str(state) for state in State]
    marks = ", ".join("?" * len(wanted))
    return find_jobs(
        connection, f"id > ? AND state IN ({marks})", [after, *wanted], f"ORDER BY id LIMIT {int(limit)}"
    )


def count_jobs(connection: sqlite3.Connection) -> dict[State, int]:
    """How many jobs there are in each state."""
    counted = dict(connection.execute("SELECT state, count(*) FROM job GROUP BY state"))
    return {state: counted.get(str(state), 0) for state in State}


def find_source(connection: sqlite3.Connection, path: Path) -> int | None:
    """The job that has not ended and whose source is the very file at a path, whatever the names say.

    Hard links, mounts and file systems that take two spellings for one are seen by looking at every source,
    which takes about a second for half a million.
    """
    try:
        there = os.stat(path)
    except OSError:
        return None
    marks = ", ".join("?" * len(LIVE))
    for id, source in connection.execute(f"SELECT id, source FROM job WHERE state IN ({marks})", [*LIVE]):
        with suppress(OSError):
            if os.path.samestat(there, os.stat(os.fsdecode(source))):
                return int(id)
    return None


def list_events(
    connection: sqlite3.Connection, since: int, *, job: int | None, limit: int = 1000
) -> list[Event]:
    """What happened after an event, oldest first, a page at a time."""
    clause, values = ("AND job = ?", [since, job]) if job is not None else ("", [since])
    return _find_events(connection, f"id > ? {clause} ORDER BY id LIMIT {int(limit)}", values)


def list_moves(connection: sqlite3.Connection, job: int) -> list[Event]:
    """How a job came to the state it is in, oldest first; how far it was in between is left out."""
    return _find_events(connection, "job = ? AND old IS NOT new ORDER BY id", [job])


def _find_events(connection: sqlite3.Connection, where: str, values: Sequence[object]) -> list[Event]:
    return [
        Event(
            id=row[0],
            job=row[1],
            time=row[2],
            old=None if row[3] is None else State(row[3]),
            new=State(row[4]),
            reason=row[5],
            progress=row[6],
        )
        for row in connection.execute(f"SELECT {_EVENT} FROM event WHERE {where}", values)
    ]


def last_event(connection: sqlite3.Connection) -> int:
    """The id of the newest event; 0 where there is none."""
    return int(connection.execute("SELECT coalesce(max(id), 0) FROM event").fetchone()[0])


def identity(connection: sqlite3.Connection) -> int:
    """The number of the store itself, drawn by lot when it was made."""
    return int(connection.execute("SELECT id FROM identity").fetchone()[0])

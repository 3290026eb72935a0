"""The rules of the store inside one transaction: moves, their events, and which output name is whose."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from audiosr_fx.errors import JobError, ParameterError
from audiosr_fx.jobs import rows
from audiosr_fx.jobs.job import Job, new_job
from audiosr_fx.jobs.manifest import DigestOf, Manifest, find_manifest, is_of_another, source_of
from audiosr_fx.jobs.names import RealNames, folded, is_on_disk, may_replace, numbered
from audiosr_fx.jobs.order import Order
from audiosr_fx.jobs.request import Collision
from audiosr_fx.jobs.states import LIVE, State, check_move
from audiosr_fx.wording import printable, shown

MAX_REASON: Final = 500
REPLACED: Final = "a newer request replaces its output"
"""Why a job is superseded by another of the same source, which makes a file of its name."""
_HOLDS_NAME: Final = LIVE | {State.DONE}
_YIELDS_NAME: Final = LIVE - {State.PUBLISHING}


class Ledger:
    """What may be done to a connection's rows; the caller holds the lock and the transaction."""

    def __init__(self, connection: sqlite3.Connection, clock: Callable[[], float]) -> None:
        self.connection = connection
        self._clock = clock

    def get(self, id: int) -> Job:
        """One job; JobError where there is none."""
        found = rows.find_jobs(self.connection, "id = ?", [id])
        if not found:
            raise JobError(f"there is no job {id}")
        return found[0]

    def find(self, key: str) -> Job | None:
        """The job of an order's key."""
        return next(iter(rows.find_jobs(self.connection, "key = ?", [key])), None)

    def insert(self, order: Order, key: str, real: RealNames) -> Job:
        """A new queued job, which has no name reserved yet, nor an event."""
        now = self._clock()
        request = order.request
        cursor = self.connection.execute(
            "INSERT INTO job (key, order_json, source, output_name, state, priority, created, changed)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                key,
                json.dumps(order.to_dict()),
                os.fsencode(real.file(request.source)),
                os.fsencode(request.output_name),
                State.QUEUED,
                request.priority,
                now,
                now,
            ),
        )
        assert cursor.lastrowid is not None
        return new_job(cursor.lastrowid, key, order, now)

    def ask_anew(self, job: Job, order: Order, real: RealNames) -> Job:
        """Go by the newest request for what a job makes: its source may lie elsewhere by now."""
        source = os.fsencode(real.file(order.request.source))
        told = json.dumps(order.to_dict())
        self.update(job.id, order_json=told, source=source, priority=order.request.priority)
        return self.get(job.id)

    def delete(self, id: int) -> None:
        """Forget a job, its events and its name."""
        self.release(id)
        self.connection.execute("DELETE FROM event WHERE job = ?", (id,))
        self.connection.execute("DELETE FROM job WHERE id = ?", (id,))

    def note(self, id: int, old: State | None, new: State, reason: str, progress: float = 0.0) -> None:
        """Add an event."""
        self.connection.execute(
            "INSERT INTO event (job, time, old, new, reason, progress) VALUES (?, ?, ?, ?, ?, ?)",
            (id, self._clock(), old, new, _kept(reason), progress),
        )

    def move(self, job: Job, new: State, reason: str = "", **changes: Any) -> Job:
        """Bring a job into another state, and change further columns; an end without a file frees its name.

        Raises:
            JobError: it may not move so.
        """
        check_move(job.id, job.state, new)
        columns: dict[str, Any] = {
            "state": new,
            "reason": _kept(reason),
            "changed": self._clock(),
            **changes,
        }
        if new is not State.PUBLISHING:
            columns.setdefault("progress", 1.0 if new is State.DONE else 0.0)
        self.update(job.id, **columns)
        self.note(job.id, job.state, new, reason, columns.get("progress", job.progress))
        if new not in _HOLDS_NAME:
            self.release(job.id)
        if new not in (State.RUNNING, State.PUBLISHING):  # what is left of its progress tells nobody anything
            self.connection.execute("DELETE FROM event WHERE job = ? AND old = new", (job.id,))
        return self.get(job.id)

    def update(self, id: int, **columns: Any) -> None:
        """Change columns of a job."""
        names = ", ".join(f"{name} = ?" for name in columns)
        self.connection.execute(f"UPDATE job SET {names} WHERE id = ?", (*columns.values(), id))

    def release(self, id: int) -> None:
        """Free the name of a job."""
        self.connection.execute("DELETE FROM output WHERE job = ?", (id,))

    def reserve(
        self, job: Job, real: RealNames, digest_of: DigestOf | None
    ) -> tuple[str | None, Manifest | None]:
        """Give a job that holds no name the one it wants, or the next that is free.

        One that replaces also gets a name that its own source has; that of another source it is to leave, so
        that stems of one name, such as the kicks of two songs, do not take turns to replace each other.

        Args:
            job: the job.
            real: names of folders.
            digest_of: what a file holds, so that one that is there may be known; None to know none.

        Returns:
            The name, None where the request says to leave a taken one; and the manifest of the file of that
            name where this very order has made it before.

        Raises:
            ParameterError: the name is a folder's, or that of a source.
        """
        order, folder = job.order, job.order.request.folder
        folder_key = folded(real.folder(folder))
        for name in numbered(order.request.output_name):
            holder = self._holder(folder_key, name)
            on_disk = is_on_disk(folder, name)
            if digest_of and on_disk and (holder is None or holder.state is State.DONE):
                manifest = find_manifest(folder / name, order.key, digest_of)
                if manifest is not None:
                    return self._hold(job, folder_key, name), manifest
            if self._may_take(holder, on_disk=on_disk):
                return self._hold(job, folder_key, name), None
            if order.request.collision is Collision.SKIP:
                return None, None
            if order.output_is_replaced and self._may_replace(folder / name, holder, order, real):
                self._replace(folder / name, holder)
                is_given_up = holder is not None and holder.state in _YIELDS_NAME  # before it replaced a file
                made = (
                    find_manifest(folder / name, order.key, digest_of) if digest_of and is_given_up else None
                )
                return self._hold(job, folder_key, name), made
        raise AssertionError("numbered names do not end")

    def has_output(self, job: Job, real: RealNames, digest_of: DigestOf) -> bool:
        """Whether the file under a done job's name is the one it made, and is to stay.

        It is not where another job has had that name since, or is to get it. The content is only asked for
        where nobody holds the name: an edit by hand is left alone.
        """
        if not os.path.lexists(job.output):
            return False
        holder = self._holder(folded(real.folder(job.order.request.folder)), job.output_name)
        if holder is None:
            return find_manifest(job.output, job.order.key, digest_of) is not None
        return holder.id == job.id and not is_of_another(job.output, job.order.key)

    def keep_name(self, job: Job, real: RealNames) -> None:
        """Give a job that is being published its name back, where a request older than now was to get it."""
        folder_key = folded(real.folder(job.order.request.folder))
        holder = self._holder(folder_key, job.output_name)
        if holder is not None and holder.id != job.id and holder.state in _YIELDS_NAME:
            self.move(holder, State.SUPERSEDED, REPLACED)
            self._hold(job, folder_key, job.output_name)

    def _holder(self, folder_key: bytes, name: str) -> Job | None:
        """The job that a name is reserved for."""
        keys = (folder_key, folded(name))
        found = self.connection.execute(
            "SELECT job FROM output WHERE folder_key = ? AND name_key = ?", keys
        ).fetchone()
        return None if found is None else self.get(found[0])

    def _may_take(self, holder: Job | None, *, on_disk: bool) -> bool:
        """Whether a name is free: nobody's, or that of a finished job whose file somebody took away.

        That file may differ in case from the name that is asked for, and so be there although that is not.
        """
        if on_disk:
            return False
        return holder is None or (holder.state is State.DONE and not os.path.lexists(holder.output))

    def _may_replace(self, output: Path, holder: Job | None, order: Order, real: RealNames) -> bool:
        """Whether a name is for an order to replace."""
        made_of = source_of(output) if holder is None else holder.order.request.source
        request = order.request
        return may_replace(
            output, made_of, request.source, request.output_name, is_held=holder is not None, real=real
        )

    def _replace(self, output: Path, holder: Job | None) -> None:
        """Make way for a job that replaces: what was to get that name and has not begun to is superseded."""
        if output.is_dir():
            raise ParameterError(f"{shown(output)}: is a folder; expected the name of a file")
        needed = self._source_of(output)
        if needed is not None:
            raise ParameterError(
                f"{shown(output)}: is the source of job {needed}, and sources are never replaced;"
                " choose another name"
            )
        if holder is not None and holder.state in _YIELDS_NAME:
            self.move(holder, State.SUPERSEDED, REPLACED)

    def _source_of(self, output: Path) -> int | None:
        """The live job whose source an output would replace.

        All sources are looked at only where a file has several names, so that many orders are taken in
        quickly; publishing looks once more, at all of them.
        """
        source = os.fsencode(os.path.realpath(output))
        marks = ", ".join("?" * len(LIVE))
        found = rows.find_jobs(self.connection, f"source = ? AND state IN ({marks})", [source, *LIVE])
        if found:
            return found[0].id
        with suppress(OSError):
            if os.stat(output).st_nlink > 1:
                return rows.find_source(self.connection, output)
        return None

    def _hold(self, job: Job, folder_key: bytes, name: str) -> str:
        keys = (folder_key, folded(name))
        self.connection.execute("INSERT OR REPLACE INTO output VALUES (?, ?, ?)", (*keys, job.id))
        if name != job.output_name:
            self.update(job.id, output_name=os.fsencode(name))
        return name


def _kept(reason: str) -> str:
    """A reason as the database takes it, wherever it comes from: one line of Unicode, and not a long one."""
    return printable(reason)[:MAX_REASON]

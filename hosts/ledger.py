"""Which request became which job, and who is to be told: kept on disk, so that a restart forgets nothing."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from audiosr_fx.errors import JobError, StorageError
from audiosr_fx.jobs.database import is_disk_full
from audiosr_fx.wording import one_line, shown
from hosts.asks import Ask, ask_from_dict
from hosts.log_room import make_room
from hosts.peers import Peer

FILE_NAME: Final = "requests.sqlite"
MAX_OPEN: Final = 10_000
"""Requests that have not ended; more are refused."""
MAX_ENDED: Final = 10_000
"""Ended requests that are remembered; beyond, the oldest are forgotten."""
_LOG_PAGES: Final = 4000
_LOG_BYTES: Final = 32 + _LOG_PAGES * (24 + 4096)
_PRAGMAS: Final = (
    "locking_mode=EXCLUSIVE",
    "page_size=4096",
    "journal_mode=WAL",
    "synchronous=FULL",
    f"wal_autocheckpoint={_LOG_PAGES}",
)
"""One sync of the disk for each change; a log is safe here, as no other connection ever opens the file. The
log is written back once in some three hundred requests, as who is acknowledged just then waits for that. Its
room is made before: each sync is then of its own pages alone, see ``hosts.log_room``."""
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS request (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    word TEXT NOT NULL UNIQUE,
    digest TEXT NOT NULL,
    ask TEXT NOT NULL,
    peer TEXT NOT NULL,
    job INTEGER,
    ended INTEGER NOT NULL DEFAULT 0,
    error TEXT NOT NULL DEFAULT '',
    output TEXT NOT NULL DEFAULT '',
    created REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS request_job ON request (job);
CREATE INDEX IF NOT EXISTS request_open ON request (ended, job);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A request as it stands.

    Attributes:
        number: counts up; it gives the job's name.
        ask: what was asked for.
        peer: who is told.
        job: of the queue; None while it has not been handed on.
        is_ended: whether there is nothing to come.
        error: one line, where it ended without a file.
        output: the finished file, where there is one.
    """

    number: int
    ask: Ask
    peer: Peer
    job: int | None = None
    is_ended: bool = False
    error: str = ""
    output: str = ""
    digest: str = field(default="", repr=False)

    @property
    def name(self) -> str:
        """The job's name in replies."""
        return f"osc-{self.number}"


class Ledger:
    """Requests on disk, for any thread.

    A request, and an end that nobody else knows of, is on the disk when the call returns. What a restart
    would find out again from the queue, that a request was handed on and that its file is done, survives a
    killed process too, but a power cut only with the next change. So a request costs one sync, not three. An
    end without a file is no such thing: handed on again, the request would be tried again.
    """

    def __init__(self, folder: Path) -> None:
        """Open the ledger of a folder, or make it.

        Raises:
            StorageError: it cannot be read or written.
        """
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = folder / FILE_NAME
        self._lock = threading.RLock()
        try:
            self._connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
            self._connection.row_factory = sqlite3.Row
            for pragma in _PRAGMAS:
                self._connection.execute(f"PRAGMA {pragma}").fetchall()
            self._connection.executescript(_SCHEMA)
            make_room(folder / f"{FILE_NAME}-wal", _LOG_BYTES)
        except sqlite3.Error as cause:
            raise self._failure("used", cause) from cause

    def close(self) -> None:
        """Let go of the file."""
        with self._lock, suppress(sqlite3.Error):
            self._connection.close()

    def enter(self, ask: Ask, peer: Peer, digest: str) -> tuple[Entry, bool]:
        """Write a request down; a repeated one is the entry it was, told to whoever asked last.

        Args:
            ask: what to render, all controls in it.
            peer: who is told.
            digest: of what was said, whatever controls stood at.

        Returns:
            The entry, and whether it is new.

        Raises:
            JobError: the word stands for another ask, or too many are open.
            StorageError: the disk failed.
        """
        with self._changing():
            known = self.find(ask.request)
            if known is not None:
                if known.digest != digest:
                    raise JobError(f"request {ask.request} stands for another render; choose another word")
                if known.peer != peer:
                    self._set(known.number, "peer = ?", peer.to_json())
                return replace(known, peer=peer), False
            (count,) = self._connection.execute("SELECT count(*) FROM request WHERE ended = 0").fetchone()
            if count >= MAX_OPEN:
                raise JobError(f"{count} requests are open; wait for some, or cancel some")
            row = (ask.request, digest, json.dumps(ask.to_dict()), peer.to_json(), time.time())
            cursor = self._connection.execute(
                "INSERT INTO request (word, digest, ask, peer, created) VALUES (?, ?, ?, ?, ?)", row
            )
            assert cursor.lastrowid is not None
            if cursor.lastrowid % 100 == 0:
                self._forget()
            return Entry(number=cursor.lastrowid, ask=ask, peer=peer, digest=digest), True

    def find(self, word: str) -> Entry | None:
        """The request of a word."""
        return next(self._select("word = ?", word), None)

    def get(self, number: int) -> Entry:
        """The request of a number that there is."""
        return next(self._select("number = ?", number))

    def of_job(self, job: int) -> list[Entry]:
        """Requests that a job is for."""
        return list(self._select("job = ?", job))

    def waiting(self) -> list[Entry]:
        """Requests that have not been handed on, oldest first."""
        return list(self._select("ended = 0 AND job IS NULL"))

    def running(self) -> list[Entry]:
        """Requests whose job has not ended, as far as is known here."""
        return list(self._select("ended = 0 AND job IS NOT NULL"))

    def hand_on(self, number: int, job: int) -> Entry:
        """Say which job a request has become; the queue knows it too, by what is asked."""
        with self._changing(is_known_elsewhere=True):
            self._set(number, "job = ?", job)
            return self.get(number)

    def end(self, number: int, *, output: str = "", error: str = "") -> Entry | None:
        """Say how a request has ended: with a file, or with a line on why there is none.

        Returns:
            The entry; None where it had ended already, which stays as it was.
        """
        entry = self.get(number)
        with self._changing(is_known_elsewhere=entry.job is not None and not error):
            if self.get(number).is_ended:
                return None
            self._set(number, "ended = 1, output = ?, error = ?", output, error)
            return self.get(number)

    def counts(self) -> dict[str, int]:
        """Requests that wait, run, are done and failed."""
        sql = """SELECT coalesce(sum(ended = 0 AND job IS NULL), 0) AS waiting,
                        coalesce(sum(ended = 0 AND job IS NOT NULL), 0) AS running,
                        coalesce(sum(ended = 1 AND error = ''), 0) AS done,
                        coalesce(sum(ended = 1 AND error != ''), 0) AS failed FROM request"""
        with self._reading():
            return dict(self._connection.execute(sql).fetchone())

    def _forget(self) -> None:
        self._connection.execute(
            "DELETE FROM request WHERE ended = 1 AND number <= (SELECT max(number) - ? FROM request)",
            [MAX_ENDED],
        )

    def _set(self, number: int, what: str, *values: object) -> None:
        self._connection.execute(f"UPDATE request SET {what} WHERE number = ?", [*values, number])

    def _select(self, where: str, *values: object) -> Iterator[Entry]:
        with self._reading():
            rows = self._connection.execute(
                f"SELECT * FROM request WHERE {where} ORDER BY number", values
            ).fetchall()
        for row in rows:
            yield Entry(
                number=row["number"],
                ask=ask_from_dict(json.loads(row["ask"])),
                peer=Peer.from_json(row["peer"]),
                job=row["job"],
                is_ended=bool(row["ended"]),
                error=row["error"],
                output=row["output"],
                digest=row["digest"],
            )

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with self._lock:
            try:
                yield
            except sqlite3.Error as cause:
                raise self._failure("read", cause) from cause

    @contextmanager
    def _changing(self, *, is_known_elsewhere: bool = False) -> Iterator[None]:
        """One transaction; a nested one is part of it.

        Args:
            is_known_elsewhere: whether it may be lost in a power cut, as long as no later change is kept.
        """
        with self._lock:
            try:
                if self._connection.in_transaction:
                    yield
                    return
                self._connection.execute(f"PRAGMA synchronous={'NORMAL' if is_known_elsewhere else 'FULL'}")
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    yield
                except BaseException:
                    with suppress(sqlite3.Error):  # a full disk has ended it already
                        self._connection.execute("ROLLBACK")
                    raise
                self._connection.execute("COMMIT")
            except sqlite3.Error as cause:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise self._failure("written", cause) from cause

    def _failure(self, done: str, cause: sqlite3.Error) -> StorageError:
        way_out = f"; make room in {shown(self._path.parent)}" if is_disk_full(cause) else ""
        return StorageError(f"{shown(self._path)}: cannot be {done} ({one_line(cause)}){way_out}")

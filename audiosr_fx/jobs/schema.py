"""The tables of the store, and how older ones become today's: one plain function for each step."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Final

from audiosr_fx.errors import JobError

TURN: Final = "priority DESC, id + 8 * attempts"
"""Whose turn it is: for each time that a job was tried, up to eight that came after it go ahead."""


def _first(connection: sqlite3.Connection) -> None:
    for statement in (
        """
        CREATE TABLE job (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            key TEXT NOT NULL UNIQUE,
            order_json TEXT NOT NULL,
            source BLOB NOT NULL,
            output_name BLOB NOT NULL,
            state TEXT NOT NULL,
            priority INTEGER NOT NULL,
            token INTEGER NOT NULL DEFAULT 0,
            attempts INTEGER NOT NULL DEFAULT 0,
            crashes INTEGER NOT NULL DEFAULT 0,
            errors INTEGER NOT NULL DEFAULT 0,
            is_small INTEGER NOT NULL DEFAULT 0,
            progress REAL NOT NULL DEFAULT 0,
            reason TEXT NOT NULL DEFAULT '',
            created REAL NOT NULL,
            changed REAL NOT NULL,
            output_sha256 TEXT NOT NULL DEFAULT '',
            result_json TEXT NOT NULL DEFAULT '{}'
        )
        """,
        "CREATE INDEX job_turn ON job (state, priority DESC, attempts, id)",
        "CREATE INDEX job_source ON job (source)",
        """
        CREATE TABLE output (
            folder_key BLOB NOT NULL,
            name_key BLOB NOT NULL,
            job INTEGER NOT NULL,
            PRIMARY KEY (folder_key, name_key)
        ) WITHOUT ROWID
        """,
        "CREATE INDEX output_job ON output (job)",
        """
        CREATE TABLE event (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            job INTEGER NOT NULL,
            time REAL NOT NULL,
            old TEXT,
            new TEXT NOT NULL,
            reason TEXT NOT NULL,
            progress REAL NOT NULL
        )
        """,
        "CREATE INDEX event_job ON event (job)",
    ):
        connection.execute(statement)


def _bounded_turns(connection: sqlite3.Connection) -> None:
    """The index of ``TURN``: before, what had once been interrupted waited for as long as others came."""
    connection.execute("DROP INDEX job_turn")
    connection.execute(f"CREATE INDEX job_turn ON job (state, {TURN})")


def _identity(connection: sqlite3.Connection) -> None:
    """What tells one store from another that was made in its place: numbers of jobs begin anew in each."""
    connection.execute("CREATE TABLE identity (id INTEGER NOT NULL)")
    connection.execute("INSERT INTO identity VALUES (random())")


MIGRATIONS: Final[tuple[Callable[[sqlite3.Connection], None], ...]] = (_first, _bounded_turns, _identity)


def migrate(connection: sqlite3.Connection, steps: tuple[Callable[[sqlite3.Connection], None], ...]) -> None:
    """Bring a database to the newest version; each step is one transaction together with its number.

    Raises:
        JobError: it is of a newer program.
    """
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(steps):
        raise JobError(
            f"the job database has version {version}, this program knows {len(steps)}: update audiosr_fx"
        )
    for number, step in enumerate(steps[version:], version + 1):
        connection.execute("BEGIN IMMEDIATE")
        try:
            step(connection)
            connection.execute(f"PRAGMA user_version = {number}")
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise

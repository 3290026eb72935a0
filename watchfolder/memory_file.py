"""The SQLite file of what was taken: made anew where it cannot be read, as all of it can be found again."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Final

FILE_NAME: Final = "watched.sqlite3"
_VERSION: Final = 1
_log = logging.getLogger(__name__)


def open_memory(path: Path) -> sqlite3.Connection:
    """The file, or a new one where it is damaged or of another version; in memory where there can be none."""
    try:
        return _prepared(path)
    except sqlite3.DatabaseError as error:
        _log.warning("%s: begun anew (%s)", path, error)
    with suppress(OSError):
        path.unlink(missing_ok=True)
    try:
        return _prepared(path)
    except sqlite3.Error:
        return _prepared(Path(":memory:"))


def _prepared(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA synchronous=NORMAL")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, _VERSION):
            raise sqlite3.DatabaseError(f"version {version}, expected {_VERSION}")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS taken (folder BLOB, name BLOB, device TEXT, inode TEXT, size INTEGER,"
            " mtime_ns INTEGER, job INTEGER, stem_set TEXT, PRIMARY KEY (folder, name)) WITHOUT ROWID"
        )
        connection.execute(
            "CREATE TABLE IF NOT EXISTS member (stem_set TEXT, job INTEGER, PRIMARY KEY (stem_set, job))"
            " WITHOUT ROWID"
        )
        connection.execute(
            "CREATE TABLE IF NOT EXISTS gain (folder BLOB, place BLOB, recipe TEXT, gain_db REAL, stems TEXT,"
            " PRIMARY KEY (folder, place, recipe)) WITHOUT ROWID"
        )
        connection.execute("CREATE INDEX IF NOT EXISTS member_job ON member (job)")
        connection.execute("CREATE INDEX IF NOT EXISTS taken_job ON taken (job)")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value INTEGER) WITHOUT ROWID"
        )
        connection.execute(f"PRAGMA user_version = {_VERSION}")
    except BaseException:
        connection.close()
        raise
    return connection

"""The SQLite file of what was taken: made anew where it is damaged, kept where it cannot be used just now.

What was taken can be found again; the gains of sets, which are in it too, can not.
"""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from audiosr_fx.errors import StorageError
from audiosr_fx.jobs.database import is_sound

FILE_NAME: Final = "watched.sqlite3"
_VERSION: Final = 1
_log = logging.getLogger(__name__)


def open_memory(path: Path) -> sqlite3.Connection:
    """The file, or a new one where it is damaged or of another version; in memory where it cannot be used.

    To open what is there already writes nothing, so a full disk is no hindrance.
    """
    try:
        if reason := _why_unfit(path):
            _log.warning("%s: begun anew (%s)", path, reason)
            path.unlink()
        return _prepared(path)
    except (StorageError, OSError, sqlite3.Error) as error:
        _log.warning("%s: cannot be used now, so what is taken is forgotten at the end (%s)", path, error)
        return _prepared(Path(":memory:"))


def _why_unfit(path: Path) -> str:
    """Why a file is of no use; empty where it is of use, or not there."""
    if not path.exists():
        return ""
    if not is_sound(path):
        return "it is damaged"
    with closing(sqlite3.connect(path)) as connection:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
    return "" if version in (0, _VERSION) else f"its version is {version}, expected {_VERSION}"


def _prepared(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA synchronous=NORMAL")
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
        if connection.execute("PRAGMA user_version").fetchone()[0] != _VERSION:  # to set it is to write
            connection.execute(f"PRAGMA user_version = {_VERSION}")
    except BaseException:
        connection.close()
        raise
    return connection

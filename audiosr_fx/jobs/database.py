"""The SQLite file of the store: opened by one process, written through, and never silently emptied."""

from __future__ import annotations

import logging
import os
import shlex
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from platformdirs import user_state_dir

from audiosr_fx.errors import NO_ROOM, JobError, NoRoom, StorageError
from audiosr_fx.jobs.schema import MIGRATIONS, migrate

STATE_VARIABLE: Final = "AUDIOSR_FX_STATE"
FILE_NAME: Final = "jobs.sqlite3"
LOCK_NAME: Final = "lock"
_BUSY_MS: Final = 10_000
_NETWORK: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb2", "smb3", "smbfs", "afs", "ceph", "glusterfs", "lustre", "gpfs", "beegfs"}
    | {"davfs", "fuse.sshfs", "fuse.glusterfs", "fuse.s3fs", "fuse.rclone", "fuse.ceph", "fuse.davfs2"}
)
_BROKEN: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_STORAGE: Final = (
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
)
_log = logging.getLogger(__name__)


def state_folder() -> Path:
    """Where the queue lives: ``AUDIOSR_FX_STATE``, else the user's folder for states."""
    chosen = os.environ.get(STATE_VARIABLE)
    return Path(chosen).expanduser().absolute() if chosen else Path(user_state_dir("audiosr-fx"))


def queue_folder(chosen: Path | None) -> Path:
    """What ``--queue`` says, ``~`` too, or ``state_folder`` where it says nothing; absolute."""
    return state_folder() if chosen is None else chosen.expanduser().absolute()


def queue_option(folder: Path) -> str:
    """What a command line has to say for the queue of a folder; nothing where that is meant anyway."""
    return "" if folder == state_folder() else f" --queue {shlex.quote(str(folder))}"


def open_database(folder: Path) -> tuple[sqlite3.Connection, Path | None]:
    """Open, make or replace the database of a folder whose lock the caller holds.

    Returns:
        The connection, and where a database was moved to that turned out to be damaged.

    Raises:
        JobError: a network file system, or a database of a newer program.
        StorageError: it cannot be read or written.
    """
    refuse_network(folder)
    path = folder / FILE_NAME
    damaged = None
    if path.exists() and not is_sound(path):
        damaged = _move_aside(path)
    with storage_errors(path):
        connection = sqlite3.connect(
            path, timeout=_BUSY_MS / 1000, isolation_level=None, check_same_thread=False
        )
        try:
            os.chmod(path, 0o600)
            for pragma in ("journal_mode=DELETE", "synchronous=EXTRA", "mmap_size=0", "foreign_keys=ON"):
                connection.execute(f"PRAGMA {pragma}").fetchall()
            migrate(connection, MIGRATIONS)
        except BaseException:
            connection.close()
            raise
    return connection, damaged


def open_to_read(folder: Path) -> sqlite3.Connection | None:
    """The database of a folder for looking only, whoever owns it; None where there is none, or only its file.

    It is not opened read-only, because what a killed process left half done must be rolled back first. It may
    be of an older version, or become today's meanwhile: each step of that is whole, and keeps what is read.

    Raises:
        StorageError: it cannot be read.
    """
    path = folder / FILE_NAME
    if not path.exists():
        return None
    with storage_errors(path):
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=_BUSY_MS / 1000)
        try:
            connection.execute("PRAGMA query_only=ON")
            (is_made,) = connection.execute(
                "SELECT count(*) FROM sqlite_schema WHERE name = 'job'"
            ).fetchone()
        except BaseException:
            connection.close()
            raise
        if not is_made:  # its owner is about to
            connection.close()
            return None
        return connection


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's errors about the disk into StorageError."""
    try:
        yield
    except sqlite3.Error as cause:
        code = getattr(cause, "sqlite_errorcode", None)
        if code is not None and code & 0xFF in (*_STORAGE, *_BROKEN, sqlite3.SQLITE_BUSY):
            way_out = f"; make room in {path.parent}" if _says_full(cause) else ""
            raise StorageError(
                f"{path}: the job database cannot be used just now ({cause}){way_out}"
            ) from cause
        raise


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of what is inside, or nothing of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
        raise


def is_sound(path: Path) -> bool:
    """Whether SQLite can read all of a database; finishing what a killed process left counts as reading.

    Raises:
        StorageError: that cannot be told just now.
    """
    try:
        with closing(sqlite3.connect(path, timeout=_BUSY_MS / 1000, isolation_level=None)) as connection:
            return bool(connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))
    except sqlite3.Error as cause:
        code = getattr(cause, "sqlite_errorcode", None)
        if code is not None and code & 0xFF in _BROKEN:
            return False
        with storage_errors(path):
            raise


def refuse_network(folder: Path) -> None:
    """Raise JobError where a folder lies on a network file system, whose locks SQLite cannot trust."""
    if not sys.platform.startswith("linux"):
        return
    try:
        table = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape")
    except OSError:
        return
    kind = filesystem_of(folder, table)
    if kind in _NETWORK:
        raise JobError(
            f"{folder}: lies on a network file system ({kind}), which cannot hold the job database safely;"
            f" set {STATE_VARIABLE} to a local folder"
        )


def filesystem_of(folder: Path, mountinfo: str) -> str:
    """The type of the file system a folder lies on, by the text of ``/proc/self/mountinfo``."""
    place = os.path.realpath(folder)
    best, kind = "", ""
    for line in mountinfo.splitlines():
        left, dash, right = line.partition(" - ")
        fields = left.split()
        if not dash or len(fields) < 5:
            continue
        point = (
            fields[4]
            .replace("\\040", " ")
            .replace("\\011", "\t")
            .replace("\\012", "\n")
            .replace("\\134", "\\")
        )
        inside = place == point or place.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):  # later mounts hide earlier ones
            best, kind = point, right.split()[0]
    return kind


def _move_aside(path: Path) -> Path:
    stamp = time.strftime("%Y%m%d-%H%M%S")
    for number in range(1, 1000):
        target = path.with_name(f"{path.name}.damaged-{stamp}-{number}")
        if not target.exists():
            break
    os.rename(path, target)
    journal = Path(f"{path}-journal")
    with suppress(FileNotFoundError):
        os.rename(journal, f"{target}-journal")
    _log.error("%s is damaged; it was moved to %s", path, target)
    return target


def is_disk_full(error: BaseException) -> bool:
    """Whether an error, or what caused it, says that a disk or a quota has no room left.

    Types and numbers decide, never the text, which may hold any name of a file.
    """
    return any(_says_full(one) for one in causes(error))


def causes(error: BaseException) -> Iterator[BaseException]:
    """An error, what it was raised from or during, and so on."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)


def _says_full(error: BaseException) -> bool:
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", None)
        return code is not None and code & 0xFF == sqlite3.SQLITE_FULL
    return isinstance(error, NoRoom) or (isinstance(error, OSError) and error.errno in NO_ROOM)

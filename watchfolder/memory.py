"""What was taken from watched folders, kept over restarts so that a full folder is not read anew.

It holds nothing that cannot be found out again: where it is lost or damaged, each stem is read once more, and
the queue knows its jobs by their content.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from watchfolder.memory_file import FILE_NAME, open_memory
from watchfolder.snapshot import Stamp

_NOTE_FACT: Final = "INSERT OR REPLACE INTO fact VALUES (?, ?)"
_AT_ONCE: Final = 500
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A file that was handed to the queue: as it was then, its job, and the set it belongs to (or empty)."""

    stamp: Stamp
    job: int
    stem_set: str = ""


class Memory:
    """Taken files by watched folder and relative path, and how far the queue's events have been acted on."""

    def __init__(self, folder: Path) -> None:
        """``folder``: of the daemon's state; it is made if need be.

        Raises:
            OSError: it cannot be made.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._guard = threading.Lock()
        self._connection = open_memory(folder / FILE_NAME)

    def close(self) -> None:
        """Let go of the file."""
        with self._guard:
            self._connection.close()

    def taken(self, folder: Path) -> dict[str, Taken]:
        """What was taken from a watched folder."""
        with self._guard:
            rows = self._connection.execute(
                "SELECT name, device, inode, size, mtime_ns, job, stem_set FROM taken WHERE folder = ?",
                (os.fsencode(folder),),
            ).fetchall()
        return {
            os.fsdecode(name): Taken(
                stamp=Stamp(int(device), int(inode), size, mtime), job=job, stem_set=stem_set
            )
            for name, device, inode, size, mtime, job, stem_set in rows
        }

    def jobs_of(self, folder: Path, names: Iterable[str]) -> dict[str, int]:
        """The jobs of files as they were last taken, by name; only of those that were."""
        left = [os.fsencode(name) for name in names]
        found: dict[str, int] = {}
        while left:
            some, left = left[:_AT_ONCE], left[_AT_ONCE:]
            marks = ", ".join("?" * len(some))
            with self._guard:
                rows = self._connection.execute(
                    f"SELECT name, job FROM taken WHERE folder = ? AND name IN ({marks})",
                    [os.fsencode(folder), *some],
                ).fetchall()
            found |= {os.fsdecode(name): int(job) for name, job in rows}
        return found

    def set_of(self, job: int) -> str:
        """The set that a job belongs to; empty where it is in none."""
        with self._guard:
            found = self._connection.execute(
                "SELECT stem_set FROM taken WHERE job = ? AND stem_set != ''", (job,)
            ).fetchone()
        return "" if found is None else str(found[0])

    def files_of(self, folder: Path, job: int) -> dict[str, Stamp]:
        """The files of a watched folder that were taken as a job, by name, as they were then."""
        with self._guard:
            rows = self._connection.execute(
                "SELECT name, device, inode, size, mtime_ns FROM taken WHERE job = ? AND folder = ?",
                (job, os.fsencode(folder)),
            ).fetchall()
        return {
            os.fsdecode(name): Stamp(int(device), int(inode), size, mtime)
            for name, device, inode, size, mtime in rows
        }

    def take(self, folder: Path, files: Mapping[str, Taken]) -> None:
        """Remember files that are in the queue now."""
        rows = [
            (
                os.fsencode(folder),
                os.fsencode(name),
                str(one.stamp.device),  # some systems use all 64 bits of it
                str(one.stamp.inode),
                one.stamp.size,
                one.stamp.mtime_ns,
                one.job,
                one.stem_set,
            )
            for name, one in files.items()
        ]
        self._write("INSERT OR REPLACE INTO taken VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def forget(self, folder: Path, names: Iterable[str]) -> None:
        """Forget files that are gone."""
        rows = [(os.fsencode(folder), os.fsencode(name)) for name in names]
        self._write("DELETE FROM taken WHERE folder = ? AND name = ?", rows)

    def members(self, stem_set: str) -> list[int]:
        """The jobs of a set."""
        with self._guard:
            found = self._connection.execute("SELECT job FROM taken WHERE stem_set = ?", (stem_set,))
            return sorted({job for (job,) in found})

    @property
    def last_event(self) -> int:
        """The last event of the queue that was acted on; -1 where there is none yet."""
        found = self._fact("event")
        return -1 if found is None else found

    @last_event.setter
    def last_event(self, event: int) -> None:
        self._write(_NOTE_FACT, [("event", event)])

    def follow(self, queue: int) -> None:
        """Say which queue the numbers of jobs are of, by its identity; those of another mean nothing here.

        What was taken for another is forgotten, because what was unfinished there is lost: each stem is read
        once more, and the queue knows by its content, and by the manifest beside a result, what is done.
        """
        known = self._fact("queue")
        if known == queue:
            return
        if known is not None:
            _log.warning("the queue is another than before: what was taken is looked at once more")
            self._write("DELETE FROM taken", [()])
            self.last_event = 0
        self._write(_NOTE_FACT, [("queue", queue)])

    def _fact(self, name: str) -> int | None:
        with self._guard:
            found = self._connection.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchone()
        return None if found is None else int(found[0])

    def _write(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        """Change it; a disk that takes no more costs a second look after the next start, nothing else."""
        if not rows:
            return
        with self._guard:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                self._connection.executemany(statement, rows)
                self._connection.execute("COMMIT")
            except sqlite3.Error as error:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                _log.warning("what was taken could not be noted (%s)", error)

"""What was taken from watched folders, kept over restarts so that a full folder is not read anew.

Where it is lost or damaged, each stem is read once more, and the queue knows its jobs by their content; only
the gains of sets are measured anew.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from watchfolder.memory_file import FILE_NAME, open_memory
from watchfolder.set_gains import SetGain, SetPlace, read_gain
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


def read_taken(connection: sqlite3.Connection, folder: Path) -> dict[str, Taken]:
    """What was taken from a watched folder."""
    rows = connection.execute(
        "SELECT name, device, inode, size, mtime_ns, job, stem_set FROM taken WHERE folder = ?",
        (os.fsencode(folder),),
    ).fetchall()
    return {
        os.fsdecode(name): Taken(
            stamp=Stamp(int(device), int(inode), size, mtime), job=job, stem_set=stem_set
        )
        for name, device, inode, size, mtime, job, stem_set in rows
    }


def read_queue(connection: sqlite3.Connection) -> int | None:
    """The identity of the queue that the numbers of jobs are of; None before there was one."""
    return read_fact(connection, "queue")


def read_fact(connection: sqlite3.Connection, name: str) -> int | None:
    """A number that is kept under a name."""
    found = connection.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchone()
    return None if found is None else int(found[0])


class Memory:
    """Taken files by watched folder and relative path, and how far the queue's events have been acted on."""

    def __init__(self, folder: Path) -> None:
        """``folder``: of the daemon's state; it is made if need be.

        Raises:
            OSError: it cannot be made.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._guard = threading.RLock()
        self._entering = threading.Lock()
        self._connection = open_memory(folder / FILE_NAME)
        self._fresh: dict[str, int] = dict.fromkeys(self._open_sets(), 0)
        found = self._fact("event")
        self._last_event = -1 if found is None else found

    def close(self) -> None:
        """Let go of the file."""
        with self._guard:
            self._connection.close()

    def taken(self, folder: Path) -> dict[str, Taken]:
        """What was taken from a watched folder."""
        with self._guard:
            return read_taken(self._connection, folder)

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

    @contextmanager
    def entering(self) -> Iterator[None]:
        """Put files into the queue and ``take`` them in here, while inside; for one thread at a time.

        A small job can end before it is noted whose it is: see ``wait_until_entered``.
        """
        with self._entering:
            yield

    def wait_until_entered(self) -> None:
        """Wait until it is known whose the jobs are that are in the queue by now.

        But for those that an earlier run did not come to note: their files are found again.
        """
        with self._entering:
            pass

    def take(self, folder: Path, files: Mapping[str, Taken]) -> None:
        """Remember files that are in the queue now, and which of their jobs are a set, in one step."""
        members = [(one.stem_set, one.job) for one in files.values() if one.stem_set and one.job]
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
        with self._guard:
            for stem_set, _ in members:
                self._fresh[stem_set] = self._fresh.get(stem_set, 0) + 1
        self._write_all(
            {
                "INSERT OR IGNORE INTO member VALUES (?, ?)": members,
                "INSERT OR REPLACE INTO taken VALUES (?, ?, ?, ?, ?, ?, ?, ?)": rows,
            }
        )

    def forget(self, folder: Path, names: Iterable[str]) -> None:
        """Forget files that are gone."""
        rows = [(os.fsencode(folder), os.fsencode(name)) for name in names]
        self._write("DELETE FROM taken WHERE folder = ? AND name = ?", rows)

    # Sets, from when they are taken until they have ended, whatever becomes of their files

    def members(self, stem_set: str) -> list[int]:
        """The jobs of a set that has not ended."""
        with self._guard:
            found = self._connection.execute(
                "SELECT job FROM member WHERE stem_set = ? ORDER BY job", (stem_set,)
            )
            return [job for (job,) in found]

    def sets_of(self, job: int) -> set[str]:
        """The sets that a job belongs to and that have not ended."""
        with self._guard:
            found = self._connection.execute("SELECT stem_set FROM member WHERE job = ?", (job,))
            return {stem_set for (stem_set,) in found}

    def end_set(self, stem_set: str, seen: int) -> None:
        """Forget a set: all that follows its end is done; but not where it was taken again meanwhile.

        Args:
            stem_set: that has ended.
            seen: its number in ``fresh_sets``, or 0, just before its members were asked for.
        """
        with self._guard:
            if self._fresh.get(stem_set, 0) == seen:
                self._write("DELETE FROM member WHERE stem_set = ?", [(stem_set,)])

    def fresh_sets(self) -> dict[str, int]:
        """Sets to look at, which were taken lately or had not ended at the start; for ``looked_at``."""
        with self._guard:
            return dict(self._fresh)

    def looked_at(self, sets: Mapping[str, int]) -> None:
        """Say that sets were looked at, as they were when ``fresh_sets`` told of them."""
        with self._guard:
            for stem_set, count in sets.items():
                if self._fresh.get(stem_set) == count:
                    del self._fresh[stem_set]

    def gain_of(self, place: SetPlace) -> SetGain | None:
        """The gain that was kept for a set; None where there is none."""
        with self._guard:
            found = self._connection.execute(
                "SELECT gain_db, stems FROM gain WHERE folder = ? AND place = ? AND recipe = ?", place.key
            ).fetchone()
        return None if found is None else read_gain(*found)

    def keep_gain(self, place: SetPlace, gain: SetGain) -> None:
        """Keep the gain of a set, for as long as this file is there: it is of no queue."""
        row = (*place.key, gain.gain_db, gain.stems_json())
        self._write("INSERT OR REPLACE INTO gain VALUES (?, ?, ?, ?, ?)", [row])

    def _open_sets(self) -> list[str]:
        found = self._connection.execute("SELECT DISTINCT stem_set FROM member")
        return [stem_set for (stem_set,) in found]

    @property
    def last_event(self) -> int:
        """The last event of the queue that was acted on; -1 where there is none yet.

        Where that cannot be written, it holds until the end: what was acted on is not to come again at once.
        """
        return self._last_event

    @last_event.setter
    def last_event(self, event: int) -> None:
        self._last_event = event
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
            self._write("DELETE FROM member", [()])
            self._fresh.clear()
            self.last_event = 0
        self._write(_NOTE_FACT, [("queue", queue)])

    def _fact(self, name: str) -> int | None:
        with self._guard:
            return read_fact(self._connection, name)

    def _write(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        self._write_all({statement: rows})

    def _write_all(self, changes: Mapping[str, Sequence[tuple[object, ...]]]) -> None:
        """Change it; a disk that takes no more costs a second look after the next start, nothing else."""
        if not any(changes.values()):
            return
        with self._guard:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                for statement, rows in changes.items():
                    self._connection.executemany(statement, rows)
                self._connection.execute("COMMIT")
            except sqlite3.Error as error:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                _log.warning("what was taken could not be noted (%s)", error)

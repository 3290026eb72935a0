"""What a queue and the memory beside it know, read without touching either, whoever owns them just now."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from audiosr_fx.jobs import rows
from audiosr_fx.jobs.database import open_to_read, storage_errors
from audiosr_fx.jobs.manifest import source_of
from audiosr_fx.jobs.names import RealNames, folded, may_replace
from audiosr_fx.jobs.states import State
from watchfolder.memory import read_queue, read_taken
from watchfolder.memory_file import FILE_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping

    from watchfolder.memory import Taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known at one moment.

    Attributes:
        states: of jobs, by number.
        sources: of jobs, by number.
        holders: jobs by what they hold: the folder's and the file's name, folded.
        memory: the file of what was taken; None where it is of another queue, or not there.
    """

    states: Mapping[int, State] = field(default_factory=lambda: MappingProxyType({}))
    sources: Mapping[int, Path] = field(default_factory=lambda: MappingProxyType({}))
    holders: Mapping[tuple[bytes, bytes], int] = field(default_factory=lambda: MappingProxyType({}))
    memory: Path | None = None

    def taken(self, folder: Path) -> Mapping[str, Taken]:
        """What was taken from a watched folder, by name."""
        if self.memory is None:
            return {}
        with _reading(self.memory) as connection:
            return read_taken(connection, folder)

    def holds(self, folder: Path, name: str, *, but: int) -> bool:
        """Whether a job that is not done, and not a certain one, holds the name of an output."""
        job = self._holder(folder, name)
        return job not in (None, but) and self.states.get(job) is not State.DONE

    def may_replace(self, output: Path, source: Path, wanted: str) -> bool:
        """Whether a name is for a source to replace, as the queue has it."""
        job = self._holder(output.parent, output.name)
        made_of = source_of(output) if job is None else self.sources.get(job)
        return may_replace(output, made_of, source, wanted, is_held=job is not None, real=RealNames())

    def _holder(self, folder: Path, name: str) -> int | None:
        return self.holders.get((folded(os.path.realpath(folder)), folded(name)))


def look_up(state: Path) -> Known:
    """What the queue of a state folder knows; nothing where there is none.

    Raises:
        StorageError: it cannot be read.
    """
    connection = open_to_read(state)
    if connection is None:
        return Known()
    with closing(connection), storage_errors(state):
        connection.execute("BEGIN")  # so that all is of one moment
        jobs = connection.execute("SELECT id, state, source FROM job").fetchall()
        found = connection.execute("SELECT folder_key, name_key, job FROM output")
        holders = {(bytes(folder), bytes(name)): int(job) for folder, name, job in found}
        identity = rows.identity(connection)
    return Known(
        states={int(id): State(text) for id, text, _ in jobs},
        sources={int(id): Path(os.fsdecode(source)) for id, _, source in jobs},
        holders=holders,
        memory=_memory_of(state / FILE_NAME, identity),
    )


def _memory_of(path: Path, identity: int) -> Path | None:
    """The file of what was taken for a queue; a daemon forgets what was taken for another, or is damaged."""
    with suppress(sqlite3.Error), _reading(path) as connection:
        return path if read_queue(connection) == identity else None
    return None


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    uri = f"{path.absolute().as_uri()}?mode=rw"  # what a killed process left half done is rolled back first
    with closing(sqlite3.connect(uri, uri=True)) as connection:
        connection.execute("PRAGMA query_only=ON")
        yield connection

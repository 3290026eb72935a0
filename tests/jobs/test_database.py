from __future__ import annotations

import errno
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import IO

import pytest
import soundfile
from job_orders import new_order

from audiosr_fx.atomic import write_through
from audiosr_fx.errors import AudioFormatError, JobError, NoRoom, StorageError
from audiosr_fx.jobs import database, lock, schema
from audiosr_fx.jobs.child import classify
from audiosr_fx.jobs.client import Client
from audiosr_fx.jobs.database import (
    FILE_NAME,
    filesystem_of,
    is_disk_full,
    open_database,
    open_to_read,
    storage_errors,
)
from audiosr_fx.jobs.folders import FolderList
from audiosr_fx.jobs.lock import FolderLock
from audiosr_fx.jobs.states import State
from audiosr_fx.jobs.store import JobStore
from audiosr_fx.jobs.task import Ending

HOLD = """
import sys, pathlib
from audiosr_fx.errors import JobError
from audiosr_fx.jobs.lock import FolderLock
try:
    lock = FolderLock(pathlib.Path(sys.argv[1]), "the folder")
except JobError as error:
    print("refused", flush=True)
else:
    print("held", flush=True)
    sys.stdin.read()
"""


def hold(path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def answer(holder: subprocess.Popen[str]) -> str:
    assert holder.stdout is not None
    return holder.stdout.readline().strip()


def end(holder: subprocess.Popen[str]) -> None:
    holder.communicate()


def test_of_twenty_that_start_at_once_one_holds_the_folder(tmp_path: Path) -> None:
    holders = [hold(tmp_path / "lock") for _ in range(20)]
    assert sorted(answer(holder) for holder in holders) == ["held"] + ["refused"] * 19
    for holder in holders:
        end(holder)


def test_the_lock_of_a_killed_process_is_free_at_once(tmp_path: Path) -> None:
    holder = hold(tmp_path / "lock")
    assert answer(holder) == "held"
    with pytest.raises(JobError, match=f"the queue is in use by process {holder.pid}"):
        FolderLock(tmp_path / "lock", "the queue")
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    FolderLock(tmp_path / "lock", "the queue").close()
    end(holder)


def test_a_lock_that_is_held_for_a_moment_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = FolderLock(tmp_path / "lock", "the queue")
    take, tries = lock._take, 0

    def take_or_let_go(stream: IO[str]) -> None:
        nonlocal tries
        tries += 1
        try:
            take(stream)
        finally:
            held.close()

    monkeypatch.setattr(lock, "_take", take_or_let_go)
    FolderLock(tmp_path / "lock", "the queue", patience_s=60.0).close()
    assert tries == 2


def test_a_lock_that_stays_held_is_given_up(tmp_path: Path) -> None:
    told = f"the queue is in use by process {os.getpid()}"
    with FolderLock(tmp_path / "lock", "the queue"), pytest.raises(JobError, match=told):
        FolderLock(tmp_path / "lock", "the queue", patience_s=0.01)


def test_a_child_does_not_inherit_the_lock(tmp_path: Path) -> None:
    held = FolderLock(tmp_path / "lock", "the queue")
    child = multiprocessing.get_context("spawn").Process(target=os.getpid)
    child.start()
    held.close()
    FolderLock(tmp_path / "lock", "the queue").close()
    child.join()


MOUNTS = """\
21 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw
30 21 0:40 / /mnt/music rw - nfs4 server:/music rw
31 30 0:41 / /mnt/music/local rw shared:7 master:1 - xfs /dev/sdb rw
32 21 0:42 / /mnt/my\\040disk rw - cifs //server/disk rw
33 21 0:43 / /home rw - ext4 /dev/sdc rw
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/", "ext4"),
        ("/mnt/music", "nfs4"),
        ("/mnt/music/state", "nfs4"),
        ("/mnt/musical", "ext4"),
        ("/mnt/music/local/state", "xfs"),
        ("/mnt/my disk/state", "cifs"),
    ],
)
def test_the_file_system_of_a_folder_is_told_from_the_table(folder: str, kind: str) -> None:
    assert filesystem_of(Path(folder), MOUNTS) == kind


def test_a_network_file_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "filesystem_of", lambda *_: "nfs4")
    with pytest.raises(JobError, match=r"network file system \(nfs4\).*AUDIOSR_FX_STATE"):
        open_database(tmp_path)
    assert os.listdir(tmp_path) == []


def test_the_database_is_written_through_and_private(tmp_path: Path) -> None:
    connection, damaged = open_database(tmp_path)
    assert damaged is None
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (3,)  # EXTRA
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600
    connection.close()


def test_looking_makes_no_database_and_changes_none(tmp_path: Path) -> None:
    assert open_to_read(tmp_path) is None
    open_database(tmp_path)[0].close()
    connection = open_to_read(tmp_path)
    assert connection is not None
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute("DELETE FROM job")
    connection.close()


def looked_at(folder: Path) -> list[object]:
    """All that can be seen of a queue whose service does not answer."""
    client = Client(folder)
    return [client.jobs(), client.jobs([State.QUEUED]), client.events(0), client.last_event()]


def test_a_database_that_is_just_being_made_has_no_jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[object] = []

    def look() -> None:
        assert (tmp_path / FILE_NAME).exists()
        seen.append(looked_at(tmp_path))
        with pytest.raises(JobError, match="there is no job 1"):
            Client(tmp_path).show(1)

    def looking(step: Callable[[sqlite3.Connection], None]) -> Callable[[sqlite3.Connection], None]:
        def stepped(connection: sqlite3.Connection) -> None:
            look()  # before
            step(connection)
            look()  # and before it counts

        return stepped

    monkeypatch.setattr(database, "MIGRATIONS", tuple(looking(step) for step in schema.MIGRATIONS))
    open_database(tmp_path)[0].close()
    assert seen == [[[], [], [], 0]] * 2 * len(schema.MIGRATIONS)


@pytest.mark.parametrize("version", range(1, len(schema.MIGRATIONS) + 1))
def test_a_database_of_any_version_can_be_looked_at(tmp_path: Path, version: int) -> None:
    with JobStore(tmp_path / "state") as store:
        store.submit(new_order(tmp_path))
    today, older = (
        sqlite3.connect(tmp_path / "state" / name, isolation_level=None) for name in (FILE_NAME, "x")
    )
    with closing(today), closing(older):
        schema.migrate(older, schema.MIGRATIONS[:version])
        for table in ("job", "event"):
            for row in today.execute(f"SELECT * FROM {table}"):
                older.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
    expected = looked_at(tmp_path / "state")
    (tmp_path / "state" / "x").replace(tmp_path / "state" / FILE_NAME)
    assert looked_at(tmp_path / "state") == expected
    assert expected[-1] == 1
    assert Client(tmp_path / "state").show(1)["state"] == "queued"


def test_each_step_of_the_schema_is_taken_once_and_whole(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    taken = []

    def another(connection: sqlite3.Connection) -> None:
        connection.execute("ALTER TABLE job ADD COLUMN colour TEXT NOT NULL DEFAULT 'red'")
        taken.append("another")

    def broken(connection: sqlite3.Connection) -> None:
        connection.execute("DROP TABLE event")
        raise sqlite3.OperationalError("broken")

    for count in range(1, len(schema.MIGRATIONS) + 1):
        schema.migrate(connection, schema.MIGRATIONS[:count])
    with pytest.raises(sqlite3.OperationalError, match="broken"):
        schema.migrate(connection, (*schema.MIGRATIONS, another, broken))
    assert connection.execute("PRAGMA user_version").fetchone() == (len(schema.MIGRATIONS) + 1,)
    assert connection.execute("SELECT count(*) FROM event").fetchone() == (0,)
    schema.migrate(connection, (*schema.MIGRATIONS, another))
    assert taken == ["another"]
    connection.close()


def test_a_full_disk_is_known_whoever_says_so() -> None:
    direct = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert is_disk_full(direct)
    wrapped = AudioFormatError("a.wav: cannot be written")
    wrapped.__cause__ = direct
    assert is_disk_full(wrapped)
    during = AudioFormatError("a.wav: cannot be written")
    during.__context__ = direct
    assert is_disk_full(during)
    assert is_disk_full(NoRoom("a.wav: cannot be written"))
    assert not is_disk_full(OSError(errno.EACCES, os.strerror(errno.EACCES)))
    assert not is_disk_full(StorageError("locked"))


def test_a_full_database_is_a_full_disk() -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("PRAGMA max_page_count=1")
    with pytest.raises(sqlite3.OperationalError) as full:
        connection.executescript("CREATE TABLE a (b); CREATE TABLE c (d);")
    assert is_disk_full(full.value)
    connection.close()


def test_a_full_database_says_where_to_make_room(tmp_path: Path) -> None:
    connection, _ = open_database(tmp_path)
    connection.execute("PRAGMA max_page_count=1")
    with (
        pytest.raises(StorageError, match=rf"is full\); make room in {tmp_path}$"),
        storage_errors(tmp_path / FILE_NAME),
    ):
        connection.execute("CREATE TABLE a (b)")
    connection.close()


def test_a_list_of_folders_that_finds_no_room_names_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match=f"'{tmp_path / 'folders.jsonl'}'"):
        FolderList(tmp_path / "folders.jsonl").add(tmp_path)
    with pytest.raises(OSError, match=f"'{tmp_path / 'door'}'"):
        write_through(tmp_path / "door", b"content")


@pytest.mark.parametrize(
    "error",
    [
        AudioFormatError("No space left on device.wav: the file is empty (0 bytes)"),
        AudioFormatError("CUDA out of memory.wav: the file is empty (0 bytes)"),
        soundfile.LibsndfileError(2, "Error opening 'not enough memory.wav': "),
    ],
)
def test_the_name_of_a_file_is_no_lack_of_room(error: Exception) -> None:
    assert not is_disk_full(error)
    assert classify(error) in (Ending.FAILED, Ending.ERROR)

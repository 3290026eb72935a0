from __future__ import annotations

import os
from pathlib import Path

import pytest

from watchfolder.memory import Memory, Taken
from watchfolder.memory_file import FILE_NAME
from watchfolder.snapshot import Stamp

STAMP = Stamp(device=2**64 - 1, inode=2**63, size=2**40, mtime_ns=-5)


def taken(job: int, stem_set: str = "") -> Taken:
    return Taken(stamp=STAMP, job=job, stem_set=stem_set)


def test_what_was_taken_is_known_after_a_restart(tmp_path: Path) -> None:
    memory = Memory(tmp_path)
    assert memory.last_event == -1
    files = {"a.wav": taken(1, "s"), "sub/\udcff.wav": taken(2, "s"), "c.wav": taken(3)}
    memory.take(Path("/in"), files)
    memory.take(Path("/other"), {"a.wav": taken(4)})
    memory.last_event = 17
    memory.close()
    memory = Memory(tmp_path)
    assert memory.taken(Path("/in")) == files
    assert memory.members("s") == [1, 2]
    assert (memory.sets_of(2), memory.sets_of(3)) == ({"s"}, set())
    assert memory.jobs_of(Path("/in"), ["c.wav", "x", "sub/\udcff.wav"]) == {"c.wav": 3, "sub/\udcff.wav": 2}
    assert memory.last_event == 17
    memory.forget(Path("/in"), ["a.wav", "not there"])
    assert sorted(memory.taken(Path("/in"))) == ["c.wav", "sub/\udcff.wav"]
    assert list(memory.taken(Path("/other"))) == ["a.wav"]
    memory.close()


def test_a_set_is_known_until_it_has_ended_whatever_becomes_of_its_files(tmp_path: Path) -> None:
    memory = Memory(tmp_path)
    memory.take(
        Path("/in"), {"x/a.wav": taken(1, "s"), "x/b.wav": taken(2, "s"), "skipped.wav": taken(0, "s")}
    )
    memory.forget(Path("/in"), ["x/a.wav"])
    memory.take(Path("/in"), {"x/b.wav": taken(3, "t")})
    assert (memory.members("s"), memory.members("t")) == ([1, 2], [3])
    seen = memory.fresh_sets()
    assert seen.keys() == {"s", "t"}
    memory.take(Path("/in"), {"x/b.wav": taken(3, "t")})  # while they are looked at
    memory.looked_at(seen)
    assert memory.fresh_sets().keys() == {"t"}
    memory.end_set("t", 1)
    assert memory.members("t") == [3]  # it was taken twice
    memory.end_set("t", 2)
    memory.close()
    memory = Memory(tmp_path)
    assert memory.fresh_sets().keys() == {"s"}
    assert (memory.members("t"), memory.sets_of(3)) == ([], set())
    memory.close()


def test_what_was_taken_for_another_queue_is_forgotten(tmp_path: Path) -> None:
    memory = Memory(tmp_path)
    memory.take(Path("/in"), {"a.wav": taken(1, "s")})
    memory.last_event = 17
    for queue, last, names in ((-(2**63), 17, ["a.wav"]), (-(2**63), 17, ["a.wav"]), (5, 0, [])):
        memory.follow(queue)
        assert (memory.last_event, list(memory.taken(Path("/in")))) == (last, names)
    memory.close()


@pytest.mark.parametrize("content", [b"no database at all" * 100, b"SQLite format 3\0" + bytes(4096)])
def test_a_damaged_memory_is_begun_anew(
    content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    memory = Memory(tmp_path)
    assert memory.taken(Path("/in")) == {}
    memory.take(Path("/in"), {"a.wav": taken(1)})
    assert memory.jobs_of(Path("/in"), ["a.wav"]) == {"a.wav": 1}
    memory.close()
    assert "begun anew" in caplog.text


def test_a_memory_that_is_damaged_in_its_middle_is_begun_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    memory = Memory(tmp_path)
    memory.take(Path("/in"), {f"{number}.wav": taken(number) for number in range(1, 1000)})
    memory.close()
    content = (tmp_path / FILE_NAME).read_bytes()
    middle = len(content) // 2
    (tmp_path / FILE_NAME).write_bytes(content[:middle] + b"\xa5" * 8192 + content[middle + 8192 :])
    memory = Memory(tmp_path)
    assert memory.taken(Path("/in")) == {}
    memory.close()
    assert "begun anew (it is damaged)" in caplog.text


def test_to_open_a_memory_writes_nothing_so_a_full_disk_does_not_cost_it(tmp_path: Path) -> None:
    Memory(tmp_path).close()
    os.utime(tmp_path / FILE_NAME, ns=(1, 1))
    Memory(tmp_path).close()
    assert (tmp_path / FILE_NAME).stat().st_mtime_ns == 1


def test_a_memory_that_cannot_be_used_now_is_kept_for_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    memory = Memory(tmp_path)
    memory.take(Path("/in"), {"a.wav": taken(1)})
    memory.close()
    journal = tmp_path / f"{FILE_NAME}-journal"
    journal.mkdir()  # SQLite cannot look whether there is something to roll back
    memory = Memory(tmp_path)
    assert memory.taken(Path("/in")) == {}
    memory.take(Path("/in"), {"b.wav": taken(2)})
    assert list(memory.taken(Path("/in"))) == ["b.wav"]
    memory.close()
    journal.rmdir()
    memory = Memory(tmp_path)
    assert list(memory.taken(Path("/in"))) == ["a.wav"]
    memory.close()
    assert "cannot be used now" in caplog.text

from __future__ import annotations

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
    memory.end_set("t")
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

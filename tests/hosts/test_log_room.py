"""Room for a log: zeros behind what is there, or nothing where they do not fit."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

import pytest

from hosts.log_room import make_room


@pytest.mark.parametrize("size", [0, 1, 7, (1 << 20) + 1, 3 << 20])
def test_a_file_is_filled_up_and_keeps_what_it_holds(size: int, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"records")
    make_room(path, size)
    assert path.read_bytes() == b"records".ljust(size, b"\0")


def test_on_a_full_disk_a_file_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"records")

    def is_full(_: int) -> None:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr("hosts.log_room.os.fsync", is_full)
    make_room(path, 5000)
    assert path.read_bytes() == b"records"


def test_no_file_is_made(tmp_path: Path) -> None:
    make_room(tmp_path / "log", 5000)
    assert not (tmp_path / "log").exists()


def test_a_disk_with_little_room_keeps_it_for_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"records")
    usage = shutil.disk_usage(tmp_path)._replace(free=9 * 5000)
    monkeypatch.setattr("hosts.log_room.shutil.disk_usage", lambda _: usage)
    make_room(path, 5000)
    assert path.read_bytes() == b"records"

"""The song of a server follows its file, through all that happens to one that is exported again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from studio import midi_file

from audiosr_fx.errors import MessageError
from hosts.song import Song


def names(song: Song) -> list[str]:
    return [one.name for one in song.tempo_map.regions]


def test_what_is_exported_again_counts_from_then_on(tmp_path: Path) -> None:
    path = midi_file(tmp_path / "song.mid", (0, "A"))
    song = Song(path)
    assert names(song) == ["A"]
    assert song.tempo_map is song.tempo_map, "not read again without need"
    midi_file(path, (0, "A"), (480, "B"))
    assert names(song) == ["A", "B"]
    os.replace(midi_file(tmp_path / "new.mid", (0, "C"), (480, "D")), path)
    assert names(song) == ["C", "D"], "another file of the same size"


def test_while_there_is_no_map_the_last_one_counts(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = midi_file(tmp_path / "song.mid", (0, "A"))
    song = Song(path)
    path.unlink()
    assert names(song) == ["A"]
    assert caplog.messages == []
    path.write_bytes(b"MThd")
    assert names(song) == names(song) == ["A"]
    (said,) = caplog.messages
    assert "song.mid: is no MIDI file" in said
    assert said.endswith("; bars count as they did before")
    midi_file(path, (0, "B"))
    assert names(song) == ["B"]


def test_a_file_that_is_no_map_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(MessageError, match="cannot be read"):
        Song(tmp_path / "none.mid")

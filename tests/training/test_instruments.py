"""Music clips from patterns and MIDI files: reproducible, indexed, honest about their highs."""

from __future__ import annotations

from pathlib import Path

import mido
import numpy as np
import pytest
import soundfile

from audiosr_fx.errors import AudioFormatError
from audiosr_fx.training.clips import Origin
from audiosr_fx.training.data import load_corpus
from audiosr_fx.training.instruments import make_clips, read_midi
from audiosr_fx.training.orchestra import Orchestra
from audiosr_fx.training.soundfonts import SoundFont

ORIGIN = Origin(source_repo="a.sf2", source_path="", licence="MIT", author="A", original_sample_rate=44_100)


def _midi(path: Path, *, program: int = 0) -> Path:
    track = mido.MidiTrack()
    track.append(mido.Message("program_change", program=program, channel=0))
    for _ in range(24):
        track.append(mido.Message("note_on", note=62, velocity=100, channel=0))
        track.append(mido.Message("note_on", note=38, velocity=90, channel=9))
        track.append(mido.Message("note_off", note=62, channel=0, time=240))
        track.append(mido.Message("note_on", note=38, velocity=0, channel=9))
    mido.MidiFile(tracks=[track]).save(path)
    return path


def test_the_same_seed_makes_the_same_clips(tmp_path: Path, font: SoundFont) -> None:
    folders = [tmp_path / name for name in ("one", "two", "three")]
    for folder, seed in zip(folders, (1, 1, 2), strict=True):
        list(make_clips(folder, Orchestra([font]), ORIGIN, minutes=0.2, seed=seed))
    files = [{p.relative_to(f): p.read_bytes() for p in f.rglob("*.*")} for f in folders]
    assert files[0] == files[1]
    assert files[0] != files[2]


def test_clips_make_a_corpus(tmp_path: Path, font: SoundFont) -> None:
    rows = list(make_clips(tmp_path, Orchestra([font]), ORIGIN, minutes=0.3, seed=3, source="a"))
    clips = load_corpus(tmp_path)
    assert [row.file for row in rows] == [clip.name for clip in clips]
    assert sum(clip.seconds for clip in clips) >= 18
    for row, clip in zip(rows, clips, strict=True):
        sound, _ = soundfile.read(tmp_path / row.file)
        assert clip.kind == row.file.split("/")[0]
        assert np.max(np.abs(sound)) == pytest.approx(10 ** (-3 / 20), abs=1e-3)
        assert row.licence == ("CC0-1.0" if clip.source.startswith("synth_") else "MIT")


def test_without_soundfonts_synthesisers_play_up_to_24_khz(tmp_path: Path) -> None:
    list(make_clips(tmp_path, Orchestra([]), ORIGIN, minutes=0.3, seed=1))
    clips = load_corpus(tmp_path)
    assert all(clip.source.startswith("synth_") for clip in clips)
    assert all(clip.limit_hz == 24_000 for clip in clips)


def test_a_midi_file_is_read_into_parts(tmp_path: Path) -> None:
    melody, drums = read_midi(_midi(tmp_path / "a.mid", program=40))
    assert (melody.role, melody.program, len(melody.notes)) == ("melody", 40, 24)
    assert (drums.role, drums.program, len(drums.notes)) == ("drums", None, 24)
    assert melody.notes[1].start_s == pytest.approx(0.25)
    assert melody.notes[0].seconds == pytest.approx(0.25)


def test_a_midi_file_is_played(tmp_path: Path, font: SoundFont) -> None:
    midi = _midi(tmp_path / "tune.mid")
    rows = list(make_clips(tmp_path / "out", Orchestra([font]), ORIGIN, minutes=0.1, seed=0, midi=[midi]))
    assert rows[0].source_path == "tune.mid: Sound, Kit"
    assert rows[0].kind == "mix"


def test_what_is_no_midi_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "no.mid"
    path.write_bytes(b"MThd\0\0")
    with pytest.raises(AudioFormatError, match=r"no\.mid"):
        read_midi(path)


def test_an_index_is_not_overwritten(tmp_path: Path, font: SoundFont) -> None:
    (tmp_path / "INDEX.csv").write_text("mine")
    with pytest.raises(AudioFormatError, match="already"):
        list(make_clips(tmp_path, Orchestra([font]), ORIGIN, minutes=0.1, seed=0))
    assert (tmp_path / "INDEX.csv").read_text() == "mine"

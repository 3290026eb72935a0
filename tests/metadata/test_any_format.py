"""Metadata from every format to every other, and over several renders."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from chunk_files import IXML, acid

from audiosr_fx.audio import AudioWriter
from audiosr_fx.errors import AudioFormatError
from audiosr_fx.metadata import (
    Broadcast,
    CueSheet,
    CueTrack,
    Instrument,
    Loop,
    Marker,
    Metadata,
    Picture,
    Provenance,
    read_metadata,
    read_provenance,
)

RATE = 48_000
FORMATS = ["wav", "flac", "aiff"]
FIRST = Provenance(model="mini", weights_sha256="ab" * 32, seed=7, cutoff_hz=6000.0)
SECOND = Provenance(action="resampled")
FULL = Metadata(
    sample_rate=RATE,
    frames=RATE,
    tags=(
        ("TITLE", "Tëst 試験"),
        ("ARTIST", "Me"),
        ("ALBUM", "Älbum"),
        ("COMMENT", "two\nlines"),
        ("DATE", "2019-03-04"),
        ("TRACKNUMBER", "3"),
        ("ISRC", "DEABC1900001"),
        ("INFO_IXYZ", "unknown"),
        ("MY OWN", "field"),
    ),
    pictures=(Picture(data=b"\x89PNG data", mime="image/png", description="Cövér"),),
    markers=(Marker(position=0, label="Start", number=1), Marker(position=12_345, label="Vërse", number=2)),
    instrument=Instrument(base_note=40, fine_tune_cents=25.0, loops=(Loop(start=100, stop=40_000),)),
    broadcast=Broadcast(
        description="Scene 12",
        originator="Rundfunk",
        originator_reference="R",
        origination_date="2019-03-04",
        origination_time="10:11:12",
        time_reference=1_728_000_000,
        umid=bytes(range(1, 65)),
        coding_history="A=ANALOGUE,M=stereo,T=Studer A820\r\n",
    ),
    ixml=IXML.strip(),
    id3_frames=(("PRIV", b"me\0x"),),
    chunks=((b"acid", acid(2, 120.0)),),
    provenance=(FIRST,),
)


def rendered(path: Path, metadata: Metadata, frames: int = RATE) -> Metadata:
    with AudioWriter(path, RATE, 1, metadata=metadata) as output:
        output.write(np.zeros((1, frames), np.float32))
    return read_metadata(path)


@pytest.mark.parametrize("second", FORMATS)
@pytest.mark.parametrize("first", FORMATS)
def test_from_every_format_to_every_other(tmp_path: Path, first: str, second: str) -> None:
    middle = rendered(tmp_path / f"first.{first}", FULL)
    after = rendered(tmp_path / f"second.{second}", middle.with_provenance(SECOND))
    assert set(FULL.tags) <= set(after.tags)
    assert {name for name, _ in set(after.tags) - set(FULL.tags)} <= {"ENCODER"}
    assert after.pictures == FULL.pictures
    assert [(m.position, m.label) for m in after.markers] == [(0, "Start"), (12_345, "Vërse")]
    assert after.instrument is not None
    assert after.instrument.loops == (Loop(start=100, stop=40_000),)
    assert (after.instrument.base_note, after.instrument.fine_tune_cents) == (40, 25.0)
    assert after.provenance == (FIRST, SECOND)
    assert after.broadcast is not None
    assert FULL.broadcast is not None
    assert replace(after.broadcast, coding_history="") == replace(FULL.broadcast, coding_history="")
    assert after.broadcast.coding_history.splitlines() == [
        "A=ANALOGUE,M=stereo,T=Studer A820",
        f"A=PCM,F=48000,W=24,M=mono,T={FIRST}",
        f"A=PCM,F=48000,W=24,M=mono,T={SECOND}",
    ]
    assert "<NAME>Boom</NAME>" in after.ixml


@pytest.mark.parametrize("suffix", FORMATS)
def test_equal_input_gives_equal_bytes(tmp_path: Path, suffix: str) -> None:
    for name in ("a", "b"):
        rendered(tmp_path / f"{name}.{suffix}", FULL)
    assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


@pytest.mark.parametrize("suffix", FORMATS)
def test_rendering_again_and_again_adds_a_line_each_and_nothing_else(tmp_path: Path, suffix: str) -> None:
    metadata = FULL
    sizes = []
    for step in range(4):
        path = tmp_path / f"{step}.{suffix}"
        metadata = rendered(path, metadata).with_provenance(FIRST)
        sizes.append(path.stat().st_size)
    assert read_provenance(path) == (FIRST,) * 4
    assert max(np.diff(np.diff(sizes))) <= 2  # as much every time, padding apart


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_with_nothing_to_say_says_how_it_was_made(tmp_path: Path, suffix: str) -> None:
    after = rendered(tmp_path / f"out.{suffix}", Metadata(sample_rate=RATE, provenance=(FIRST,)))
    assert after.provenance == (FIRST,)
    assert after.tag("COMMENT") == ""


@pytest.mark.parametrize("suffix", FORMATS)
def test_no_metadata_leaves_no_trace(tmp_path: Path, suffix: str) -> None:
    with AudioWriter(tmp_path / f"out.{suffix}", RATE, 1) as output:
        output.write(np.zeros((1, 100), np.float32))
    assert b"audiosr" not in (tmp_path / f"out.{suffix}").read_bytes()
    assert read_metadata(tmp_path / f"out.{suffix}") == Metadata(sample_rate=RATE, frames=100)


@pytest.mark.parametrize("suffix", FORMATS)
def test_what_lies_beyond_the_end_of_the_output_is_left_out(
    tmp_path: Path, suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    after = rendered(tmp_path / f"out.{suffix}", FULL, frames=10_000)
    assert [marker.label for marker in after.markers] == ["Start"]
    assert any("1 of 2 markers: dropped, beyond the end at sample 10000" in line for line in caplog.messages)


@pytest.mark.parametrize("suffix", ["wav", "aiff"])
def test_tracks_of_a_cue_sheet_become_markers(tmp_path: Path, suffix: str) -> None:
    tracks = (CueTrack(position=0, number=1), CueTrack(position=500, number=12))
    after = rendered(
        tmp_path / f"out.{suffix}", Metadata(sample_rate=RATE, cue_sheet=CueSheet(tracks=tracks))
    )
    assert [(m.position, m.label) for m in after.markers] == [(0, "Track 01"), (500, "Track 12")]


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_numbers_no_file_can_hold_are_one_clear_line_and_leave_nothing(tmp_path: Path, suffix: str) -> None:
    metadata = Metadata(sample_rate=RATE, pictures=(Picture(data=b"x", kind=-1, width=-1),))
    if suffix == "wav":
        metadata = Metadata(sample_rate=RATE, instrument=Instrument(manufacturer=-1))
    with pytest.raises(AudioFormatError, match="no file can") as error:
        rendered(tmp_path / f"out.{suffix}", metadata)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_wav_near_4_gb_leaves_room_for_its_chunks(tmp_path: Path) -> None:
    """Samples that would just fit alone need an RF64 with a picture behind them."""
    frames = (0xFFFFFFFF - 1_000_000) // 3
    for picture, mark in ((b"x", b"RIFF"), (bytes(4_000_000), b"RF64")):
        metadata = Metadata(sample_rate=RATE, pictures=(Picture(data=picture),))
        path = tmp_path / f"{mark.decode()}.wav"
        with AudioWriter(path, RATE, 1, metadata=metadata, expected_frames=frames) as output:
            output.write(np.zeros((1, 10), np.float32))
        assert path.read_bytes()[:4] == mark

"""``render`` keeps metadata and says how a file was made; ``inspect`` shows it."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from chunk_files import full_wav_chunks, wav
from typer.testing import Result

from audiosr_fx.bandwidth import crossover_hz, judge
from audiosr_fx.metadata import Provenance, read_metadata, read_provenance, weights_sha256
from audiosr_fx.sources import ArraySource

Run = Callable[..., Result]
QUICK = ("--steps", "1", "--cutoff", "6000", "--quiet")
FRAMES = 22_050


@pytest.fixture
def dull(tmp_path: Path) -> Path:
    """Half a second of tones at 44.1 kHz with every chunk that is carried."""
    tones = 8000 * np.sin(2 * np.pi * 440.0 * np.arange(FRAMES) / 44_100)
    before, after = full_wav_chunks()
    path = tmp_path / "dull.wav"
    path.write_bytes(wav(tones.astype("<i2")[:, None], before=before, after=after))
    return path


def test_a_render_keeps_what_the_file_says_and_adds_how_it_was_made(run: Run, dull: Path) -> None:
    result = run("render", dull, "-o", "out.wav", "--seed", "7", *QUICK)
    assert result.exit_code == 0, result.output
    metadata = read_metadata("out.wav")
    assert metadata.title == "Title"
    assert [marker.position for marker in metadata.markers] == [4800, 0, 24_000]
    assert metadata.broadcast is not None
    assert metadata.broadcast.time_reference == 172_800_000
    assert metadata.broadcast.origination_date == "2019-03-04"
    verdict = judge(ArraySource(np.zeros((1, 10)), 44_100), cutoff_hz=6000.0)
    made = Provenance(
        model="mini",
        weights_sha256=weights_sha256("mini"),
        quality="standard",
        seed=7,
        cutoff_hz=6000.0,
        crossover_hz=float(f"{crossover_hz(verdict):.10g}"),
        others=(("steps", "1"),),
    )
    assert read_provenance("out.wav") == (made,)
    assert metadata.broadcast.coding_history.splitlines() == [
        "A=ANALOGUE,M=stereo,T=Studer A820",
        "A=PCM,F=44100,W=16,M=stereo,T=DAT",
        f"A=PCM,F=48000,W=24,M=mono,T={made}",
    ]


def test_the_audio_is_the_same_without_metadata(run: Run, dull: Path) -> None:
    assert run("render", dull, "-o", "with.wav", *QUICK).exit_code == 0
    assert run("render", dull, "-o", "without.wav", "--no-metadata", *QUICK).exit_code == 0
    first, second = (soundfile.read(name, dtype="int32")[0] for name in ("with.wav", "without.wav"))
    assert np.array_equal(first, second)
    size = 24_000 * 3 + 44
    assert Path("without.wav").stat().st_size == size
    assert Path("with.wav").stat().st_size > size


@pytest.mark.parametrize("suffix", ["wav", "flac", "aiff"])
def test_the_same_render_gives_the_same_bytes(run: Run, dull: Path, suffix: str) -> None:
    for folder in ("a", "b"):
        assert run("render", dull, "-o", folder, "--format", suffix, *QUICK).exit_code == 0
    assert Path(f"a/dull.{suffix}").read_bytes() == Path(f"b/dull.{suffix}").read_bytes()


def test_a_region_starts_at_its_own_time(run: Run, dull: Path) -> None:
    assert run("render", dull, "-o", "part.wav", "--region", "0.05-0.48", *QUICK).exit_code == 0
    metadata = read_metadata("part.wav")
    assert metadata.broadcast is not None
    assert metadata.broadcast.time_reference == 172_800_000 + 2400
    assert [(marker.position, marker.label) for marker in metadata.markers] == [(2400, "Verse")]
    assert metadata.instrument is not None
    assert metadata.instrument.loops[0].start == 8484  # round(10000 * 48000 / 44100) - 2400
    assert len(metadata.instrument.loops) == 1


def test_what_passes_through_says_so(run: Run, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "silent.wav", np.zeros(4800), 48_000, subtype="PCM_24")
    soundfile.write(tmp_path / "slow.wav", np.zeros(4410), 44_100, subtype="PCM_24")
    assert run("render", "silent.wav", "slow.wav", "-o", "out", "--quiet").exit_code == 0
    assert read_provenance("out/silent.wav") == (Provenance(action="untouched"),)
    assert read_provenance("out/slow.wav") == (Provenance(action="resampled"),)


def test_malformed_metadata_is_a_line_and_no_failure(run: Run, dull: Path) -> None:
    content = dull.read_bytes()
    at = content.index(b"cue ") + 8
    dull.write_bytes(content[:at] + struct.pack("<I", 900) + content[at + 4 :])
    result = run("render", dull, "-o", "out.wav", *QUICK)
    assert result.exit_code == 0, result.output
    assert read_metadata("out.wav").markers == ()
    assert read_metadata("out.wav").title == "Title"


def test_inspect_shows_it(run: Run, dull: Path) -> None:
    assert run("render", dull, "-o", "out.wav", *QUICK).exit_code == 0
    shown = run("inspect", "out.wav").stdout
    assert "title 'Title', starts at 01:00:00.000, markers: 3, loops: 2" in shown
    assert f"made by {read_provenance('out.wav')[0]}" in shown
    line = json.loads(run("inspect", "out.wav", "--json").stdout)
    assert (line["title"], line["time_reference_s"], line["markers"]) == ("Title", 3600.0, 3)
    assert line["made_by"] == [str(read_provenance("out.wav")[0])]


def test_inspect_shows_hostile_titles_escaped(run: Run, dull: Path) -> None:
    dull.write_bytes(dull.read_bytes().replace(b"Title", b"a\x1b[1m"))
    shown = run("inspect", dull).stdout
    assert "\x1b" not in shown
    assert "title 'a\\x1b[1m'" in shown


def test_inspect_of_a_file_that_says_nothing_shows_no_more_lines(run: Run, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "plain.wav", np.zeros(4800), 48_000, subtype="PCM_24")
    shown = run("inspect", "plain.wav").stdout
    assert "true peak" in shown.splitlines()[-1]

"""Regions back in their place: bits outside, no steps at the edges, and what cannot be done."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import Signals

from audiosr_fx.audio import AudioWriter, FileSource, read_info
from audiosr_fx.decoding import decode_apart
from audiosr_fx.errors import AudioFormatError, ParameterError, RenderCancelled
from audiosr_fx.metadata import Broadcast, Metadata, Provenance, read_metadata
from audiosr_fx.settings import Region
from audiosr_fx.splice import FADE_S, splice_file, splice_rate

RATE = 44_100
START, STOP = 9_001, 30_002


def write(path: Path, audio: np.ndarray, subtype: str, metadata: Metadata | None = None) -> Path:
    with AudioWriter(path, RATE, len(audio), subtype=subtype, metadata=metadata) as writer:
        writer.write(audio)
    return path


@pytest.fixture
def noise(signals: type[Signals]) -> np.ndarray:
    return signals.noise(40_003, RATE, channels=2)


def louder(folder: Path, noise: np.ndarray, start: int, stop: int) -> Path:
    """A region as rendered: three times as loud."""
    return write(folder / "rendered.wav", 3 * noise[:, start:stop], "FLOAT")


@pytest.mark.parametrize(
    ("name", "subtype"),
    [
        ("a.wav", "PCM_16"),
        ("a.wav", "PCM_24"),
        ("a.wav", "FLOAT"),
        ("a.aiff", "PCM_24"),
        ("a.flac", "PCM_16"),
    ],
)
def test_every_sample_outside_the_region_is_kept_bit_for_bit(
    name: str, subtype: str, noise: np.ndarray, tmp_path: Path
) -> None:
    source = write(tmp_path / name, noise, subtype)
    rendered = louder(tmp_path, noise, START, STOP)
    out = tmp_path / f"out{source.suffix}"
    done = splice_file(source, rendered, out, Region(START, STOP), "file")
    kind = "float32" if subtype == "FLOAT" else "int32"
    before, _ = soundfile.read(source, dtype=kind)
    after, rate = soundfile.read(out, dtype=kind)
    assert (rate, done.frames, after.shape) == (RATE, 40_003, before.shape)
    assert soundfile.info(out).subtype == subtype
    assert np.array_equal(after[:START], before[:START])
    assert np.array_equal(after[STOP:], before[STOP:])
    ratio = (
        np.abs(after[START:STOP].astype(np.float64)).mean() / np.abs(before[START:STOP].astype(float)).mean()
    )
    assert ratio == pytest.approx(3.0, abs=0.1)


def test_a_take_fades_where_it_meets_the_original_and_only_there(noise: np.ndarray, tmp_path: Path) -> None:
    source = write(tmp_path / "a.wav", noise, "FLOAT")
    fade = round(FADE_S * RATE)
    for start, stop in ((START, STOP), (0, STOP), (START, 40_003), (0, 40_003)):
        rendered = louder(tmp_path, noise, start, stop)
        out = tmp_path / f"take{start}-{stop}.wav"
        done = splice_file(source, rendered, out, Region(start, stop), "region", subtype="FLOAT")
        rendered.unlink()
        with FileSource(out) as take:
            gain = (take.read(0, take.frames) / noise[:, start:stop])[0]
        assert done.frames == stop - start
        assert gain[fade:-fade] == pytest.approx(3.0, rel=1e-5)
        assert gain[0] == pytest.approx(1.0 if start else 3.0, abs=0.01)
        assert gain[-1] == pytest.approx(1.0 if stop < 40_003 else 3.0, abs=0.01)
        assert np.abs(np.diff(gain)).max() < 2 * np.pi / fade


@pytest.mark.parametrize("frames", [1, 2, 5, 64, 65])
def test_tiny_regions_are_taken(frames: int, noise: np.ndarray, tmp_path: Path) -> None:
    source = write(tmp_path / "a.wav", noise, "PCM_24")
    rendered = louder(tmp_path, noise, START, START + frames)
    region = Region(START, START + frames)
    splice_file(source, rendered, tmp_path / "out.wav", region, "file")
    splice_file(source, rendered, tmp_path / "take.wav", region, "region")
    before, after = (soundfile.read(tmp_path / name, dtype="int32")[0] for name in ("a.wav", "out.wav"))
    changed = np.flatnonzero((before != after).any(axis=1))
    assert changed.size == 0 or (changed.min() >= START and changed.max() < START + frames)
    assert read_info(tmp_path / "take.wav").frames == frames


def test_a_low_rate_take_comes_at_48_khz_and_starts_where_it_belongs(
    signals: type[Signals], tmp_path: Path
) -> None:
    tone = signals.sine(22_050, 22_050, frequency_hz=500.0)
    with AudioWriter(tmp_path / "a.wav", 22_050, 1, subtype="FLOAT") as writer:
        writer.write(tone)
    info = read_info(tmp_path / "a.wav")
    assert (splice_rate(info, "region"), splice_rate(info, "file")) == (48_000, 22_050)
    start, stop = 2_205, 11_025
    with AudioWriter(tmp_path / "r.wav", 48_000, 1, subtype="FLOAT") as writer:
        writer.write(np.zeros((1, 19_200), np.float32))
    splice_file(tmp_path / "a.wav", tmp_path / "r.wav", tmp_path / "o.wav", Region(start, stop), "region")
    out, rate = soundfile.read(tmp_path / "o.wav")
    assert (rate, len(out)) == (48_000, 19_200)
    assert out[0] == pytest.approx(0.5 * np.sin(2 * np.pi * 500 * 0.1), abs=0.02)
    assert np.abs(out[480:-480]).max() == 0.0


def test_metadata_says_where_a_take_belongs_and_how_it_was_made(noise: np.ndarray, tmp_path: Path) -> None:
    made = Provenance(model="mini", seed=3)
    whole = Metadata(sample_rate=RATE, frames=40_003, broadcast=Broadcast(time_reference=1_000))
    part = Metadata(
        sample_rate=RATE, frames=STOP - START, broadcast=Broadcast(time_reference=1_000 + START)
    ).with_provenance(made)
    source = write(tmp_path / "a.wav", noise, "PCM_24", whole)
    rendered = write(tmp_path / "r.wav", noise[:, START:STOP], "FLOAT", part)
    splice_file(source, rendered, tmp_path / "take.wav", Region(START, STOP), "region")
    splice_file(source, rendered, tmp_path / "out.wav", Region(START, STOP), "file")
    for name, reference in (("take.wav", 1_000 + START), ("out.wav", 1_000)):
        found = read_metadata(tmp_path / name)
        assert found.broadcast is not None
        assert found.broadcast.time_reference == reference
        assert [each.seed for each in found.provenance] == [3]


def test_what_cannot_be_written_again_is_refused(noise: np.ndarray, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", noise.T, RATE, subtype="PCM_32")
    rendered = louder(tmp_path, noise, START, STOP)
    with pytest.raises(AudioFormatError, match=r"PCM_32.* render the region alone"):
        splice_file(tmp_path / "a.wav", rendered, tmp_path / "o.wav", Region(START, STOP), "file")
    source = write(tmp_path / "b.wav", noise, "PCM_16")
    with pytest.raises(ParameterError, match="keeps its PCM_16"):
        splice_file(source, rendered, tmp_path / "o.wav", Region(START, STOP), "file", subtype="PCM_24")
    with pytest.raises(AudioFormatError, match="expected 2 of 10 at 44100"):
        splice_file(source, rendered, tmp_path / "o.wav", Region(0, 10), "file")
    with pytest.raises(RenderCancelled):
        splice_file(
            source, rendered, tmp_path / "o.wav", Region(START, STOP), "file", should_cancel=lambda: True
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.wav", "b.wav", "rendered.wav"]


def test_an_original_that_was_decoded_before_is_what_counts(noise: np.ndarray, tmp_path: Path) -> None:
    source = write(tmp_path / "a.wav", noise, "PCM_24")
    before, _ = soundfile.read(source, dtype="int32")
    rendered = louder(tmp_path, noise, START, STOP)
    out = tmp_path / "out.wav"
    with decode_apart(source) as decoded:
        source.unlink()
        write(source, 0.5 * noise, "PCM_24")
        splice_file(source, rendered, out, Region(START, STOP), "file", decoded=decoded)
    after, _ = soundfile.read(out, dtype="int32")
    assert np.array_equal(after[:START], before[:START])
    assert np.array_equal(after[STOP:], before[STOP:])

"""Clips written for training: measured, levelled, indexed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.signal import butter, sosfilt

from audiosr_fx.errors import AudioFormatError
from audiosr_fx.training.clips import ClipRow, Origin, measure_edge, write_clip, write_index
from audiosr_fx.training.data import load_corpus

ORIGIN = Origin(source_repo="a box", source_path="a, b.wav", licence="CC0-1.0", author='"Nobody"')


def _noise(seconds: float = 1.0) -> np.ndarray:
    return 0.1 * np.random.default_rng(0).standard_normal(round(48_000 * seconds))


def test_the_edge_of_noise_is_found_where_it_ends() -> None:
    dull = sosfilt(butter(20, 15_000, fs=48_000, output="sos"), _noise())
    assert measure_edge(_noise())[0] == 24_000
    assert measure_edge(dull)[0] in range(15_000, 17_001)
    assert measure_edge(_noise())[1] == pytest.approx(10 * np.log10(4 / 24), abs=0.5)


def test_what_is_too_short_to_measure_is_refused() -> None:
    with pytest.raises(AudioFormatError, match="64 samples"):
        measure_edge(_noise()[:64])


def test_a_clip_is_cut_centred_faded_and_levelled(tmp_path: Path) -> None:
    row = write_clip(tmp_path, "fx", "hiss_001", _noise(7.0) + 0.3, ORIGIN)
    sound, sample_rate = soundfile.read(tmp_path / "fx" / "hiss_001.flac")
    assert row is not None
    assert (sample_rate, len(sound), row.seconds) == (48_000, 288_000, 6.0)
    assert np.max(np.abs(sound)) == pytest.approx(10 ** (-3 / 20), abs=1e-3)
    assert abs(np.mean(sound)) < 1e-3
    assert sound[0] == 0
    assert not list(tmp_path.rglob("*.part"))


def test_silence_is_no_clip(tmp_path: Path) -> None:
    assert write_clip(tmp_path, "fx", "nothing_001", np.zeros(48_000), ORIGIN) is None
    assert list(tmp_path.iterdir()) == []


def test_an_index_is_read_back_with_limits(tmp_path: Path) -> None:
    known = replace(ORIGIN, lossy_source="resampled", limit_hz=19_250.0)
    low = replace(ORIGIN, original_sample_rate=44_100)
    rows = [
        write_clip(tmp_path, "fx", "hiss_001", _noise(), ORIGIN),
        write_clip(tmp_path, "drums", "hit_001", _noise(), known),
        write_clip(tmp_path, "piano", "key_001", _noise(), low),
    ]
    write_index(tmp_path, [row for row in rows if row is not None])
    limits = {clip.name: clip.limit_hz for clip in load_corpus(tmp_path)}
    assert limits == {
        "fx/hiss_001.flac": 24_000.0,
        "drums/hit_001.flac": 19_250.0,
        "piano/key_001.flac": 21_000.0,
    }


def test_an_index_of_which_a_row_fails_is_not_there(tmp_path: Path) -> None:
    def rows() -> Iterator[ClipRow]:
        row = write_clip(tmp_path, "fx", "hiss_001", _noise(), ORIGIN)
        assert row is not None
        yield row
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_index(tmp_path, rows())
    assert [path.name for path in tmp_path.iterdir()] == ["fx"]

"""Sounds of packages: loaded, trimmed, joined and checked for walls."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.signal import butter, sosfilt

from audiosr_fx.training.package_cuts import (
    has_wall,
    join,
    load_sound,
    notch_whistles,
    stands_clear,
    steady_edge_hz,
    trim,
    wall_hz,
)


def _noise(seconds: float) -> np.ndarray:
    return 0.1 * np.random.default_rng(0).standard_normal(round(48_000 * seconds))


def test_silent_ends_are_trimmed() -> None:
    quiet = np.zeros(48_000)
    assert len(trim(np.concatenate([quiet, _noise(0.5), quiet]), -45.0)) == pytest.approx(24_000, abs=2_400)
    assert len(trim(quiet, -45.0)) == 0


def test_short_sounds_are_joined_into_stretches_of_six_seconds() -> None:
    stretches = list(join([_noise(2.5)] * 5 + [_noise(0.05)]))
    assert [round(len(stretch) / 48_000, 2) for stretch in stretches] == [5.06, 5.06, 2.5]
    assert all(np.max(np.abs(stretch)) == pytest.approx(1.0) for stretch in stretches)


def test_the_same_package_folder_joins_to_the_same_sound(tmp_path: Path) -> None:
    for name, seconds in (("a.wav", 1.0), ("b.wav", 2.0)):
        soundfile.write(tmp_path / name, np.stack([0 * _noise(seconds), _noise(seconds)], 1), 44_100)
    first, again = (list(join(load_sound(path) for path in sorted(tmp_path.iterdir()))) for _ in range(2))
    assert len(first) == 1
    assert np.array_equal(first[0], again[0])
    assert np.max(np.abs(first[0])) == pytest.approx(1.0)


def test_a_brick_wall_is_seen_and_open_noise_has_none() -> None:
    assert has_wall(sosfilt(butter(40, 15_000, fs=48_000, output="sos"), _noise(1.0)))
    assert not has_wall(_noise(1.0))


def test_speech_must_stand_clear_of_its_pauses() -> None:
    quiet = np.concatenate([_noise(1.0), 1e-3 * _noise(1.0), _noise(1.0), 1e-3 * _noise(1.0)])
    assert stands_clear(quiet, 20.0)
    assert not stands_clear(quiet + 0.3 * _noise(4.0), 20.0)


def test_a_whistle_in_the_pauses_is_found_and_notched_out() -> None:
    words = np.concatenate([_noise(1.0), 1e-3 * _noise(1.0)])
    whistle = 0.002 * np.sin(2 * np.pi * 15_625.0 * np.arange(len(words)) / 48_000)
    notched = notch_whistles(words + whistle)
    assert np.std(notched[60_000:90_000]) < 0.2 * np.std((words + whistle)[60_000:90_000])
    assert np.array_equal(notch_whistles(words), words)


def test_an_edge_that_opens_on_attacks_alone_is_taken_where_it_rests() -> None:
    closed = sosfilt(butter(40, 15_000, fs=48_000, output="sos"), _noise(4.0))
    closed[:9_600] += 3 * _noise(0.2)
    assert steady_edge_hz(closed) == pytest.approx(15_000, abs=1_000)
    assert steady_edge_hz(_noise(1.0)) == 24_000


def test_a_steady_sound_is_walled_where_the_low_pass_begins_to_close() -> None:
    closing = sosfilt(butter(20, 16_000, fs=48_000, output="sos"), _noise(4.0))
    assert wall_hz(closing) == pytest.approx(16_000, abs=500)
    assert wall_hz(closing) < steady_edge_hz(closing) - 500
    assert wall_hz(_noise(1.0)) == 24_000

"""Sounds of packages: loaded, trimmed, joined and checked for walls."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.signal import butter, sosfilt

from audiosr_fx.training.package_cuts import has_wall, join, load_sound, trim


def _noise(seconds: float) -> np.ndarray:
    return 0.1 * np.random.default_rng(0).standard_normal(round(48_000 * seconds))


def test_silent_ends_are_trimmed() -> None:
    quiet = np.zeros(48_000)
    assert len(trim(np.concatenate([quiet, _noise(0.5), quiet]), -45.0)) == pytest.approx(24_000, abs=2_400)
    assert len(trim(quiet, -45.0)) == 0


def test_short_sounds_are_joined_into_stretches_of_six_seconds() -> None:
    stretches = join([_noise(2.5)] * 5 + [_noise(0.05)])
    assert [round(len(stretch) / 48_000, 2) for stretch in stretches] == [5.06, 5.06, 2.5]
    assert all(np.max(np.abs(stretch)) == pytest.approx(1.0) for stretch in stretches)


def test_the_same_package_folder_joins_to_the_same_sound(tmp_path: Path) -> None:
    for name, seconds in (("a.wav", 1.0), ("b.wav", 2.0)):
        soundfile.write(tmp_path / name, np.stack([0 * _noise(seconds), _noise(seconds)], 1), 44_100)
    first, again = (join(load_sound(path) for path in sorted(tmp_path.iterdir())) for _ in range(2))
    assert len(first) == 1
    assert np.array_equal(first[0], again[0])
    assert np.max(np.abs(first[0])) == pytest.approx(1.0)


def test_a_brick_wall_is_seen_and_open_noise_has_none() -> None:
    assert has_wall(sosfilt(butter(40, 15_000, fs=48_000, output="sos"), _noise(1.0)))
    assert not has_wall(_noise(1.0))

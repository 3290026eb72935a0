"""The naive fillers keep the low band and put something sensible above it."""

from __future__ import annotations

import numpy as np
import pytest

from audiosr_fx.quality.baselines import Filler, fill_with_noise, fold
from audiosr_fx.quality.lsd import measure_lsd
from audiosr_fx.training.degrade import LowPass, apply_lowpass

CUTOFF_HZ = 6_000.0


def _dull(samples: int) -> np.ndarray:
    noise = 0.1 * np.random.default_rng(0).standard_normal(samples).astype(np.float32)
    return apply_lowpass(noise, LowPass(family="boxcar", order=2, cutoff_hz=CUTOFF_HZ))


@pytest.mark.parametrize("filler", [fold, fill_with_noise])
@pytest.mark.parametrize("samples", [100, 8_193, 48_000])
def test_length_and_low_band_are_kept(filler: Filler, samples: int) -> None:
    dull = _dull(samples)
    filled = filler(dull, 48_000, CUTOFF_HZ, -6.0)
    assert filled.shape == dull.shape
    if samples > 2_048:
        assert measure_lsd(dull, filled, 48_000, highest_hz=CUTOFF_HZ - 200.0) < 0.05


@pytest.mark.parametrize("filler", [fold, fill_with_noise])
def test_white_noise_without_tilt_becomes_white_again(filler: Filler) -> None:
    filled = filler(_dull(48_000), 48_000, CUTOFF_HZ, 0.0)
    power = np.abs(np.fft.rfft(filled)) ** 2
    above, below = power[7_000:23_000].mean(), power[1_000:5_000].mean()
    assert 10 * np.log10(above / below) == pytest.approx(0.0, abs=1.0)

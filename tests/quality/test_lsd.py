"""Log-spectral distance against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from audiosr_fx.quality.lsd import measure_lsd


def _noise(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(48_000).astype(np.float32)


def test_equal_signals_are_at_no_distance() -> None:
    assert measure_lsd(_noise(), _noise(), 48_000) == 0.0


@pytest.mark.parametrize("gain_db", [-20.0, -6.0, 12.0])
def test_a_gain_is_a_tenth_of_its_decibels(gain_db: float) -> None:
    louder = _noise() * np.float32(10 ** (gain_db / 20))
    assert measure_lsd(_noise(), louder, 48_000) == pytest.approx(abs(gain_db) / 10, rel=1e-4)


def test_independent_noise_is_at_the_distance_of_two_exponentials() -> None:
    """log10 of an exponential spreads by pi / sqrt(6) / ln 10 = 0.557; two differ by sqrt(2) of that."""
    assert measure_lsd(_noise(1), _noise(2), 48_000) == pytest.approx(0.788, abs=0.01)


def test_only_the_asked_band_counts() -> None:
    spectrum = np.fft.rfft(_noise())
    spectrum[12_000:] = 0.0  # one bin is 1 Hz
    dull = np.fft.irfft(spectrum).astype(np.float32)
    assert measure_lsd(_noise(), dull, 48_000, highest_hz=11_000.0) < 0.01
    assert measure_lsd(_noise(), dull, 48_000, lowest_hz=13_000.0) > 5.0

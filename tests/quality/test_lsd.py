"""Log-spectral distance against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from audiosr_fx.quality.lsd import distance_of_spectra, measure_lsd, measure_lsd_of_paper
from audiosr_fx.quality.spectra import SpectrumPair


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


def test_spectra_that_differ_by_20_db_above_the_cutoff() -> None:
    """Of 1025 bins, those from 12 kHz up differ by log10 power 2: a share of 513 / 1025."""
    reference = np.ones((1025, 3))
    estimate = reference.copy()
    estimate[512:] = 100.0
    pair = SpectrumPair(frequencies_hz=np.arange(1025) * 23.4375, reference=reference, estimate=estimate)
    assert distance_of_spectra(pair) == pytest.approx(2.0 * np.sqrt(513 / 1025))
    assert distance_of_spectra(pair.band(0.0, 11_000.0)) == 0.0
    assert np.isnan(distance_of_spectra(pair.band(30_000.0, 40_000.0)))


def test_the_paper_s_variant_matches_levels_on_the_lowest_tenth() -> None:
    assert measure_lsd_of_paper(_noise(), 3.0 * _noise(), 48_000) == pytest.approx(0.0, abs=1e-6)
    spectrum = np.fft.rfft(_noise())
    spectrum[12_000:] *= 10.0
    brighter = np.fft.irfft(spectrum).astype(np.float32)
    assert measure_lsd_of_paper(_noise(), brighter, 48_000) == pytest.approx(2.0 * np.sqrt(0.5), abs=0.01)


def test_the_paper_s_variant_has_a_one_sided_floor() -> None:
    """What is wrongly there counts for 8 at most, what is missing for log10 of 1 / 1e-8 squared."""
    silence = np.zeros(48_000, np.float32)
    assert measure_lsd_of_paper(silence, _noise(), 48_000) == pytest.approx(8.0)
    assert measure_lsd_of_paper(_noise(), silence, 48_000) > 16.0

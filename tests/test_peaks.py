"""Peaks between the samples, held against signals whose peaks are known."""

from __future__ import annotations

import numpy as np
import pytest

from audiosr_fx.peaks import AFTER, BEFORE, FRAME, decibels, interval_peaks
from audiosr_fx.sources import Audio


def sine(cycles_per_sample: float, phase_degrees: float, frames: int = 64) -> Audio:
    place = np.arange(BEFORE + frames * FRAME + AFTER)
    wave = np.sin(2 * np.pi * cycles_per_sample * place + np.radians(phase_degrees))
    return wave.astype(np.float32)[np.newaxis]


@pytest.mark.parametrize("cycles_per_sample", [0.01, 0.125, 1 / 6, 0.25, 0.3333, 0.4, 0.45])
@pytest.mark.parametrize("phase_degrees", [0.0, 45.0, 67.5])
def test_a_sine_of_any_phase_reads_its_amplitude(cycles_per_sample: float, phase_degrees: float) -> None:
    peak = float(interval_peaks(sine(cycles_per_sample, phase_degrees), 0.0).max())
    assert decibels(peak) == pytest.approx(0.0, abs=0.05)  # 16 points: 0.042 dB at most at half the rate


def test_the_reading_is_never_below_the_sample() -> None:
    noise = np.random.default_rng(0).standard_normal((2, BEFORE + 10 * FRAME + AFTER)).astype(np.float32)
    own = np.abs(noise[:, BEFORE:-AFTER])
    assert (interval_peaks(noise, 0.0) >= own).all()
    assert (interval_peaks(noise, 0.0, wary=True) >= interval_peaks(noise, 0.0)).all()


@pytest.mark.parametrize("wary", [False, True])
def test_the_quick_way_finds_every_peak_above_the_floor(wary: bool) -> None:
    noise = np.random.default_rng(1).standard_normal((2, BEFORE + 200 * FRAME + AFTER)).astype(np.float32)
    every = interval_peaks(noise, 0.0, wary=wary)
    quick = interval_peaks(noise, 3.5, wary=wary)
    assert (every > 3.5).sum() > 30
    assert np.array_equal(every > 3.5, quick > 3.5)
    np.testing.assert_allclose(quick[quick > 3.5], every[every > 3.5], rtol=1e-6)


def test_a_wary_reading_of_music_is_the_plain_one() -> None:
    wave = sum(sine(cycles, 10.0) for cycles in (0.005, 0.05, 0.2))
    plain, wary = interval_peaks(wave, 0.0), interval_peaks(wave, 0.0, wary=True)
    assert decibels(float(wary.max() / plain.max())) < 0.01


def test_silence_has_no_decibels() -> None:
    assert decibels(0.0) == -np.inf
    assert decibels(0.5) == pytest.approx(-6.0206, abs=1e-4)

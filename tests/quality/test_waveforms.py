"""Waveform measures against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from audiosr_fx.quality.waveforms import RESOLUTIONS, low_band_si_sdr_db, multi_resolution_distance

RATE = 48_000


def sine(frequency_hz: float, amplitude: float = 1.0) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * frequency_hz * np.arange(RATE) / RATE)).astype(np.float32)


def test_a_gain_is_no_distortion() -> None:
    noise = np.random.default_rng(0).standard_normal(RATE).astype(np.float32)
    assert low_band_si_sdr_db(noise, 0.5 * noise, RATE, 4_000.0) > 120.0


def test_another_tone_at_a_tenth_is_20_db_of_distortion() -> None:
    assert low_band_si_sdr_db(sine(1_000), sine(1_000) + sine(2_000, 0.1), RATE, 4_000.0) == pytest.approx(
        20.0, abs=0.01
    )


def test_what_lies_above_does_not_count() -> None:
    assert low_band_si_sdr_db(sine(1_000), sine(1_000) + sine(9_000), RATE, 4_000.0) > 100.0


@pytest.mark.parametrize("samples", [RATE, RATE - 1])
def test_the_ratio_is_that_of_samples_with_an_offset_too(samples: int) -> None:
    reference, estimate = sine(1_000)[:samples] + 0.5, sine(1_000)[:samples] + sine(2_000, 0.1)[:samples]
    target = estimate @ reference / (reference @ reference) * reference
    expected = 10 * np.log10(target @ target / np.sum((estimate - target) ** 2))
    everything = low_band_si_sdr_db(reference, estimate, RATE, RATE)
    assert everything == pytest.approx(expected, abs=1e-3)


def test_an_unrelated_tone_is_nothing_but_distortion_and_silence_has_no_ratio() -> None:
    assert low_band_si_sdr_db(sine(1_000), sine(2_000), RATE, 4_000.0) < -100.0
    assert np.isnan(low_band_si_sdr_db(np.zeros(RATE, np.float32), sine(1_000), RATE, 4_000.0))


def test_half_the_amplitude_is_a_convergence_of_one_half_and_a_log_ratio_of_0_3() -> None:
    noise = np.random.default_rng(0).standard_normal(RATE).astype(np.float32)
    distance = multi_resolution_distance(noise, 0.5 * noise, RATE, 24_000.0)
    assert distance == pytest.approx(0.5 + np.log10(2.0), abs=1e-3)
    assert multi_resolution_distance(noise, noise, RATE, 24_000.0) == 0.0


def test_silence_for_sound_costs_the_floor_and_a_silent_reference_has_no_distance() -> None:
    noise = np.random.default_rng(0).standard_normal(RATE).astype(np.float32)
    silence = np.zeros(RATE, np.float32)
    assert 1.0 + 3.5 < multi_resolution_distance(noise, silence, RATE, 24_000.0) < 1.0 + 5.0
    assert np.isnan(multi_resolution_distance(silence, noise, RATE, 24_000.0))


@pytest.mark.parametrize("samples", [1, 64, 65, 8193])
def test_short_signals_are_measured(samples: int) -> None:
    assert samples < 2 * max(n_fft for n_fft, _ in RESOLUTIONS) + 2
    noise = np.random.default_rng(0).standard_normal(samples).astype(np.float32)
    assert multi_resolution_distance(noise, 0.5 * noise, RATE, 24_000.0) == pytest.approx(0.8, abs=0.01)

"""Resampling, saturation, noise, and the measure of where a recording ends."""

from __future__ import annotations

import numpy as np
import pytest

from audiosr_fx.errors import ParameterError
from audiosr_fx.training.impairments import (
    FILTER_QUALITIES,
    INTERPOLATIONS,
    Noise,
    Resampling,
    add_noise,
    measure_cutoff,
    resample,
    saturate,
)


def _noise(samples: int = 48_000) -> np.ndarray:
    return (0.1 * np.random.default_rng(0).standard_normal(samples)).astype(np.float32)


def _power(waveform: np.ndarray, low_hz: int, high_hz: int) -> float:
    """Of one second, between two frequencies."""
    return float(np.square(np.abs(np.fft.rfft(waveform)[low_hz:high_hz])).sum())


@pytest.mark.parametrize("up", [*FILTER_QUALITIES, *INTERPOLATIONS])
@pytest.mark.parametrize("sample_rate", [8_000, 11_025, 23_456])
def test_resampling_keeps_place_and_length(up: str, sample_rate: int) -> None:
    time = np.arange(9_601) / 48_000
    tone = np.sin(2 * np.pi * 250.0 * time).astype(np.float32)
    there_and_back = resample(tone, Resampling(sample_rate=sample_rate, up=up))
    assert there_and_back.shape == tone.shape
    middle = slice(1_000, -1_000)
    assert np.abs(there_and_back - tone)[middle].max() < 0.11  # a hold of 8 kHz lags 1/16 ms: 0.1 at 250 Hz
    lag = np.vdot(there_and_back[middle], np.cos(2 * np.pi * 250.0 * time)[middle]) / len(time)
    assert abs(lag) < 0.007  # half a sample, which is as near as a hold of six samples can lie, makes 0.0065


def test_interpolations_leave_images_and_filters_do_not() -> None:
    images = {up: _power(resample(_noise(), Resampling(sample_rate=16_000, up=up)), 9_000, 15_000)
              for up in ("HQ", "linear", "hold")}  # fmt: skip
    assert images["hold"] > images["linear"] > 100 * images["HQ"]


@pytest.mark.parametrize("samples", [0, 1, 64, 65])
@pytest.mark.parametrize("up", ["VHQ", "linear", "hold"])
def test_a_few_samples_can_be_resampled(samples: int, up: str) -> None:
    assert resample(_noise(samples), Resampling(sample_rate=8_000, up=up)).shape == (samples,)


def test_wrong_resampling_is_refused() -> None:
    with pytest.raises(ParameterError, match="down is 'linear'; expected one of LQ, MQ, HQ, VHQ"):
        Resampling(sample_rate=8_000, down="linear")
    with pytest.raises(ParameterError, match="up is 'cubic'"):
        Resampling(sample_rate=8_000, up="cubic")
    with pytest.raises(ParameterError, match="sample_rate is 96000; expected 1000 to 48000 Hz"):
        Resampling(sample_rate=96_000)


def test_saturation_makes_odd_harmonics_and_keeps_the_level() -> None:
    tone = np.sin(2 * np.pi * 1_000.0 * np.arange(48_000) / 48_000)
    shares = {}
    for drive in (0.25, 1.0):
        bent = saturate(tone, drive)
        assert np.vdot(bent, tone) / np.vdot(tone, tone) == pytest.approx(1.0, abs=0.01)
        shares[drive] = _power(bent, 2_999, 3_002) / _power(bent, 999, 1_002)
    assert shares[1.0] > 10 * shares[0.25] > 0.0
    assert shares[1.0] < 0.01  # mild: the third harmonic stays 20 dB down
    assert not saturate(np.zeros(10), 1.0).any()


def test_noise_has_the_amplitudes_that_were_asked_for() -> None:
    signal = 0.25 * np.sin(2 * np.pi * 500.0 * np.arange(48_000) / 48_000)  # half of the peak they refer to
    tone = add_noise(signal, Noise(tone_hz=3_000.0, tone_amplitude=0.1)) - signal
    spectrum = np.abs(np.fft.rfft(tone)) / 24_000
    assert spectrum[3_000] == pytest.approx(0.05, rel=1e-6)
    assert np.delete(spectrum, 3_000).max() < 1e-6
    hiss = add_noise(signal, Noise(hiss_amplitude=0.02, seed=3)) - signal
    assert hiss.std() == pytest.approx(0.01, rel=0.02)
    np.testing.assert_array_equal(hiss, add_noise(signal, Noise(hiss_amplitude=0.02, seed=3)) - signal)


@pytest.mark.parametrize("cutoff_hz", [2_000.0, 7_500.0, 15_900.0])
def test_a_cliff_is_measured_within_a_band(cutoff_hz: float) -> None:
    spectrum = np.fft.rfft(_noise())
    spectrum[round(cutoff_hz) :] = 0.0
    assert measure_cutoff(_noise(), np.fft.irfft(spectrum)) == pytest.approx(cutoff_hz, abs=190.0)


def test_holes_below_the_cutoff_do_not_lower_it_but_a_band_mostly_of_holes_does() -> None:
    noise = _noise()
    silent = np.tile(np.repeat([1.0, 0.0], 4_800), 5)
    spectrum = np.fft.rfft(noise)
    spectrum[12_000:] = 0.0
    low, high = spectrum.copy(), spectrum.copy()
    low[6_000:], high[:6_000] = 0.0, 0.0
    some = np.fft.irfft(low) + np.fft.irfft(high) * np.maximum(
        silent, np.roll(silent, 2_400)
    )  # a quarter gone
    most = np.fft.irfft(low) + np.fft.irfft(high) * silent * np.roll(silent, 2_400)  # a quarter left
    assert measure_cutoff(noise, some) == pytest.approx(12_000.0, abs=190.0)
    assert measure_cutoff(noise, most) == pytest.approx(6_000.0, abs=190.0)


def test_nothing_to_measure_gives_what_the_rate_holds() -> None:
    assert measure_cutoff(np.zeros(0), np.zeros(0), 16_000) == pytest.approx(0.97 * 8_000)
    assert measure_cutoff(_noise(), _noise(), 16_000) == pytest.approx(0.97 * 8_000)

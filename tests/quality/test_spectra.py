"""Spectra are made comparable as the protocol says."""

from __future__ import annotations

import numpy as np
import pytest

from audiosr_fx.errors import AudioFormatError, ParameterError
from audiosr_fx.quality.spectra import Protocol, compare_spectra, loud_frames, power_spectrum

RATE = 48_000


def noise(seed: int = 0, samples: int = RATE) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal(samples).astype(np.float32)


def test_a_full_scale_sine_on_a_bin_has_the_power_of_half_the_window() -> None:
    sine = np.sin(2 * np.pi * 6_000 * np.arange(RATE) / RATE).astype(np.float32)
    power = power_spectrum(sine, 2048, 512)
    assert np.argmax(power[:, 40]) == 256
    assert power[256, 40] == pytest.approx((1024 / 2) ** 2, rel=1e-6)


def test_a_louder_estimate_is_brought_to_the_level_of_the_reference() -> None:
    pair = compare_spectra(noise(), 4.0 * noise(), RATE, cutoff_hz=4_000.0)
    np.testing.assert_allclose(pair.estimate, pair.reference, rtol=1e-5)


def test_the_level_is_taken_from_the_low_band_alone() -> None:
    spectrum = np.fft.rfft(noise())
    spectrum[5_000:] *= 10.0  # one bin is 1 Hz
    brighter = np.fft.irfft(spectrum).astype(np.float32)
    pair = compare_spectra(noise(), brighter, RATE, cutoff_hz=4_000.0)
    ratio_db = 10 * np.log10(pair.estimate.sum(axis=1) / pair.reference.sum(axis=1))
    assert np.abs(ratio_db[pair.frequencies_hz < 4_000]).max() < 0.1
    assert ratio_db[pair.frequencies_hz > 6_000] == pytest.approx(20.0, abs=0.1)


def test_frames_60_db_under_the_loudest_are_left_out() -> None:
    quiet = noise()
    quiet[RATE // 2 :] *= 10 ** (-70 / 20)
    frames = power_spectrum(quiet, 2048, 512).shape[1]
    pair = compare_spectra(quiet, quiet, RATE, cutoff_hz=4_000.0)
    assert pair.reference.shape[1] == pytest.approx(frames / 2, abs=3)
    everything = Protocol(silence_db=-200.0)
    pair = compare_spectra(quiet, quiet, RATE, cutoff_hz=4_000.0, protocol=everything)
    assert pair.reference.shape[1] == frames


def test_nothing_lies_more_than_100_db_under_the_loudest_bin() -> None:
    sine = np.sin(2 * np.pi * 1_000 * np.arange(RATE) / RATE).astype(np.float32)
    pair = compare_spectra(sine, sine, RATE, cutoff_hz=4_000.0)
    assert 10 * np.log10(pair.reference.min() / pair.reference.max()) == pytest.approx(-100.0)
    silent = np.zeros_like(sine)
    pair = compare_spectra(sine, silent, RATE, cutoff_hz=4_000.0)
    assert (pair.estimate == pair.reference.min()).all()


def test_of_silence_no_frame_counts() -> None:
    silence = np.zeros(RATE, np.float32)
    assert compare_spectra(silence, noise(), RATE, cutoff_hz=4_000.0).reference.shape[1] == 0
    assert not loud_frames(np.zeros((5, 3)), -60.0).any()


def test_what_cannot_be_compared_says_so() -> None:
    with pytest.raises(AudioFormatError, match="one length"):
        compare_spectra(noise(), noise(samples=100), RATE, cutoff_hz=4_000.0)
    with pytest.raises(AudioFormatError, match="one length"):
        compare_spectra(noise()[:0], noise()[:0], RATE, cutoff_hz=4_000.0)
    with pytest.raises(ParameterError, match="hop_length is 0"):
        Protocol(hop_length=0)
    with pytest.raises(ParameterError, match="floor_db is 0"):
        Protocol(floor_db=0.0)


@pytest.mark.parametrize("samples", [1, 64, 65, 8193])
def test_short_recordings_have_frames(samples: int) -> None:
    pair = compare_spectra(noise(samples=samples), noise(samples=samples), RATE, cutoff_hz=4_000.0)
    assert pair.reference.shape[1] >= 1
    assert (pair.band(4_000.0, 5_000.0).frequencies_hz >= 4_000.0).all()

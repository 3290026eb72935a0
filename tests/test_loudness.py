"""Loudness and peaks, held against EBU Tech 3341 and against signals whose peaks are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiosr_fx.errors import AudioFormatError
from audiosr_fx.loudness import measure_loudness, sample_peak_dbfs, true_peak_dbtp
from audiosr_fx.sources import Audio


def sine(
    level_dbfs: float, seconds: float = 3.0, sample_rate: int = 48_000, channels: int = 2, hz: float = 1000.0
) -> Audio:
    wave = 10 ** (level_dbfs / 20) * np.sin(
        2 * np.pi * hz * np.arange(round(seconds * sample_rate)) / sample_rate
    )
    return np.repeat(wave[np.newaxis], channels, axis=0).astype(np.float32)


@pytest.mark.parametrize("level", [-23.0, -33.0])
@pytest.mark.parametrize("sample_rate", [44_100, 48_000, 96_000])
def test_ebu_3341_cases_1_and_2(level: float, sample_rate: int) -> None:
    measured = measure_loudness(sine(level, 20.0, sample_rate), sample_rate)
    assert measured == pytest.approx(level, abs=0.1)  # the tolerance of EBU Tech 3341, table 1


def test_ebu_3341_case_3_gates_the_quiet_parts() -> None:
    audio = np.concatenate([sine(-36, 10.0), sine(-23, 60.0), sine(-36, 10.0)], axis=1)
    assert measure_loudness(audio, 48_000) == pytest.approx(-23.0, abs=0.1)


def test_mono_is_3_lu_below_its_doubling() -> None:
    mono, stereo = (measure_loudness(sine(-20, channels=channels), 48_000) for channels in (1, 2))
    assert stereo - mono == pytest.approx(10 * math.log10(2), abs=0.01)


@given(gain_db=st.floats(-20.0, 6.0))
@settings(deadline=None, max_examples=10)
def test_gain_in_is_loudness_out(gain_db: float) -> None:
    audio = sine(-20.0, 1.0)
    louder = measure_loudness(audio * np.float32(10 ** (gain_db / 20)), 48_000)
    assert louder - measure_loudness(audio, 48_000) == pytest.approx(gain_db, abs=0.01)


def test_silence_is_minus_infinity() -> None:
    assert measure_loudness(np.zeros((2, 48_000), np.float32), 48_000) == -math.inf
    assert measure_loudness(sine(-90.0), 48_000) == -math.inf
    assert sample_peak_dbfs(np.zeros((2, 0), np.float32)) == -math.inf
    assert true_peak_dbtp(np.zeros((1, 65), np.float32), 48_000) == -math.inf


@pytest.mark.parametrize("samples", [0, 1, 64, 65, 8193, 19_199])
def test_too_short_is_one_clear_line(samples: int) -> None:
    with pytest.raises(AudioFormatError, match=rf"{samples} samples long; loudness needs 19200 or more"):
        measure_loudness(sine(-20.0)[:, :samples], 48_000)


def test_exactly_one_gating_block_is_enough() -> None:
    assert measure_loudness(sine(-23.0)[:, :19_200], 48_000) == pytest.approx(-23.0, abs=0.2)


def test_the_bass_channel_of_six_does_not_count() -> None:
    five = sine(-30.0, channels=5)
    six = np.insert(five, 3, sine(0.0, channels=1)[0], axis=0)
    assert measure_loudness(six, 48_000) == pytest.approx(measure_loudness(five, 48_000), abs=1e-9)
    with pytest.raises(AudioFormatError, match="7 channels; loudness is defined for 1 to 6"):
        measure_loudness(sine(-20.0, channels=7), 48_000)


def test_a_rate_below_the_weighting_is_refused() -> None:
    with pytest.raises(AudioFormatError, match="sample_rate is 2000; loudness needs 4000 or more"):
        measure_loudness(sine(-20.0), 2000)


def test_nan_is_refused() -> None:
    audio = sine(-20.0)
    audio[0, 7] = np.nan
    with pytest.raises(AudioFormatError, match="sample 7"):
        measure_loudness(audio, 48_000)


def test_a_peak_between_the_samples_is_found() -> None:
    phase = 2 * np.pi * np.arange(48_000) / 4 + np.pi / 4  # a quarter of the rate, sampled at +-0.707
    wave = (0.5 * np.sin(phase)).astype(np.float32)[np.newaxis]
    wave[:, :2000] *= np.linspace(0, 1, 2000, dtype=np.float32)
    wave[:, -2000:] *= np.linspace(1, 0, 2000, dtype=np.float32)
    assert sample_peak_dbfs(wave) == pytest.approx(-9.03, abs=0.01)
    assert true_peak_dbtp(wave, 48_000) == pytest.approx(-6.02, abs=0.05)


@pytest.mark.parametrize("samples", [0, 1, 64, 65, 8193, 70_000])
def test_the_true_peak_is_never_below_the_sample_peak(samples: int) -> None:
    audio = (0.1 * np.random.default_rng(0).standard_normal((2, samples))).astype(np.float32)
    assert true_peak_dbtp(audio, 44_100) >= sample_peak_dbfs(audio)

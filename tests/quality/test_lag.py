from __future__ import annotations

import numpy as np
import pytest

from audiosr_fx.quality.lag import find_lag
from audiosr_fx.sources import Audio


def noise(samples: int = 8193, channels: int = 2, seed: int = 0) -> Audio:
    return np.random.default_rng(seed).standard_normal((channels, samples)).astype(np.float32)


@pytest.mark.parametrize("lag", [-700, -1, 0, 1, 65, 1000])
@pytest.mark.parametrize("gain", [1.0, -0.2])
def test_a_moved_copy_is_found_to_the_sample_at_any_gain_and_polarity(lag: int, gain: float) -> None:
    before = noise()
    assert find_lag(before, np.float32(gain) * np.roll(before, lag, axis=1), 1000) == lag


def test_a_sustained_tone_is_not_moved_by_a_period() -> None:
    wave = np.sin(2 * np.pi * np.arange(9600) / 48).astype(np.float32)[None]
    assert find_lag(wave, 0.5 * wave, 480) == 0


def test_another_sound_has_no_lag() -> None:
    assert find_lag(noise(), noise(seed=1), 1000) == 0


def test_an_added_noise_does_not_hide_a_delay() -> None:
    before = noise()
    late = np.roll(before, 37, axis=1) + 0.3 * noise(seed=1)
    assert find_lag(before, late, 100) == 37


@pytest.mark.parametrize("samples", [0, 1, 64, 65])
def test_silence_and_short_recordings_stand_in_step(samples: int) -> None:
    silence = np.zeros((1, samples), np.float32)
    assert find_lag(silence, silence, 480) == 0


def test_a_short_recording_with_noise_is_not_found_elsewhere_in_itself() -> None:
    before = noise(2000)
    for seed in range(1, 6):
        assert find_lag(before, before + 0.3 * noise(2000, seed=seed), 24_000) == 0


def fading_note(samples: int) -> Audio:
    time_s = np.arange(samples) / 48_000
    number = np.arange(1, 12)[:, None]
    wave = np.sum(np.sin(2 * np.pi * 110 * number * time_s) / number, axis=0)
    return (0.3 * np.exp(-4 * time_s) * wave).astype(np.float32)[None]


def test_of_a_sound_that_repeats_itself_as_it_fades_no_louder_part_is_taken() -> None:
    note = fading_note(96_001)
    hissing = note + np.float32(1e-3) * noise(96_001, channels=1)
    rounded = np.round(note * np.float32(32_767)) / np.float32(32_767)
    assert find_lag(note, hissing, 24_000) == 0
    assert find_lag(note[:, ::-1], hissing[:, ::-1], 24_000) == 0
    assert find_lag(note, rounded, 24_000) == 0


@pytest.mark.parametrize("lag", [-480, 5, 480])
def test_of_a_sound_that_repeats_itself_the_delay_is_found(lag: int) -> None:
    note = np.pad(fading_note(95_001), ((0, 0), (1000, 0)))
    late = np.roll(note, lag, axis=1) + np.float32(1e-3) * noise(96_001, channels=1)
    assert find_lag(note, late, 24_000) == lag


@pytest.mark.parametrize("place", [24_000, 60_000])
def test_a_burst_that_moving_would_push_out_moves_nothing(place: int) -> None:
    tone = (0.3 * np.sin(2 * np.pi * 440 * np.arange(96_000) / 48_000)).astype(np.float32)[None]
    broken = tone.copy()
    broken[:, place : place + 12_000] += noise(12_000, channels=1)
    assert find_lag(tone, broken, 24_000) == 0


def test_what_comes_later_than_is_searched_is_not_found_in_silence() -> None:
    before = noise(32_000, channels=1)
    late = np.pad(before, ((0, 0), (24_000, 0)))[:, :32_000]
    for leakage in (0.0, 1e-18, 1e-17, 1e-16, 1e-4):
        assert find_lag(before, late + np.float32(leakage) * noise(32_000, channels=1, seed=1), 24_000) == 0
        assert find_lag(late, before, 24_000) == 0

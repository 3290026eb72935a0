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

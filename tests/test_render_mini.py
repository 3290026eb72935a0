"""The embedded model through the renderer: promises that need a vocoder that listens to the low band."""

from __future__ import annotations

import numpy as np
import pytest

from audiosr_fx.engine import Engine
from audiosr_fx.render import Region, RenderSettings, render_array

RATE = 48_000
SETTINGS = RenderSettings(cutoff_hz=6000.0, quality="draft")


@pytest.fixture(scope="module")
def noise(signals: type) -> np.ndarray:
    return signals.noise(6 * RATE, RATE, cutoff_hz=5800.0)


def band(audio: np.ndarray, engine: Engine, settings: RenderSettings = SETTINGS) -> np.ndarray:
    """What a render adds to audio that has nothing above the crossover."""
    return render_array(audio, RATE, settings, engine=engine).audio - audio


def test_polarity_passes_through_the_new_band(mini_engine: Engine, noise: np.ndarray) -> None:
    plus, minus = band(np.concatenate([noise, -noise]), mini_engine)
    assert np.linalg.norm(plus + minus) < 1e-4 * np.linalg.norm(plus)


def test_level_passes_through_the_new_band(mini_engine: Engine, noise: np.ndarray) -> None:
    loud = band(noise, mini_engine)
    soft = band(0.5 * noise, mini_engine)
    assert np.linalg.norm(soft - 0.5 * loud) < 1e-3 * np.linalg.norm(soft)


def test_the_new_band_is_in_proportion_and_without_low_end(mini_engine: Engine, noise: np.ndarray) -> None:
    added = band(noise, mini_engine)[0]
    power = np.abs(np.fft.rfft(added * np.hanning(added.size))) ** 2
    hz = np.fft.rfftfreq(added.size, 1 / RATE)
    assert power[hz < 5400].sum() < 1e-9 * power.sum()
    assert 1e-4 < np.mean(np.square(added)) / np.mean(np.square(noise)) < 10.0


@pytest.mark.parametrize("quality", ["draft", "standard"])
def test_a_region_is_bit_equal_to_the_same_part_of_the_whole(
    quality: str, mini_engine: Engine, signals: type
) -> None:
    audio = signals.noise(8 * RATE, RATE, cutoff_hz=5800.0)
    settings = RenderSettings(cutoff_hz=6000.0, quality=quality)
    whole = render_array(audio, RATE, settings, engine=mini_engine).audio
    part = render_array(audio, RATE, settings, engine=mini_engine, region=Region(200_000, 240_000)).audio
    assert np.array_equal(part, whole[:, 200_000:240_000])

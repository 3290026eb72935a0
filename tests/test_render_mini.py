"""Models with a predictor and a vocoder that listens to the low band keep more of the input."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tiny import WITH_PREDICTOR, tiny_model

from audiosr_fx.engine import Engine
from audiosr_fx.render import Region, RenderSettings, render_array

RATE = 48_000
SETTINGS = RenderSettings(cutoff_hz=6000.0, quality="draft")


@pytest.fixture(scope="module", params=["untrained", "mini"])
def excited(request: pytest.FixtureRequest) -> Engine:
    """An untrained model of the embedded model's stages, and the embedded model itself where it is."""
    if request.param == "mini":
        mini: Engine = request.getfixturevalue("mini_engine")
        return mini
    return Engine(tiny_model(config=replace(WITH_PREDICTOR, guidance_scale=1.0)), "cpu")


@pytest.fixture(scope="module")
def noise(signals: type) -> np.ndarray:
    return signals.noise(6 * RATE, RATE, cutoff_hz=5800.0)


def band(audio: np.ndarray, engine: Engine, settings: RenderSettings = SETTINGS) -> np.ndarray:
    """What a render adds to audio that has nothing above the crossover."""
    return render_array(audio, RATE, settings, engine=engine).audio - audio


def test_polarity_passes_through_the_new_band(excited: Engine, noise: np.ndarray) -> None:
    plus, minus = band(np.concatenate([noise, -noise]), excited)
    assert np.linalg.norm(plus + minus) < 1e-4 * np.linalg.norm(plus)


@pytest.mark.parametrize("gain", [0.5, 2.0**-11])
def test_level_passes_through_the_new_band(gain: float, excited: Engine, noise: np.ndarray) -> None:
    loud = band(noise, excited)
    soft = band(np.float32(gain) * noise, excited)
    assert np.linalg.norm(soft - gain * loud) < 1e-3 * np.linalg.norm(soft)


def test_the_new_band_is_in_proportion_and_without_low_end(excited: Engine, noise: np.ndarray) -> None:
    added = band(noise, excited)[0]
    power = np.abs(np.fft.rfft(added * np.hanning(added.size))) ** 2
    hz = np.fft.rfftfreq(added.size, 1 / RATE)
    assert power[hz < 5400].sum() < 1e-9 * power.sum()
    assert 1e-4 < np.mean(np.square(added)) / np.mean(np.square(noise)) < 10.0


@pytest.mark.parametrize("quality", ["draft", "standard"])
def test_a_region_is_bit_equal_to_the_same_part_of_the_whole(
    quality: str, excited: Engine, signals: type
) -> None:
    audio = signals.noise(8 * RATE, RATE, cutoff_hz=5800.0)
    settings = RenderSettings(cutoff_hz=6000.0, quality=quality)
    whole = render_array(audio, RATE, settings, engine=excited).audio
    part = render_array(audio, RATE, settings, engine=excited, region=Region(200_000, 240_000)).audio
    assert np.array_equal(part, whole[:, 200_000:240_000])


def test_what_is_panned_stays_where_it_is(excited: Engine, noise: np.ndarray) -> None:
    """A quieter copy of a channel gets a quieter copy of its new band: the image does not move."""
    left, right = band(np.concatenate([noise, np.float32(0.13) * noise]), excited)
    assert np.linalg.norm(right - np.float32(0.13) * left) < 1e-3 * np.linalg.norm(right)


def test_an_attack_at_the_first_sample_keeps_its_highs(excited: Engine, noise: np.ndarray) -> None:
    """The first 10 ms of a stretch cut out of steady noise are as bright as the next 100."""
    new = band(noise[:, RATE : 2 * RATE], excited)[0]
    level_db = [10 * np.log10(np.mean(part**2)) for part in (new[48:480], new[480:5_280], new[-480:-48])]
    assert level_db[0] == pytest.approx(level_db[1], abs=3.0)
    assert level_db[2] == pytest.approx(level_db[1], abs=3.0)

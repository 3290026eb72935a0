"""The new band is no wider than the recording."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import signal

from audiosr_fx.engine import Engine
from audiosr_fx.render import RenderSettings, render_array
from audiosr_fx.sources import Audio
from audiosr_fx.width import REACH, STEP, narrowed

RATE = 48_000
LOWER_HZ = 6_000.0


def middle_and_sides_db(audio: Audio, low_hz: float, high_hz: float) -> NDArray[np.float64]:
    """Level of half the sum and of half the difference of two channels in a band."""
    sections = signal.butter(8, [low_hz, high_hz], "bandpass", fs=RATE, output="sos")
    left, right = signal.sosfiltfilt(sections, audio)[:, REACH:-REACH]
    return 10.0 * np.log10([np.mean((0.5 * (left + right)) ** 2), np.mean((0.5 * (left - right)) ** 2)])


def of_width(signals: type, sides: float, samples: int = 3 * RATE) -> Audio:
    """Stereo noise whose sides are so far under its middle."""
    middle, side = signals.noise(samples, RATE, channels=2)
    return np.stack([middle + sides * side, middle - sides * side]).astype(np.float32)


@pytest.mark.parametrize("sides", [0.1, 0.5])
def test_the_sides_come_down_to_those_of_the_recording(sides: float, signals: type) -> None:
    generated, recorded = of_width(signals, 1.0), np.ascontiguousarray(of_width(signals, sides)[:, ::-1])
    out = narrowed(generated, recorded, LOWER_HZ)
    for low_hz, high_hz in ((6_500.0, 9_000.0), (9_000.0, 14_000.0), (14_000.0, 21_000.0)):
        before, after = (middle_and_sides_db(audio, low_hz, high_hz) for audio in (generated, out))
        assert after[1] - after[0] == pytest.approx(20.0 * np.log10(sides), abs=1.0)
        power_before, power_after = (np.log10((10.0 ** (one / 10.0)).sum()) for one in (before, after))
        assert 10.0 * (power_after - power_before) == pytest.approx(0.0, abs=0.2)
    below = signal.butter(8, 4_000.0, fs=RATE, output="sos")
    assert np.abs(signal.sosfiltfilt(below, out - generated)[:, REACH:-REACH]).max() < 1e-3


def test_what_is_no_wider_stays_to_the_bit(signals: type) -> None:
    recorded = of_width(signals, 1.0)
    one = signals.noise(RATE, RATE)
    same = np.concatenate([one, one]).astype(np.float32)
    assert np.array_equal(narrowed(same, recorded[:, :RATE], LOWER_HZ), same)
    panned = np.concatenate([one, 0.5 * one]).astype(np.float32)
    assert np.array_equal(narrowed(panned, panned[:, ::-1], LOWER_HZ), panned)
    opposed = np.concatenate([one, -one]).astype(np.float32)
    assert np.array_equal(narrowed(opposed, opposed, LOWER_HZ), opposed)


def test_a_middle_that_is_hardly_there_does_not_stand_in_for_the_sides(signals: type) -> None:
    middle, side = signals.noise(RATE, RATE, channels=2)
    generated = np.stack([side + 0.001 * middle, -side + 0.001 * middle]).astype(np.float32)
    out = narrowed(generated, np.stack([middle, middle]), LOWER_HZ)
    before, after = (middle_and_sides_db(audio, 7_000.0, 20_000.0) for audio in (generated, out))
    assert after[0] - before[0] == pytest.approx(6.0, abs=0.5)


def test_silence_of_the_recording_asks_for_nothing(signals: type) -> None:
    generated = of_width(signals, 1.0, RATE)
    assert np.array_equal(narrowed(generated, np.zeros_like(generated), LOWER_HZ), generated)


def test_a_stretch_is_that_part_of_a_longer_one(signals: type) -> None:
    generated, recorded = of_width(signals, 1.0), of_width(signals, 0.2)
    whole = narrowed(generated, recorded, LOWER_HZ)
    start, stop = 10 * STEP, 60 * STEP
    part = narrowed(generated[:, start:stop], recorded[:, start:stop], LOWER_HZ)
    np.testing.assert_allclose(
        part[:, REACH:-REACH], whole[:, start + REACH : stop - REACH], atol=1e-6, rtol=0.0
    )


def test_a_hit_does_not_sound_before_it_is_there(signals: type) -> None:
    at = 20 * STEP + 313
    generated, recorded = np.zeros((2, 2, 60 * STEP), np.float32)
    generated[:, at : at + 2_000] = of_width(signals, 1.0, 2_000)
    recorded[:, at : at + 2_000] = of_width(signals, 0.1, 2_000)
    out = narrowed(generated, recorded, LOWER_HZ)
    assert not np.array_equal(out, generated)
    early = np.abs(out[:, : at - RATE // 200]).max()
    assert early < 1e-3 * np.abs(out).max(), "5 ms before, 60 dB under it"


def test_a_voice_in_the_middle_keeps_its_new_highs_there(mini_engine: Engine, signals: type) -> None:
    voice, left, right = signals.noise(2 * RATE, RATE, cutoff_hz=LOWER_HZ, channels=3)
    audio = np.stack([voice + 0.2 * left, voice + 0.2 * right]).astype(np.float32)
    settings = RenderSettings(quality="draft", cutoff_hz=LOWER_HZ)
    added = render_array(audio, RATE, settings, engine=mini_engine).audio - audio
    recorded = np.diff(middle_and_sides_db(audio, 3_000.0, 5_800.0))
    for low_hz, high_hz in ((6_500.0, 9_000.0), (9_000.0, 13_000.0), (13_000.0, 18_000.0)):
        assert np.diff(middle_and_sides_db(added, low_hz, high_hz)) < recorded + 1.5

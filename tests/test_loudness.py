"""One gain per file or set; what cannot be measured is left alone, and said so."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiosr_fx.contract import Effect, is_offline
from audiosr_fx.errors import AudioFormatError, ParameterError, RenderCancelled
from audiosr_fx.loudness import GainDecision, LoudnessNormalize, LoudnessSettings, decide_gain
from audiosr_fx.meters import measure_loudness
from audiosr_fx.params import MASTERING_CONTROLS, Control, find_control
from audiosr_fx.sources import ArraySource, Audio

RATE = 48_000


def noise(gain: float = 0.1, seconds: float = 2.0, channels: int = 2, seed: int = 0) -> Audio:
    samples = round(seconds * RATE)
    return (gain * np.random.default_rng(seed).standard_normal((channels, samples))).astype(np.float32)


def gain_of(before: Audio, after: Audio) -> float:
    """The one gain between two signals, in dB; fails where there is more than one."""
    ratio = after[before != 0.0] / before[before != 0.0]
    np.testing.assert_allclose(ratio, ratio.flat[0], rtol=1e-5)
    return 20.0 * math.log10(float(ratio.flat[0]))


def decision_of(effect: LoudnessNormalize) -> GainDecision:
    assert effect.decision is not None
    return effect.decision


@given(target=st.floats(-40.0, -5.0), gain=st.floats(0.01, 0.5))
@settings(deadline=None, max_examples=15)
def test_the_target_is_met_with_one_gain(target: float, gain: float) -> None:
    audio = noise(gain)
    effect = LoudnessNormalize(target, max_gain_db=60.0)
    normalized = effect(audio, RATE)
    assert measure_loudness(normalized, RATE) == pytest.approx(target, abs=0.11)
    assert gain_of(audio, normalized) == pytest.approx(decision_of(effect).gain_db, abs=1e-3)


@pytest.mark.parametrize("channels", [1, 2, 5, 6, 8, 12])
def test_more_channels_are_met_too(channels: int) -> None:
    normalized = LoudnessNormalize(-23.0)(noise(channels=channels), RATE)
    assert measure_loudness(normalized, RATE) == pytest.approx(-23.0, abs=0.01)


def test_what_is_near_enough_is_not_touched() -> None:
    audio = noise()
    effect = LoudnessNormalize(measure_loudness(audio, RATE) + 0.05)
    assert np.array_equal(effect(audio, RATE), audio)
    assert decision_of(effect).outcome == "on target"


def test_a_quiet_file_is_not_blown_up() -> None:
    audio = noise(0.002)
    effect = LoudnessNormalize(-14.0, max_gain_db=12.0)
    assert gain_of(audio, effect(audio, RATE)) == pytest.approx(12.0, abs=1e-3)
    assert decision_of(effect).outcome == "held back"
    assert "max_gain_db allows +12.00" in decision_of(effect).reason


@pytest.mark.parametrize("shape", [(0,), (1,), (64,), (65,), (8193,), (2, 0), (2, 19_199), (8193, 2)])
def test_less_than_400_ms_is_left_alone(shape: tuple[int, ...]) -> None:
    audio = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    effect = LoudnessNormalize()
    assert np.array_equal(effect(audio, RATE), audio)
    assert decision_of(effect).outcome == "undefined"
    assert "loudness needs 19200 or more (400 ms): left alone" in decision_of(effect).reason


def test_silence_is_left_alone() -> None:
    effect = LoudnessNormalize()
    assert not effect(np.zeros((2, RATE), np.float32), RATE).any()
    assert decision_of(effect).outcome == "silent"
    assert decision_of(effect).gain_db == 0.0


@pytest.mark.parametrize(("channels", "rate"), [(9, RATE), (2, 2000)])
def test_what_has_no_loudness_is_left_alone(channels: int, rate: int) -> None:
    audio, effect = noise(channels=channels), LoudnessNormalize()
    assert np.array_equal(effect(audio, rate), audio)
    assert decision_of(effect).outcome == "undefined"


@pytest.mark.parametrize("rate", [4_001, 11_025, 22_255, 176_400])
def test_odd_rates_are_met(rate: int) -> None:
    normalized = LoudnessNormalize(-20.0)(noise(), rate)
    assert measure_loudness(normalized, rate) == pytest.approx(-20.0, abs=0.01)


def test_nan_is_refused() -> None:
    audio = noise()
    audio[1, 5] = np.nan
    with pytest.raises(AudioFormatError, match="nan at sample 5 of channel 1"):
        LoudnessNormalize()(audio, RATE)


def test_an_album_keeps_its_balance() -> None:
    album = [noise(0.2, seed=1), noise(0.02, 5.0, seed=2), noise(0.1, channels=1, seed=3)]
    effect = LoudnessNormalize(-20.0, mode="album")
    learned = effect.learn([ArraySource(audio, RATE) for audio in album])
    gains = [gain_of(audio, effect(audio, RATE)) for audio in album]
    assert gains == pytest.approx([learned.gain_db] * 3, abs=1e-3)
    effect.reset()
    assert gain_of(album[0], effect(album[0], RATE)) == pytest.approx(learned.gain_db, abs=1e-3)
    again = LoudnessNormalize(-20.0, mode="album")
    after = again.learn([ArraySource(effect(audio, RATE), RATE) for audio in album])
    assert after.measured_lufs == pytest.approx(-20.0, abs=0.01)


def test_an_album_of_short_stems_and_silence_has_the_gain_of_the_rest() -> None:
    effect = LoudnessNormalize(-20.0, mode="album")
    short, silent, loud = noise(seconds=0.1), np.zeros((2, RATE), np.float32), noise()
    learned = effect.learn([ArraySource(audio, RATE) for audio in (short, silent, loud)])
    assert learned.measured_lufs == pytest.approx(measure_loudness(loud, RATE), abs=1e-6)
    assert gain_of(short, effect(short, RATE)) == pytest.approx(learned.gain_db, abs=1e-3)
    assert effect.learn([]).outcome == "undefined"


def test_an_album_must_be_known_first() -> None:
    with pytest.raises(ParameterError, match=r"call learn\(\) with all of it first"):
        LoudnessNormalize(mode="album")(noise(), RATE)


@pytest.mark.parametrize(
    ("sources", "told"),
    [
        ("a.wav", "sources is 'a.wav'"),
        (Path("a.wav"), f"sources is {Path('a.wav')!r}"),
        (5, "sources is 5"),
        (ArraySource(noise(), RATE), "sources is <audiosr_fx.sources.ArraySource object"),
        (["a.wav"], "sources holds 'a.wav'"),
        (noise(), "sources holds array(["),
        ([np.zeros((2, 3))], "sources holds array([[0., 0., 0.], [0., 0., 0.]])"),
    ],
    ids=["name", "path", "number", "source", "names", "array", "arrays"],
)
def test_what_is_no_set_of_sources_is_refused_in_one_line(sources: Any, told: str) -> None:
    effect = LoudnessNormalize(mode="album")
    with pytest.raises(ParameterError) as caught:
        effect.learn(sources)
    expected = "; expected several sources, as in learn([FileSource('a.wav'), FileSource('b.wav')])"
    assert str(caught.value).startswith(told)
    assert str(caught.value).endswith(expected)
    assert "\n" not in str(caught.value)


def test_blocks_of_a_source_are_the_array() -> None:
    audio, effect = noise(seconds=4.0), LoudnessNormalize(-20.0)
    blocks = list(effect.render_source(ArraySource(audio, RATE)))
    assert len(blocks) > 1
    assert np.array_equal(np.concatenate(blocks, axis=1), effect(audio, RATE))
    with pytest.raises(RenderCancelled):
        list(effect.render_source(ArraySource(audio, RATE), should_cancel=lambda: True))


def test_it_answers_to_the_contract() -> None:
    effect = LoudnessNormalize(-16.0)
    assert isinstance(effect, Effect)
    assert is_offline(effect)
    assert (
        "LoudnessNormalize target_lufs=-16.0, max_gain_db=20.0, tolerance_lu=0.1, mode='integrated'"
        in repr(effect)
    )
    with pytest.raises(ParameterError, match="reset is False; LoudnessNormalize measures whole signals"):
        effect(noise(), RATE, reset=False)
    effect.target_lufs = -20
    assert effect.settings == LoudnessSettings(target_lufs=-20.0)


def test_decisions_are_plain_values() -> None:
    decision = decide_gain(-20.0, LoudnessSettings(target_lufs=-14.0))
    assert decision.gain_db == 6.0
    assert decision.reason == "-20.00 LUFS, gain +6.00 dB"


@pytest.mark.parametrize("control", MASTERING_CONTROLS, ids=lambda control: control.name)
def test_every_control_of_mastering_checks_itself(control: Control) -> None:
    assert control.check(control.default) == control.default
    assert find_control(control.name) is control
    if control.type is float:
        assert control.minimum is not None
        assert control.maximum is not None
        for end in (control.minimum, control.maximum):
            assert control.check(end) == end
        with pytest.raises(ParameterError, match=rf"{control.name} is .*; expected"):
            control.check(control.maximum + 1.0)


@pytest.mark.parametrize("name", ["target_lufs", "max_gain_db", "tolerance_lu", "mode"])
def test_a_control_outside_its_range_is_refused(name: str) -> None:
    with pytest.raises(ParameterError, match=rf"{name} is .*; expected"):
        setattr(LoudnessNormalize(), name, "loud" if name == "mode" else float("inf"))

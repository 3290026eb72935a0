"""A loudness and a ceiling at once: met within the tolerance, or said what was reached and why."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiosr_fx.contract import Effect, is_offline
from audiosr_fx.errors import ParameterError, RenderCancelled
from audiosr_fx.mastering import Mastering, MasterTo
from audiosr_fx.meters import measure
from audiosr_fx.sources import ArraySource, Audio

RATE = 48_000
CLIPS = Path(__file__).parent / "data" / "audio"


def dynamic(seconds: int = 12) -> Audio:
    """A soft pad, with hard hits in its second half."""
    time = np.arange(seconds * RATE) / RATE
    pad = 0.02 * sum(np.sin(2 * np.pi * hz * time) for hz in (220.0, 277.0, 330.0))
    hits = 0.25 * np.exp(-(time % 0.5) / 0.05) * np.random.default_rng(0).standard_normal(time.size)
    return np.stack([pad + hits * (time > seconds / 2), pad]).astype(np.float32)


def clip(name: str) -> Audio:
    audio, _ = soundfile.read(CLIPS / f"{name}.flac", dtype="float32", always_2d=True)
    return audio.T


def mastered(audio: Audio, target_lufs: float) -> tuple[Audio, Mastering]:
    effect = MasterTo(target_lufs)
    return effect(audio, RATE), mastering_of(effect)


def mastering_of(effect: MasterTo) -> Mastering:
    assert effect.mastering is not None
    return effect.mastering


@pytest.mark.parametrize("name", ["drums", "speech", "mix", "winds"])
@pytest.mark.parametrize("target", [-14.0, -16.0, -23.0])
def test_loudness_and_ceiling_are_both_met(name: str, target: float) -> None:
    audio = clip(name)
    effect = MasterTo(target, -1.0, max_limiting_db=40.0, max_gain_db=40.0)
    levels = measure(ArraySource(effect(audio, RATE), RATE))
    assert mastering_of(effect).outcome in ("reached", "on target already")
    assert levels.integrated_lufs == pytest.approx(target, abs=0.1)
    assert levels.true_peak_dbtp <= -1.0 + 0.01
    assert levels == mastering_of(effect).after


def test_a_dynamic_file_takes_several_rounds() -> None:
    _, mastering = mastered(dynamic(), -23.0)
    assert mastering.outcome == "reached"
    assert mastering.rounds > 1
    assert mastering.after.integrated_lufs == pytest.approx(-23.0, abs=0.1)


def test_past_the_most_limiting_it_stays_quieter_and_says_why() -> None:
    _, mastering = mastered(dynamic(), -9.0)
    assert mastering.outcome == "max_limiting_db"
    assert mastering.limiting_db == pytest.approx(12.0, abs=0.05)
    assert mastering.after.integrated_lufs is not None
    assert mastering.after.integrated_lufs < -9.1
    assert mastering.reason.endswith("LUFS; -9 needs more than 12 dB of limiting")


def test_past_the_most_gain_it_stays_quieter_and_says_why() -> None:
    effect = MasterTo(-14.0, max_gain_db=3.0)
    effect(dynamic() / np.float32(8.0), RATE)
    assert mastering_of(effect).outcome == "max_gain_db"
    assert mastering_of(effect).gain_db == 3.0
    assert "needs more than 3 dB of gain" in mastering_of(effect).reason


def test_turning_down_needs_no_limiter() -> None:
    audio = clip("drums")
    effect = MasterTo(-30.0)
    ratio = effect(audio, RATE)[audio != 0.0] / audio[audio != 0.0]
    assert float(np.ptp(ratio)) < 1e-6
    assert mastering_of(effect).limiting_db == 0.0
    assert mastering_of(effect).rounds == 1


def test_what_is_there_already_is_not_touched() -> None:
    once, _ = mastered(clip("speech"), -20.0)
    twice, mastering = mastered(once, -20.0)
    assert mastering.outcome == "on target already"
    assert np.array_equal(twice, once)


@pytest.mark.parametrize("shape", [(0,), (1,), (65,), (2, 0), (2, 8193), (8193, 2)])
def test_what_is_too_short_is_limited_and_nothing_else(shape: tuple[int, ...]) -> None:
    audio = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    effect = MasterTo()
    limited = effect(audio, RATE)
    assert limited.shape == shape
    assert (np.abs(limited) < 0.9).all()
    assert mastering_of(effect).outcome == "undefined"
    assert mastering_of(effect).reason.endswith("only its peaks are limited")


def test_silence_is_left_alone() -> None:
    audio, mastering = mastered(np.zeros((2, RATE), np.float32), -14.0)
    assert not audio.any()
    assert mastering.outcome == "silent"
    assert mastering.after.integrated_lufs == -math.inf


def test_blocks_of_a_source_are_the_array() -> None:
    audio, effect = clip("drums"), MasterTo(-14.0)
    blocks = list(effect.render_source(ArraySource(audio, RATE)))
    assert np.array_equal(np.concatenate(blocks, axis=1), effect(audio, RATE))
    with pytest.raises(RenderCancelled):
        list(effect.render_source(ArraySource(audio, RATE), should_cancel=lambda: True))


def test_it_answers_to_the_contract() -> None:
    effect = MasterTo(-16.0, release_ms=50.0)
    assert isinstance(effect, Effect)
    assert is_offline(effect)
    assert "MasterTo target_lufs=-16.0, ceiling_dbtp=-1.0" in repr(effect)
    assert effect.release_ms == 50.0
    with pytest.raises(ParameterError, match="reset is False; MasterTo measures whole signals"):
        effect(dynamic(), RATE, reset=False)
    with pytest.raises(ParameterError, match=r"ceiling_dbtp is 1\.0; expected -40 to 0 dBTP"):
        effect.ceiling_dbtp = 1.0

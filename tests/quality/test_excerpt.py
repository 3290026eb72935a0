from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile

from audiosr_fx.errors import AudioFormatError
from audiosr_fx.meters import measure_loudness
from audiosr_fx.quality.excerpt import choose_part, cut_excerpt
from audiosr_fx.sources import ArraySource, Audio


def noise(seconds: float, rate: int = 48_000, channels: int = 2) -> Audio:
    wave = np.random.default_rng(0).standard_normal((channels, round(seconds * rate))) * 0.05
    return wave.astype(np.float32)


def test_the_part_that_changed_most_is_chosen() -> None:
    change = np.array([0.0, 0.0, 0.0, 2.0, 3.0, 1.0, 0.0])
    assert choose_part(change, np.ones(7), 2) == (3, "most changed")


def test_where_nothing_changed_the_loudest_part_is_chosen() -> None:
    power = np.array([1.0, 1.0, 5.0, 4.0, 1.0])
    assert choose_part(np.zeros(5), power, 2) == (2, "loudest")


@pytest.mark.parametrize("seconds", [0, 1, 20])
def test_what_is_short_is_taken_whole(seconds: int) -> None:
    assert choose_part(np.ones(seconds), np.ones(seconds), 20) == (0, "whole")


@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
def test_both_sides_are_in_step_and_equally_loud(rate: int) -> None:
    before = noise(3.0, rate)
    excerpt = cut_excerpt(
        ArraySource(before, rate), ArraySource(np.float32(0.3) * before, rate), 1, 20, "most changed"
    )
    sides = [soundfile.read(io.BytesIO(data), always_2d=True) for data in (excerpt.before, excerpt.after)]
    assert [rate for _, rate in sides] == [48_000, 48_000]
    assert [len(audio) for audio, _ in sides] == [96_000, 96_000]
    assert excerpt.seconds == 2.0
    loudness = [measure_loudness(audio.T, 48_000) for audio, _ in sides]
    assert loudness == pytest.approx([-23.0, -23.0], abs=0.02)
    assert excerpt.gains_db[1] - excerpt.gains_db[0] == pytest.approx(10.458, abs=0.01)
    np.testing.assert_allclose(sides[0][0], sides[1][0], atol=4 / 32_768)  # dither at most


@pytest.mark.parametrize(
    ("audio", "why"),
    [
        (noise(0.3), "400 ms"),
        (np.zeros((2, 48_000), np.float32), "silent"),
        (noise(1.0, channels=5), "5 channels"),
    ],
)
def test_what_cannot_be_matched_or_played_says_why(audio: Audio, why: str) -> None:
    source = ArraySource(audio, 48_000)
    with pytest.raises(AudioFormatError, match=why):
        cut_excerpt(source, source, 0, 20, "whole")

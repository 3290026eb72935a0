"""Regions as senders say them, held against the length of a file."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from audiosr_fx.errors import ParameterError
from audiosr_fx.files import AudioInfo
from hosts.asks import Span
from hosts.tempo import TempoMap

RATE = 44_100


def bounce(frames: int, rate: int = RATE) -> AudioInfo:
    return AudioInfo(
        path=Path("song.wav"), format="WAV", subtype="PCM_24", sample_rate=rate, channels=2, frames=frames
    )


def test_the_last_part_of_a_song_is_found_in_a_bounce_that_rounds_its_end_down() -> None:
    song = TempoMap(
        [(0, 60_000_000 // 93)],
        [(0, 4, 4)],
        [(0, "Intro"), (480 * 4 * 32, "Outro")],
        ticks_per_quarter=480,
        end_tick=480 * 4 * 64,
    )
    outro = song.region("Outro")
    span = Span(outro.start_s, outro.stop_s - outro.start_s, 0)
    frames = int(outro.stop_s * RATE)
    assert span.within(bounce(frames)) == (round(outro.start_s * RATE), frames)
    assert span.within(bounce(frames - 43)) == (round(outro.start_s * RATE), frames - 43)


@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
def test_an_end_in_seconds_may_be_a_millisecond_late_and_no_later(rate: int) -> None:
    file = bounce(rate, rate)
    assert Span("0.5", "0.501", 0).within(file) == (rate // 2, rate)
    with pytest.raises(ParameterError, match=rf"song\.wav has {rate} samples"):
        Span("0.5", "0.5011", 0).within(file)
    with pytest.raises(ParameterError, match="has"):
        Span(Fraction(1), "0.001", 0).within(file)


def test_an_end_in_samples_is_exact_and_one_of_another_rate_is_rounded_by_one() -> None:
    with pytest.raises(ParameterError, match=r"is 0 to 44101; song\.wav has 44100 samples"):
        Span(0, RATE + 1, RATE, "ii").within(bounce(RATE))
    assert Span(0, 48_001, 48_000, "ii").within(bounce(RATE)) == (0, RATE)
    with pytest.raises(ParameterError, match="is 0 to 44102"):
        Span(0, 48_002, 48_000, "ii").within(bounce(RATE))

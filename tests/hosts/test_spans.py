"""Regions as senders say them, held against the length of a file."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosr_fx.errors import MessageError, ParameterError
from audiosr_fx.files import AudioInfo
from hosts.osc import Argument
from hosts.spans import Span, read_span, span_from_dict
from hosts.tempo import TempoMap

RATE = 44_100


def bounce(frames: int, rate: int = RATE) -> AudioInfo:
    return AudioInfo(
        path=Path("song.wav"), format="WAV", subtype="PCM_24", sample_rate=rate, channels=2, frames=frames
    )


def test_the_last_bars_of_a_song_are_found_in_a_bounce_that_rounds_its_end_down() -> None:
    song = TempoMap([(0, 60_000_000 // 93)], markers=[(0, "Intro"), (480 * 4 * 32, "Outro")])
    start, stop = song.span("33", "65")
    assert stop is not None
    begin, frames = round(start * RATE), int(stop * RATE)
    for short in (0, 43):
        assert Span(start=start, stop=stop).within(bounce(frames - short)) == (begin, frames - short)
    with pytest.raises(ParameterError, match=rf"is {begin} to {frames + 1}; song\.wav has"):
        Span(start=start, stop=stop).within(bounce(frames - RATE // 2))
    for more in (-RATE // 2, 0, RATE):  # the last part ends with the file, be that early or late
        part = Span(start=song.region("Outro").start_s, stop=song.region("Outro").stop_s)
        assert part.within(bounce(frames + more)) == (begin, frames + more)
    with pytest.raises(ParameterError, match=rf"begins at {begin}; song\.wav has {begin} samples"):
        part.within(bounce(begin))


@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
def test_an_end_in_seconds_may_be_a_millisecond_late_and_no_later(rate: int) -> None:
    file = bounce(rate, rate)
    assert read_span("0.5", "0.501", 0, "ss").within(file) == (rate // 2, rate)
    with pytest.raises(ParameterError, match=rf"song\.wav has {rate} samples"):
        read_span("0.5", "0.5011", 0, "ss").within(file)
    with pytest.raises(ParameterError, match="has"):
        read_span("1", "0.001", 0, "ss").within(file)


def test_an_end_in_samples_is_exact_and_one_of_another_rate_is_rounded_by_one() -> None:
    with pytest.raises(ParameterError, match=r"is 0 to 44101; song\.wav has 44100 samples"):
        read_span(0, RATE + 1, RATE, "ii").within(bounce(RATE))
    assert read_span(0, 48_001, 48_000, "ii").within(bounce(RATE)) == (0, RATE)
    with pytest.raises(ParameterError, match="is 0 to 44102"):
        read_span(0, 48_002, 48_000, "ii").within(bounce(RATE))


def test_samples_of_the_file_are_those_whatever_its_rate() -> None:
    span = Span(start=Fraction(7), stop=Fraction(9), rate=None)
    assert span.within(bounce(9)) == span.within(bounce(9, 96_000)) == (7, 9)
    with pytest.raises(ParameterError, match="has 8 samples"):
        span.within(bounce(8))


@given(
    st.fractions(min_value=0, max_value=1 << 48),
    st.none() | st.fractions(min_value=0, max_value=1 << 48),
    st.none() | st.integers(0, 768_000),
)
def test_a_span_comes_back_as_exact_as_it_was(
    start: Fraction, stop: Fraction | None, rate: int | None
) -> None:
    span = Span(start=start, stop=stop, rate=rate)
    assert span_from_dict(span.to_dict()) == span


@pytest.mark.parametrize(
    ("said", "types", "text"),
    [
        ((9_600, 48_001, RATE), "ii", "samples 9600 to 57601 at 44100 Hz"),
        ((9_600, 0, RATE), "ii", "samples 9600 to the end at 44100 Hz"),
        (("0.25", 0.1, 0), "sd", "0.25 s to 0.35 s"),
        ((0, 0, 0), "ii", "all of it"),
        (("1.5", 0, 0), "si", "1.5 s to the end"),
    ],
)
def test_a_span_is_told_in_the_words_it_came_in(
    said: tuple[Argument, Argument, Argument], types: str, text: str
) -> None:
    assert str(read_span(*said, types)) == text


@given(
    st.one_of(st.text(max_size=20), st.floats(allow_nan=False, allow_infinity=False), st.integers()),
    st.sampled_from([0, 44_100]),
)
def test_any_position_is_read_or_refused(start: Argument, rate: int) -> None:
    try:
        span = read_span(start, 0, rate, "di")
    except MessageError:
        return
    assert 0 <= span.start < 1 << 48

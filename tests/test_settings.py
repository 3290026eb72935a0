from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosr_fx.errors import ParameterError
from audiosr_fx.settings import QUALITIES, Region, RenderSettings, parse_region


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12.5-17", Region(600_000, 816_000)),
        ("1:02.5-1:10", Region(3_000_000, 3_360_000)),
        ("0:01:02.5-0:01:10", Region(3_000_000, 3_360_000)),
        ("96000s-144000s", Region(96_000, 144_000)),
        ("0-.5", Region(0, 24_000)),
        (" 1 - 2 ", Region(48_000, 96_000)),
        ("3-", Region(144_000, None)),
        ("24000s-1", Region(24_000, 48_000)),
    ],
)
def test_a_region_reads_as_people_type_it(text: str, expected: Region) -> None:
    assert parse_region(text, 48_000) == expected


@pytest.mark.parametrize(
    "text", ["", "5", "-", "a-b", "1-2-3", "2-1", "1-1", "-1-2", "1e3-2e3", "1:2:3:4-5", "nan-1"]
)
def test_what_is_no_region_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ParameterError, match="region is") as refused:
        parse_region(text, 48_000)
    assert "\n" not in str(refused.value)


@given(st.text(max_size=30))
def test_any_text_parses_or_is_refused(text: str) -> None:
    try:
        region = parse_region(text, 44_100)
    except ParameterError:
        return
    assert region.start >= 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("3-1", "region is 3 s to 1 s; expected 0 <= start < end"),
        ("5-9.25", "region is 5 s to 9.25 s; the source has 6 s"),
        ("1:00-", "region is 60 s to the end; the source has 6 s"),
        ("100s-300000s", "region is sample 100 to sample 300000; the source has 264600 samples"),
    ],
)
def test_a_region_is_refused_in_the_units_it_was_given_in(text: str, words: str) -> None:
    with pytest.raises(ParameterError) as refused:
        parse_region(text, 44_100).within(6 * 44_100)
    assert str(refused.value) == words


def test_a_region_beyond_the_end_is_refused() -> None:
    assert Region(10).within(100) == (10, 100)
    with pytest.raises(ParameterError, match="the source has 100 samples"):
        Region(10, 101).within(100)
    with pytest.raises(ParameterError, match="the source has 100 samples"):
        Region(100).within(100)


def test_an_end_in_seconds_may_be_a_millisecond_late_and_one_in_samples_not() -> None:
    assert parse_region("0.5-1.001", 44_100).within(44_100) == (22_050, 44_100)
    for text, length in (("0.5-1.002", "1 s"), ("0.5-44101s", "44100 samples")):
        with pytest.raises(ParameterError, match=f"the source has {length}"):
            parse_region(text, 44_100).within(44_100)


@pytest.mark.parametrize(
    "wrong",
    [
        {"quality": "superb"},
        {"seed": -1},
        {"cutoff_hz": 96_000.0},
        {"cutoff_hz": float("nan")},
        {"steps": 1001},
        {"eta": 1.5},
        {"sampler": "euler"},
        {"spacing": "leading"},
        {"guidance_scale": -1.0},
        {"detail": 5.0},
        {"model": ""},
    ],
)
def test_settings_check_themselves(wrong: dict[str, object]) -> None:
    name = next(iter(wrong))
    with pytest.raises(ParameterError, match=name):
        RenderSettings(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("table", QUALITIES.values(), ids=QUALITIES.keys())
def test_a_better_quality_takes_more_steps(table: dict[str, object]) -> None:
    steps = [table[name].steps for name in ("draft", "standard", "best")]  # type: ignore[attr-defined]
    assert steps == sorted(set(steps))

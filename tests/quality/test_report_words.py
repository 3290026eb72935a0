from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from audiosr_fx.quality.comparison import Comparison
from audiosr_fx.quality.mono import MonoSum
from audiosr_fx.quality.null import Null, Outcome
from audiosr_fx.quality.report_words import hertz, mono_finding, null_finding


def comparison(outcome: Outcome = "kept", **others: Any) -> Comparison:
    null = {
        "difference_dbfs": -120.0,
        "left_dbfs": -120.0,
        "peak_dbfs": -110.0,
        "ends_peak_dbfs": -89.8,
        "gain_db": 0.0,
        "is_inverted": False,
        "depth_db": -100.0,
    }
    sides = {"mono_before": None, "mono_after": None, "mono_added": None}
    return Comparison(
        null=Null(outcome=outcome, **{**null, **{key: others[key] for key in null.keys() & others}}),
        null_below_hz=others.get("null_below_hz", 5760.0),
        change=np.zeros(1),
        power=np.ones(1),
        **{key: others.get(key) for key in sides},
    )


def plain(text: str) -> str:
    """With the minus sign of a keyboard."""
    return text.replace("\N{MINUS SIGN}", "-")


@pytest.mark.parametrize(
    ("outcome", "others", "said"),
    [
        (
            "kept",
            {},
            "nulls against input below 5.76 kHz: what differs lies at -120.0 dBFS RMS, 100.0 dB under",
        ),
        ("kept", {}, "and peaks at -110.0 dBFS, at the file's ends at -89.8 dBFS."),
        (
            "kept",
            {"difference_dbfs": -math.inf, "null_below_hz": None},
            "equal over the whole spectrum, to the",
        ),
        (
            "gain",
            {"gain_db": -3.0},
            "Only the level changed below 5.76 kHz: after -3.0 dB the two null to -120.0 dBFS RMS, 100.0 dB",
        ),
        ("gain", {"gain_db": 0.0, "is_inverted": True}, "after +0.0 dB and turned polarity"),
        ("changed", {"gain_db": 4.0, "depth_db": -20.0}, "Not applicable: the chain changes what lies below"),
        ("changed", {"depth_db": math.inf}, "nothing in common"),
        ("silent", {}, "the input is silent"),
    ],
)
def test_a_null_is_told_in_words(outcome: Outcome, others: dict[str, Any], said: str) -> None:
    assert said in plain(null_finding(comparison(outcome, **others)).text)


def test_the_figure_of_a_null_is_the_one_that_is_promised() -> None:
    promised = null_finding(comparison("kept", left_dbfs=-90.1, depth_db=-52.0))
    louder = null_finding(comparison("kept", left_dbfs=-76.1, depth_db=-101.0))
    assert (plain(promised.short), promised.tone) == ("-90.1 dBFS", "good")
    assert (plain(louder.short), louder.tone) == ("-76.1 dBFS", "plain")


def test_what_has_nothing_in_common_has_no_figure() -> None:
    """The gain that brings them closest is next to nothing, and what is left after it next to infinite."""
    found = null_finding(comparison("changed", left_dbfs=328.1, depth_db=3.0))
    assert found.short == "changed, nothing in common"


def test_a_mono_sum_that_holds_is_good_and_an_added_band_that_cancels_is_not() -> None:
    wide, gone = MonoSum(level_db=-3.0, correlation=0.0), MonoSum(level_db=-math.inf, correlation=-1.0)
    holds = mono_finding(comparison(mono_before=wide, mono_after=wide, mono_added=wide))
    cancels = mono_finding(comparison(mono_before=wide, mono_after=wide, mono_added=gone))
    assert holds is not None
    assert (holds.tone, plain(holds.short)) == ("good", "-3.0 dB")
    assert cancels is not None
    assert cancels.tone == "warn"
    assert "The band above the crossover cancels: -∞ dB at correlation -1.00" in plain(cancels.text)
    assert mono_finding(comparison()) is None


def test_what_was_out_of_phase_before_is_no_fault_of_the_chain() -> None:
    gone = MonoSum(level_db=-20.0, correlation=-0.98)
    finding = mono_finding(comparison(mono_before=gone, mono_after=gone))
    assert finding is not None
    assert finding.tone == "good"


def test_frequencies_are_said_as_people_do() -> None:
    assert [hertz(value) for value in (880.0, 5760.4)] == ["880 Hz", "5.76 kHz"]

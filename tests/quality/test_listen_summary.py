"""Means, intervals and post-screening, held against textbook values and scipy's own bootstrap."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from listening import mushra_results, vote_results
from scipy import stats

from audiosr_fx.quality.listen import Mode
from audiosr_fx.quality.listen_results import Results, parse_results
from audiosr_fx.quality.listen_summary import (
    bootstrap_intervals,
    preference,
    summarise,
    t_interval,
)

GOOD = {"reference": [100, 95], "lowpass:3500": [20, 30]}


def rated(participant: str, ratings: Mapping[str, Sequence[float]]) -> Results:
    items = [f"item {i}" for i in range(len(next(iter(ratings.values()))))]
    return parse_results(mushra_results(participant, ratings, items))


def test_means_and_medians_are_those_of_all_ratings_best_first() -> None:
    summary = summarise(
        [
            rated("P1", {**GOOD, "mini": [60, 80], "basic": [50, 52]}),
            rated("P2", {**GOOD, "mini": [70, 70], "basic": [40, 90]}),
        ],
        draws=200,
    )
    scores = {score.system: score for score in summary.scores}
    assert [score.system for score in summary.scores] == ["reference", "mini", "basic", "lowpass:3500"]
    assert (scores["mini"].mean, scores["mini"].median, scores["mini"].ratings) == (70.0, 70.0, 4)
    assert (scores["basic"].mean, scores["basic"].median) == (58.0, 51.0)
    assert (summary.participants, summary.counted, summary.items) == (2, 2, 2)


def test_the_t_interval_is_that_of_the_textbook() -> None:
    low, high = t_interval(np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
    half = 2.776445 * math.sqrt(2.5 / 5)  # t(0.975, 4) of the tables
    assert (low, high) == pytest.approx((3.0 - half, 3.0 + half), abs=1e-5)
    assert all(math.isnan(bound) for bound in t_interval(np.array([5.0])))


def test_with_one_participant_the_bootstrap_is_the_ordinary_one_over_items() -> None:
    values = np.random.default_rng(5).uniform(0, 100, 25)
    mean, median = bootstrap_intervals(values[np.newaxis])
    for ours, statistic in ((mean, np.mean), (median, np.median)):
        theirs = stats.bootstrap(
            (values,), statistic, n_resamples=10_000, method="percentile", rng=np.random.default_rng(1)
        ).confidence_interval
        assert ours == pytest.approx((theirs.low, theirs.high), abs=1.0)  # spread over seeds is 0.3 of 100


def test_the_bootstrap_answers_for_other_listeners_where_t_does_not() -> None:
    habits = np.array([-20.0, -10.0, 0.0, 10.0, 20.0])  # who rates high, rates everything high
    cells = 50.0 + habits[:, np.newaxis] + np.random.default_rng(0).normal(0, 1, (5, 40))
    (low, high), _ = bootstrap_intervals(cells)
    t_low, t_high = t_interval(cells.ravel())
    assert (high - low) / 2 == pytest.approx(1.96 * np.std(habits) / math.sqrt(5), rel=0.1)
    assert high - low > 4 * (t_high - t_low)


def test_the_bootstrap_is_repeatable_and_lives_with_gaps() -> None:
    cells = np.array([[10.0, np.nan, 30.0], [np.nan, 50.0, 20.0]])
    first, again = (bootstrap_intervals(cells, draws=500) for _ in range(2))
    assert first == again
    assert np.isfinite(first).all()
    nothing = bootstrap_intervals(np.full((2, 2), np.nan), draws=10)
    assert np.isnan(nothing).all()


def test_equal_ratings_have_an_interval_of_no_width() -> None:
    mean, median = bootstrap_intervals(np.full((3, 4), 42.0), draws=100)
    assert mean == median == (42.0, 42.0)


def test_differences_are_paired_so_that_habits_cancel() -> None:
    results = [
        rated(f"P{i}", {**GOOD, "mini": [base + 9, base + 11], "basic": [base, base]})
        for i, base in enumerate([10, 40, 80])
    ]
    (difference,) = summarise(results, draws=500).differences
    assert (difference.system, difference.against) == ("mini", "basic")
    assert difference.mean == 10.0
    assert 9.0 <= difference.mean_bootstrap[0] <= difference.mean_bootstrap[1] <= 11.0


def test_repeats_of_an_item_are_averaged_before_anything_else() -> None:
    value = mushra_results("P1", {**GOOD, "mini": [60, 80]})
    value["trials"][1]["item"] = "one"
    summary = summarise([parse_results(value)], draws=10)
    mini = next(score for score in summary.scores if score.system == "mini")
    assert (mini.mean, mini.ratings) == (70.0, 1)


@pytest.mark.parametrize(
    ("reference", "is_excluded"),
    [
        ([89.9] * 3 + [100.0] * 17, False),  # 15 % of the trials is not more than 15 %
        ([89.9] * 4 + [100.0] * 16, True),
        ([90.0] * 20, False),
    ],
)
def test_who_misses_the_hidden_reference_too_often_is_excluded(
    reference: list[float], is_excluded: bool
) -> None:
    ratings = {"reference": reference, "mini": [50.0] * 20}
    summary = summarise([rated("P1", ratings), rated("P2", {**ratings, "reference": [100.0] * 20})], draws=10)
    assert [who.is_excluded for who in summary.screenings] == [is_excluded, False]
    assert summary.counted == (1 if is_excluded else 2)
    assert summarise([rated("P1", ratings)], keep_all=True, draws=10).counted == 1


def test_who_takes_the_anchor_for_excellent_is_excluded() -> None:
    summary = summarise([rated("P1", {**GOOD, "lowpass:3500": [91, 30], "mini": [50, 50]})], draws=10)
    assert summary.screenings[0].anchor_misses == 0.5
    assert summary.counted == 0
    assert summary.scores == ()


def test_preference_intervals_are_those_of_the_textbook() -> None:
    result = preference("a", "b", wins=8, decided=10, ties=1, mode=Mode.AB)
    z = 1.959964
    centre, spread = 0.8 + z * z / 20, z * math.sqrt(0.8 * 0.2 / 10 + z * z / 400)
    scale = 1 + z * z / 10
    assert result.wilson == pytest.approx(((centre - spread) / scale, (centre + spread) / scale), abs=1e-6)
    assert result.clopper_pearson == pytest.approx((0.44390, 0.97479), abs=1e-5)
    assert result.p_value == pytest.approx(2 * (45 + 10 + 1) / 1024)
    abx = preference("a", "b", wins=8, decided=10, ties=0, mode=Mode.ABX)
    assert abx.p_value == pytest.approx((45 + 10 + 1) / 1024)


def test_votes_are_counted_whichever_side_a_system_stood_on() -> None:
    results = [
        parse_results(vote_results("P1", ["a", "a", "none"])),
        parse_results(vote_results("P2", ["b", "a"], a="fancy", b="plain")),
    ]
    (pair,) = summarise(results).preferences
    assert (pair.a, pair.b) == ("plain", "fancy")
    assert (pair.wins, pair.decided, pair.ties) == (3, 4, 1)
    assert pair.share == 0.75


def test_right_answers_are_counted_in_abx() -> None:
    (pair,) = summarise([parse_results(vote_results("P1", ["a", "a", "b"], mode="abx"))]).preferences
    assert (pair.wins, pair.decided) == (2, 3)


def test_no_decided_vote_leaves_the_share_open() -> None:
    (pair,) = summarise([parse_results(vote_results("P1", ["none"]))]).preferences
    assert (pair.decided, pair.ties) == (0, 1)
    assert math.isnan(pair.share)
    assert math.isnan(pair.wilson[0])

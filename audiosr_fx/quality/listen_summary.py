"""What listeners said, with its uncertainty: means, medians, preferences and their 95 % intervals.

Intervals called ``t`` treat all ratings as independent, as BS.1534-3 does. Bootstrap intervals draw
participants and items anew, both at once (10 000 times, percentiles, a fixed seed): they also answer for
other listeners and other items, and are the ones to trust when either are few.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from audiosr_fx.quality.listen import Mode, Role
from audiosr_fx.quality.listen_results import Results, Vote

CONFIDENCE: Final = 0.95
DRAWS: Final = 10_000
REFERENCE_FLOOR: Final = 90.0
ANCHOR_CEILING: Final = 90.0
MOST_MISSES: Final = 0.15  # share of the trials
_CHUNK: Final = 500
_SCALE: Final = 100.0  # ratings go from 0 to this

Interval = tuple[float, float]
"""Lower and upper bound; NaN where there is too little for one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Ratings of a system (or, in ``differences``, of one minus another) with 95 % intervals."""

    system: str
    role: Role
    ratings: int
    mean: float
    median: float
    mean_t: Interval
    mean_bootstrap: Interval
    median_bootstrap: Interval
    against: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """Votes for one of two systems (``ab``), or right answers about X (``abx``).

    ``share`` is the share of ``a`` among the ``decided`` votes, in ``abx`` that of right answers; ``p_value``
    is of the exact binomial test against one half: two-sided in ``ab``, one-sided in ``abx``.
    """

    a: str
    b: str
    wins: int
    decided: int
    ties: int
    share: float
    wilson: Interval
    clopper_pearson: Interval
    p_value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Screening:
    """How often a participant took the hidden reference for worse than 90, or an anchor for better.

    Over 15 % of the trials in either means excluded, after the post-screening of BS.1534-3 (which states the
    second rule for the middle anchor; here it holds for every anchor). NaN: there was no such stimulus.
    """

    participant: str
    trials: int
    reference_misses: float
    anchor_misses: float
    is_excluded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """All there is to say about results of one page. ``unfinished`` says whose answers to how many trials are
    not all that were asked for, ``repeated`` whose name stands over how many sessions, if over several.
    """

    mode: Mode
    title: str
    page: str
    participants: int
    counted: int
    items: int
    scores: tuple[Score, ...] = ()
    differences: tuple[Score, ...] = ()
    preferences: tuple[Preference, ...] = ()
    screenings: tuple[Screening, ...] = ()
    unfinished: tuple[tuple[str, int], ...] = ()
    repeated: tuple[tuple[str, int], ...] = ()


def summarise(results: Sequence[Results], *, keep_all: bool = False, draws: int = DRAWS) -> Summary:
    """Evaluate results of one page.

    Args:
        results: one or more, as ``pool_results`` returns them.
        keep_all: count those, too, who fail the post-screening.
        draws: of the bootstrap.
    """
    screenings = tuple(screen(results)) if results[0].mode is Mode.MUSHRA else ()
    excluded = set() if keep_all else {who.participant for who in screenings if who.is_excluded}
    counted = [result for result in results if result.participant not in excluded]
    sessions = Counter(result.participant for result in results)
    is_mushra = results[0].mode is Mode.MUSHRA
    scores, differences = _score(counted, draws) if is_mushra and counted else ((), ())
    return Summary(
        mode=results[0].mode,
        title=results[0].title,
        page=results[0].page,
        participants=len({result.participant for result in results}),
        counted=len({result.participant for result in counted}),
        items=len(results[0].items),
        scores=scores,
        differences=differences,
        preferences=() if is_mushra else tuple(_preferences(counted)),
        screenings=screenings,
        unfinished=tuple((result.participant, result.trials) for result in results if not result.is_complete),
        repeated=tuple((participant, count) for participant, count in sessions.items() if count > 1),
    )


def screen(results: Sequence[Results]) -> Iterable[Screening]:
    """Post-screen the participants of a ``mushra`` test."""
    for participant in dict.fromkeys(result.participant for result in results):
        own = [result for result in results if result.participant == participant]
        reference, anchor = (
            [
                rating.rating
                for result in own
                for rating in result.ratings
                if result.roles[rating.system] is role
            ]
            for role in (Role.REFERENCE, Role.ANCHOR)
        )
        reference_misses = _share([rating < REFERENCE_FLOOR for rating in reference])
        anchor_misses = _share([rating > ANCHOR_CEILING for rating in anchor])
        yield Screening(
            participant=participant,
            trials=sum(result.trials for result in own),
            reference_misses=reference_misses,
            anchor_misses=anchor_misses,
            is_excluded=reference_misses > MOST_MISSES or anchor_misses > MOST_MISSES,
        )


def _share(hits: Sequence[bool]) -> float:
    return sum(hits) / len(hits) if hits else math.nan


def _score(results: Sequence[Results], draws: int) -> tuple[tuple[Score, ...], tuple[Score, ...]]:
    """Scores of all systems, best first, and of every system minus every other."""
    roles = results[0].roles
    cells = {system: _cells(results, system) for system in roles}
    scores = [_of_cells(cells[system], system, role, None, draws) for system, role in roles.items()]
    scores.sort(key=lambda score: -score.mean)
    rated = [score.system for score in scores if score.role is Role.SYSTEM]
    differences = [
        _of_cells(cells[better] - cells[other], better, Role.SYSTEM, other, draws)
        for better, other in combinations(rated, 2)
    ]
    return tuple(scores), tuple(differences)


def _cells(results: Sequence[Results], system: str) -> NDArray[np.float64]:
    """Ratings of a system, (participants, items): repeats are averaged, NaN where there is none."""
    participants = list(dict.fromkeys(result.participant for result in results))
    items = results[0].items
    total = np.zeros((len(participants), len(items)))
    count = np.zeros_like(total)
    for result in results:
        row = participants.index(result.participant)
        for rating in result.ratings:
            if rating.system == system:
                place = row, items.index(rating.item)
                total[place] += rating.rating
                count[place] += 1
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


def _of_cells(cells: NDArray[np.float64], system: str, role: Role, against: str | None, draws: int) -> Score:
    known = cells[np.isfinite(cells)]
    lowest = 0.0 if against is None else -_SCALE
    mean_bootstrap, median_bootstrap = bootstrap_intervals(cells, draws=draws)
    return Score(
        system=system,
        role=role,
        against=against,
        ratings=len(known),
        mean=float(np.mean(known)),
        median=float(np.median(known)),
        mean_t=_within(t_interval(known), lowest, _SCALE),
        mean_bootstrap=mean_bootstrap,
        median_bootstrap=median_bootstrap,
    )


def _within(interval: Interval, lowest: float, highest: float) -> Interval:
    """What of an interval lies on the scale, which Student's t of two ratings leaves far behind."""
    low, high = np.clip(interval, lowest, highest)
    return float(low), float(high)


def t_interval(values: NDArray[np.float64]) -> Interval:
    """95 % interval of the mean of independent values by Student's t; NaN for fewer than two."""
    count = len(values)
    if count < 2:
        return math.nan, math.nan
    mean = float(np.mean(values))
    half = float(stats.t.ppf(0.5 + CONFIDENCE / 2, count - 1) * np.std(values, ddof=1) / math.sqrt(count))
    return mean - half, mean + half


def bootstrap_intervals(cells: NDArray[np.float64], *, draws: int = DRAWS) -> tuple[Interval, Interval]:
    """95 % percentile intervals of mean and median over participants and items, both drawn anew at once.

    The same cells give the same intervals.

    Args:
        cells: (participants, items), NaN where nothing is known.
        draws: how often.

    Source: Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1 (2007).
    """
    if np.count_nonzero(np.isfinite(cells)) < 2:
        return (math.nan, math.nan), (math.nan, math.nan)
    random = np.random.default_rng(0)
    participants, items = cells.shape
    means, medians = [], []
    for start in range(0, draws, _CHUNK):
        count = min(_CHUNK, draws - start)
        rows = random.integers(participants, size=(count, participants, 1))
        columns = random.integers(items, size=(count, 1, items))
        drawn = cells[rows, columns].reshape(count, -1)
        drawn = drawn[np.isfinite(drawn).any(axis=1)]
        means.append(np.nanmean(drawn, axis=1))
        medians.append(np.nanmedian(drawn, axis=1))
    return _percentiles(np.concatenate(means)), _percentiles(np.concatenate(medians))


def _percentiles(values: NDArray[np.float64]) -> Interval:
    low, high = np.quantile(values, [0.5 - CONFIDENCE / 2, 0.5 + CONFIDENCE / 2])
    return float(low), float(high)


def _preferences(results: Sequence[Results]) -> Iterable[Preference]:
    votes: dict[tuple[str, str], list[Vote]] = {}
    order = list(results[0].roles)
    for vote in (vote for result in results for vote in result.votes):
        first, second = sorted((vote.a, vote.b), key=order.index)
        votes.setdefault((first, second), []).append(vote)
    for (first, second), cast in sorted(votes.items(), key=lambda entry: [order.index(x) for x in entry[0]]):
        if results[0].mode is Mode.ABX:
            wins = sum(vote.chosen == vote.x for vote in cast)
        else:
            wins = sum(vote.chosen == first for vote in cast)
        ties = sum(vote.chosen is None for vote in cast)
        yield preference(first, second, wins=wins, decided=len(cast) - ties, ties=ties, mode=results[0].mode)


def preference(a: str, b: str, *, wins: int, decided: int, ties: int, mode: Mode) -> Preference:
    """Make a preference of counts; NaN for its numbers where nobody decided."""
    unknown = (math.nan, math.nan)
    if decided == 0:
        return Preference(
            a=a,
            b=b,
            wins=0,
            decided=0,
            ties=ties,
            share=math.nan,
            wilson=unknown,
            clopper_pearson=unknown,
            p_value=math.nan,
        )
    test = stats.binomtest(wins, decided, 0.5, alternative="greater" if mode is Mode.ABX else "two-sided")
    both = stats.binomtest(wins, decided, 0.5)
    wilson = both.proportion_ci(CONFIDENCE, method="wilson")
    exact = both.proportion_ci(CONFIDENCE, method="exact")
    return Preference(
        a=a,
        b=b,
        wins=wins,
        decided=decided,
        ties=ties,
        share=wins / decided,
        wilson=(float(wilson.low), float(wilson.high)),
        clopper_pearson=(float(exact.low), float(exact.high)),
        p_value=float(test.pvalue),
    )

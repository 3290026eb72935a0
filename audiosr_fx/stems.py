"""Stems of one session: which of them went through the same codec or sampler, and where that cut them off.

Each stem is judged by itself, and the set then says what single stems cannot: a stem whose own evidence is
faint takes the cutoff that others show plainly. Stems that tell nothing about it have no say: silence, full
bandwidth, sounds that fade out by themselves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from audiosr_fx.bandwidth import Verdict, reach_hz

_SAME_OCTAVES: Final = 0.1  # cutoffs so near to each other are one, measured twice
_SURE: Final = 0.8  # confidence with which a stem may keep a cliff of its own
_LEAST_SHARE: Final = 0.85  # of the set's cutoff that a stem must reach for having lost something there
_VOTES: Final = {"cliff": 1.0, "nyquist": 1.0, "slope": 0.3}  # a slope is a sound's own more often than not


@dataclass(frozen=True, slots=True, kw_only=True)
class StemDecision:
    """What the set decides for one stem: ``cutoff_hz`` to give it, None to leave it its own verdict; why."""

    cutoff_hz: float | None
    reason: str


def shared_cutoff_hz(verdicts: Sequence[Verdict]) -> float | None:
    """The cutoff that the stems of a set have in common; None where none shows one.

    Of cutoffs that are one, those with the most confidence together win; cliffs count more than slopes.
    """
    voters = [verdict for verdict in verdicts if _vote(verdict) > 0.0]
    if not voters:
        return None
    groups = [[other for other in voters if _is_same(_cutoff(one), _cutoff(other))] for one in voters]
    best = max(groups, key=lambda group: (sum(map(_vote, group)), _vote(group[0])))
    return _weighted_median([(_cutoff(verdict), _vote(verdict)) for verdict in best])


def decide_stems(verdicts: Sequence[Verdict]) -> list[StemDecision]:
    """One decision for each stem of a set, in order."""
    shared = shared_cutoff_hz(verdicts)
    if shared is None:
        return [StemDecision(cutoff_hz=None, reason="no stem of the set shows a cutoff") for _ in verdicts]
    votes = sum(_is_same(_cutoff(one), shared) for one in verdicts if _vote(one) > 0.0)
    who = "its one stem" if len(verdicts) == 1 else f"{votes} of {len(verdicts)} stems"
    what = f"the set's cutoff, {shared / 1000.0:.2f} kHz, shown by {who}"
    return [_decide(verdict, shared, what) for verdict in verdicts]


def _decide(verdict: Verdict, shared: float, what: str) -> StemDecision:
    if verdict.kind in ("silent", "full_band", "too_short"):
        return StemDecision(cutoff_hz=None, reason=f"not {what}: {verdict.kind.replace('_', ' ')}")
    if verdict.process:
        own = _cutoff(verdict)
        is_sure = verdict.kind in ("cliff", "nyquist") and verdict.confidence >= _SURE
        if _is_same(own, shared):
            return StemDecision(cutoff_hz=shared, reason=what)
        if own > shared:
            return StemDecision(cutoff_hz=None, reason=f"its own cutoff, above {what}")
        if is_sure:
            return StemDecision(cutoff_hz=None, reason=f"its own cutoff, a plain one below {what}")
        return StemDecision(cutoff_hz=shared, reason=f"{what}; what fades out below it is the sound's own")
    reach = math.inf if verdict.spectrum is None else reach_hz(verdict.spectrum)
    if reach < _LEAST_SHARE * shared:
        return StemDecision(cutoff_hz=None, reason=f"nothing lost: it ends far below {what}")
    if reach > shared and not _is_same(reach, shared):
        return StemDecision(cutoff_hz=None, reason=f"not {what}: it reaches higher")
    return StemDecision(cutoff_hz=shared, reason=what)


def _vote(verdict: Verdict) -> float:
    return _VOTES.get(verdict.kind, 0.0) * verdict.confidence if verdict.process else 0.0


def _cutoff(verdict: Verdict) -> float:
    assert verdict.cutoff_hz is not None
    return verdict.cutoff_hz


def _is_same(one_hz: float, other_hz: float) -> bool:
    return abs(math.log2(one_hz / other_hz)) <= _SAME_OCTAVES


def _weighted_median(weighted: Sequence[tuple[float, float]]) -> float:
    ordered = sorted(weighted)
    half = sum(weight for _, weight in ordered) / 2.0
    for value, weight in ordered:
        half -= weight
        if half <= 0.0:
            return value
    return ordered[-1][0]

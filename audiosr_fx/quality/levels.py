"""Loudness matching: one loudness for recordings that are to be compared, and none of them clipped by it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from audiosr_fx.errors import AudioFormatError, ParameterError
from audiosr_fx.loudness import measure_loudness, true_peak_dbtp
from audiosr_fx.sources import Audio

COMPARISON_LUFS: Final = -23.0  # the level of EBU R 128, which leaves most recordings their peaks
PEAK_LIMIT_DBTP: Final = -1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """How loud a recording is, and how far its peaks reach."""

    loudness_lufs: float
    true_peak_dbtp: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The loudness that recordings share after their gains, in the order in which they were given."""

    loudness_lufs: float
    gains_db: tuple[float, ...]


def measure_level(audio: Audio, sample_rate: int) -> Level:
    """Measure one recording for matching.

    Args:
        audio: floating point (channels, samples).
        sample_rate: in Hz.

    Raises:
        AudioFormatError: what ``measure_loudness`` refuses, and silence, which no gain makes louder.
    """
    loudness_lufs = measure_loudness(audio, sample_rate)
    if not math.isfinite(loudness_lufs):
        raise AudioFormatError("is silent (below -70 LUFS); its loudness cannot be matched: leave it out")
    return Level(loudness_lufs=loudness_lufs, true_peak_dbtp=true_peak_dbtp(audio, sample_rate))


def match_loudness(
    levels: Sequence[Level],
    *,
    target_lufs: float = COMPARISON_LUFS,
    limit_dbtp: float = PEAK_LIMIT_DBTP,
) -> Match:
    """Find the gains that bring recordings to one loudness.

    That loudness is the target, or as far below it as it takes for every true peak to stay within the limit:
    where one recording has no room, all of them come down.

    Args:
        levels: of the recordings, one or more.
        target_lufs: the loudness wanted, -70 to 0.
        limit_dbtp: true peak that none may pass, at most 0.

    Raises:
        ParameterError: a target or a limit outside its range.
    """
    if not -70.0 <= target_lufs <= 0.0:
        raise ParameterError(f"target_lufs is {target_lufs}; expected -70 to 0")
    if not limit_dbtp <= 0.0:
        raise ParameterError(f"limit_dbtp is {limit_dbtp}; expected 0 or less")
    loudest_lufs = (level.loudness_lufs + limit_dbtp - level.true_peak_dbtp for level in levels)
    loudness_lufs = min(target_lufs, *loudest_lufs)
    return Match(
        loudness_lufs=loudness_lufs,
        gains_db=tuple(loudness_lufs - level.loudness_lufs for level in levels),
    )

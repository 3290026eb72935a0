"""The null test: what is left of a band when what went in is taken from what came out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from audiosr_fx.peaks import decibels

KEPT_DBFS: Final = -90.0
"""RMS of what may differ where a band still counts as untouched: 16 bit with dither makes -93."""

_LIKE_DB: Final = -20.0  # and no less than that below the signal, or a quiet one would null with anything
_EXACT_DB: Final = -100.0  # where the plain difference is used: sums of products cancel down to -140 dB

Outcome: TypeAlias = Literal["kept", "gain", "changed", "silent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Null:
    """How far a band nulls.

    Attributes:
        outcome: ``kept`` as it was; ``gain`` is all that changed; ``changed`` otherwise; ``silent`` came in.
        difference_dbfs: RMS of output minus input as they are, from end to end; -inf where they are equal.
        left_dbfs: the same after that gain, at the level that came in.
        peak_dbfs: the largest sample of output minus input as they are, away from the recording's ends.
        ends_peak_dbfs: the same at the ends, where whatever begins or stops at once reaches below itself.
        gain_db: the gain at which they are most alike; 0 where the outcome is ``kept``.
        is_inverted: whether that gain is negative.
        depth_db: what differs after that gain, relative to the signal; -inf where nothing does.
    """

    outcome: Outcome
    difference_dbfs: float
    left_dbfs: float
    peak_dbfs: float
    ends_peak_dbfs: float
    gain_db: float
    is_inverted: bool
    depth_db: float


class NullMeter:
    """Takes a band of two recordings in step, block by block."""

    def __init__(self) -> None:
        self._input = self._output = self._both = self._difference = 0.0
        self._peak = self._ends_peak = 0.0
        self._count = 0

    def write(
        self,
        before: NDArray[np.float64],
        after: NDArray[np.float64],
        is_inside: NDArray[np.bool_] | bool = True,
    ) -> None:
        """Take a stretch of both, (channels, samples); ``is_inside`` says which are away from the ends."""
        self._input += float(np.vdot(before, before))
        self._output += float(np.vdot(after, after))
        self._both += float(np.vdot(before, after))
        difference = after - before
        self._difference += float(np.vdot(difference, difference))
        size = np.abs(difference)
        self._peak = max(self._peak, float(np.max(size * is_inside, initial=0.0)))
        self._ends_peak = max(self._ends_peak, float(np.max(size * np.logical_not(is_inside), initial=0.0)))
        self._count += before.size

    def null(self) -> Null:
        """What all blocks so far give."""
        difference_dbfs = _db(self._difference, self._count)
        is_silent = self._input <= 1e-14 * max(self._count, 1)  # below -140 dBFS
        if is_silent:
            depth_db = -math.inf if self._difference == 0.0 else math.inf
        else:
            depth_db = _db(self._difference, self._input)
            if not _nulls(difference_dbfs, depth_db):
                return self._after_gain(difference_dbfs)
        return Null(
            outcome="silent" if is_silent else "kept",
            difference_dbfs=difference_dbfs,
            left_dbfs=difference_dbfs,
            peak_dbfs=decibels(self._peak),
            ends_peak_dbfs=decibels(self._ends_peak),
            gain_db=0.0,
            is_inverted=False,
            depth_db=depth_db,
        )

    def _after_gain(self, difference_dbfs: float) -> Null:
        """The gain is that of least squares."""
        gain = self._both / self._input
        explained = gain * self._both
        rest = max(self._output - explained, 0.0)
        depth_db = _db(rest, explained)
        left_dbfs = _db(rest, self._count * gain**2)  # at the level that came in
        is_gain = _nulls(left_dbfs, depth_db)
        return Null(
            outcome="gain" if is_gain else "changed",
            difference_dbfs=difference_dbfs,
            left_dbfs=left_dbfs,
            peak_dbfs=decibels(self._peak),
            ends_peak_dbfs=decibels(self._ends_peak),
            gain_db=_db(gain**2, 1.0),
            is_inverted=gain < 0.0,
            depth_db=depth_db,
        )


def _db(power: float, reference: float) -> float:
    if power <= 0.0:
        return -math.inf
    return 10.0 * math.log10(power / reference) if reference > 0.0 else math.inf


def _nulls(left_dbfs: float, depth_db: float) -> bool:
    return (left_dbfs <= KEPT_DBFS and depth_db <= _LIKE_DB) or depth_db <= _EXACT_DB

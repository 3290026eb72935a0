"""Sibilant peaks of the generated band, turned down: how far and when, by absolute position.

The detector and the gain are on the new band alone, so the recording is never touched. It looks ahead, and
all channels get one gain. Only ratios of levels count, so a quieter recording is treated the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np

from audiosr_fx.hops import Powers, at_samples, hops_around, read_pair
from audiosr_fx.sources import Audio

_THRESHOLD_DB: Final = -16.0  # below the recording: in speech, what sibilants alone rise above
_PEAK_DB: Final = 6.0  # above the band's own usual level: what is bright all the time is no peak
_FLOOR_DB: Final = -60.0  # below the recording: pauses in the band count no further
_SLOPE: Final = 0.75  # of each dB beyond, taken away: 4:1
_LEVEL_HOPS: Final = 201  # a second
_HOLD_HOPS: Final = 9  # as long as the smoothing, so that a peak is met fully turned down
_SMOOTHING_HOPS: Final = 9
_REACH_HOPS: Final = (_LEVEL_HOPS + _HOLD_HOPS + _SMOOTHING_HOPS) // 2 + 1
_TINY: Final = 1e-20


class Levels(NamedTuple):
    """Power of a block's hops of the generated band, (hops,), and of the recording beside it."""

    band: Powers
    recording: Powers


class Deesser:
    """The gain that turns sibilant peaks of the generated band down.

    Args:
        levels: of any block by its index, the same each time it is asked.
        block_hops: in each block.
        hops: in the whole signal.
        most_db: the most that a peak is turned down.
    """

    def __init__(
        self, levels: Callable[[int], Levels], *, block_hops: int, hops: int, most_db: float
    ) -> None:
        self._levels = levels
        self._block_hops = block_hops
        self._hops = hops
        self._most_db = most_db

    def gain(self, start: int, stop: int) -> Audio:
        """Of the samples ``start`` to ``stop``: float32 (stop - start,), 1 where nothing is turned down."""
        first, last = hops_around(start, stop)
        levels = read_pair(
            self._levels,
            first - _REACH_HOPS,
            last + _REACH_HOPS,
            block_hops=self._block_hops,
            hops=self._hops,
            outside=np.nan,
        )
        wanted = reduction_db(Levels(*levels), self._most_db)[_REACH_HOPS : _REACH_HOPS + last - first]
        gain: Audio = (10.0 ** (-at_samples(wanted, start, stop) / 20.0)).astype(np.float32)
        return gain


def reduction_db(levels: Levels, most_db: float) -> Powers:
    """How far each hop is turned down; those within half a second of the ends know too little.

    A peak rises above both the recording's level over a second, less 16 dB, and the band's usual one in that
    second (its mean in dB, which short peaks hardly raise), plus 6 dB.
    """
    from scipy import ndimage  # large, and only for who renders

    there = np.isfinite(levels.band).astype(np.float64)
    recording_db = _decibels(_mean(np.nan_to_num(levels.recording), there))
    band_db = np.maximum(_decibels(np.nan_to_num(levels.band)), recording_db + _FLOOR_DB)
    usual_db = _mean(band_db * there, there)
    over_db = band_db - np.maximum(recording_db + _THRESHOLD_DB, usual_db + _PEAK_DB)
    wanted = np.clip(_SLOPE * over_db, 0.0, most_db) * there
    held = ndimage.maximum_filter1d(wanted, _HOLD_HOPS, mode="constant")
    kernel = np.hanning(_SMOOTHING_HOPS + 2)
    smooth: Powers = np.convolve(held, kernel / kernel.sum(), mode="same")
    return smooth


def _decibels(powers: Powers) -> Powers:
    decibels: Powers = 10.0 * np.log10(np.maximum(powers, _TINY))
    return decibels


def _mean(values: Powers, there: Powers) -> Powers:
    """Over a second around each hop, of those that are there."""
    kernel = np.hanning(_LEVEL_HOPS + 2)
    summed, weight = (np.convolve(row, kernel, mode="same") for row in (values, there))
    mean: Powers = summed / np.maximum(weight, 1e-9)
    return mean

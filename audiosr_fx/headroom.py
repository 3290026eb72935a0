"""The room under full scale: where a sum would go beyond it, what is added gives way, and nothing else.

What it is added to stays as it is; where that is over full scale by itself, nothing would be gained. The gain
is 1 wherever there is room, the same for all channels, and falls and rises smoothly, so that it puts nothing
into other bands. It follows from the samples around a place alone, so blocks fit.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve1d, maximum_filter1d

from audiosr_fx.sources import Audio

_HOLD_S: Final = 0.003  # less leaves something just below a narrow crossover, more takes away more
"""A peak is given way to from so much before it to so much behind it, and smoothed over as much again."""


class Headroom:
    """Keeps a sum under a ceiling, block by block, and counts what that took.

    Attributes:
        reach: samples on both sides of a place that its gain follows from.
        frames: samples per channel so far at which what is added gave way.
        lift_db: by how much it would have raised a sample over the ceiling, or over what was there already
            where that is higher; the most so far.
    """

    def __init__(self, ceiling: float, sample_rate: int) -> None:
        """``ceiling``: the largest magnitude of a sum; ``sample_rate`` in Hz."""
        self._ceiling = np.float32(ceiling)
        self._hold = max(1, round(_HOLD_S * sample_rate))
        hann = np.hanning(2 * self._hold + 3)[1:-1]
        self._window = hann / hann.sum()
        self.reach = 2 * self._hold
        self.frames = 0
        self.lift_db = 0.0

    def fit(self, total: Audio, kept: Audio, added: Audio) -> Audio:
        """The part of a sum that lies ``reach`` samples within the one given, with what is added turned down.

        Args:
            total: ``kept + added``, (channels, samples), as it is to be where there is room.
            kept: what stays.
            added: what gives way.
        """
        inner = slice(self.reach, total.shape[1] - self.reach)
        over = (np.abs(total) > self._ceiling) & (np.abs(kept) <= self._ceiling)
        if not over.any():
            return total[:, inner]
        lacking = self._lacking(over, total, kept, added)
        yielded = self._smooth(lacking.max(axis=0))[inner]
        touched = yielded > 0.0
        self._count(touched, lacking[:, inner] > 0.0, total[:, inner], kept[:, inner])
        fitting = kept[:, inner] + (1.0 - yielded) * added[:, inner].astype(np.float64)
        return np.where(touched, fitting.astype(np.float32), total[:, inner])

    def _lacking(
        self, over: NDArray[np.bool_], total: Audio, kept: Audio, added: Audio
    ) -> NDArray[np.float64]:
        """The share of what is added that there is no room for, 0 to 1, at each sample."""
        side = np.sign(total).astype(np.float64)
        outwards = side * added
        room = self._ceiling - side * kept
        share = np.ones_like(outwards)
        np.divide(room, outwards, out=share, where=over & (outwards > 0.0))
        return 1.0 - np.clip(share, 0.0, 1.0)

    def _smooth(self, lacking: NDArray[np.float64]) -> NDArray[np.float64]:
        """Never less than what is lacking: a mean of maxima that all reach over the place."""
        held = maximum_filter1d(lacking, 2 * self._hold + 1, mode="constant")
        mean: NDArray[np.float64] = convolve1d(held, self._window, mode="constant")
        return np.minimum(mean, 1.0)

    def _count(
        self, touched: NDArray[np.bool_], lacking: NDArray[np.bool_], total: Audio, kept: Audio
    ) -> None:
        self.frames += int(np.count_nonzero(touched))
        if lacking.any():
            lift = np.abs(total[lacking]) / np.maximum(np.abs(kept[lacking]), self._ceiling)
            self.lift_db = max(self.lift_db, 20.0 * math.log10(float(lift.max())))

"""Where a recording has highs of its own above the cutoff that holds for it, so that they stay.

A file may be dull for most of its time and bright for a while. What is clearly more there than a codec
leaves, for long enough, is music. All channels share the decision, by absolute position.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from audiosr_fx.band_tone import pad_taps
from audiosr_fx.bandwidth import Crossover, Junk, apply_fir, complement, lowpass_fir
from audiosr_fx.hops import HOP, Powers, at_samples, hop_powers, hops_around, read_pair
from audiosr_fx.recent import Recent
from audiosr_fx.sources import Audio, Source

_THRESHOLD_DB: Final = -20.0  # of the octave below; of 138 codec round trips the worst reached -24 dB so long
_OVER_USUAL_DB: Final = 10.0  # hiss is as loud all the time
_BELOW_PEAK_DB: Final = 60.0  # of the whole file: dither and the like are no music
_SMOOTHING_HOPS: Final = 19  # 95 ms
_SHORTEST_HOPS: Final = 19  # where codecs stumble over an attack, it is for less
_GAP_HOPS: Final = 101  # half a second between two bright notes is no change of bandwidth
_HOLD_HOPS: Final = 5  # as long as the fade, so that an edge is met with all of the highs
_FADE_HOPS: Final = 5
_REACH_HOPS: Final = (
    _SMOOTHING_HOPS // 2
    + 2 * (_SHORTEST_HOPS // 2)
    + 2 * (_GAP_HOPS // 2)
    + _HOLD_HOPS // 2
    + _FADE_HOPS // 2
)
_TINY: Final = 1e-20


class Recorded:
    """How much of a recording stays above the crossover, and how little is generated there."""

    def __init__(
        self, source: Source, crossover: Crossover, junk: Junk, *, peak: float, block_samples: int
    ) -> None:
        """``source`` is at 48 kHz, ``peak`` its largest sample; it is read in blocks of whole hops."""
        rate = source.sample_rate
        edge_hz = crossover.frequency_hz
        corners_hz = (edge_hz / 2.0, edge_hz, junk.from_hz)
        lower, upper, top = (lowpass_fir(hz, rate, transition_hz=0.1 * edge_hz) for hz in corners_hz)
        size = max(taps.size for taps in (lower, upper, top))
        self._octave = pad_taps(upper, size) - pad_taps(lower, size)
        self._above = complement(pad_taps(top, size))
        self._source = source
        self._block_hops = block_samples // HOP
        quietest_db = 20.0 * math.log10(max(peak, _TINY)) - _BELOW_PEAK_DB
        self._least = 10.0 ** (max(quietest_db, junk.usual_db + _OVER_USUAL_DB) / 10.0)
        self._powers = Recent(self._make_powers, 3)

    def share(self, start: int, stop: int) -> Audio:
        """Of the samples ``start`` to ``stop``: float32 (stop - start,), 1 where the recording stays."""
        first, last = hops_around(start, stop)
        powers = read_pair(
            self._powers,
            first - _REACH_HOPS,
            last + _REACH_HOPS,
            block_hops=self._block_hops,
            hops=-(-self._source.frames // HOP),
            outside=0.0,
        )
        by_hop = bright_share(powers, self._least)[_REACH_HOPS : _REACH_HOPS + last - first]
        share: Audio = at_samples(by_hop, start, stop).astype(np.float32)
        return share

    def _make_powers(self, index: int) -> Powers:
        """Of a block's hops, in the loudest channel: above the cutoff, and in the octave below it."""
        start, stop = (place * self._block_hops * HOP for place in (index, index + 1))
        reach = self._above.size // 2
        stretch = self._source.read(start - reach, stop + reach)
        return np.stack([hop_powers(apply_fir(stretch, taps)) for taps in (self._above, self._octave)])


def bright_share(powers: Powers, least: float) -> NDArray[np.float64]:
    """How much each hop is bright by itself, 0 to 1; those near the ends know too little.

    Args:
        powers: (2, hops): above the cutoff, and in the octave below it.
        least: power above the cutoff that is needed whatever stands below.
    """
    from scipy import ndimage  # large, and only for who renders

    above, octave = (_smoothed(row, _SMOOTHING_HOPS) for row in powers)
    is_bright = (above > least) & (above > 10.0 ** (_THRESHOLD_DB / 10.0) * octave)
    long = ndimage.maximum_filter1d(
        ndimage.minimum_filter1d(is_bright.astype(np.float64), _SHORTEST_HOPS), _SHORTEST_HOPS
    )
    closed = ndimage.minimum_filter1d(ndimage.maximum_filter1d(long, _GAP_HOPS), _GAP_HOPS)
    held = ndimage.maximum_filter1d(closed, _HOLD_HOPS)
    # Rounded, or a sum of weights would be a last bit short of one.
    return np.round(_smoothed(held, _FADE_HOPS), 12)


def around(share: Audio, reach: int) -> tuple[Audio, Audio]:
    """The most and the least within some samples of each, but for those at the ends."""
    from scipy import ndimage

    most, least = (
        find(share, 2 * reach + 1)[reach : share.size - reach]
        for find in (ndimage.maximum_filter1d, ndimage.minimum_filter1d)
    )
    return most, least


def _smoothed(values: NDArray[np.float64], hops: int) -> NDArray[np.float64]:
    kernel = np.hanning(hops + 2)
    smooth: NDArray[np.float64] = np.convolve(values, kernel / kernel.sum(), mode="same")
    return smooth

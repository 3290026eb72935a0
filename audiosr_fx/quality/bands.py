"""What of the generated band ears notice beside its bins: its levels band by band, its flatness, its mel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from audiosr_fx.model.config import MelConfig
from audiosr_fx.model.mel import mel_filterbank
from audiosr_fx.quality.spectra import Power, SpectrumPair

BANDS = 32
BAND_FLOOR_DB = -80.0
"""Relative to the loudest bin of the reference: what lies lower in a band is not told apart."""


def envelope_error_db(pair: SpectrumPair, cutoff_hz: float, highest_hz: float) -> float:
    """How far the levels of the generated band lie off, in dB.

    From the cutoff up, bands of equal width on a logarithmic axis; a band's level is its mean power in one
    frame, and nothing under ``BAND_FLOOR_DB``. The mean over frames and bands of the absolute difference.

    Args:
        pair: spectra that were made comparable.
        cutoff_hz: lower edge of the lowest band.
        highest_hz: upper edge of the highest band.

    Returns:
        dB, 0 for equal spectra; NaN where no frame counts or there is no band.
    """
    levels = _levels_of_both_db(pair, cutoff_hz, highest_hz)
    if not levels[0].size:
        return float("nan")
    floor_db = 10.0 * np.log10(pair.reference.max()) + BAND_FLOOR_DB
    reference, estimate = (np.maximum(level, floor_db) for level in levels)
    return float(np.abs(reference - estimate).mean())


def flatness_error_db(pair: SpectrumPair, cutoff_hz: float, highest_hz: float) -> float:
    """How far the generated band is less even, or more so, than it should be, in dB.

    Flatness is the geometric over the arithmetic mean of the band levels of :func:`envelope_error_db`, in one
    frame: 0 dB where all bands are alike, far below where one stands out. The mean over frames of the
    absolute difference.

    Returns:
        dB, 0 for equal spectra; NaN where no frame counts or there is no band.
    """
    levels = _levels_of_both_db(pair, cutoff_hz, highest_hz)
    if not levels[0].size:
        return float("nan")
    reference, estimate = (flatness_db(10.0 ** (level / 10.0)) for level in levels)
    return float(np.abs(reference - estimate).mean())


def tonality_error_db(pair: SpectrumPair, cutoff_hz: float, highest_hz: float) -> float:
    """As :func:`flatness_error_db`, over all bins from the cutoff up: whether there are tones or noise.

    White noise has -2.5 dB, single tones lie far below.
    """
    band = pair.band(cutoff_hz, highest_hz)
    if not band.reference.size:
        return float("nan")
    return float(np.abs(flatness_db(band.reference) - flatness_db(band.estimate)).mean())


def log_mel_distance_db(pair: SpectrumPair, cutoff_hz: float, highest_hz: float) -> float:
    """Mean absolute difference of log-mel levels from the cutoff up, in dB.

    The mel bands are those the models work in; those count whose centre lies from the cutoff to the limit.
    """
    config = MelConfig()
    filterbank = mel_filterbank(config).astype(np.float64)
    frequencies_hz = np.arange(config.n_fft // 2 + 1) * (config.sample_rate / config.n_fft)
    if len(frequencies_hz) != len(pair.frequencies_hz) or not pair.reference.size:
        return float("nan")
    centres_hz = filterbank @ frequencies_hz / filterbank.sum(axis=1)
    counts = (centres_hz >= cutoff_hz) & (centres_hz <= highest_hz)
    if not counts.any():
        return float("nan")
    reference, estimate = (
        np.log10(filterbank[counts] @ np.sqrt(power)) for power in (pair.reference, pair.estimate)
    )
    return float(20.0 * np.abs(reference - estimate).mean())


def band_levels_db(
    power: Power, frequencies_hz: NDArray[np.float64], lowest_hz: float, highest_hz: float
) -> Power:
    """Mean power of log-spaced bands, each one bin at least, in dB: (bins, frames) -> (BANDS, frames)."""
    if not lowest_hz < highest_hz:
        return np.zeros((0, power.shape[1]))
    edges_hz = np.geomspace(lowest_hz, highest_hz, BANDS + 1).round(6)
    edges = np.searchsorted(frequencies_hz, edges_hz)
    edges[-1] = np.searchsorted(frequencies_hz, highest_hz, side="right")
    starts = np.minimum(edges[:-1], len(frequencies_hz) - 1)
    stops = np.maximum(edges[1:], starts + 1)
    means = [power[start:stop].mean(axis=0) for start, stop in zip(starts, stops, strict=True)]
    return np.asarray(10.0 * np.log10(np.stack(means)))


def flatness_db(power: Power) -> NDArray[np.float64]:
    """Geometric over arithmetic mean over the first axis, in dB: (bins, frames) -> (frames,)."""
    return np.asarray(10.0 * (np.log10(power).mean(axis=0) - np.log10(power.mean(axis=0))))


def _levels_of_both_db(pair: SpectrumPair, cutoff_hz: float, highest_hz: float) -> list[Power]:
    return [
        band_levels_db(power, pair.frequencies_hz, cutoff_hz, highest_hz)
        for power in (pair.reference, pair.estimate)
    ]

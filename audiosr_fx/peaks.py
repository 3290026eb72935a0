"""Peaks between the samples: how high the waveform rises that a converter draws through them.

Limiter and meter share this interpolator. It looks at 4 points per sample first, and at 16 only where these
say that a peak may pass the level that is asked about.

Converters and encoders agree on the waveform up to 0.455 of the sample rate. Above that each rolls off in a
way of its own, and white noise peaks up to 1 dB higher in one than in the next. So a limiter asks for a
``wary`` reading: it adds all the uppermost band could contribute, which in music is next to nothing.
"""

from __future__ import annotations

import math
from functools import cache
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from audiosr_fx.sources import Audio

OVERSAMPLING: Final = 16
FRAME: Final = 64
"""Samples that are worked on together; stretches are multiples of it."""
BEFORE: Final = 63
"""Samples needed in front of a stretch."""
AFTER: Final = 64
"""Samples needed behind a stretch."""

_TAPS: Final = 64
_KAISER_BETA: Final = 7.0  # flat within 0.004 dB up to 0.46 of the sample rate
_COARSE: Final = slice(3, None, 4)  # of the phases 1/16 to 15/16: a quarter, a half, three quarters
_COARSE_MISS: Final = 0.08  # Bernstein: 1/8 sample off its top, a curve has lost at most (pi / 8)^2 / 2
_EDGES: Final = (0.455, 0.4775, 0.502)  # of the sample rate: two bands, as a filter may keep one and drop one
_EDGE_TAPS: Final = BEFORE + 1 + AFTER
_EDGE_BETA: Final = 4.0
_MARGIN: Final = (_EDGE_TAPS - _TAPS) // 2
_EDGE_STEP: Final = 8  # samples; the envelope of so narrow a band changes over 30


def interval_peaks(stretch: Audio, floor: float, *, wary: bool = False) -> Audio:
    """Largest magnitude from each sample up to the next one.

    Args:
        stretch: float32 (channels, BEFORE + samples + AFTER), samples a multiple of FRAME.
        floor: the level that is asked about. What lies above it is found with 16 points per sample; what lies
            below may be read too low, but never to lie above.
        wary: read what the waveform can rise to under any converter's filter, not under this one alone.

    Returns:
        float32 (channels, samples), never less than the samples' own magnitude.

    Source: ITU-R BS.1770-4, annex 2, with a longer filter than the example's and 16 points in place of 4.
    """
    magnitude = np.abs(stretch)
    peaks = magnitude[:, BEFORE:-AFTER].copy()
    sample_peaks = _frames(magnitude).max(axis=-1)
    asked = np.nonzero(sample_peaks * _largest_gain(wary) > floor)
    if asked[0].size == 0:
        return peaks
    rows = _frames(stretch)[asked]
    by_frame = peaks.reshape(*sample_peaks.shape, FRAME)
    inner = rows[:, _MARGIN : _MARGIN + FRAME + _TAPS - 1]
    points = (inner @ _coarse_matrix()).reshape(len(rows), FRAME, -1)
    coarse = np.maximum(by_frame[asked], np.abs(points, out=points).max(axis=2))
    edge = _edge_levels(rows) if wary else np.zeros((len(rows), FRAME), np.float32)
    local = np.maximum(coarse.max(axis=1), sample_peaks[asked])[:, np.newaxis]
    ends = np.maximum(coarse, _frames(magnitude)[asked][:, BEFORE + 1 : BEFORE + 1 + FRAME])
    row, place = np.nonzero(ends + edge + _COARSE_MISS * local > floor)
    if row.size:
        windows = sliding_window_view(stretch, _TAPS, axis=1)[:, _MARGIN:]
        near = windows[asked[0][row], asked[1][row] * FRAME + place]
        fine = np.abs(near @ _kernels().T.astype(np.float32)).max(axis=1)
        coarse[row, place] = np.maximum(coarse[row, place], fine)
    by_frame[asked] = coarse + edge
    return peaks


def decibels(magnitude: float) -> float:
    """A magnitude as dB of full scale; -inf for 0."""
    return 20.0 * math.log10(magnitude) if magnitude > 0.0 else -math.inf


def _frames(stretch: Audio) -> Audio:
    """(channels, samples) -> (channels, frames, FRAME + _EDGE_TAPS - 1), overlapping."""
    frames: Audio = sliding_window_view(stretch, FRAME + _EDGE_TAPS - 1, axis=1)[:, ::FRAME]
    return frames


def _edge_levels(rows: Audio) -> Audio:
    """(rows, FRAME + _EDGE_TAPS - 1) -> (rows, FRAME): all the bands up to half the rate can add up to."""
    parts = (rows @ _edge_matrix()).reshape(len(rows), FRAME // _EDGE_STEP, len(_EDGES) - 1, 2)
    levels: Audio = np.hypot(parts[..., 0], parts[..., 1]).sum(axis=2).repeat(_EDGE_STEP, axis=1)
    return levels


@cache
def _kernels() -> NDArray[np.float64]:
    """(phases, taps): what the points 1/16, 2/16, ... 15/16 after a sample take from its neighbours."""
    phases = np.arange(1, OVERSAMPLING)[:, np.newaxis] / OVERSAMPLING
    distance = np.arange(1 - _TAPS // 2, _TAPS // 2 + 1) - phases
    inside = np.clip(1.0 - (2.0 * distance / _TAPS) ** 2, 0.0, None)
    kernels = np.sinc(distance) * np.i0(_KAISER_BETA * np.sqrt(inside)) / np.i0(_KAISER_BETA)
    normalised: NDArray[np.float64] = kernels / kernels.sum(axis=1, keepdims=True)
    return normalised


@cache
def _edge_kernels() -> NDArray[np.float64]:
    """(2 * bands, taps): real and imaginary part of each band, midway between two samples."""
    distance = np.arange(_EDGE_TAPS) - (_EDGE_TAPS - 1) / 2.0
    window = np.kaiser(_EDGE_TAPS, _EDGE_BETA)
    kernels = []
    for low, high in pairwise(_EDGES):
        band = 2.0 * (high - low) * np.sinc((high - low) * distance) * window
        turn = np.pi * (low + high) * distance
        kernels += [band * np.cos(turn), band * np.sin(turn)]
    return np.stack(kernels)


@cache
def _largest_gain(wary: bool) -> float:
    """How far above its samples a reading may lie at most."""
    gain = float(np.abs(_kernels()).sum(axis=1).max())
    return gain + float(np.abs(_edge_kernels()).sum()) if wary else gain


@cache
def _coarse_matrix() -> Audio:
    return _at_places(_kernels()[_COARSE], range(FRAME))


@cache
def _edge_matrix() -> Audio:
    return _at_places(_edge_kernels(), range(_EDGE_STEP // 2, FRAME, _EDGE_STEP))


def _at_places(kernels: NDArray[np.float64], places: range) -> Audio:
    """Kernels (kernels, taps) at places of a frame, as (FRAME + taps - 1, places * kernels)."""
    taps = kernels.shape[1]
    matrix = np.zeros((FRAME + taps - 1, len(places), len(kernels)), np.float32)
    for column, place in enumerate(places):
        matrix[place : place + taps, column] = kernels.T
    return matrix.reshape(len(matrix), -1)

"""Pictures of a recording for a page: its spectrogram without any text, and its mean spectrum as a curve.

Axes and names are the page's work: it follows light and dark, and no name of a file gets near a font.
"""

from __future__ import annotations

from io import BytesIO
from typing import Final

import numpy as np
from numpy.typing import NDArray

from audiosr_fx.quality.spectrogram import Panel

RANGE_DB: Final = 100.0
"""From the darkest to the brightest colour."""

_ROWS: Final = 256
_POINTS: Final = 120
_LOWEST_HZ: Final = 60.0  # below, a curve of 1025 bins has no shape


def loudest_db(*panels: Panel) -> float:
    """The level of the brightest colour, for pictures that are to be compared: the next 5 dB step."""
    return float(5.0 * np.ceil(max(float(panel.level_db.max()) for panel in panels) / 5.0))


def draw_pixels(panel: Panel, top_db: float) -> bytes:
    """Draw a panel as PNG: 0 Hz below, half the sample rate above, ``top_db`` brightest."""
    from matplotlib.image import imsave

    picture = BytesIO()
    imsave(
        picture,
        _rows(panel.level_db),
        vmin=top_db - RANGE_DB,
        vmax=top_db,
        cmap="magma",
        origin="lower",
        format="png",
        metadata={"Software": "audiosr_fx"},
    )
    return picture.getvalue()


def _rows(level_db: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fewer rows than bins, mean power of each, (rows, columns)."""
    edges = np.linspace(0, len(level_db), _ROWS + 1).astype(int)[:-1]
    power = np.add.reduceat(10.0 ** (level_db / 10.0), edges)
    bins = np.diff(np.append(edges, len(level_db)))
    return np.asarray(10.0 * np.log10(power / bins[:, np.newaxis]), np.float32)


def curve_frequencies_hz(nyquist_hz: float) -> NDArray[np.float64]:
    """Where ``mean_curve_db`` has its points: evenly spread over octaves."""
    return np.geomspace(_LOWEST_HZ, nyquist_hz, _POINTS)


def mean_curve_db(panel: Panel) -> NDArray[np.float64]:
    """Mean spectrum of a panel at ``curve_frequencies_hz``, each point a mean over its share."""
    power = np.mean(10.0 ** (panel.level_db.astype(np.float64) / 10.0), axis=1)
    bins_hz = np.linspace(0.0, panel.nyquist_hz, len(power))
    centres = curve_frequencies_hz(panel.nyquist_hz)
    half = np.sqrt(centres[1] / centres[0])
    total = np.concatenate([[0.0], np.cumsum(power)])
    low = np.searchsorted(bins_hz, centres / half)
    high = np.maximum(np.searchsorted(bins_hz, centres * half, side="right"), low + 1)
    means = (total[np.minimum(high, len(power))] - total[low]) / (high - low)
    is_wide = high - low > 1  # below, a point lies between two bins
    curve: NDArray[np.float64] = np.where(
        is_wide, 10.0 * np.log10(means), np.interp(centres, bins_hz, 10.0 * np.log10(power))
    )
    return curve

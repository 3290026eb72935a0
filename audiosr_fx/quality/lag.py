"""How many samples one recording comes after another of the same sound."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from audiosr_fx.sources import Audio

_WORTH: Final = 0.25  # of what differs may be left: a lag that explains less than 6 dB is none
_SAME: Final = 1e-9  # differing by less than that already, they stand in step


def find_lag(before: Audio, after: Audio, most: int) -> int:
    """Find where one recording lies in another, whatever its gain and polarity.

    Args:
        before: (channels, samples).
        after: the same shape; the same sound, treated in some way.
        most: samples either way that are searched; at most a quarter of their length is, since the half in
            the middle of ``before`` is what is looked for, and of a shorter piece anything could be it.

    Returns:
        By how many samples ``after`` is late, negative where it is early; 0 unless moving it explains at
        least three quarters (6 dB) of what differs, as an equaliser's phase never does.
    """
    samples = before.shape[1]
    most = min(most, samples // 4)
    if most < 1:
        return 0
    reference = before[:, most : samples - most].astype(np.float64)
    products = sum(
        signal.correlate(found.astype(np.float64), wanted, mode="valid", method="fft")
        for found, wanted in zip(after, reference, strict=True)
    )
    energies = _window_energies(after, reference.shape[1])
    scale = np.sqrt(energies * float(np.sum(reference**2)))
    likeness = np.divide(np.abs(products), scale, out=np.zeros_like(scale), where=scale > 0.0)
    different = 1.0 - np.minimum(likeness, 1.0) ** 2  # what no gain removes, by lag
    best = int(np.argmin(different))
    here = float(different[most])
    return best - most if here > _SAME and different[best] < _WORTH * here else 0


def _window_energies(audio: Audio, width: int) -> NDArray[np.float64]:
    """Energy of every stretch of a width."""
    total = np.concatenate([[0.0], np.cumsum(np.sum(audio.astype(np.float64) ** 2, axis=0))])
    energies: NDArray[np.float64] = np.maximum(total[width:] - total[:-width], 0.0)
    return energies

"""How many samples one recording comes after another of the same sound."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from audiosr_fx.sources import Audio

_WORTH: Final = 0.25  # of what differs may be left: a lag that explains less than 6 dB is none
_SAME: Final = 1e-9  # differing by less than that already, they stand in step
_SILENT: Final = 1e-4  # of a recording's energy: a stretch that holds less says nothing about it
_ALIKE: Final = 2.0  # times what is left at best: as good, for a sound that repeats itself

Values = NDArray[np.float64]
Lags = NDArray[np.int_]
Stretch = tuple[Lags, Lags]  # from where to where, by lag


def find_lag(before: Audio, after: Audio, most: int) -> int:
    """Find where one recording lies in another, whatever its gain and polarity.

    A lag has to beat standing still by what it takes of ``before`` and by what it takes of ``after``: of a
    sound that repeats itself as it fades, a louder part would else be found for every fainter one, only
    because noise hides less of it. Of lags that explain as much, the shortest is taken.

    Args:
        before: (channels, samples).
        after: the same shape; the same sound, treated in some way.
        most: samples either way that are searched; at most a quarter of their length is, since of a shorter
            piece than what is left anything could be it.

    Returns:
        By how many samples ``after`` is late, negative where it is early; 0 unless moving it explains at
        least three quarters (6 dB) of what differs, as an equaliser's phase seldom does.
    """
    samples = before.shape[1]
    most = min(most, samples // 4)
    if most < 1:
        return 0
    wanted, found = before.astype(np.float64), after.astype(np.float64)
    lags = np.arange(-most, most + 1)
    late, early = np.maximum(lags, 0), np.maximum(-lags, 0)
    of_before = (early, samples - late)  # the stretch of it that meets ``after``, by lag
    of_after = (late, samples - early)
    in_step = np.sum(wanted * found, axis=0)

    def standing(stretch: Stretch) -> Values:
        products = _sums(in_step, stretch)
        return _different(products, _energies(wanted, stretch), _energies(found, stretch))

    here = np.minimum(standing(of_before), standing(of_after))
    products = _products(wanted, found, lags)
    moved = _different(products, _energies(wanted, of_before), _energies(found, of_after))
    return _shortest(lags, moved, (here > _SAME) & (moved < _WORTH * here))


def _shortest(lags: Lags, different: Values, is_worth: NDArray[np.bool_]) -> int:
    """Of the lags that are worth it and as good as the best of them, the shortest that is best around it."""
    if not is_worth.any():
        return 0
    least = float(np.min(different[is_worth]))
    around = np.pad(different, 1, constant_values=np.inf)
    is_dip = (different <= around[:-2]) & (different <= around[2:])
    good = lags[is_worth & ((different == least) | (is_dip & (different <= _ALIKE * least + _SAME)))]
    return int(good[np.argmin(np.abs(good))])


def _products(before: Values, after: Values, lags: Lags) -> Values:
    """Sum of the products of both, by lag."""
    products = sum(
        signal.correlate(found, wanted, mode="full", method="fft")
        for found, wanted in zip(after, before, strict=True)
    )
    of_lags: Values = np.asarray(products)[lags + before.shape[1] - 1]
    return of_lags


def _sums(values: Values, stretch: Stretch) -> Values:
    """Sums over stretches, each from its start to its end."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    start, end = stretch
    sums: Values = total[end] - total[start]
    return sums


def _energies(audio: Values, stretch: Stretch) -> Values:
    """Of stretches; 0 where they are silent, or as good as that beside the rest."""
    powers = np.sum(audio**2, axis=0)
    energies = _sums(powers, stretch)
    return np.where(energies > _SILENT * np.sum(powers), energies, 0.0)


def _different(products: Values, energy_before: Values, energy_after: Values) -> Values:
    """The share of either that no gain makes of the other: 0 where both are silent, 1 where one is."""
    scale = energy_before * energy_after
    likeness = np.divide(products**2, scale, out=np.zeros_like(scale), where=scale > 0.0)
    likeness[(energy_before == 0.0) & (energy_after == 0.0)] = 1.0
    different: Values = 1.0 - np.minimum(likeness, 1.0)
    return different

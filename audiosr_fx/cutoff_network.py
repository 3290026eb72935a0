"""A small convolutional network that reads the cutoff off the band statistics of a recording.

It runs in NumPy; its weights (``cutoff_network.npz``) are learnt by ``audiosr_fx.training.cutoff``.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from audiosr_fx.spectrum import BAND_EDGES_HZ

DILATIONS: Final = (1, 2, 4, 8, 16, 4, 1)
_RANGE_DB: Final = 110.0
_LIMIT: Final = 6.0
_FINER: Final = 4  # steps per band in the search for the mode
_NEARBY_BANDS: Final = 3.3  # 10 %, of 1/24 octave each

Weights = dict[str, NDArray[np.float32]]


class Reading(NamedTuple):
    """``cutoff_hz``: -3 dB. ``confidence``: that it is within 10 %. ``evidence``: log-odds of a cut."""

    cutoff_hz: float
    confidence: float
    evidence: float


def read_cutoff(statistics_db: NDArray[np.floating], nyquist_hz: float, lowest_hz: float) -> Reading:
    """Read the likeliest cutoff above ``lowest_hz``.

    Args:
        statistics_db: (5, bands), as ``LongTermSpectrum.band_statistics_db``.
        nyquist_hz: bands that reach above it are left out.
        lowest_hz: no cutoff below it is considered.
    """
    odds, evidence = _run(_weights(), network_input(statistics_db, nyquist_hz))
    allowed = (BAND_EDGES_HZ[:-1] >= lowest_hz) & (BAND_EDGES_HZ[1:] <= nyquist_hz)
    probability = np.where(allowed, np.exp(odds - odds[allowed].max()), 0.0)
    band, confidence = mode(probability)
    return Reading(float(BAND_EDGES_HZ[0] * 2.0 ** ((band + 0.5) / 24.0)), confidence, evidence)


def network_input(statistics_db: NDArray[np.floating], nyquist_hz: float) -> NDArray[np.float32]:
    """Eight channels: level, how the other statistics differ from it, its slope, what exists, and where.

    Args:
        statistics_db: (5, bands).
        nyquist_hz: bands that reach above it do not exist.

    Returns:
        (8, bands), within ±6.
    """
    exists = (BAND_EDGES_HZ[1:] <= nyquist_hz).astype(np.float32)
    statistics = np.asarray(statistics_db, np.float32)
    statistics = np.maximum(statistics, np.where(exists > 0.0, statistics[0], -400.0).max() - _RANGE_DB)
    level = statistics[0]
    slope = np.diff(level, prepend=level[:1]).clip(-20.0, 20.0) / 3.0
    channels = [(level - (level * exists).sum() / exists.sum()) / 20.0]
    channels += [
        (other - level) / unit for other, unit in zip(statistics[1:], (6.0, 8.0, 8.0, 8.0), strict=True)
    ]
    limited = np.clip(np.stack([*channels, slope]), -_LIMIT, _LIMIT) * exists
    position = np.linspace(-1.0, 1.0, exists.size, dtype=np.float32)
    return np.concatenate([limited, exists[np.newaxis], position[np.newaxis]]).astype(np.float32)


def mode(probability: NDArray[np.floating]) -> tuple[float, float]:
    """Band, with a fraction, around which the most probability lies, and how much of it lies within 10 %."""
    at = np.arange(0.0, probability.size - 1 + 1e-9, 1.0 / _FINER)
    fine = np.interp(at, np.arange(probability.size), probability)
    reach = np.arange(-6 * _FINER, 6 * _FINER + 1) / _FINER
    best = int(np.argmax(np.convolve(fine, np.exp(-0.5 * (reach / 1.03) ** 2), mode="same")))
    near = slice(max(best - _FINER, 0), best + _FINER + 1)
    centre = float(np.average(at[near], weights=fine[near] + 1e-30))
    inside = float(fine[np.abs(at - centre) <= _NEARBY_BANDS].sum())
    return centre, inside / float(fine.sum())


def _run(weights: Weights, x: NDArray[np.float32]) -> tuple[NDArray[np.float64], float]:
    """Log-odds of each band holding the cutoff, and of there being one at all."""
    x = np.maximum(_convolve(x, weights["enter.weight"], weights["enter.bias"], 1), 0.0)
    for index, dilation in enumerate(DILATIONS):
        local = _convolve(x, weights[f"local.{index}.weight"], weights[f"local.{index}.bias"], dilation)
        overall = weights[f"overall.{index}.weight"] @ _pool(x) + weights[f"overall.{index}.bias"]
        x = x + np.maximum(local + overall[:, np.newaxis], 0.0)
    odds = _convolve(x, weights["cutoff.weight"], weights["cutoff.bias"], 1)[0]
    hidden = np.maximum(weights["hidden.weight"] @ _pool(x) + weights["hidden.bias"], 0.0)
    return odds.astype(np.float64), float((weights["is_cut.weight"] @ hidden + weights["is_cut.bias"])[0])


def _convolve(
    x: NDArray[np.float32], weight: NDArray[np.float32], bias: NDArray[np.float32], dilation: int
) -> NDArray[np.float32]:
    taps = weight.shape[2]
    reach = dilation * (taps // 2)
    padded = np.pad(x, ((0, 0), (reach, reach)))
    shifted = np.stack(
        [padded[:, tap * dilation : tap * dilation + x.shape[1]] for tap in range(taps)], axis=1
    )
    result: NDArray[np.float32] = weight.reshape(weight.shape[0], -1) @ shifted.reshape(-1, x.shape[1])
    return result + bias[:, np.newaxis]


def _pool(x: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.concatenate([x.mean(axis=1), x.max(axis=1)])


@lru_cache(maxsize=1)
def _weights() -> Weights:
    with (
        resources.files("audiosr_fx").joinpath("cutoff_network.npz").open("rb") as stream,
        np.load(stream, allow_pickle=False) as stored,
    ):
        return {name: stored[name].astype(np.float32) for name in stored.files}

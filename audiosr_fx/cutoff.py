"""Where a spectrum was cut off, by a small network, and by what: the filter there that best explains it.

``cutoff_network`` says where, and whether at all: it was learnt from 1737 recordings and filters made up for
them. The shape of the fall follows from a model. A natural spectrum, in dB over 1/24-octave bands, is taken
as a random draw from a multivariate normal: mean and covariance were measured on 1242 recordings that reach
20 kHz (``cutoff_prior.npz``, by ``training.cutoff_prior``), plus a roughness (harmonics) that is measured on
the spectrum itself. Subtract from the spectrum the response of every filter there might be (three families,
orders 2 to 10, brick wall; each cutoff; each depth down to a noise floor): the more natural the remainder,
the likelier the filter. The answer is the likeliest one whose -3 dB frequency is the network's. (By itself
the model's mode finds the cutoffs of steep filters, but mistakes gentle ones for natural slopes.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from audiosr_fx.cutoff_network import read_cutoff
from audiosr_fx.spectrum import LongTermSpectrum

_LOWEST_HZ: Final = 1_000.0
_HIGHEST_HZ: Final = 23_800.0
_BANDS_PER_OCTAVE: Final = 24
_LOWEST_CUTOFF_HZ: Final = 1_300.0
_CUTOFFS_PER_OCTAVE: Final = 48
_ORDERS: Final = (2, 3, 4, 5, 6, 8, 10)
_DEPTHS_DB: Final = (15.0, 20.0, 26.0, 34.0, 44.0, 56.0, 70.0, 90.0, 110.0)
_RIPPLE_DB: Final = 0.1
_STOPBAND_DB: Final = 60.0
_GAIN_VARIANCE: Final = 1e4  # the level of a recording says nothing
_LEAST_ROUGHNESS: Final = 1.0
ROUGHNESS_SCALE: Final = 2.0
_TAIL: Final = 5.0  # degrees of freedom of the Student t that keeps odd recordings from being too sure
_NEAR_OCTAVES: Final = 0.043  # 3 %
_TABLE_OCTAVES: Final = np.linspace(-6.0, 6.0, 4801)

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cutoff:
    """Where a spectrum ends.

    ``cutoff_hz``: -3 dB. ``fade_hz``: where the likeliest filter has fallen by 1 dB and by 20 dB.
    ``slope_db_per_octave``: of the third of an octave above the cutoff. ``drop_db``: down to the floor.
    ``confidence``: probability that, if there is one, the cutoff lies within 10 % of the truth.
    ``evidence``: log-odds of a filter against no filter.
    """

    cutoff_hz: float
    fade_hz: tuple[float, float]
    slope_db_per_octave: float
    drop_db: float
    confidence: float
    evidence: float


class _Candidates(NamedTuple):
    response_db: NDArray[np.float32]  # (shapes * cutoffs * depths, bands)
    half_power_hz: Floats  # (shapes, cutoffs)
    fade_ratio: Floats  # (shapes, 2): frequencies of -1 and -20 dB over that of -3 dB


def find_cutoff(spectrum: LongTermSpectrum, *, below_hz: float | None) -> Cutoff | None:
    """Find the low-pass filter that a spectrum went through, or None if it has too few bands to tell.

    The caller decides, by ``evidence`` and ``confidence``, whether there was one at all. Nothing is looked at
    above ``below_hz``; None is as far as the sample rate reaches.
    """
    end_hz = spectrum.sample_rate / 2.0 if below_hz is None else below_hz
    bands = min(_edges_hz().size - 1, int(np.searchsorted(_edges_hz(), end_hz)) - 1)
    if bands < 2 * _BANDS_PER_OCTAVE or spectrum.frames == 0:
        return None
    level = band_levels_db(spectrum)[:bands]
    level = np.maximum(level, level.max() - _DEPTHS_DB[-1])
    mean, covariance = _prior()
    candidates = _candidates(max(spectrum.sample_rate, 40_000), bands)
    whitener = _whitener(covariance[:bands, :bands] + np.diag(band_roughness(level)))
    residual = whitener @ (level - level.mean() - mean[:bands])
    whitened = candidates.response_db @ whitener.T.astype(np.float32)
    distance = (
        float(residual @ residual)
        - 2.0 * (whitened @ residual.astype(np.float32)).astype(np.float64)
        + np.einsum("ij,ij->i", whitened, whitened).astype(np.float64)
    )
    likelihood = -0.5 * (_TAIL + bands) * np.log1p(distance / _TAIL)
    shapes, cutoffs = candidates.half_power_hz.shape
    cutoff_hz, confidence, evidence = read_cutoff(spectrum.band_statistics_db, end_hz, _LOWEST_CUTOFF_HZ)
    off = np.abs(np.log2(candidates.half_power_hz / cutoff_hz))
    near = np.where(off <= max(_NEAR_OCTAVES, float(off.min())), 0.0, -np.inf)[..., np.newaxis]
    shaped = likelihood.reshape(shapes, cutoffs, len(_DEPTHS_DB)) + near
    shape, cutoff, depth = (int(i) for i in np.unravel_index(np.argmax(shaped), shaped.shape))
    response = candidates.response_db.reshape(shapes, cutoffs, len(_DEPTHS_DB), bands)[shape, cutoff, depth]
    third_up = np.interp(
        math.log2(cutoff_hz) + 1.0 / 3.0, np.log2(band_centres_hz()[:bands]), response.astype(np.float64)
    )
    start, end = (float(ratio) * cutoff_hz for ratio in candidates.fade_ratio[shape])
    return Cutoff(
        cutoff_hz=cutoff_hz,
        fade_hz=(start, end),
        slope_db_per_octave=3.0 * (-3.0 - float(third_up)),
        drop_db=_DEPTHS_DB[depth],
        confidence=confidence,
        evidence=evidence,
    )


def band_levels_db(spectrum: LongTermSpectrum) -> Floats:
    """Mean level in dB of each 1/24-octave band from 1 kHz up; the last value repeats above the end."""
    summed = np.concatenate([[0.0], np.cumsum(spectrum.mean_level_db)])
    edges = np.minimum(_edges_hz() * spectrum.n_fft / spectrum.sample_rate + 0.5, spectrum.mean_level_db.size)
    width = np.maximum(np.diff(edges), 1e-9)
    level: Floats = np.diff(np.interp(edges, np.arange(summed.size), summed)) / width
    return np.where(np.diff(edges) > 0.0, level, spectrum.mean_level_db[-1])


def band_roughness(level: Floats) -> Floats:
    """Variance of each band around its neighbours: the running median keeps single steps (cliffs) out."""
    bend: Floats = np.abs(np.pad(level[2:] - 2.0 * level[1:-1] + level[:-2], 1, mode="edge"))
    running = np.lib.stride_tricks.sliding_window_view(np.pad(bend, 6, mode="reflect"), 13)
    deviation = np.median(running, axis=1) / 0.6745
    variance: Floats = np.maximum(ROUGHNESS_SCALE * deviation**2 / 6.0, _LEAST_ROUGHNESS)
    return variance


def _whitener(covariance: Floats) -> Floats:
    """Matrix that turns residuals of this covariance, and any gain, into independent unit normals."""
    whitener: Floats = np.linalg.cholesky(np.linalg.inv(covariance + _GAIN_VARIANCE)).T
    return whitener


@lru_cache(maxsize=1)
def _prior() -> tuple[Floats, Floats]:
    with (
        resources.files("audiosr_fx").joinpath("cutoff_prior.npz").open("rb") as stream,
        np.load(stream, allow_pickle=False) as stored,
    ):
        mean: Floats = stored["mean"].astype(np.float64)
        covariance: Floats = stored["covariance"].astype(np.float64)
        return mean, covariance


@lru_cache(maxsize=1)
def _edges_hz() -> Floats:
    octaves = np.arange(0.0, math.log2(_HIGHEST_HZ / _LOWEST_HZ), 1.0 / _BANDS_PER_OCTAVE)
    edges: Floats = _LOWEST_HZ * 2.0**octaves
    return edges


def band_centres_hz() -> Floats:
    """Centre of each 1/24-octave band from 1 kHz up."""
    centres: Floats = np.sqrt(_edges_hz()[1:] * _edges_hz()[:-1])
    return centres


@lru_cache(maxsize=4)
def _candidates(sample_rate: int, bands: int) -> _Candidates:
    """Responses in dB of every filter, bilinear at ``sample_rate``, averaged in power over each band."""
    edges = _edges_hz()[: bands + 1]
    inner = (np.arange(8) + 0.5) / 8.0
    fine = (edges[:-1, np.newaxis] + np.diff(edges)[:, np.newaxis] * inner).ravel()
    octaves = math.log2(edges[-1] / _LOWEST_CUTOFF_HZ)
    cutoffs = _LOWEST_CUTOFF_HZ * 2.0 ** np.arange(0.0, octaves, 1.0 / _CUTOFFS_PER_OCTAVE)
    warped = np.log2(_warp(fine, sample_rate)) - np.log2(_warp(cutoffs, sample_rate))[:, np.newaxis]
    tables = _prototypes()
    power = np.stack([np.interp(warped, _TABLE_OCTAVES, table) for table in tables])
    power = power.reshape(len(tables), cutoffs.size, bands, 8).mean(axis=3)
    floors = 10.0 ** (-np.array(_DEPTHS_DB) / 10.0)
    response = 10.0 * np.log10(power[:, :, np.newaxis, :] + floors[:, np.newaxis])
    ratios = np.array([[_falls_to(table, drop) for drop in (1.0, 3.0103, 20.0)] for table in tables])
    half_power = _unwarp(_warp(cutoffs, sample_rate) * ratios[:, 1:2], sample_rate)
    return _Candidates(
        response.reshape(-1, bands).astype(np.float32),
        half_power,
        np.stack([ratios[:, 0] / ratios[:, 1], ratios[:, 2] / ratios[:, 1]], axis=1),
    )


def _prototypes() -> Floats:
    """Power response of each analogue prototype over octaves around its pass-band edge: (shapes, octaves)."""
    omega = 2.0**_TABLE_OCTAVES
    tables = [(omega <= 1.0).astype(np.float64)]
    for order in _ORDERS:
        for zeros, poles, gain in (
            signal.buttap(order),
            signal.cheb1ap(order, _RIPPLE_DB),
            signal.ellipap(order, _RIPPLE_DB, _STOPBAND_DB),
        ):
            tables.append(np.abs(signal.freqs_zpk(zeros, poles, gain, omega)[1]) ** 2)
    return np.array(tables)


def _falls_to(table: Floats, drop_db: float) -> float:
    """First frequency, over the pass-band edge, where a prototype is down by ``drop_db``."""
    below = np.nonzero(table < 10.0 ** (-drop_db / 10.0))[0]
    return float(2.0 ** _TABLE_OCTAVES[below[0] if below.size else -1])


def _warp(frequency_hz: Floats, sample_rate: int) -> Floats:
    warped: Floats = np.tan(np.pi * np.minimum(frequency_hz / sample_rate, 0.4999))
    return warped


def _unwarp(warped: Floats, sample_rate: int) -> Floats:
    frequency_hz: Floats = np.arctan(warped) * (sample_rate / np.pi)
    return frequency_hz

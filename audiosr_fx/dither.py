"""The last step to a file: rounding to fewer bits, with noise that keeps the error free of the signal.

Rounding without dither makes harmonics of quiet tones. Triangular noise of one step either way (TPDF) turns
the error into a steady floor; shaping moves that floor to where ears hear least.

A file is dithered once: what is a value of the word length already (digital silence, or a 16-bit file that
passes through untouched) is written as it is.
"""

from __future__ import annotations

from collections import deque
from functools import cache
from math import floor
from operator import mul
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from audiosr_fx.params import find_control

SETTLED_SAMPLES: Final = 32
"""So many values in a row must be of the word length for the next to be written bare."""

_SHAPING_ORDER: Final = 9
_SHAPING_RANGE_DB: Final = 36.0  # how far the floor may rise where nothing is heard over where all is
_NEVER: Final = -(2**62)


def choose_dither(dither: str | None, bits: int | None) -> str:
    """The dither for a word length; None takes ``tpdf`` at 16 bits and ``none`` above, or in float.

    Raises:
        ParameterError: no such dither.
    """
    checked = find_control("dither").check(dither)
    if checked is None:
        return "tpdf" if bits is not None and bits <= 16 else "none"
    return str(checked)


class Quantizer:
    """Rounds one signal, block by block, to whole numbers of a word length."""

    def __init__(
        self, bits: int, channels: int, sample_rate: int, *, dither: str = "tpdf", seed: int = 0
    ) -> None:
        """Begin.

        Args:
            bits: 2 to 32.
            channels: of every block.
            sample_rate: in Hz; shaping follows it.
            dither: ``tpdf``, ``shaped`` (TPDF, its error shaped) or ``none``.
            seed: the same seed and samples give the same values, whatever the blocks.
        """
        self._full_scale = 2.0 ** (bits - 1)
        self._dither = dither
        self._random = np.random.Generator(np.random.PCG64(seed))
        self._position = 0
        self._unsettled = np.full((channels, 1), _NEVER)
        self._filter = shaping_filter(sample_rate) if dither == "shaped" else ()
        order = len(self._filter)
        self._errors = [deque([0.0] * order, maxlen=order) for _ in range(channels)]

    def quantize(self, audio: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """A block (channels, samples), full scale ±1.0, as whole numbers within what the bits can hold."""
        scaled = audio.astype(np.float64) * self._full_scale
        if self._dither == "none":
            codes = np.rint(scaled)
        else:
            bare = self._settled(scaled)
            noise = self._noise(scaled.shape)
            if self._dither == "shaped":
                rows = enumerate(zip(scaled, noise, bare, strict=True))
                codes = np.stack([self._shape(channel, *row) for channel, row in rows])
            else:
                codes = np.rint(scaled + np.where(bare, 0.0, noise))
        return np.clip(codes, -self._full_scale, self._full_scale - 1.0)

    def _noise(self, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """Triangular, one step either way; drawn sample by sample, so that blocks do not matter."""
        uniform = self._random.random((shape[1], shape[0], 2))
        triangular: NDArray[np.float64] = (uniform[..., 0] - uniform[..., 1]).T
        return triangular

    def _settled(self, scaled: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Where a value, and the SETTLED_SAMPLES before it, are whole already; a beginning counts as such."""
        place = self._position + np.arange(scaled.shape[1])
        broken = np.where(scaled == np.rint(scaled), _NEVER, place)
        last = np.maximum.accumulate(np.concatenate([self._unsettled, broken], axis=1), axis=1)[:, 1:]
        self._position += scaled.shape[1]
        if scaled.shape[1]:
            self._unsettled = last[:, -1:]
        settled: NDArray[np.bool_] = place - last > SETTLED_SAMPLES
        return settled

    def _shape(
        self,
        channel: int,
        scaled: NDArray[np.float64],
        noise: NDArray[np.float64],
        bare: NDArray[np.bool_],
    ) -> NDArray[np.float64]:
        """Each rounding error is taken from the samples after it, in the proportions of the filter."""
        errors, weights = self._errors[channel], self._filter
        codes = []
        for sample, random, is_bare in zip(scaled.tolist(), noise.tolist(), bare.tolist(), strict=True):
            wanted = sample if is_bare else sample + sum(map(mul, weights, errors))
            code = sample if is_bare else floor(wanted + random + 0.5)
            errors.appendleft(code - wanted)
            codes.append(code)
        return np.array(codes, np.float64)


@cache
def shaping_filter(sample_rate: int) -> tuple[float, ...]:
    """What a sample takes of the errors before it, so that the floor follows the threshold of hearing.

    The floor is the whitening filter of the inverse threshold: linear prediction, as speech coders do it.

    Source: Terhardt, Calculating virtual pitch (1979), for the threshold; Gerzon and Craven (1989) on why the
    floor, in dB, can only be moved and not lowered.
    """
    from scipy.linalg import solve_toeplitz

    khz = np.maximum(np.linspace(0.0, sample_rate / 2.0, 2049), 100.0) / 1000.0
    threshold_db = 3.64 * khz**-0.8 - 6.5 * np.exp(-0.6 * (khz - 3.3) ** 2) + 1e-3 * khz**4
    bounded_db = np.minimum(threshold_db, threshold_db.min() + _SHAPING_RANGE_DB)
    correlation = np.fft.irfft(10.0 ** (-bounded_db / 10.0))[: _SHAPING_ORDER + 1]
    return tuple((-solve_toeplitz(correlation[:-1], correlation[1:])).tolist())

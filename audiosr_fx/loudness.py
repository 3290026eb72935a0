"""Loudness and peak meters: integrated LUFS, sample peak and true peak."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyloudnorm
import soxr
from numpy.typing import NDArray

from audiosr_fx.errors import AudioFormatError
from audiosr_fx.sources import check_audio

GATING_BLOCK_S = 0.4
_LOWEST_RATE = 4_000  # the shelf of the K weighting turns at 1.7 kHz
_MOST_CHANNELS = 5
_SURROUND_WITHOUT_LFE = [0, 1, 2, 4, 5]  # of L R C LFE Ls Rs: the bass channel does not count
_OVERSAMPLING = 4
_BLOCK_FRAMES = 65_536
_CONTEXT_FRAMES = 512


def measure_loudness(audio: NDArray[Any], sample_rate: float) -> float:
    """Measure gated programme loudness.

    Args:
        audio: floating point (channels, samples), full scale ±1.0: 1 to 5 channels in the order L R C Ls Rs,
            or 6 in the order L R C LFE Ls Rs.
        sample_rate: in Hz.

    Returns:
        Loudness in LUFS; -inf for silence and for what stays below the gate of -70 LUFS.

    Raises:
        AudioFormatError: shorter than one 400 ms gating block, another number of channels, or a rate below
            4 kHz, where the weighting has no meaning.

    Source: ITU-R BS.1770-4, equations 1 to 7.
    """
    audio = check_audio(audio, sample_rate)
    channels, samples = audio.shape
    if sample_rate < _LOWEST_RATE:
        raise AudioFormatError(f"sample_rate is {sample_rate}; loudness needs {_LOWEST_RATE} or more")
    if samples < GATING_BLOCK_S * sample_rate:
        raise AudioFormatError(
            f"audio is {samples} samples long; loudness needs {math.ceil(GATING_BLOCK_S * sample_rate)}"
            f" or more ({1000 * GATING_BLOCK_S:.0f} ms)"
        )
    if channels == len(_SURROUND_WITHOUT_LFE) + 1:
        audio = audio[_SURROUND_WITHOUT_LFE]
    elif channels > _MOST_CHANNELS:
        raise AudioFormatError(
            f"audio has {channels} channels; loudness is defined for 1 to 6: measure a fold-down"
        )
    with np.errstate(divide="ignore", invalid="ignore"):  # silence has no logarithm
        loudness = float(pyloudnorm.Meter(int(sample_rate)).integrated_loudness(audio.T.astype(np.float64)))
    return loudness if math.isfinite(loudness) else -math.inf


def sample_peak_dbfs(audio: NDArray[Any]) -> float:
    """Largest magnitude of a (channels, samples) array in dBFS; -inf for silence."""
    return _decibels(float(np.max(np.abs(audio), initial=0.0)))


def true_peak_dbtp(audio: NDArray[Any], sample_rate: float) -> float:
    """Largest magnitude between the samples, found by 4 x oversampling.

    Args:
        audio: floating point (channels, samples).
        sample_rate: in Hz.

    Returns:
        dBTP, never less than the sample peak; -inf for silence.

    Source: ITU-R BS.1770-4, annex 2 (with soxr's longer interpolator in place of the example filter).
    """
    audio = check_audio(audio, sample_rate)
    peak = float(np.max(np.abs(audio), initial=0.0))
    if peak == 0.0:
        return -math.inf
    for start in range(0, audio.shape[1], _BLOCK_FRAMES):
        stretch = audio[:, max(start - _CONTEXT_FRAMES, 0) : start + _BLOCK_FRAMES + _CONTEXT_FRAMES]
        oversampled = soxr.resample(stretch.T, 1.0, float(_OVERSAMPLING), quality="HQ")
        first = (start - max(start - _CONTEXT_FRAMES, 0)) * _OVERSAMPLING
        inner = oversampled[first : first + _BLOCK_FRAMES * _OVERSAMPLING]
        peak = max(peak, float(np.max(np.abs(inner), initial=0.0)))
    return _decibels(peak)


def _decibels(magnitude: float) -> float:
    return 20.0 * math.log10(magnitude) if magnitude > 0.0 else -math.inf

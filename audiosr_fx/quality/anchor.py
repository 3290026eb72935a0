"""Anchors for listening tests: the reference without its highs, the same for everyone who makes one."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from audiosr_fx.errors import ParameterError
from audiosr_fx.sources import Audio

LOWEST_HZ: Final = 200
HIGHEST_HZ: Final = 16_000
_STOP_RATIO: Final = 8 / 7  # 4 kHz for the anchor of 3.5 kHz
_ATTENUATION_DB: Final = 60.0


def check_anchor_hz(cutoff_hz: int) -> int:
    """Return the cutoff, or raise ParameterError unless it lies from 200 to 16000 Hz."""
    if not LOWEST_HZ <= cutoff_hz <= HIGHEST_HZ:
        raise ParameterError(f"anchor is lowpass:{cutoff_hz}; expected {LOWEST_HZ} to {HIGHEST_HZ} Hz")
    return cutoff_hz


def lowpass_anchor(audio: Audio, sample_rate: int, cutoff_hz: int = 3500) -> Audio:
    """Take the highs away with a linear-phase filter, which leaves the rest where it is in time.

    Args:
        audio: float32 (channels, samples).
        sample_rate: in Hz.
        cutoff_hz: end of the pass band: 3500 for the low and 7000 for the middle anchor.

    Returns:
        As long as the input.

    Raises:
        ParameterError: a cutoff outside its range.

    Source: ITU-R BS.1534-3, on anchors: ripple within 0.1 dB up to 3.5 kHz, 25 dB down at 4 kHz, 50 dB
    at 4.5 kHz; other cutoffs in the same proportions.
    """
    taps = anchor_filter(sample_rate, cutoff_hz)
    padded = np.pad(audio, ((0, 0), (len(taps) // 2,) * 2))
    filtered = signal.oaconvolve(padded, taps[np.newaxis], mode="valid", axes=1)
    return np.ascontiguousarray(filtered, dtype=np.float32)


def anchor_filter(sample_rate: int, cutoff_hz: int) -> NDArray[np.float64]:
    """The filter of an anchor: an odd number of symmetric taps."""
    check_anchor_hz(cutoff_hz)
    stop_hz = _STOP_RATIO * cutoff_hz
    if stop_hz >= sample_rate / 2:
        raise ParameterError(
            f"anchor is lowpass:{cutoff_hz}; expected less than {sample_rate / 2 / _STOP_RATIO:.0f} Hz"
            f" at a sample rate of {sample_rate}"
        )
    count, beta = signal.kaiserord(_ATTENUATION_DB, 2 * (stop_hz - cutoff_hz) / sample_rate)
    middle_hz = math.sqrt(cutoff_hz * stop_hz)
    taps: NDArray[np.float64] = signal.firwin(count | 1, middle_hz, window=("kaiser", beta), fs=sample_rate)
    return taps

"""Log-spectral distance, the measure the field reports for bandwidth extension."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import signal

POWER_FLOOR = 1e-8


def measure_lsd(
    reference: NDArray[np.float32],
    estimate: NDArray[np.float32],
    sample_rate: int,
    *,
    lowest_hz: float = 0.0,
    highest_hz: float | None = None,
    n_fft: int = 2048,
    hop_length: int = 512,
    power_floor: float = POWER_FLOOR,
) -> float:
    """Log-spectral distance: the mean over frames of the RMS difference of log10 power over bins.

    Args:
        reference: (T,), full scale 1.0.
        estimate: (T,), same level and alignment.
        sample_rate: in Hz.
        lowest_hz: bins below are left out.
        highest_hz: bins above are left out; None for the Nyquist frequency. Use the frequency up to
            which the reference itself can be trusted.
        power_floor: added to the power of both before the logarithm; the transform is not normalised
            (a Hann window sums to n_fft / 2), so 1e-8 lies 10 dB under the noise of 16-bit dither.

    Returns:
        LSD, 0 for equal signals.

    Source: Gray and Markel 1976, "Distance measures for speech processing".
    """
    frequencies = np.fft.rfftfreq(n_fft, 1 / sample_rate)
    band = (frequencies >= lowest_hz) & (frequencies <= (highest_hz or sample_rate / 2))
    difference = log_power(reference, n_fft, hop_length, power_floor)[band]
    difference -= log_power(estimate, n_fft, hop_length, power_floor)[band]
    return float(np.sqrt(np.mean(difference**2, axis=0)).mean())


def log_power(
    waveform: NDArray[np.float32], n_fft: int, hop_length: int, power_floor: float
) -> NDArray[np.float64]:
    """log10 of floored STFT power, periodic Hann window, centred frames: (T,) -> (n_fft / 2 + 1, frames)."""
    window = signal.get_window("hann", n_fft)
    padded = np.pad(np.asarray(waveform, np.float64), n_fft // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop_length]
    power = np.abs(np.fft.rfft(frames * window)) ** 2
    return np.asarray(np.log10(power + power_floor).T)

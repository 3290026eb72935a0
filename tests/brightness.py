"""How bright white noise still is where it is trusted."""

from __future__ import annotations

import numpy as np
from scipy import signal


def top_db(noise: np.ndarray, limit_hz: float, rate: int = 48_000) -> float:
    """The level of the highest 1 % below a limit, against that of 2 to 8 kHz, in dB: of noise (n, T)."""
    frequencies_hz, power = signal.welch(noise, rate, nperseg=4096, axis=-1)
    power = power.mean(axis=0)
    middle = power[(frequencies_hz > 2_000) & (frequencies_hz < 8_000)].mean()
    top = power[(frequencies_hz > 0.99 * limit_hz) & (frequencies_hz <= limit_hz)].mean()
    return float(10 * np.log10(top / middle))

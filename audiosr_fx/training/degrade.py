"""Make dull recordings out of bright ones: random low-pass filters as in the AudioSR paper."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import signal

from audiosr_fx.errors import ParameterError

_DESIGNS: Mapping[str, Callable[[int, float], np.ndarray]] = {
    "butterworth": lambda order, edge: signal.butter(order, edge, output="sos"),
    "chebyshev": lambda order, edge: signal.cheby1(order, 0.1, edge, output="sos"),
    "elliptic": lambda order, edge: signal.ellip(order, 0.1, 60.0, edge, output="sos"),
    "bessel": lambda order, edge: signal.bessel(order, edge, norm="mag", output="sos"),
}
FAMILIES = (*_DESIGNS, "boxcar")
_GRID_HZ = np.linspace(0.0, 24_000.0, 4097)


@dataclass(frozen=True, slots=True, kw_only=True)
class LowPass:
    """One low-pass filter: family, order, cutoff in Hz, and whether it is run forwards and backwards.

    ``cutoff_hz`` is what scipy's designs call Wn: the -3 dB point (Butterworth, Bessel) or the
    edge of the pass band (Chebyshev I, elliptic). A boxcar keeps what lies below and nothing else.
    """

    family: str
    order: int
    cutoff_hz: float
    both_ways: bool = False

    def magnitude(self, frequencies_hz: np.ndarray) -> np.ndarray:
        """Amplitude response at ``frequencies_hz`` for audio at 48 kHz; float64, same shape."""
        if self.family == "boxcar":
            return np.asarray(frequencies_hz < self.cutoff_hz, np.float64)
        _, response = signal.freqz_sos(self._sections(), worN=_GRID_HZ, fs=48_000.0)
        magnitude = np.abs(response) ** (2 if self.both_ways else 1)
        return np.asarray(np.interp(frequencies_hz, _GRID_HZ, magnitude))

    def _sections(self) -> np.ndarray:
        edge = self.cutoff_hz / 24_000.0
        if self.family not in _DESIGNS:
            raise ParameterError(f"family is {self.family!r}; expected one of {', '.join(FAMILIES)}")
        return np.asarray(_DESIGNS[self.family](self.order, edge))


def draw_lowpass(
    random: np.random.Generator, *, lowest_hz: float = 2_000.0, highest_hz: float = 16_000.0
) -> LowPass:
    """A random low-pass: any family, order 2 to 10, cutoff uniform.

    Source: Liu et al. 2023, "AudioSR", section 3.1.
    """
    return LowPass(
        family=str(random.choice(FAMILIES)),
        order=int(random.integers(2, 11)),
        cutoff_hz=float(random.uniform(lowest_hz, highest_hz)),
        both_ways=bool(random.random() < 0.5),
    )


def apply_lowpass(waveform: np.ndarray, lowpass: LowPass) -> np.ndarray:
    """Filter without phase shift, in one FFT of the whole signal.

    Args:
        waveform: float (..., T) at 48 kHz; not changed.

    Returns:
        float32 (..., T)
    """
    frequencies = np.fft.rfftfreq(waveform.shape[-1], 1 / 48_000)
    spectrum = np.fft.rfft(waveform) * lowpass.magnitude(frequencies)
    return np.fft.irfft(spectrum, waveform.shape[-1]).astype(np.float32)

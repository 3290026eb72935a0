"""The tone of the generated band: brightness, tilt and ceiling in the one filter that parts it off.

The high-pass at the crossover is there anyway. Here it gets another shape above the crossover. Its phase
stays linear, so nothing shifts, and its stop-band what it was, so nothing reaches below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from audiosr_fx.settings import RenderSettings

_FFT: Final = 1 << 16
_CEILING_ORDER: Final = 4  # 24 dB per octave beyond the ceiling, without a corner to ring
_ATTENUATION_DB: Final = 106.0  # as of the high-pass


def toned_highpass(
    highpass: NDArray[np.float64],
    crossover_hz: float,
    sample_rate: int,
    settings: RenderSettings,
    *,
    size: int,
) -> NDArray[np.float64]:
    """A high-pass with the tone that the settings ask for above its crossover.

    Args:
        highpass: odd number of taps, linear phase.
        crossover_hz: its -6 dB point, where the tilt begins.
        sample_rate: in Hz.
        settings: ``brightness_db``, ``tilt_db_per_octave`` and ``ceiling_hz`` count.
        size: number of taps, odd, that tilt and ceiling are drawn with; no fewer than ``highpass`` has.

    Returns:
        ``highpass`` itself where no tone is asked for; else it times the brightness, from the crossover up
        with the tilt, and with a fall by 3 dB at the ceiling that goes on with 24 dB per octave.
    """
    brightness = 10.0 ** (settings.brightness_db / 20.0)
    if settings.tilt_db_per_octave == 0.0 and settings.ceiling_hz is None:
        return highpass if settings.brightness_db == 0.0 else brightness * highpass
    frequency_hz = np.maximum(np.fft.rfftfreq(_FFT, 1.0 / sample_rate), crossover_hz)
    level_db = settings.tilt_db_per_octave * np.log2(frequency_hz / crossover_hz)
    tone = 10.0 ** (level_db / 20.0)
    if settings.ceiling_hz is not None:
        tone /= np.sqrt(1.0 + (frequency_hz / settings.ceiling_hz) ** (2 * _CEILING_ORDER))
    padded = pad_taps(highpass, size)
    # What is changed is drawn by itself, as it is smooth: the step at the crossover keeps its own taps.
    change = np.fft.irfft((tone - tone[0]) * _zero_phase(padded), _FFT)
    half = padded.size // 2
    window = np.kaiser(padded.size, 0.1102 * (_ATTENUATION_DB - 8.7))
    toned: NDArray[np.float64] = brightness * (
        tone[0] * padded + window * np.roll(change, half)[: padded.size]
    )
    return toned


def pad_taps(taps: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """The same filter with zeros around it: an odd number of taps, no fewer than it has."""
    return np.pad(taps, (size - taps.size) // 2)


def _zero_phase(taps: NDArray[np.float64]) -> NDArray[np.float64]:
    """The response of a linear-phase filter without its delay, which is real."""
    centred = np.zeros(_FFT)
    centred[: taps.size] = taps
    response: NDArray[np.float64] = np.fft.rfft(np.roll(centred, -(taps.size // 2))).real
    return response

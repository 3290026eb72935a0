"""The stereo width of the generated band, held to that of the recording just below it.

The vocoder answers channel by channel, so that what both channels share comes back with a phase of its own in
each: the sibilants of a voice in the middle smear to the sides. Where the sides of the new band stand higher
against its middle than they do in the recording, they are turned down, by time and frequency, and the power
of both together stays, as long as that takes 6 dB at most. They are never turned up.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy import fft, signal

from audiosr_fx.meltrack import SAMPLE_RATE
from audiosr_fx.sources import Audio

STEP: Final = 1_920  # samples at 48 kHz, 40 ms, between frames of two steps
REACH: Final = 2 * STEP
"""So far from the ends of a stretch frames are missing, or others beside them."""

_FRAME: Final = 2 * STEP
_WINDOW: Final = np.sqrt(signal.get_window("hann", _FRAME)).astype(np.float32)
_HZ: Final = fft.rfftfreq(_FRAME, 1.0 / SAMPLE_RATE)
_BANDS_PER_OCTAVE: Final = 2
_REFERENCE: Final = (0.5, 0.97)  # of where the new band begins
_NOTHING_BELOW: Final = 0.75  # of the same
_SMOOTH_BINS: Final = signal.get_window("hann", 81, fftbins=False) / 40.0  # over 1 kHz
_MARGIN: Final = 1.01  # 0.04 dB: what is only panned differs by rounding
_MOST_POWER: Final = 4.0  # 6 dB: where there is next to no middle it is not made up for
_TINY: Final = 1e-30


def narrowed(generated: Audio, recorded: Audio, lower_hz: float) -> Audio:
    """What was generated for two channels, from ``lower_hz`` up no wider than the recording is below.

    Args:
        generated: float32 (2, samples) at 48 kHz, from a multiple of ``STEP`` on: frames lie on that grid.
        recorded: the recording beside it, of which the octave below ``lower_hz`` counts.
        lower_hz: where the new band begins.

    Returns:
        float32 (2, samples): the same to the bit where it is no wider, and all but the same below 0.75 times
        ``lower_hz``. Within ``REACH`` of the ends it depends on where the stretch ends.
    """
    middle, sides = _spectra(generated)
    edges_hz = lower_hz * 2.0 ** (np.arange(0.0, 12.0) / _BANDS_PER_OCTAVE)
    edges_hz = edges_hz[edges_hz < SAMPLE_RATE / 2.0]
    bands = np.digitize(_HZ, edges_hz) - 1 == np.arange(len(edges_hz))[:, None]
    reference = (_REFERENCE[0] * lower_hz <= _HZ) & (_REFERENCE[1] * lower_hz >= _HZ)
    own_middle, own_sides = (_powers(part, bands) for part in (middle, sides))
    true_middle, true_sides = (_powers(part, reference[None]) for part in _spectra(recorded))
    wider = (true_middle * own_sides + _TINY) / (true_sides * own_middle + _TINY)
    share = 1.0 / np.maximum(wider / _MARGIN, 1.0)
    if (share == 1.0).all():
        return generated
    power = (own_middle + own_sides + _TINY) / (own_middle + share * own_sides + _TINY)
    power = np.minimum(power, _MOST_POWER)
    to_bins = _spread(edges_hz * 2.0 ** (0.5 / _BANDS_PER_OCTAVE), lower_hz)
    middle *= ((np.sqrt(power) - 1.0) @ to_bins).astype(np.float32)
    sides *= ((np.sqrt(power * share) - 1.0) @ to_bins).astype(np.float32)
    in_middle, at_sides = (_waveform(part, generated.shape[1]) for part in (middle, sides))
    return generated + np.stack([in_middle + at_sides, in_middle - at_sides])


def _spectra(audio: Audio) -> tuple[NDArray[np.complex64], NDArray[np.complex64]]:
    """Of half the sum and half the difference of two channels, (frames, bins) each."""
    left, right = audio
    frames = sliding_window_view(0.5 * np.stack([left + right, left - right]), _FRAME, axis=1)[:, ::STEP]
    middle, sides = fft.rfft(frames * _WINDOW)
    return middle, sides


def _powers(spectra: NDArray[np.complex64], bands: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Powers in bands (bands, bins), smoothed over frames: (frames, bands)."""
    powers = (np.square(spectra.real) + np.square(spectra.imag)) @ bands.T.astype(np.float32)
    padded = np.pad(powers.astype(np.float64), [(1, 1), (0, 0)])
    smoothed: NDArray[np.float64] = 0.25 * padded[:-2] + 0.5 * padded[1:-1] + 0.25 * padded[2:]
    return smoothed


def _spread(centres_hz: NDArray[np.float64], lower_hz: float) -> NDArray[np.float64]:
    """Weights (bands, bins) from each band's value to the next one's, and to nothing below ``lower_hz``.

    They are smooth, so that what they change sounds no more than some milliseconds early.
    """
    octave = np.log2(np.maximum(_HZ, 1.0))
    there = np.interp(_HZ, [_NOTHING_BELOW * lower_hz, lower_hz], [0.0, 1.0])
    weights = [there * np.interp(octave, np.log2(centres_hz), one) for one in np.eye(len(centres_hz))]
    reach = len(_SMOOTH_BINS) // 2
    padded = np.pad(weights, [(0, 0), (reach, reach)], mode="reflect")
    return np.stack([np.convolve(one, _SMOOTH_BINS, mode="valid") for one in padded])


def _waveform(spectra: NDArray[np.complex64], samples: int) -> NDArray[np.float32]:
    """The signal of frames, (samples,), zero where none reaches."""
    frames = fft.irfft(spectra, _FRAME) * _WINDOW
    out = np.zeros(samples, np.float32)
    for index, frame in enumerate(frames):
        out[index * STEP : index * STEP + _FRAME] += frame
    return out

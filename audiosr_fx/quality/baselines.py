"""Naive ways to fill the top octaves, for comparison: what a model has to beat."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import signal

_N_FFT = 2048
HOP_LENGTH = 512
_LOWEST_HZ = 100.0

Waveform = NDArray[np.float32]
Filler = Callable[[Waveform, int, float, float], Waveform]
"""(dull waveform (T,), sample rate, cutoff in Hz, tilt in dB per octave) -> waveform (T,)."""


def fold(dull: Waveform, sample_rate: int, cutoff_hz: float, tilt_db_per_octave: float) -> Waveform:
    """Mirror the spectrum at the cutoff, again and again, and tilt the images down.

    Args:
        dull: (T,), nothing of worth above ``cutoff_hz``.
        sample_rate: in Hz.
        cutoff_hz: where the mirror stands.
        tilt_db_per_octave: gain of an image per octave it has been moved up; negative.

    Returns:
        float32 (T,)
    """
    frequencies, spectrum = _analyse(dull, sample_rate)
    cutoff_bin, lowest_bin = np.searchsorted(frequencies, [cutoff_hz, _LOWEST_HZ])
    above = np.arange(cutoff_bin, len(frequencies))
    width = cutoff_bin - lowest_bin
    place = (above - cutoff_bin) % (2 * width)
    mirrored = place < width
    source = np.where(mirrored, cutoff_bin - 1 - place, lowest_bin + place - width)
    # A mirror turns phases round; either way, what moves by so many bins gains phase from hop to hop.
    images = np.where(mirrored[:, None], spectrum[source].conj(), spectrum[source])
    moved = np.where(mirrored, above + source, above - source)[:, None]
    turns = moved * np.arange(spectrum.shape[1]) * HOP_LENGTH % _N_FFT
    octaves = np.log2(frequencies[above] / frequencies[source])
    tilt = 10 ** (tilt_db_per_octave * octaves / 20)
    spectrum[above] = images * np.exp(2j * np.pi * turns / _N_FFT) * tilt[:, None]
    return _synthesise(spectrum, sample_rate, len(dull))


def fill_with_noise(
    dull: Waveform, sample_rate: int, cutoff_hz: float, tilt_db_per_octave: float
) -> Waveform:
    """White noise at the level of the half octave below the cutoff, frame by frame, tilted down.

    Args and returns as for :func:`fold`; the noise is the same on every call.
    """
    frequencies, spectrum = _analyse(dull, sample_rate)
    _, noise = _analyse(_white_noise(len(dull)), sample_rate)
    reference = (frequencies >= cutoff_hz * 0.5**0.5) & (frequencies < cutoff_hz * 0.95)
    level = np.sqrt(np.mean(np.abs(spectrum[reference]) ** 2, axis=0))
    above = frequencies >= cutoff_hz
    octaves = np.log2(frequencies[above] / cutoff_hz)
    shape = 10 ** (tilt_db_per_octave * octaves / 20)
    spectrum[above] = noise[above] / _rms(noise) * shape[:, None] * level
    return _synthesise(spectrum, sample_rate, len(dull))


def fill_with_envelope(
    dull: Waveform, sample_rate: int, cutoff_hz: float, magnitude: NDArray[np.float32]
) -> Waveform:
    """Noise under a given envelope: what an envelope predictor gives without a vocoder.

    Args:
        dull: (T,)
        sample_rate: in Hz.
        cutoff_hz: nothing below is touched.
        magnitude: (n_fft / 2 + 1, frames) mean STFT magnitude in the scaling of an unnormalised Hann
            window of 2048 samples every 512, centred.

    Returns:
        float32 (T,)
    """
    frequencies, spectrum = _analyse(dull, sample_rate)
    _, noise = _analyse(_white_noise(len(dull)), sample_rate)
    above = frequencies >= cutoff_hz
    scale = signal.get_window("hann", _N_FFT).sum()
    mean_magnitude = np.abs(noise).mean()
    lacking = max(0, spectrum.shape[1] - magnitude.shape[1])  # of a signal shorter than a window
    envelope = np.pad(magnitude, ((0, 0), (0, lacking)), mode="edge")[:, : spectrum.shape[1]]
    spectrum[above] = noise[above] / mean_magnitude * envelope[above] / scale
    return _synthesise(spectrum, sample_rate, len(dull))


def _analyse(waveform: Waveform, sample_rate: int) -> tuple[NDArray[np.float64], NDArray[np.complex128]]:
    long_enough = np.zeros(max(len(waveform), _N_FFT))
    long_enough[: len(waveform)] = waveform
    frequencies, _, spectrum = signal.stft(
        long_enough, sample_rate, nperseg=_N_FFT, noverlap=_N_FFT - HOP_LENGTH
    )
    return frequencies, spectrum


def _synthesise(spectrum: NDArray[np.complex128], sample_rate: int, length: int) -> Waveform:
    _, waveform = signal.istft(spectrum, sample_rate, nperseg=_N_FFT, noverlap=_N_FFT - HOP_LENGTH)
    return np.asarray(waveform[:length], np.float32)


def _white_noise(length: int) -> Waveform:
    return np.random.default_rng(0).standard_normal(length).astype(np.float32)


def _rms(spectrum: NDArray[np.complex128]) -> float:
    return float(np.sqrt(np.mean(np.abs(spectrum) ** 2)))

"""Measures on waveforms: how well the low band is kept, and the distance of spectra at many resolutions."""

from __future__ import annotations

import numpy as np

from audiosr_fx.quality.spectra import Waveform, power_spectrum

RESOLUTIONS = ((512, 128), (1024, 256), (2048, 512), (4096, 1024))
"""n_fft and hop length of each."""

_MAGNITUDE_FLOOR = 1e-5  # of the loudest bin: -100 dB


def low_band_si_sdr_db(reference: Waveform, estimate: Waveform, sample_rate: int, highest_hz: float) -> float:
    """Scale-invariant signal-to-distortion ratio of what lies below a frequency.

    Both are cut off at ``highest_hz`` in one Fourier transform of the whole, where it is measured (Parseval).

    Args:
        reference: (T,)
        estimate: (T,), in step with the reference.
        sample_rate: in Hz.
        highest_hz: bins from here up are left out; stay clear of the cutoff's flank.

    Returns:
        dB; inf where nothing differs but the gain, NaN for a reference that is silent there.

    Source: Le Roux et al. 2019, "SDR - half-baked or well done?", equations 2 to 4.
    """
    frequencies = np.fft.rfftfreq(len(reference), 1 / sample_rate)
    low = frequencies < highest_hz
    weight = np.full(len(frequencies), np.sqrt(2.0))  # a bin stands for its mirror image too,
    weight[0] = 1.0  # but this one and, of an even length, the last
    weight[-1] = 1.0 if len(reference) % 2 == 0 else weight[-1]
    target, found = ((np.fft.rfft(np.asarray(x, np.float64)) * weight)[low] for x in (reference, estimate))
    energy = float(np.vdot(target, target).real)
    if energy == 0.0:
        return float("nan")
    projected = float(np.vdot(target, found).real) / energy * target
    distortion = float(np.sum(np.abs(projected - found) ** 2))
    if distortion <= 1e-24 * energy:
        return float("inf")
    with np.errstate(divide="ignore"):
        return float(10.0 * np.log10(np.sum(np.abs(projected) ** 2) / distortion))


def multi_resolution_distance(
    reference: Waveform, estimate: Waveform, sample_rate: int, highest_hz: float
) -> float:
    """Spectral convergence plus mean absolute log10 magnitude ratio, averaged over four resolutions.

    Magnitudes are floored at -100 dB of the reference's loudest bin. Levels are taken as they are.

    Args:
        reference: (T,)
        estimate: (T,), same level and alignment.
        sample_rate: in Hz.
        highest_hz: bins above are left out.

    Returns:
        0 for equal signals; NaN for a silent reference.

    Source: Yamamoto et al. 2020, "Parallel WaveGAN", equations 4 to 6, at ``RESOLUTIONS``.
    """
    if not np.any(reference):
        return float("nan")
    distances = []
    for n_fft, hop_length in RESOLUTIONS:
        counts = np.fft.rfftfreq(n_fft, 1 / sample_rate) <= highest_hz
        target, found = (np.sqrt(power_spectrum(x, n_fft, hop_length)[counts]) for x in (reference, estimate))
        convergence = float(np.linalg.norm(target - found) / np.linalg.norm(target))
        floor = target.max() * _MAGNITUDE_FLOOR
        ratio = np.log10(np.maximum(target, floor)) - np.log10(np.maximum(found, floor))
        distances.append(convergence + float(np.abs(ratio).mean()))
    return float(np.mean(distances))

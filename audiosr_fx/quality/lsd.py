"""Log-spectral distance, the measure the field reports for bandwidth extension, in three protocols."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from audiosr_fx.quality.spectra import Power, SpectrumPair, power_spectrum

POWER_FLOOR = 1e-8
"""Added to power before a logarithm. The transform is not normalised (a Hann window sums to n_fft / 2), so it
lies 10 dB under the noise of 16-bit dither."""

_N_FFT, _HOP_LENGTH = 2048, 512

_PAPER_FLOOR = 1e-8
_PAPER_LOW_SHARE = 0.1  # of all bins, on which levels are matched


def measure_lsd(
    reference: NDArray[np.float32],
    estimate: NDArray[np.float32],
    sample_rate: int,
    *,
    lowest_hz: float = 0.0,
    highest_hz: float | None = None,
) -> float:
    """Log-spectral distance: the mean over frames of the RMS difference of log10 power over bins.

    Every frame counts, and levels are taken as they are; for recordings of unknown level use
    :func:`distance_of_spectra`.

    Args:
        reference: (T,), full scale 1.0.
        estimate: (T,), same level and alignment.
        sample_rate: in Hz.
        lowest_hz: bins below are left out.
        highest_hz: bins above are left out; None for the Nyquist frequency. Use the frequency up to
            which the reference itself can be trusted.

    Returns:
        LSD, 0 for equal signals.

    Source: Gray and Markel 1976, "Distance measures for speech processing".
    """
    frequencies = np.fft.rfftfreq(_N_FFT, 1 / sample_rate)
    band = (frequencies >= lowest_hz) & (frequencies <= (highest_hz or sample_rate / 2))
    difference = _log_power(reference)[band]
    difference -= _log_power(estimate)[band]
    return _rms_mean(difference)


def distance_of_spectra(pair: SpectrumPair) -> float:
    """LSD of spectra that were made comparable: aligned, floored, without silent frames.

    Returns:
        LSD, 0 for equal spectra; NaN where no frame or no bin counts.
    """
    return _rms_mean(np.log10(pair.reference) - np.log10(pair.estimate)) if pair.reference.size else np.nan


def measure_lsd_of_paper(
    reference: NDArray[np.float32], estimate: NDArray[np.float32], sample_rate: int
) -> float:
    """LSD as AudioSR's own repository has it, for figures to hold beside published ones.

    n_fft 2048, hop 512, all frames, all bins; the estimate's magnitude is scaled so that the mean of the
    lowest tenth of the bins agrees; then log10((target / (estimate + e))^2 + e) with e = 1e-8 on magnitudes.
    Its floors are one-sided and absolute: what is missing in a very quiet target is hardly counted. Its
    example first resamples to 22.05 kHz, and hears nothing above 11 kHz; here the rate stays what it is.

    Args:
        reference: (T,), full scale 1.0.
        estimate: (T,), in step with the reference.
        sample_rate: in Hz.

    Source: versatile_audio_super_resolution, example/lsd_calculation_pitfall.
    """
    target = np.sqrt(power_spectrum(reference, _N_FFT, _HOP_LENGTH))
    found = np.sqrt(power_spectrum(estimate, _N_FFT, _HOP_LENGTH))
    low = int(len(target) * _PAPER_LOW_SHARE)
    wanted, got = float(target[:low].mean()), float(found[:low].mean())
    if got > 0.0:
        found *= wanted / got
    return _rms_mean(np.log10((target / (found + _PAPER_FLOOR)) ** 2 + _PAPER_FLOOR))


def _log_power(waveform: NDArray[np.float32]) -> Power:
    return np.asarray(np.log10(power_spectrum(waveform, _N_FFT, _HOP_LENGTH) + POWER_FLOOR))


def _rms_mean(difference: Power) -> float:
    return float(np.sqrt(np.mean(difference**2, axis=0)).mean())

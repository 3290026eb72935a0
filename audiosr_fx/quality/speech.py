"""Measures made for speech: PESQ and STOI, where the packages for them are installed."""

from __future__ import annotations

import importlib.util

import numpy as np
import soxr

from audiosr_fx.quality.spectra import Waveform

_PESQ_RATE = 16_000
_STOI_RATE = 16_000
_STOI_SHORTEST_S = 0.4  # it compares stretches of 384 ms


def reason_without(package: str) -> str | None:
    """Why a measure is skipped: None where its package (``pesq`` or ``pystoi``) is there."""
    if importlib.util.find_spec(package) is not None:
        return None
    return f"{package} is not installed; for it: pip install 'audiosr-fx[speech]'"


def measure_pesq(reference: Waveform, estimate: Waveform, sample_rate: int) -> float:
    """Wide-band PESQ (ITU-T P.862.2) at 16 kHz: it hears nothing above 8 kHz.

    Args:
        reference: (T,)
        estimate: (T,), in step with the reference.
        sample_rate: in Hz.

    Returns:
        MOS-LQO, 1.0 to 4.64; NaN where P.862 finds no speech or the package is not there.
    """
    if reason_without("pesq") is not None:
        return float("nan")
    import pesq

    clean, degraded = _resampled(reference, estimate, sample_rate, _PESQ_RATE)
    if not clean.any():
        return float("nan")
    try:
        return float(pesq.pesq(_PESQ_RATE, clean, degraded, "wb"))
    except pesq.PesqError:
        return float("nan")


def measure_stoi(reference: Waveform, estimate: Waveform, sample_rate: int) -> float:
    """Extended STOI; it works at 10 kHz and hears nothing above 5 kHz.

    Args and returns as for :func:`measure_pesq`, from -1 to 1.

    Source: Jensen and Taal 2016, "An algorithm for predicting the intelligibility of speech".
    """
    if reason_without("pystoi") is not None:
        return float("nan")
    import warnings

    import pystoi

    clean, degraded = _resampled(reference, estimate, sample_rate, _STOI_RATE)
    if not clean.any() or len(clean) < _STOI_SHORTEST_S * _STOI_RATE:
        return float("nan")
    with warnings.catch_warnings():
        warnings.simplefilter(
            "error", RuntimeWarning
        )  # it warns, and makes up a value, where too little sounds
        try:
            return float(pystoi.stoi(clean, degraded, _STOI_RATE, extended=True))
        except RuntimeWarning:
            return float("nan")


def _resampled(
    reference: Waveform, estimate: Waveform, rate: int, rate_out: int
) -> tuple[Waveform, Waveform]:
    if rate == rate_out:
        return reference, estimate
    return (
        np.asarray(soxr.resample(reference, rate, rate_out), np.float32),
        np.asarray(soxr.resample(estimate, rate, rate_out), np.float32),
    )

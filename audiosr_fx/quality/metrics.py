"""All measures of one output against its original, in one record."""

from __future__ import annotations

from dataclasses import dataclass, fields

from audiosr_fx.quality.bands import (
    envelope_error_db,
    flatness_error_db,
    log_mel_distance_db,
    tonality_error_db,
)
from audiosr_fx.quality.lsd import distance_of_spectra, measure_lsd_of_paper
from audiosr_fx.quality.spectra import Protocol, Waveform, compare_spectra
from audiosr_fx.quality.speech import measure_pesq, measure_stoi
from audiosr_fx.quality.waveforms import low_band_si_sdr_db, multi_resolution_distance

_LOW_BAND_SHARE = 0.9  # of the cutoff: clear of the crossover and of any filter's flank


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """What was measured; NaN where a measure is not defined. Lower is better but for the last three.

    Attributes:
        lsd: log-spectral distance from 0 Hz up to where the original can be trusted.
        lsd_low: the same below the cutoff.
        lsd_high: the same from the cutoff up.
        envelope_db: error of 32 band levels above the cutoff.
        flatness_db: error of the flatness of those 32 levels.
        tonality_db: error of the flatness of all bins above the cutoff.
        log_mel_db: error of log-mel levels above the cutoff.
        multi_resolution: STFT distance at four resolutions.
        lsd_paper: LSD as the paper's repository has it.
        low_si_sdr_db: scale-invariant signal-to-distortion ratio below 0.9 times the cutoff.
        pesq: of speech.
        stoi: of speech, extended.
    """

    lsd: float
    lsd_low: float
    lsd_high: float
    envelope_db: float
    flatness_db: float
    tonality_db: float
    log_mel_db: float
    multi_resolution: float
    lsd_paper: float
    low_si_sdr_db: float
    pesq: float = float("nan")
    stoi: float = float("nan")


PROTOCOL = (
    "Spectra: n_fft 2048, hop 512, Hann; level aligned on the band below 0.9 times the cutoff, frames under"
    " -60 dB of the original's loudest left out, bins floored at -100 dB of its loudest, and nothing counted"
    " above what the original can be trusted for. LSD is of log10 power from 0 Hz up; envelope and flatness"
    " are errors of 32 log-spaced bands above the cutoff, frame by frame, the former floored at -80 dB."
)
"""How the figures in tables come about, in a few sentences."""

METRIC_NAMES = tuple(field.name for field in fields(Metrics))


def measure(
    reference: Waveform,
    estimate: Waveform,
    sample_rate: int,
    *,
    cutoff_hz: float,
    highest_hz: float | None = None,
    is_speech: bool = False,
    protocol: Protocol | None = None,
) -> Metrics:
    """Hold an output against its original.

    Args:
        reference: (T,), the original.
        estimate: (T,), in step with it.
        sample_rate: in Hz.
        cutoff_hz: up to which the input was like the original.
        highest_hz: up to which the original can be trusted; None for the Nyquist frequency.
        is_speech: whether PESQ and STOI say anything about it.
        protocol: alignment, frames and floors; None for the default.

    Raises:
        AudioFormatError: lengths that differ, or nothing at all.
    """
    highest_hz = min(highest_hz or sample_rate / 2.0, sample_rate / 2.0)
    pair = compare_spectra(reference, estimate, sample_rate, cutoff_hz=cutoff_hz, protocol=protocol)
    return Metrics(
        lsd=distance_of_spectra(pair.band(0.0, highest_hz)),
        lsd_low=distance_of_spectra(pair.band(0.0, min(cutoff_hz, highest_hz))),
        lsd_high=distance_of_spectra(pair.band(cutoff_hz, highest_hz)),
        envelope_db=envelope_error_db(pair, cutoff_hz, highest_hz),
        flatness_db=flatness_error_db(pair, cutoff_hz, highest_hz),
        tonality_db=tonality_error_db(pair, cutoff_hz, highest_hz),
        log_mel_db=log_mel_distance_db(pair, cutoff_hz, highest_hz),
        multi_resolution=multi_resolution_distance(reference, estimate, sample_rate, highest_hz),
        lsd_paper=measure_lsd_of_paper(reference, estimate, sample_rate),
        low_si_sdr_db=low_band_si_sdr_db(
            reference, estimate, sample_rate, min(_LOW_BAND_SHARE * cutoff_hz, highest_hz)
        ),
        pesq=measure_pesq(reference, estimate, sample_rate) if is_speech else float("nan"),
        stoi=measure_stoi(reference, estimate, sample_rate) if is_speech else float("nan"),
    )

"""What dulls or blemishes a recording beside filters and codecs: sample rates, saturation, tones and hiss.

Also ``measure_cutoff``: where a recording now ends, when no filter says so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import soxr

from audiosr_fx.errors import ParameterError
from audiosr_fx.training.data import SAMPLE_RATE

FILTER_QUALITIES = ("LQ", "MQ", "HQ", "VHQ")
"""Of soxr: from a pass band of four fifths to one of nine tenths of what the rate can hold."""
INTERPOLATIONS = ("linear", "hold")
"""What samplers did without a filter: straight lines, or the nearest sample repeated."""

_BANDS = 128
_FRAME = 2048
_NYQUIST_SHARE = 0.97
_LOWEST_CUTOFF_HZ = 1_000.0
_KEPT_DB = -10.0
_AUDIBLE_DB = -85.0  # below the loudest band
_CONDITION_PEAK = 0.5  # of the model's input, to which the amplitudes of noise refer


@dataclass(frozen=True, slots=True, kw_only=True)
class Resampling:
    """Down to a lower sample rate (Hz) by a soxr quality, and back by one or by an interpolation.

    Raises:
        ParameterError: an unknown quality, or a rate above 48 kHz.
    """

    sample_rate: int
    down: str = "HQ"
    up: str = "HQ"

    def __post_init__(self) -> None:
        ways = (*FILTER_QUALITIES, *INTERPOLATIONS)
        if self.down not in FILTER_QUALITIES:
            raise ParameterError(f"down is {self.down!r}; expected one of {', '.join(FILTER_QUALITIES)}")
        if self.up not in ways:
            raise ParameterError(f"up is {self.up!r}; expected one of {', '.join(ways)}")
        if not 1_000 <= self.sample_rate <= SAMPLE_RATE:
            raise ParameterError(f"sample_rate is {self.sample_rate}; expected 1000 to {SAMPLE_RATE} Hz")


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """A tone and white noise (seeded, Gaussian) at amplitudes where the signal has a peak of 0.5."""

    tone_hz: float = 1_000.0
    tone_amplitude: float = 0.0
    hiss_amplitude: float = 0.0
    seed: int = 0


def saturate(waveform: np.ndarray, drive: float) -> np.ndarray:
    """Bend a waveform (T,) by tanh, its peak entering at ``drive``, and fit its level to what went in."""
    peak = float(np.abs(waveform).max(initial=0.0))
    if peak == 0.0:
        return waveform
    bent = np.tanh(waveform * (drive / peak))
    return np.asarray(bent * (float(np.vdot(bent, waveform)) / float(np.vdot(bent, bent))))


def add_noise(waveform: np.ndarray, noise: Noise) -> np.ndarray:
    """A waveform (T,) with a tone and hiss on top, measured by its peak."""
    random = np.random.default_rng(noise.seed)
    unit = float(np.abs(waveform).max(initial=0.0)) / _CONDITION_PEAK
    turns = noise.tone_hz / SAMPLE_RATE * np.arange(len(waveform)) + random.random()
    tone = noise.tone_amplitude * np.sin(2.0 * np.pi * turns)
    hiss = noise.hiss_amplitude * random.standard_normal(len(waveform))
    return np.asarray(waveform + unit * (tone + hiss))


def resample(waveform: np.ndarray, resampling: Resampling) -> np.ndarray:
    """A waveform (T,) down to a lower rate and back, neither shifted nor longer."""
    rate, length = resampling.sample_rate, len(waveform)
    lower = soxr.resample(waveform.astype(np.float32), SAMPLE_RATE, rate, quality=resampling.down)
    if len(lower) == 0:
        return np.zeros(length, np.float32)
    places = np.arange(length) * (rate / SAMPLE_RATE)
    if resampling.up == "hold":
        return np.asarray(lower[np.minimum(np.floor(places + 0.5).astype(int), len(lower) - 1)])
    if resampling.up == "linear":
        return np.asarray(np.interp(places, np.arange(len(lower)), lower), np.float32)
    raised = soxr.resample(lower, rate, SAMPLE_RATE, quality=resampling.up)[:length]
    return np.pad(raised, (0, length - len(raised)))


def measure_cutoff(before: np.ndarray, after: np.ndarray, sample_rate: float = SAMPLE_RATE) -> float:
    """The frequency in Hz below which ``after`` still has what ``before`` had, (T,) both.

    In bands of 190 Hz the levels are compared over frames of 43 ms: a band is kept unless it lost 10 dB in
    most of the frames in which it could be heard. The answer is the frequency that parts kept from lost bands
    with the fewest errors, at most 0.97 of half the given ``sample_rate``.
    """
    highest_hz = _NYQUIST_SHARE * sample_rate / 2
    levels_before, levels_after = _band_levels_db(before), _band_levels_db(after)
    if levels_before.size == 0:
        return highest_hz
    audible = levels_before > levels_before.max() + _AUDIBLE_DB
    is_lost = (levels_after < levels_before + _KEPT_DB) & audible
    heard = audible.sum(axis=0)
    share = is_lost.sum(axis=0) / np.maximum(heard, 1)
    vote = np.where(heard > 0, np.sign(0.5 - share), 0.0)  # 1 kept, -1 lost, 0 nothing to tell by
    edge = int(np.argmax(np.concatenate([[0.0], np.cumsum(vote)])))
    return float(np.clip(edge * (SAMPLE_RATE / 2) / len(vote), _LOWEST_CUTOFF_HZ, highest_hz))


def _band_levels_db(waveform: np.ndarray) -> np.ndarray:
    """Levels of 128 equal bands in frames of 2048 samples, half overlapping: (frames, 128)."""
    if len(waveform) == 0:
        return np.zeros((0, _BANDS))
    padded = np.pad(waveform.astype(np.float32), (0, max(0, _FRAME - len(waveform))))
    framed = np.lib.stride_tricks.sliding_window_view(padded, _FRAME)[:: _FRAME // 2]
    spectrum = np.fft.rfft(framed * np.hanning(_FRAME).astype(np.float32))[:, : _FRAME // 2]
    power = np.square(np.abs(spectrum)).reshape(len(framed), _BANDS, -1).mean(axis=2)
    return np.asarray(10.0 * np.log10(power + 1e-12))

"""Make dull recordings out of bright ones: low-pass filters as in the AudioSR paper, and what else dulls.

Beside filters there are sample-rate conversions, lossy codecs, mild saturation and, for models that clean as
well, tones and hiss. ``draw_degradation`` draws one and ``apply_degradation`` applies it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
from scipy import signal

from audiosr_fx.errors import ParameterError
from audiosr_fx.training.codecs import SAMPLE_RATES, Codec, available_codecs, round_trip
from audiosr_fx.training.data import SAMPLE_RATE
from audiosr_fx.training.impairments import (
    FILTER_QUALITIES,
    INTERPOLATIONS,
    Noise,
    Resampling,
    add_noise,
    measure_cutoff,
    resample,
    saturate,
)

_DESIGNS: Mapping[str, Callable[..., Any]] = {  # order, edge, and how scipy shall give them
    "butterworth": signal.butter,
    "chebyshev": lambda order, edge, **how: signal.cheby1(order, 0.1, edge, **how),
    "elliptic": lambda order, edge, **how: signal.ellip(order, 0.1, 60.0, edge, **how),
    "bessel": lambda order, edge, **how: signal.bessel(order, edge, norm="mag", **how),
}
FAMILIES = (*_DESIGNS, "boxcar")
_GRID_HZ = np.linspace(0.0, 24_000.0, 4097)
_CUTOFFS_HZ = (500.0, 23_000.0)  # half the lowest rate of a resampler; below what a filter can be made for

_USUAL_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000)
_CODEC_WEIGHTS = {"mp3": 4.0, "vorbis": 4.0, "opus": 2.0, "aac": 1.0}  # AAC starts two programs a time
_NEVER_DULL = ("opus", SAMPLE_RATE)  # fills every band up to 20 kHz with noise where bits are short
_CODEC_KBPS = {  # few values, because the delay of each is measured once
    "mp3": (24, 32, 40, 48, 56, 64),
    "vorbis": (32, 40, 48, 56, 64),
    "opus": (10, 12, 16, 20, 24, 32, 40),
    "aac": (20, 24, 32, 40, 48, 64),
}


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
        return np.asarray(_DESIGNS[self.family](self.order, edge, output="sos"))


def prototype_magnitude(family: str, order: int, places: np.ndarray) -> np.ndarray:
    """Amplitude of a family's analogue prototype at ``places``, in cutoffs; float64, same shape.

    The digital filter of :class:`LowPass` has at f that of place tan(pi f / rate) / tan(pi cutoff / rate).
    """
    if family == "boxcar":
        return np.asarray(places < 1.0, np.float64)
    zeros, poles, gain = _DESIGNS[family](order, 1.0, analog=True, output="zpk")
    _, response = signal.freqs_zpk(zeros, poles, gain, worN=places)
    return np.asarray(np.abs(response))


@dataclass(frozen=True, slots=True, kw_only=True)
class Degradation:
    """What happens to a bright recording, in this order; None and 0 leave a step out.

    ``saturation_drive`` is the peak of what enters tanh: 0.25 is barely, 1.0 plainly audible.
    """

    saturation_drive: float = 0.0
    noise: Noise | None = None
    lowpass: LowPass | None = None
    resampling: Resampling | None = None
    codec: Codec | None = None


class Degraded(NamedTuple):
    """A dull recording, float32 (T,), and the frequency in Hz up to which it is whole."""

    waveform: np.ndarray
    cutoff_hz: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DegradeSettings:
    """How often each degradation is drawn, and from what ranges (lowest, highest).

    Each example is cut off by one of three: a codec, a resampler, otherwise a low-pass filter, its cutoff
    drawn evenly over its range in Hz, as published, or with ``even_octaves`` over octaves: where most is
    missing there is most to learn. Codecs that this machine lacks are left out. Noise is for models that are
    to make a clean low band themselves (recipe ``restore``); its amplitudes and frequency are drawn evenly
    over their logarithms.

    Raises:
        ParameterError: shares that are no shares, a range upside down, or an unknown codec.
    """

    cutoff_range_hz: tuple[float, float] = (2_000.0, 16_000.0)
    even_octaves: bool = False
    codec_share: float = 0.15
    resampler_share: float = 0.15
    codecs: tuple[str, ...] = tuple(SAMPLE_RATES)
    lowpass_before_codec: float = 0.5
    saturation_probability: float = 0.1
    saturation_drive_range: tuple[float, float] = (0.25, 1.0)
    tone_probability: float = 0.0
    tone_hz_range: tuple[float, float] = (100.0, 15_000.0)
    tone_amplitude_range: tuple[float, float] = (0.001, 0.2)
    hiss_probability: float = 0.0
    hiss_amplitude_range: tuple[float, float] = (0.001, 0.02)

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name.endswith(("range", "range_hz")) and not 0.0 < value[0] <= value[1]:
                raise ParameterError(f"{field.name} is {value}; expected two rising values above 0")
            if isinstance(value, float) and not 0.0 <= value <= 1.0:
                raise ParameterError(f"{field.name} is {value}; expected 0 to 1")
        (low, high), (lowest, highest) = self.cutoff_range_hz, _CUTOFFS_HZ
        if low < lowest or high > highest:
            raise ParameterError(
                f"cutoff_range_hz is {(low, high)}; expected two values of {lowest:g} to {highest:g}"
            )
        if self.codec_share + self.resampler_share > 1.0:
            total = self.codec_share + self.resampler_share
            raise ParameterError(f"codec_share and resampler_share add up to {total}; expected 1 at most")
        for name in self.codecs:
            if name not in SAMPLE_RATES:
                raise ParameterError(f"codecs holds {name!r}; expected some of {', '.join(SAMPLE_RATES)}")


LOWPASS_ONLY = DegradeSettings(codec_share=0.0, resampler_share=0.0, saturation_probability=0.0)
"""The paper's own simulation."""


def draw_degradation(random: np.random.Generator, settings: DegradeSettings) -> Degradation:
    """A random degradation; the same state of ``random`` gives the same, on machines with the same codecs."""
    s = settings
    codecs = [name for name in s.codecs if name in available_codecs()]
    codec_share = s.codec_share if codecs else 0.0
    place = random.random() if codec_share + s.resampler_share > 0.0 else 1.0
    lowpass = resampling = codec = None
    if place < codec_share:
        codec = _draw_codec(random, codecs)
        is_full = (codec.name, codec.sample_rate) == _NEVER_DULL
        if happens(random, 1.0 if is_full else s.lowpass_before_codec):
            lowpass = _draw_lowpass_of(random, s)
    elif place < codec_share + s.resampler_share:
        resampling = _draw_resampling(random, s.cutoff_range_hz)
    else:
        lowpass = _draw_lowpass_of(random, s)
    is_saturated = happens(random, s.saturation_probability)
    return Degradation(
        saturation_drive=_draw_evenly(random, s.saturation_drive_range) if is_saturated else 0.0,
        noise=_draw_noise(random, s),
        lowpass=lowpass,
        resampling=resampling,
        codec=codec,
    )


def apply_degradation(waveform: np.ndarray, degradation: Degradation) -> Degraded:
    """Degrade a waveform without shifting it.

    A low-pass filter's cutoff is its own. Behind a resampler or a codec it is measured, and what is left
    above (aliases, remains between spectral holes) is taken away, as a render does before it adds a band.

    Args:
        waveform: float (T,) at 48 kHz; not changed.
        degradation: what to do.

    Raises:
        AudioFormatError, ParameterError: as ``round_trip``.
    """
    dull, cutoff_hz = np.asarray(waveform), SAMPLE_RATE / 2
    if degradation.saturation_drive > 0.0:
        dull = saturate(dull, degradation.saturation_drive)
    if degradation.noise is not None:
        dull = add_noise(dull, degradation.noise)
    if degradation.lowpass is not None:
        dull, cutoff_hz = apply_lowpass(dull, degradation.lowpass), degradation.lowpass.cutoff_hz
    if degradation.resampling is not None:
        after = resample(dull, degradation.resampling)
        measured_hz = measure_cutoff(dull, after, degradation.resampling.sample_rate)
        dull, cutoff_hz = _cut_above(after, measured_hz), min(cutoff_hz, measured_hz)
    if degradation.codec is not None:
        after = round_trip(dull, degradation.codec)
        measured_hz = measure_cutoff(dull, after, degradation.codec.sample_rate)
        dull, cutoff_hz = _cut_above(after, measured_hz), min(cutoff_hz, measured_hz)
    return Degraded(dull.astype(np.float32), cutoff_hz)


def draw_lowpass(
    random: np.random.Generator,
    *,
    lowest_hz: float = 2_000.0,
    highest_hz: float = 16_000.0,
    even_octaves: bool = False,
) -> LowPass:
    """A random low-pass: any family, order 2 to 10, cutoff uniform in Hz or over octaves.

    Source: Liu et al. 2023, "AudioSR", section 3.1, for the first.
    """
    bounds = (lowest_hz, highest_hz)
    return LowPass(
        family=str(random.choice(FAMILIES)),
        order=int(random.integers(2, 11)),
        cutoff_hz=_draw_evenly(random, bounds) if even_octaves else float(random.uniform(*bounds)),
        both_ways=bool(random.random() < 0.5),
    )


def apply_lowpass(waveform: np.ndarray, lowpass: LowPass) -> np.ndarray:
    """Filter without phase shift, in one FFT of the whole signal.

    Args:
        waveform: float (..., T) at 48 kHz; not changed.
        lowpass: the filter.

    Returns:
        float32 (..., T)
    """
    frequencies = np.fft.rfftfreq(waveform.shape[-1], 1 / 48_000)
    spectrum = np.fft.rfft(waveform) * lowpass.magnitude(frequencies)
    return np.fft.irfft(spectrum, waveform.shape[-1]).astype(np.float32)


def happens(random: np.random.Generator, probability: float) -> bool:
    """Draws nothing where there is nothing to decide."""
    return probability > 0.0 and bool(random.random() < probability)


def _draw_evenly(random: np.random.Generator, bounds: tuple[float, float]) -> float:
    """Evenly over the logarithm."""
    return float(np.exp(random.uniform(np.log(bounds[0]), np.log(bounds[1]))))


def _draw_lowpass_of(random: np.random.Generator, settings: DegradeSettings) -> LowPass:
    lowest_hz, highest_hz = settings.cutoff_range_hz
    return draw_lowpass(
        random, lowest_hz=lowest_hz, highest_hz=highest_hz, even_octaves=settings.even_octaves
    )


def _draw_codec(random: np.random.Generator, names: list[str]) -> Codec:
    weights = np.array([_CODEC_WEIGHTS[name] for name in names])
    name = str(random.choice(names, p=weights / weights.sum()))
    return Codec(
        name=name,
        bitrate_kbps=float(random.choice(_CODEC_KBPS[name])),
        sample_rate=int(random.choice(SAMPLE_RATES[name])),
    )


def _draw_resampling(random: np.random.Generator, cutoff_range_hz: tuple[float, float]) -> Resampling:
    lowest, highest = (min(2.0 * cutoff_hz, 0.9 * SAMPLE_RATE) for cutoff_hz in cutoff_range_hz)
    usual = [rate for rate in _USUAL_RATES if lowest <= rate <= highest]
    is_usual = bool(usual) and happens(random, 0.5)
    rate = int(random.choice(usual)) if is_usual else round(random.uniform(lowest, highest))
    ways = INTERPOLATIONS if happens(random, 0.4) else FILTER_QUALITIES
    return Resampling(
        sample_rate=rate, down=str(random.choice(FILTER_QUALITIES)), up=str(random.choice(ways))
    )


def _draw_noise(random: np.random.Generator, settings: DegradeSettings) -> Noise | None:
    has_tone = happens(random, settings.tone_probability)
    has_hiss = happens(random, settings.hiss_probability)
    if not (has_tone or has_hiss):
        return None
    return Noise(
        tone_hz=_draw_evenly(random, settings.tone_hz_range),
        tone_amplitude=_draw_evenly(random, settings.tone_amplitude_range) if has_tone else 0.0,
        hiss_amplitude=_draw_evenly(random, settings.hiss_amplitude_range) if has_hiss else 0.0,
        seed=int(random.integers(2**32)),
    )


def _cut_above(waveform: np.ndarray, cutoff_hz: float) -> np.ndarray:
    """Nothing above ``cutoff_hz``, everything 4 % below it, a raised cosine between."""
    frequencies = np.fft.rfftfreq(len(waveform), 1 / SAMPLE_RATE)
    fall = np.clip((frequencies / cutoff_hz - 0.96) / 0.04, 0.0, 1.0)
    spectrum = np.fft.rfft(waveform) * (0.5 + 0.5 * np.cos(np.pi * fall))
    return np.fft.irfft(spectrum, len(waveform))

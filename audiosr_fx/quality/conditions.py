"""What is done to an original before a system gets to hear it: the columns of a comparison."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from audiosr_fx.errors import ParameterError
from audiosr_fx.quality.spectra import Waveform
from audiosr_fx.training.codecs import SAMPLE_RATES, Codec, available_codecs, bitrate_range_kbps, round_trip
from audiosr_fx.training.data import SAMPLE_RATE
from audiosr_fx.training.degrade import FAMILIES, LowPass, apply_lowpass
from audiosr_fx.training.impairments import Noise, add_noise, measure_cutoff

_CUTOFF_RANGE_HZ = (1_000.0, 22_000.0)
_CODEC = re.compile(r"([a-z0-9]+):(\d+(?:\.\d+)?)k?(?::(\d+))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One way to dull a recording: by a low-pass filter without phase shift, or by a codec.

    Attributes:
        cutoff_hz: of the filter; not looked at where there is a codec.
        family: of the filter: chebyshev (0.1 dB ripple), elliptic, butterworth, bessel or boxcar.
        order: of the filter; a boxcar has none.
        codec: encode and decode instead.
        hiss_amplitude: white noise in the recording before it is dulled, where that has a peak of 0.5.
        tone_amplitude: a tone of 1 kHz, likewise.

    Raises:
        ParameterError: a value outside its range.
    """

    cutoff_hz: float = 4_000.0
    family: str = "chebyshev"
    order: int = 8
    codec: Codec | None = None
    hiss_amplitude: float = 0.0
    tone_amplitude: float = 0.0

    def __post_init__(self) -> None:
        low, high = _CUTOFF_RANGE_HZ
        if not low <= self.cutoff_hz <= high:
            raise ParameterError(f"cutoff_hz is {self.cutoff_hz:g}; expected {low:g} to {high:g}")
        if self.family not in FAMILIES:
            raise ParameterError(f"family is {self.family!r}; expected one of {', '.join(FAMILIES)}")
        if not 1 <= self.order <= 16:
            raise ParameterError(f"order is {self.order}; expected 1 to 16")
        for name in ("hiss_amplitude", "tone_amplitude"):
            if not 0.0 <= getattr(self, name) <= 0.5:
                raise ParameterError(f"{name} is {getattr(self, name)}; expected 0 to 0.5")

    def __str__(self) -> str:
        return ", ".join([self._dulled_by, *self._cutoff, *self._noise])

    @property
    def treatment(self) -> str:
        """The name without the cutoff: the same for a filter wherever it is put."""
        return ", ".join([self._dulled_by, *self._noise])

    @property
    def _dulled_by(self) -> str:
        if self.codec is not None:
            rate = "" if self.codec.sample_rate == SAMPLE_RATE else f" at {self.codec.sample_rate} Hz"
            return f"{self.codec.name} {self.codec.bitrate_kbps:g}k{rate}"
        return self.family if self.family == "boxcar" else f"{self.family} {self.order}"

    @property
    def _cutoff(self) -> list[str]:
        return [] if self.codec is not None else [f"{self.cutoff_hz / 1000:g} kHz"]

    @property
    def _noise(self) -> list[str]:
        noises = (("hiss", self.hiss_amplitude), ("tone", self.tone_amplitude))
        return [f"{name} {amplitude:g}" for name, amplitude in noises if amplitude]

    @property
    def slug(self) -> str:
        """The name as that of a folder."""
        return re.sub(r"[^a-z0-9.]+", "_", str(self).lower())

    def apply(self, bright: Waveform) -> tuple[Waveform, float]:
        """Dull a recording.

        Args:
            bright: (T,) at 48 kHz; left as it is.

        Returns:
            What a system hears (T,), in step, and the frequency in Hz up to which it is whole: the filter's
            cutoff, or what was measured behind a codec.

        Raises:
            ParameterError: a codec this machine has not got.
            AudioFormatError: the codec failed.
        """
        noisy = bright
        if self.hiss_amplitude or self.tone_amplitude:
            noise = Noise(hiss_amplitude=self.hiss_amplitude, tone_amplitude=self.tone_amplitude)
            noisy = np.asarray(add_noise(bright, noise), np.float32)
        if self.codec is not None:
            dull = round_trip(noisy, self.codec)
            return dull, measure_cutoff(noisy, dull, self.codec.sample_rate)
        lowpass = LowPass(family=self.family, order=self.order, cutoff_hz=self.cutoff_hz)
        return apply_lowpass(noisy, lowpass), self.cutoff_hz


def conditions_of(
    cutoffs_hz: Sequence[float],
    families: Sequence[str],
    codecs: Sequence[str],
    *,
    order: int = 8,
    hiss: Sequence[float] = (0.0,),
    tones: Sequence[float] = (0.0,),
) -> list[Condition]:
    """Every combination of cutoff, family and noise, and of codec and noise.

    Raises:
        ParameterError: a value outside its range, nothing at all, or a codec this machine has not got.
    """
    made = [
        Condition(cutoff_hz=cutoff_hz, family=family, order=order, hiss_amplitude=h, tone_amplitude=t)
        for family in families
        for cutoff_hz in cutoffs_hz
        for h in hiss
        for t in tones
    ]
    made += [
        Condition(codec=codec, hiss_amplitude=h, tone_amplitude=t)
        for codec in map(parse_codec, codecs)
        for h in hiss
        for t in tones
    ]
    if not made:
        raise ParameterError("neither cutoffs nor codecs were given; expected one of them at least")
    return list(dict.fromkeys(made))


def parse_codec(text: str) -> Codec:
    """Read ``mp3:64k`` or ``mp3:64k:44100``: a codec, kbit/s of one channel and a sample rate in Hz.

    Raises:
        ParameterError: not of that form, a rate it does not have, or a codec this machine has not got.
    """
    match = _CODEC.fullmatch(text.strip().lower())
    if match is None:
        raise ParameterError(f"codec is {text!r}; expected a form like mp3:64k, of {', '.join(SAMPLE_RATES)}")
    rate = int(match[3]) if match[3] else SAMPLE_RATE
    codec = Codec(name=match[1], bitrate_kbps=float(match[2]), sample_rate=rate)
    if codec.name not in available_codecs():
        raise ParameterError(f"codec is {codec.name!r}; this machine has {', '.join(available_codecs())}")
    least, most = bitrate_range_kbps(codec)
    if not least <= codec.bitrate_kbps <= most:  # one that is not encoded at what a table then says
        raise ParameterError(f"codec is {text!r}; expected {least:g} to {most:g} kbit/s of {codec.name}")
    return codec

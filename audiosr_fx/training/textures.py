"""Sounds without notes to train on: rain, wind, surf, fire, applause, hiss and coloured noise.

Recordings of them in full bandwidth and under open licences are rare, and a network that has heard few takes
noise for something that must fall off above the cutoff: rain comes out dull. What is made here reaches 24
kHz, and its spectrum goes on above any cutoff much as it runs below.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from audiosr_fx.training.clips import LONGEST_S, ClipRow, Origin, check_unused, write_clip, write_index
from audiosr_fx.training.data import SAMPLE_RATE

Sound = NDArray[np.floating[Any]]

_REFERENCE_HZ: Final = 1_000.0
_LOWEST_HZ: Final = 40.0
_GRAINS: Final = 8  # sounds of single drops or claps; each is heard again and again at other levels
_AIR_SHARE: Final = 0.6
_BREATH_HZ: Final = 3.0  # swells are not faster than that


@dataclass(frozen=True, slots=True, kw_only=True)
class Colour:
    """A smooth spectrum.

    Attributes:
        slope_db: dB per octave.
        hills: each (centre in Hz, width in octaves, height in dB).
        highpass_hz: below it levels fall by 12 dB per octave.
        air_hz: above it they fall by 6 dB per octave more, as air and microphones make them.
    """

    slope_db: float
    hills: tuple[tuple[float, float, float], ...] = ()
    highpass_hz: float = _LOWEST_HZ
    air_hz: float = math.inf

    def gain(self, frequencies_hz: Sound) -> Sound:
        """Amplitude at ``frequencies_hz``, same shape."""
        octave = np.log2(np.maximum(frequencies_hz, 1.0) / _REFERENCE_HZ)
        level_db = self.slope_db * octave
        for centre_hz, width, height_db in self.hills:
            level_db = level_db + height_db * np.exp(
                -(((octave - np.log2(centre_hz / _REFERENCE_HZ)) / width) ** 2)
            )
        level_db = level_db - 10 * np.log10(1 + (frequencies_hz / self.air_hz) ** 2)
        ratio = (np.maximum(frequencies_hz, 1.0) / self.highpass_hz) ** 2
        return np.asarray(10 ** (level_db / 20) * ratio / (1 + ratio))

    def paint(self, sound: Sound) -> Sound:
        """Give white sound that spectrum, (T,) -> (T,)."""
        gain = self.gain(np.fft.rfftfreq(len(sound), 1 / SAMPLE_RATE))
        return np.asarray(np.fft.irfft(np.fft.rfft(sound) * gain, len(sound)))


def draw_colour(random: np.random.Generator, slope_db: tuple[float, float]) -> Colour:
    """A random spectrum with a slope within ``slope_db``, up to three broad hills and, mostly, air."""
    hills = tuple(
        (
            float(np.exp(random.uniform(np.log(100), np.log(12_000)))),
            float(random.uniform(0.3, 1.5)),
            float(random.uniform(-6, 12)),
        )
        for _ in range(int(random.integers(4)))
    )
    has_air = random.random() < _AIR_SHARE
    return Colour(
        slope_db=float(random.uniform(*slope_db)),
        hills=hills,
        highpass_hz=float(np.exp(random.uniform(np.log(_LOWEST_HZ), np.log(1_500)))),
        air_hz=float(np.exp(random.uniform(np.log(3_000), np.log(20_000)))) if has_air else math.inf,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Texture:
    """How one kind of texture is drawn. Ranges are (lowest, highest).

    Attributes:
        slope_db: of its spectrum, in dB per octave.
        swell_db: how far its level wanders, slowly, either way.
        rate_hz: events (drops, claps) per second; without any it is noise in gusts.
        decay_s: within which an event falls by 8.7 dB.
        bed_db: level of the steady noise under the events, against theirs.
        spread_db: standard deviation of the events' levels.
    """

    slope_db: tuple[float, float]
    swell_db: tuple[float, float]
    rate_hz: tuple[float, float] = (0.0, 0.0)
    decay_s: tuple[float, float] = (0.001, 0.01)
    bed_db: tuple[float, float] = (0.0, 0.0)
    spread_db: float = 6.0

    def draw(self, random: np.random.Generator, samples: int) -> Sound:
        """So many samples, mono at 48 kHz, of no particular level."""
        colour = draw_colour(random, self.slope_db)
        bed = _swell(random, _noise(random, samples, colour), self.swell_db)
        if not self.rate_hz[1]:
            # Louder gusts are brighter: a second layer with a flatter spectrum that swells on its own.
            brighter = Colour(
                slope_db=colour.slope_db + random.uniform(0, 4),
                hills=colour.hills,
                highpass_hz=2 * colour.highpass_hz,
                air_hz=colour.air_hz,
            )
            gust = _swell(random, _noise(random, samples, brighter), self.swell_db)
            return bed + gust * 10 ** (random.uniform(-18, 0) / 20)
        events = self._events(random, samples, colour)
        return events + bed * 10 ** (random.uniform(*self.bed_db) / 20)

    def _events(self, random: np.random.Generator, samples: int, colour: Colour) -> Sound:
        sound = np.zeros(samples)
        rate = float(np.exp(random.uniform(*np.log(self.rate_hz)))) / _GRAINS
        for _ in range(_GRAINS):
            decay = float(np.exp(random.uniform(*np.log(self.decay_s))))
            time = np.arange(round(7 * decay * SAMPLE_RATE) + 1) / SAMPLE_RATE
            grain = random.standard_normal(len(time)) * np.exp(-time / decay)
            hits = random.random(samples) < rate / SAMPLE_RATE
            level = 10 ** (self.spread_db * random.standard_normal(samples) / 20)
            sound += fftconvolve(hits * level, grain)[:samples]
        return _unit(colour.paint(sound))


TEXTURES: Final[Mapping[str, Texture]] = {
    "noise": Texture(slope_db=(-12, 1), swell_db=(0, 2)),
    "hiss": Texture(slope_db=(-4, 3), swell_db=(0, 6)),
    "wind": Texture(slope_db=(-15, -6), swell_db=(6, 20)),
    "surf": Texture(slope_db=(-9, -2), swell_db=(6, 20)),
    "rain": Texture(
        slope_db=(-6, 1), swell_db=(0, 4), rate_hz=(100, 4_000), decay_s=(0.0003, 0.006), bed_db=(-30, 0)
    ),
    "fire": Texture(
        slope_db=(-9, 0),
        swell_db=(2, 10),
        rate_hz=(5, 150),
        decay_s=(0.0002, 0.01),
        bed_db=(-45, -12),
        spread_db=10,
    ),
    "applause": Texture(
        slope_db=(-9, -3), swell_db=(0, 8), rate_hz=(20, 1_500), decay_s=(0.002, 0.02), bed_db=(-40, -6)
    ),
}
"""What ``draw`` can make, by name."""


def make_textures(folder: Path, *, minutes: float, seed: int) -> Iterator[ClipRow]:
    """Write clips of 6 s, one texture after the other, and at the end their index; yields rows as they come.

    Raises:
        AudioFormatError: the folder holds an index already.
    """
    check_unused(folder)
    return _make_textures(folder, minutes, seed)


def _make_textures(folder: Path, minutes: float, seed: int) -> Iterator[ClipRow]:
    folder.mkdir(parents=True, exist_ok=True)
    names = list(TEXTURES)
    rows: list[ClipRow] = []
    for number in range(max(1, round(60 * minutes / LONGEST_S))):
        name = names[number % len(names)]
        random = np.random.default_rng([seed, number])
        sound = TEXTURES[name].draw(random, round(LONGEST_S * SAMPLE_RATE))
        origin = Origin(
            source_repo="audiosr_fx textures", source_path=name, licence="CC0-1.0", author="audiosr_fx"
        )
        row = write_clip(folder, "fx", f"texture_{name}_{number:04d}", sound, origin)
        if row is not None:
            rows.append(row)
            yield row
    write_index(folder, rows)


def _noise(random: np.random.Generator, samples: int, colour: Colour) -> Sound:
    return _unit(colour.paint(random.standard_normal(samples)))


def _swell(random: np.random.Generator, sound: Sound, swell_db: tuple[float, float]) -> Sound:
    """Let the level wander; what is drawn is twice its standard deviation."""
    frequencies = np.fft.rfftfreq(len(sound), 1 / SAMPLE_RATE)
    slow = np.fft.irfft(
        np.fft.rfft(random.standard_normal(len(sound))) * np.exp(-((frequencies / _BREATH_HZ) ** 2)),
        len(sound),
    )
    depth_db = random.uniform(*swell_db) / 2
    return sound * 10 ** (depth_db * _unit(slow) / 20)


def _unit(sound: Sound) -> Sound:
    """To an RMS of 1."""
    return np.asarray(sound / max(float(np.sqrt(np.mean(sound**2))), 1e-12))

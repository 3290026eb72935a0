"""Synthesiser voices with harmonics up to 24 kHz: wavetables, FM, plucked strings and a drum machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np
import soxr
from numpy.typing import NDArray
from scipy.signal import butter, lfilter, sosfilt

from audiosr_fx.training.data import SAMPLE_RATE

Waveform = NDArray[np.float32]

HIGHEST_HZ: Final = 23_800.0
_TABLE: Final = 1 << 15
_BLOCK: Final = 128
_SHAPES: Final = ("saw", "square", "pulse", "supersaw", "supersaw", "fm", "pluck", "organ")
# General MIDI drum keys by what they sound like here.
_KICKS, _SNARES, _CLAPS = {35, 36}, {37, 38, 40}, {39}
_CLOSED, _OPEN, _CYMBALS = {42, 44, 70, 82}, {46}, {49, 51, 52, 53, 55, 57, 59}
_METAL_HZ: Final = np.array([205.3, 304.4, 369.6, 522.7, 540.0, 800.0])  # the six oscillators of a TR-808


class Voice(Protocol):
    """Anything that plays notes: a part of a piece is given to one."""

    def play(self, key: int, velocity: int, seconds: float) -> Waveform:
        """One note held for ``seconds``, and its release. Mono at 48 kHz, (T,); empty if it has none."""

    def limit_hz(self, key: int) -> float:
        """Up to where that note is true."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthVoice:
    """One synthesiser sound. ``cutoff_hz`` falls from its first to its second value within ``sweep_s``."""

    shape: str
    seed: int
    attack_s: float = 0.005
    decay_s: float = 0.5
    sustain: float = 0.6
    release_s: float = 0.2
    detune_cents: float = 0.0
    vibrato_cents: float = 0.0
    cutoff_hz: tuple[float, float] = (HIGHEST_HZ, HIGHEST_HZ)
    sweep_s: float = 0.3
    resonance: float = 0.8
    fm_ratio: float = 2.0
    fm_index: float = 4.0

    def limit_hz(self, key: int) -> float:
        return SAMPLE_RATE / 2

    def play(self, key: int, velocity: int, seconds: float) -> Waveform:
        random = np.random.default_rng([self.seed, key, velocity])
        frequency = 440.0 * 2 ** ((key - 69) / 12)
        time = np.arange(round((seconds + self.release_s) * SAMPLE_RATE)) / SAMPLE_RATE
        if self.shape == "fm":
            sound = self._fm(frequency, len(time))
        elif self.shape == "pluck":
            sound = _pluck(random, frequency, len(time))
        else:
            sound = self._wavetable(random, frequency, time)
        sound = self._filter(sound, time) * self._envelope(time, seconds)
        return np.asarray(sound * (velocity / 127) ** 2, np.float32)

    def _wavetable(
        self, random: np.random.Generator, frequency: float, time: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        spread = 2 ** (3 * self.detune_cents / 1200)
        table = _table(self.shape, int(HIGHEST_HZ / (frequency * spread)), self.seed)
        count = 7 if self.shape == "supersaw" else 2 if self.detune_cents else 1
        vibrato = self.vibrato_cents * np.minimum(time / 0.5, 1) * np.sin(2 * np.pi * 5.3 * time)
        phase = frequency * np.cumsum(2 ** (vibrato / 1200)) / SAMPLE_RATE
        sound = np.zeros(len(time))
        for offset in np.linspace(-1, 1, count) if count > 1 else [0.0]:
            turns = phase * 2 ** (offset * self.detune_cents / 1200) + random.random()
            sound += np.interp(turns % 1.0 * _TABLE, np.arange(_TABLE + 1), table)
        return np.asarray(sound / np.sqrt(count))

    def _fm(self, frequency: float, samples: int) -> NDArray[np.float64]:
        """Two operators at four times the rate, so that sidebands beyond 24 kHz are cut, not folded."""
        time = np.arange(4 * samples) / (4 * SAMPLE_RATE)
        index = self.fm_index * np.exp(-time / self.sweep_s) + 0.15 * self.fm_index
        modulator = index * np.sin(2 * np.pi * frequency * self.fm_ratio * time)
        wave = np.sin(2 * np.pi * frequency * time + modulator)
        return np.asarray(soxr.resample(wave, 4 * SAMPLE_RATE, SAMPLE_RATE, quality="HQ")[:samples])

    def _filter(self, sound: NDArray[np.float64], time: NDArray[np.float64]) -> NDArray[np.float64]:
        """A second-order low-pass (two zeros at 24 kHz), set anew every few milliseconds."""
        first, last = self.cutoff_hz
        if min(first, last) >= 20_000:
            return sound
        state = np.zeros(2)
        filtered = np.empty_like(sound)
        for start in range(0, len(sound), _BLOCK):
            fallen = 1 - np.exp(-time[start] / self.sweep_s)
            cutoff = min(first * (last / first) ** fallen, 21_000.0)
            b, a = _lowpass(cutoff, self.resonance)
            block = slice(start, start + _BLOCK)
            filtered[block], state = lfilter(b, a, sound[block], zi=state)
        return filtered

    def _envelope(self, time: NDArray[np.float64], seconds: float) -> NDArray[np.float64]:
        decay = np.exp(-np.maximum(time - self.attack_s, 0) / self.decay_s)
        level = np.minimum(time / self.attack_s, 1) * (self.sustain + (1 - self.sustain) * decay)
        return np.asarray(level * np.clip(1 - (time - seconds) / self.release_s, 0, 1) ** 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class DrumMachine:
    """Electronic drums on the General MIDI drum keys: swept sines, filtered noise, metallic squares."""

    seed: int
    tuning: float = 1.0
    decay: float = 1.0
    noise: float = 0.6
    _cache: dict[int, Waveform] = field(default_factory=dict, compare=False, repr=False)

    def limit_hz(self, key: int) -> float:
        return SAMPLE_RATE / 2

    def play(self, key: int, velocity: int, seconds: float) -> Waveform:
        if key not in self._cache:
            sound = self._strike(np.random.default_rng([self.seed, key]), key)
            quiet = 0.2 if key in _CLOSED | _OPEN | _CYMBALS else 0.6 if key in _CLAPS | _SNARES else 1.0
            self._cache[key] = np.asarray(sound * quiet / np.max(np.abs(sound)), np.float32)
        return self._cache[key] * np.float32((velocity / 127) ** 2)

    def _strike(self, random: np.random.Generator, key: int) -> NDArray[np.float64]:
        time = np.arange(round(1.5 * self.decay * SAMPLE_RATE)) / SAMPLE_RATE
        hiss = random.standard_normal(len(time))
        if key in _KICKS:
            return self._swept(time, 48.0, 180.0, 0.25) + 0.3 * hiss * np.exp(-time / 0.003)
        if key in _SNARES:
            body = self._swept(time, 180.0, 120.0, 0.1)
            return (1 - self.noise) * body + self.noise * _highpass(hiss, 900.0) * np.exp(-time / 0.09)
        if key in _CLAPS:
            bursts = sum(np.exp(-np.maximum(time - at, 0) / 0.006) * (time >= at) for at in (0, 0.011, 0.023))
            return _highpass(hiss, 700.0) * (bursts + 0.6 * np.exp(-time / (0.12 * self.decay)))
        if key in _CLOSED or key in _OPEN or key in _CYMBALS:
            seconds = 0.035 if key in _CLOSED else 0.25 if key in _OPEN else 0.5
            metal = self._metal(random, time)
            ring = (1 - self.noise) * metal + self.noise * hiss
            return _highpass(ring, 5_500.0 * self.tuning) * np.exp(-time / (seconds * self.decay))
        pitch = 60.0 * 2 ** ((key - 36) / 12)
        return self._swept(time, pitch, 0.5 * pitch, 0.12) + 0.1 * hiss * np.exp(-time / 0.02)

    def _swept(
        self, time: NDArray[np.float64], low_hz: float, rise_hz: float, seconds: float
    ) -> NDArray[np.float64]:
        frequency = self.tuning * (low_hz + rise_hz * np.exp(-time / 0.03))
        sine = np.sin(2 * np.pi * np.cumsum(frequency) / SAMPLE_RATE)
        return np.asarray(sine * np.exp(-time / (seconds * self.decay)))

    def _metal(self, random: np.random.Generator, time: NDArray[np.float64]) -> NDArray[np.float64]:
        sound = np.zeros(len(time))
        for frequency in _METAL_HZ * self.tuning * random.uniform(0.97, 1.03, len(_METAL_HZ)):
            table = _table("square", int(HIGHEST_HZ / frequency), self.seed)
            turns = frequency * time + random.random()
            sound += np.interp(turns % 1.0 * _TABLE, np.arange(_TABLE + 1), table)
        return sound / 3


def draw_voice(random: np.random.Generator, *, bass: bool = False, pad: bool = False) -> SynthVoice:
    """A random synthesiser sound: bright more often than dark, plucked or held, plain or detuned."""
    shape = str(random.choice(_SHAPES))
    opens = random.random()
    bright = float(np.exp(random.uniform(np.log(4_000), np.log(40_000))))
    cutoff = (min(bright, HIGHEST_HZ), min(bright * float(random.choice([0.15, 0.4, 1.0])), HIGHEST_HZ))
    if pad and opens < 0.5:
        cutoff = cutoff[::-1]
    return SynthVoice(
        shape=shape,
        seed=int(random.integers(1 << 31)),
        attack_s=float(
            random.uniform(0.1, 0.5) if pad else np.exp(random.uniform(np.log(0.001), np.log(0.03)))
        ),
        decay_s=float(random.uniform(0.08, 1.2)),
        sustain=float(random.uniform(0.5, 1.0) if pad else random.choice([0.0, 0.3, 0.7])),
        release_s=float(random.uniform(0.3, 0.9) if pad else random.uniform(0.03, 0.3)),
        detune_cents=float(random.uniform(5, 30)) if shape == "supersaw" or random.random() < 0.4 else 0.0,
        vibrato_cents=0.0 if bass else float(random.choice([0.0, 0.0, 8.0, 20.0])),
        cutoff_hz=cutoff,
        sweep_s=float(random.uniform(0.04, 0.8)),
        resonance=float(random.uniform(0.6, 3.0)),
        fm_ratio=float(random.choice([0.5, 1.0, 1.0, 2.0, 3.0, 3.5, 7.0])),
        fm_index=float(random.uniform(1.0, 9.0)),
    )


def draw_drum_machine(random: np.random.Generator) -> DrumMachine:
    """A random electronic drum kit."""
    return DrumMachine(
        seed=int(random.integers(1 << 31)),
        tuning=float(random.uniform(0.75, 1.4)),
        decay=float(random.uniform(0.5, 1.6)),
        noise=float(random.uniform(0.3, 0.9)),
    )


def _table(shape: str, harmonics: int, seed: int) -> NDArray[np.float64]:
    """One period with that many harmonics, its first sample repeated at the end, RMS near 0.3."""
    number = np.arange(1, max(harmonics, 1) + 1)
    amplitude = 1.0 / number
    if shape == "square":
        amplitude = np.where(number % 2, amplitude, 0.0)
    elif shape == "pulse":
        width = np.random.default_rng(seed).uniform(0.08, 0.35)
        amplitude = np.abs(np.sin(np.pi * number * width)) / number
    elif shape == "organ":
        drawbars = np.random.default_rng(seed).random((2, 24))
        pulled = np.where(drawbars[1] < 0.6, drawbars[0], 0.03) / np.sqrt(np.arange(1, 25))
        amplitude = np.where(number <= 24, pulled[np.minimum(number, 24) - 1], 0.3 / number)
        amplitude[0] += 0.2
    spectrum = np.zeros(_TABLE // 2 + 1, complex)
    spectrum[number] = -1j * amplitude
    wave = np.fft.irfft(spectrum) * _TABLE
    wave *= 0.3 / np.sqrt(np.mean(wave**2))
    return np.append(wave, wave[0])


def _pluck(random: np.random.Generator, frequency: float, samples: int) -> NDArray[np.float64]:
    """A string after Karplus and Strong (1983), run at the rate where its delay is whole, then resampled."""
    delay = int(np.ceil(1.2 * SAMPLE_RATE / frequency))
    rate = (delay + 0.5) * frequency
    feedback = np.zeros(delay + 2)
    loss = float(np.exp(-6.9 / (frequency * random.uniform(1.0, 4.0))))
    stretch = random.uniform(0.05, 0.5)
    feedback[0], feedback[delay], feedback[delay + 1] = 1.0, -loss * (1 - stretch), -loss * stretch
    burst = np.zeros(int(samples * rate / SAMPLE_RATE) + delay)
    burst[:delay] = random.uniform(-1, 1, delay)
    string = soxr.resample(lfilter([1.0], feedback, burst), rate, SAMPLE_RATE, quality="HQ")
    fitted = np.zeros(samples)
    fitted[: min(samples, len(string))] = string[:samples]
    return fitted


def _lowpass(cutoff_hz: float, resonance: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coefficients of a second-order low-pass by the bilinear transform."""
    k = np.tan(np.pi * cutoff_hz / SAMPLE_RATE)
    scale = 1 / (1 + k / resonance + k * k)
    b = k * k * scale * np.array([1.0, 2.0, 1.0])
    return b, np.array([1.0, 2 * (k * k - 1) * scale, (1 - k / resonance + k * k) * scale])


def _highpass(sound: NDArray[np.float64], cutoff_hz: float) -> NDArray[np.float64]:
    return np.asarray(sosfilt(butter(2, cutoff_hz, "highpass", fs=SAMPLE_RATE, output="sos"), sound))

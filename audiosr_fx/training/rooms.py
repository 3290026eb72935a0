"""Made-up rooms: impulse responses of a direct sound, early reflections and a tail of decaying noise."""

from __future__ import annotations

import numpy as np
from scipy import signal

from audiosr_fx.training.data import SAMPLE_RATE

_DECAY_60_DB = float(np.log(1000.0))
_DECAY_S = (0.15, 1.2)
_WET_DB = (-24.0, -6.0)
_REFLECTIONS = (4, 12)
_REFLECTIONS_MS = (2.0, 60.0)
_DAMPED_ABOVE_HZ = (2_000.0, 6_000.0)
_DAMPING = (0.3, 0.8)


def draw_room(random: np.random.Generator) -> np.ndarray:
    """A random impulse response at 48 kHz: float32 (T,), T up to 1.2 s, its first sample the direct sound.

    Reverberation times are 0.15 to 1.2 s, shorter above 2 to 6 kHz as in rooms with air and curtains; what
    the room adds lies 6 to 24 dB below the direct sound.
    """
    decay_s = float(np.exp(random.uniform(*np.log(_DECAY_S))))
    time = np.arange(round(decay_s * SAMPLE_RATE)) / SAMPLE_RATE
    low, high = _split(random.standard_normal(len(time)), random.uniform(*_DAMPED_ABOVE_HZ))
    damped_s = decay_s * random.uniform(*_DAMPING)
    tail = low * np.exp(-_DECAY_60_DB / decay_s * time) + high * np.exp(-_DECAY_60_DB / damped_s * time)
    room = tail / np.sqrt(np.square(tail).sum()) + _reflections(random, len(time))
    room *= 10 ** (random.uniform(*_WET_DB) / 20) / np.sqrt(np.square(room).sum())
    room[0] = 1.0
    return np.asarray(room, np.float32)


def apply_room(waveform: np.ndarray, room: np.ndarray) -> np.ndarray:
    """A waveform (T,) as heard in a room, float32 of the same length; the direct sound stays where it was."""
    return np.asarray(signal.oaconvolve(waveform, room)[: len(waveform)], np.float32)


def _reflections(random: np.random.Generator, length: int) -> np.ndarray:
    """A few echoes of either sign, weaker the later, of energy 1 in all."""
    count = int(random.integers(_REFLECTIONS[0], _REFLECTIONS[1] + 1))
    delay_ms = random.uniform(*_REFLECTIONS_MS, count)
    gains = random.choice([-1.0, 1.0], count) * _REFLECTIONS_MS[0] / delay_ms
    echoes = np.zeros(length)
    np.add.at(echoes, (delay_ms * (SAMPLE_RATE / 1000)).astype(int), gains / np.sqrt(np.square(gains).sum()))
    return echoes


def _split(noise: np.ndarray, frequency_hz: float) -> tuple[np.ndarray, np.ndarray]:
    spectrum = np.fft.rfft(noise)
    spectrum[np.fft.rfftfreq(len(noise), 1 / SAMPLE_RATE) > frequency_hz] = 0.0
    low = np.fft.irfft(spectrum, len(noise))
    return low, noise - low

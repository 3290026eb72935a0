"""Sounds of an unpacked package cut for clips: loaded, trimmed, joined, and checked for walls."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from audiosr_fx.training.clips import LONGEST_S
from audiosr_fx.training.data import SAMPLE_RATE

Sound = NDArray[np.float64]

_BLOCK: Final = 240
_GAP_S, _SHORTEST_S = 0.06, 0.12
_N_FFT: Final = 2048
_STEP_HZ: Final = 250


def load_sound(path: Path) -> Sound:
    """A file as mono at 48 kHz, (T,): its first channel, or the second where that is much louder."""
    audio, sample_rate = soundfile.read(path, always_2d=True, dtype="float32")
    power = np.mean(audio**2, axis=0)
    channel = 1 if len(power) > 1 and power[0] < 0.5 * power[1] else 0
    return np.asarray(soxr.resample(audio[:, channel], sample_rate, SAMPLE_RATE, quality="VHQ"), np.float64)


def trim(sound: Sound, below_db: float) -> Sound:
    """Without the ends that lie this much below the loudest 5 ms."""
    count = len(sound) // _BLOCK
    level = np.sqrt(np.mean(sound[: count * _BLOCK].reshape(count, _BLOCK) ** 2, axis=1))
    loud = np.flatnonzero(level > max(3e-4, float(level.max(initial=0.0)) * 10 ** (below_db / 20)))
    if not len(loud):
        return sound[:0]
    return sound[max(0, int(loud[0]) - 4) * _BLOCK : (int(loud[-1]) + 6) * _BLOCK]


def join(sounds: Iterable[Sound]) -> list[Sound]:
    """Sounds laid behind each other with 60 ms between, in stretches of at most 6 s."""
    longest, gap = round(LONGEST_S * SAMPLE_RATE), np.zeros(round(_GAP_S * SAMPLE_RATE))
    stretches: list[Sound] = []
    line = gap[:0]
    for sound in sounds:
        if len(sound) < _SHORTEST_S * SAMPLE_RATE:
            continue
        level = sound[:longest] / max(float(np.max(np.abs(sound[:longest]))), 1e-9)
        if len(line) and len(line) + len(gap) + len(level) > longest:
            stretches.append(line)
            line = gap[:0]
        line = np.concatenate([line, gap, level] if len(line) else [level])
    return [*stretches, line] if len(line) else stretches


def has_wall(sound: Sound) -> bool:
    """Whether the spectrum falls by 22 dB within 1 kHz below 20.3 kHz, as after a codec."""
    frames = np.lib.stride_tricks.sliding_window_view(sound, _N_FFT)[:: _N_FFT // 4]
    power = np.abs(np.fft.rfft(frames * np.hanning(_N_FFT), axis=-1)) ** 2 + 1e-14
    frequency = np.fft.rfftfreq(_N_FFT, 1 / SAMPLE_RATE)
    loudest = np.argsort(power[:, frequency > 8_000].sum(1))[-max(1, len(power) // 10) :]
    mean_db = 10 * np.log10(power[loudest].mean(0))
    low_hz = np.arange(8_000, 23_750, _STEP_HZ)
    bands = np.array([mean_db[(frequency >= f) & (frequency < f + _STEP_HZ)].mean() for f in low_hz])
    fall = bands[:-4] - bands[4:]
    steepest = int(np.argmax(fall))
    return bool(fall[steepest] > 22 and 9_500 < low_hz[steepest] < 20_300)

"""Sounds of an unpacked package cut for clips: loaded, cleaned, trimmed, joined, and checked for walls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray
from scipy import ndimage, signal

from audiosr_fx.training.clips import LONGEST_S
from audiosr_fx.training.data import SAMPLE_RATE

Sound = NDArray[np.float64]

_BLOCK: Final = 240
_GAP_S, _SHORTEST_S = 0.06, 0.12
_N_FFT: Final = 2048
_STEP_HZ: Final = 250
_PAUSE_DB: Final = 14.0  # a tone in the pauses of speech that stands out this much is a fault
_WHISTLE_DB: Final = 9.0
_STEADY_FALL_DB: Final = 9.0


def load_sound(path: Path, start: int = 0, frames: int = -1) -> Sound:
    """A file as mono at 48 kHz, (T,): its first channel, or the second where that is much louder."""
    audio, sample_rate = soundfile.read(path, frames=frames, start=start, always_2d=True, dtype="float32")
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


def join(sounds: Iterable[Sound]) -> Iterator[Sound]:
    """Sounds laid behind each other with 60 ms between, in stretches of at most 6 s."""
    longest, gap = round(LONGEST_S * SAMPLE_RATE), np.zeros(round(_GAP_S * SAMPLE_RATE))
    line = gap[:0]
    for sound in sounds:
        if len(sound) < _SHORTEST_S * SAMPLE_RATE:
            continue
        level = sound[:longest] / max(float(np.max(np.abs(sound[:longest]))), 1e-9)
        if len(line) and len(line) + len(gap) + len(level) > longest:
            yield line
            line = gap[:0]
        line = np.concatenate([line, gap, level] if len(line) else [level])
    if len(line):
        yield line


def stands_clear(sound: Sound, snr_db: float) -> bool:
    """Whether speech rises this far above its pauses in 6-15 kHz, and nothing whistles in them."""
    power, frequency = _frames(sound, 1024, 512)
    if len(power) < 8:
        return True
    high = power[:, (frequency > 6_000) & (frequency < 15_000)].sum(1)
    if 10 * np.log10(np.percentile(high, 93) / np.percentile(high, 12)) < snr_db:
        return False
    pauses = power[high <= np.percentile(high, 40)].mean(0)[(frequency > 3_000) & (frequency < 20_000)]
    return bool(_prominence_db(pauses, 41).max() < _PAUSE_DB)


def notch_whistles(sound: Sound) -> Sound:
    """Without steady whistles of screens and converters between 3 and 20.5 kHz, four at most."""
    n_fft = 2 * _N_FFT
    if len(sound) < 3 * n_fft:
        return sound
    power, frequency = _frames(sound, n_fft, n_fft // 4)
    high = power[:, frequency > 3_000].sum(1)
    prominence = _prominence_db(power[high <= np.percentile(high, 40)].mean(0), 121)
    prominence[(frequency < 3_000) | (frequency > 20_500)] = 0.0
    for _ in range(4):
        peak = int(np.argmax(prominence))
        if prominence[peak] < _WHISTLE_DB:
            break
        notch = signal.iirnotch(frequency[peak], frequency[peak] / 120, SAMPLE_RATE)
        sound = np.asarray(signal.filtfilt(*notch, sound))
        prominence[max(0, peak - 14) : peak + 15] = 0.0
    return sound


def has_wall(sound: Sound) -> bool:
    """Whether the spectrum falls by 22 dB within 1 kHz below 20.3 kHz, as after a codec."""
    power, frequency = _frames(sound, _N_FFT, _N_FFT // 4)
    loudest = np.argsort(power[:, frequency > 8_000].sum(1))[-max(1, len(power) // 10) :]
    mean_db = 10 * np.log10(power[loudest].mean(0))
    low_hz = np.arange(8_000, 23_750, _STEP_HZ)
    bands = np.array([mean_db[(frequency >= f) & (frequency < f + _STEP_HZ)].mean() for f in low_hz])
    fall = bands[:-4] - bands[4:]
    steepest = int(np.argmax(fall))
    return bool(fall[steepest] > 22 and 9_500 < low_hz[steepest] < 20_300)


def steady_edge_hz(sound: Sound) -> int:
    """How high the louder half of the frames reaches; Vorbis opens wider than that on attacks alone.

    Where the median over those frames of a band's power, from 10 kHz up, first lies 32 dB under 8-12 kHz.
    """
    power, frequency = _frames(sound, _N_FFT, _N_FFT // 4)
    energy = power[:, frequency > 10_000].sum(1)
    louder = power[np.argsort(energy)[-max(3, len(energy) // 2) :]]
    low_hz = np.arange(0, SAMPLE_RATE // 2, 500)
    bands = np.stack([louder[:, (frequency >= f) & (frequency < f + 500)].mean(1) for f in low_hz], 1)
    reference = bands[:, (low_hz >= 8_000) & (low_hz < 12_000)].mean(1, keepdims=True)
    closed = np.flatnonzero((np.median(bands / reference, axis=0) < 10**-3.2) & (low_hz >= 10_000))
    return int(low_hz[closed[0]]) if len(closed) else SAMPLE_RATE // 2


def wall_hz(sound: Sound) -> int:
    """Where the low-pass of a codec begins to close on a steady sound; ``steady_edge_hz`` is where it has.

    Where the median over all frames, in bands of 250 Hz, first falls by 9 dB within 500 Hz, from 12 kHz up.
    """
    power, frequency = _frames(sound, _N_FFT, _N_FFT // 4)
    median_db = 10 * np.log10(np.median(power, axis=0))
    low_hz = np.arange(12_000, SAMPLE_RATE // 2, _STEP_HZ)
    bands = np.array([median_db[(frequency >= f) & (frequency < f + _STEP_HZ)].mean() for f in low_hz])
    falling = np.flatnonzero(bands[:-2] - bands[2:] > _STEADY_FALL_DB)
    return int(low_hz[falling[0]]) if len(falling) else SAMPLE_RATE // 2


def _frames(sound: Sound, n_fft: int, hop: int) -> tuple[Sound, Sound]:
    """Power (frames, bins), never zero, and the frequencies of the bins; no frames of too short a sound."""
    frequency = np.asarray(np.fft.rfftfreq(n_fft, 1 / SAMPLE_RATE), np.float64)
    if len(sound) < n_fft:
        return np.zeros((0, len(frequency))), frequency
    frames = np.lib.stride_tricks.sliding_window_view(sound, n_fft)[::hop]
    return np.abs(np.fft.rfft(frames * np.hanning(n_fft), axis=-1)) ** 2 + 1e-14, frequency


def _prominence_db(power: Sound, width: int) -> Sound:
    """How far each bin stands above the median of its neighbours."""
    return np.asarray(10 * np.log10(power / (ndimage.median_filter(power, width, mode="nearest") + 1e-10)))

"""The long-term spectrum of a source: what the search for a cutoff looks at, and what a page can plot."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audiosr_fx.sources import Audio, Source

_BIN_HZ = 11.7
_BLOCK_FRAMES = 65_536
_MOST_BLOCKS = 256
_CLASS_DB = 5.0  # stretches are sorted by level into classes of this width
_CLASSES = 40
_LOUD_CLASSES = 4  # the loudest 20 dB count for the mean level: codecs empty the quiet parts
_FLOOR_POWER = 1e-24


@dataclass(frozen=True, slots=True, kw_only=True)
class LongTermSpectrum:
    """Spectrum of a whole signal, channels summed in power, over ``n_fft / 2 + 1`` bins.

    ``power``: mean power, where a full-scale sine spreads 0.5 over its bins. ``mean_level_db``: mean over
    time of the level in dB, of the stretches within 20 dB of the loudest; it shows the noise between the
    notes, which a filter shapes like the notes themselves. ``frames``: stretches of ``n_fft`` samples seen.
    """

    sample_rate: int
    n_fft: int
    power: NDArray[np.float64]
    mean_level_db: NDArray[np.float64]
    frames: int

    @property
    def frequency_hz(self) -> NDArray[np.float64]:
        """Centre of each bin."""
        return np.arange(self.power.size, dtype=np.float64) * (self.sample_rate / self.n_fft)

    @property
    def level_db(self) -> NDArray[np.float64]:
        """``power`` in dB, -240 where there is none."""
        level: NDArray[np.float64] = 10.0 * np.log10(np.maximum(self.power, _FLOOR_POWER))
        return level


def measure_spectrum(source: Source) -> LongTermSpectrum:
    """Measure the long-term spectrum of a source in bounded memory.

    Signals up to about six minutes are read whole; of longer ones 256 blocks of 65,536 samples, evenly spaced
    and always the same ones.

    Args:
        source: any rate and length; an empty one has a spectrum of zeros.
    """
    n_fft = 2 ** round(math.log2(source.sample_rate / _BIN_HZ))
    window = np.hanning(n_fft)
    power = np.zeros((_CLASSES, n_fft // 2 + 1))
    level = np.zeros_like(power)
    counts = np.zeros(_CLASSES, np.int64)
    scale = 2.0 / (n_fft * float(np.sum(window**2)))
    for start, stop in _blocks(source.frames, n_fft):
        block = source.read(start, stop)
        for stretch_power in _stretches(block, window):
            stretch_power *= scale
            total_db = 10.0 * math.log10(max(float(stretch_power.sum()), _FLOOR_POWER))
            index = min(max(int(-total_db // _CLASS_DB) + 2, 0), _CLASSES - 1)
            power[index] += stretch_power
            level[index] += 10.0 * np.log10(np.maximum(stretch_power, _FLOOR_POWER))
            counts[index] += 1
    frames = int(counts.sum())
    loudest = int(np.argmax(counts > 0))
    loud = slice(loudest, loudest + _LOUD_CLASSES)
    return LongTermSpectrum(
        sample_rate=source.sample_rate,
        n_fft=n_fft,
        power=power.sum(axis=0) / max(frames, 1),
        mean_level_db=level[loud].sum(axis=0) / max(int(counts[loud].sum()), 1)
        if frames
        else np.full(n_fft // 2 + 1, 10.0 * math.log10(_FLOOR_POWER)),
        frames=frames,
    )


def _blocks(frames: int, n_fft: int) -> list[tuple[int, int]]:
    """What to read: whole stretches only, since cut ends splash over the spectrum, unless it is short."""
    if frames == 0:
        return []
    if frames < 2 * n_fft:
        return [(-n_fft // 2, frames + n_fft // 2)]
    count = -(-(frames - n_fft + 1) // _BLOCK_FRAMES)
    indices = (
        range(count)
        if count <= _MOST_BLOCKS
        else (index * count // _MOST_BLOCKS for index in range(_MOST_BLOCKS))
    )
    starts = [index * _BLOCK_FRAMES for index in indices]
    return [(start, min(start + _BLOCK_FRAMES + n_fft // 2, frames)) for start in starts]


def _stretches(block: Audio, window: NDArray[np.float64]) -> NDArray[np.float64]:
    """Power of half-overlapping windowed stretches, channels summed: (stretches, bins)."""
    n_fft = window.size
    hop = n_fft // 2
    framed = np.lib.stride_tricks.sliding_window_view(block, n_fft, axis=1)[:, ::hop]
    power: NDArray[np.float64] = np.sum(np.abs(np.fft.rfft(framed * window, axis=2)) ** 2, axis=0)
    return power

"""The long-term spectrum of a source: what the search for a cutoff looks at, and what a page can plot."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audiosr_fx.sources import Audio, Source, check_finite

_BIN_HZ = 11.7
_BLOCK_FRAMES = 65_536
_MOST_BLOCKS = 256
_CLASS_DB = 5.0  # stretches are sorted by level into classes of this width
_CLASSES = 40
_LOUD_CLASSES = 4  # the loudest 20 dB count for the mean level: codecs empty the quiet parts
_FLOOR_POWER = 1e-24
_MOST_DB = 300.0  # far above any recording; more would overflow float32
_ROUNDING = 1.01
_ALL_DB = 50.0
_GAP = 32  # samples of digital silence
_ABRUPT = 0.01  # of the peak around it: what sound may fall to before silence without a click
_ABRUPT_SAMPLES = 16
_LEAST_SHARE = 0.25
_LEAST_STRETCHES = 20

BAND_EDGES_HZ = 500.0 * 2.0 ** (np.arange(135) / 24.0)
"""Edges of the bands of 1/24 octave, 500 Hz to 24 kHz, whose statistics over time are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LongTermSpectrum:
    """Spectrum of a whole signal, channels summed in power, over ``n_fft / 2 + 1`` bins.

    ``power``: mean power, where a full-scale sine spreads 0.5 over its bins; ``channel_power``: (channels,
    bins), of each channel, whatever was left out of the rest for its clicks. ``mean_level_db``: mean over
    time of the level in dB, of the stretches within 20 dB of the loudest; it shows the noise between the
    notes, which a filter shapes like the notes themselves. ``frames``: stretches of ``n_fft`` samples seen.
    ``band_statistics_db``: (5, bands of ``BAND_EDGES_HZ``), see ``band_statistics``.
    """

    sample_rate: int
    n_fft: int
    power: NDArray[np.float64]
    channel_power: NDArray[np.float64]
    mean_level_db: NDArray[np.float64]
    frames: int
    band_statistics_db: NDArray[np.float32]

    @property
    def frequency_hz(self) -> NDArray[np.float64]:
        """Centre of each bin."""
        return np.arange(self.power.size, dtype=np.float64) * (self.sample_rate / self.n_fft)

    @property
    def level_db(self) -> NDArray[np.float64]:
        """``power`` in dB, -240 where there is none."""
        level: NDArray[np.float64] = 10.0 * np.log10(np.maximum(self.power, _FLOOR_POWER))
        return level


def measure_spectrum(source: Source, parts: Sequence[tuple[int, int]] | None = None) -> LongTermSpectrum:
    """Measure the long-term spectrum of a source in bounded memory.

    Signals up to about six minutes are read whole; of longer ones 256 blocks of 65,536 samples, evenly spaced
    and always the same ones. Where sound is cut off into digital silence, the clicks at both ends of the gap
    are the edit's and not the recording's: stretches that hold one are left out, unless too few are left.

    Args:
        source: any rate and length; an empty one has a spectrum of zeros.
        parts: (start, stop) of what alone is read, instead.
    """
    n_fft = 2 ** round(math.log2(source.sample_rate / _BIN_HZ))
    window = np.hanning(n_fft)
    power = np.zeros((2, _CLASSES, n_fft // 2 + 1))  # without clicks, and with
    channel_power = np.zeros((source.channels, n_fft // 2 + 1))
    level = np.zeros_like(power)
    counts = np.zeros((2, _CLASSES), np.int64)
    bands: list[NDArray[np.float32]] = []
    totals: list[float] = []
    clicked: list[int] = []
    gap = range(0)
    scale = 2.0 / (n_fft * float(np.sum(window**2)))
    for start, stop in _blocks(0, source.frames, n_fft) if parts is None else _blocks_of(parts, n_fft):
        block = source.read(start, stop)
        check_finite(block, "the source holds", start)
        by_channel = _stretches(block, window)
        by_channel *= scale
        channel_power += by_channel.sum(axis=1)
        stretches = by_channel.sum(axis=0)
        clicks, gap = _clicks(block, start, gap)
        has_click = np.zeros(len(stretches), np.int64)
        for click in clicks:
            has_click[max((click - n_fft) // (n_fft // 2) + 1, 0) : -(-click // (n_fft // 2))] = 1
        for stretch_power, kind in zip(stretches, has_click.tolist(), strict=True):
            total_db = 10.0 * math.log10(max(float(stretch_power.sum()), _FLOOR_POWER))
            index = min(max(int(-total_db // _CLASS_DB) + 2, 0), _CLASSES - 1)
            level_db = 10.0 * np.log10(np.maximum(stretch_power, _FLOOR_POWER))
            power[kind, index] += stretch_power
            level[kind, index] += level_db
            counts[kind, index] += 1
            bands.append(band_means(level_db, source.sample_rate / n_fft))
            totals.append(total_db)
            clicked.append(kind)
    kinds = _kinds(np.array(totals), np.array(clicked))
    power, level, counts = (one[:kinds].sum(axis=0) for one in (power, level, counts))
    counted = np.array(clicked) < kinds
    frames = int(counts.sum())
    loudest = int(np.argmax(counts > 0))
    loud = slice(loudest, loudest + _LOUD_CLASSES)
    return LongTermSpectrum(
        sample_rate=source.sample_rate,
        n_fft=n_fft,
        power=power.sum(axis=0) / max(frames, 1),
        channel_power=channel_power / max(len(totals), 1),
        mean_level_db=level[loud].sum(axis=0) / max(int(counts[loud].sum()), 1)
        if frames
        else np.full(n_fft // 2 + 1, 10.0 * math.log10(_FLOOR_POWER)),
        frames=frames,
        band_statistics_db=band_statistics(np.array(bands)[counted], np.array(totals)[counted])
        if frames
        else np.full((5, BAND_EDGES_HZ.size - 1), 10.0 * math.log10(_FLOOR_POWER), np.float32),
    )


def power_beside_offset(spectrum: LongTermSpectrum) -> NDArray[np.float64]:
    """``power`` less what a constant in the signal puts into every bin, by the sidelobes of the window."""
    lobes = np.abs(np.fft.rfft(np.hanning(spectrum.n_fft))) ** 2
    of_offset = _ROUNDING * spectrum.power[0] / lobes[0] * lobes
    beside: NDArray[np.float64] = np.maximum(spectrum.power - of_offset, 0.0)
    return beside


def band_means(level_db: NDArray[np.float64], bin_hz: float) -> NDArray[np.float32]:
    """Mean of the bins' levels over each band, bins in the last axis; of no meaning above the last bin."""
    edges = np.minimum(BAND_EDGES_HZ / bin_hz + 0.5, level_db.shape[-1])
    whole = np.minimum(edges.astype(np.int64), level_db.shape[-1] - 1)
    summed = np.concatenate([np.zeros_like(level_db[..., :1]), np.cumsum(level_db, axis=-1)], axis=-1)
    at_edges = summed[..., whole] + (edges - whole) * (summed[..., whole + 1] - summed[..., whole])
    means: NDArray[np.float64] = np.diff(at_edges) / np.maximum(np.diff(edges), 1e-9)
    return means.astype(np.float32)


def band_statistics(bands_db: NDArray[np.float32], totals_db: NDArray[np.float64]) -> NDArray[np.float32]:
    """Sum up bands over time: what moves with the music in them is the music's, what stays is the filter's.

    Args:
        bands_db: (stretches, bands), at least one.
        totals_db: (stretches,), level of each.

    Returns:
        (5, bands): mean over the stretches within 20 dB of the loudest; mean over those within 50 dB; of the
        loud ones the lowest and the highest tenth, and the level of their mean power.
    """
    loud = bands_db[totals_db > totals_db.max() - _LOUD_CLASSES * _CLASS_DB]
    most = bands_db[totals_db > totals_db.max() - _ALL_DB]
    mean_power = np.mean(10.0 ** (loud.clip(-200.0, _MOST_DB) / 10.0), axis=0)
    rows = [
        loud.mean(axis=0),
        most.mean(axis=0),
        *np.quantile(loud, (0.1, 0.9), axis=0),
        10.0 * np.log10(mean_power + _FLOOR_POWER),
    ]
    return np.stack(rows).astype(np.float32)


def _clicks(block: Audio, first: int, gap: range) -> tuple[list[int], range]:
    """Where sound was cut off into digital silence and where it comes back, as samples of a block.

    Args:
        block: (channels, samples).
        first: place of the block in its source.
        gap: the second result for the block before: what is silent here may have been cut off there.

    Returns:
        The places, and the last silence in the source that followed a cut, as far as the block goes.
    """
    silent = ~block.any(axis=0)
    if not silent.any():
        return [], gap
    loud = _ABRUPT * float(np.abs(block).max())
    clicks = []
    runs = np.flatnonzero(np.diff(silent, prepend=False, append=False)).reshape(-1, 2)
    for start, stop in runs[runs[:, 1] - runs[:, 0] >= _GAP].tolist():
        before = np.abs(block[:, max(start - _ABRUPT_SAMPLES, 0) : start])
        is_cut = first + start in gap or float(before.max(initial=0.0)) > loud
        if is_cut:
            clicks += [place for place in (start, stop) if 0 < place < silent.size]
            gap = range(first + start, first + stop)
    return clicks, gap


def _kinds(totals_db: NDArray[np.float64], clicked: NDArray[np.int64]) -> int:
    """1 where stretches without clicks are enough to go by, else 2: all count."""
    sounding = totals_db > 10.0 * math.log10(_FLOOR_POWER)
    most, left = int(sounding.sum()), int((sounding & (clicked == 0)).sum())
    return 1 if left == most or left >= max(_LEAST_SHARE * most, _LEAST_STRETCHES) else 2


def _blocks_of(parts: Sequence[tuple[int, int]], n_fft: int) -> list[tuple[int, int]]:
    """The same for some parts; those too short for a whole stretch count where there are no others."""
    long = [part for part in parts if part[1] - part[0] >= 2 * n_fft]
    return [block for start, stop in long or parts for block in _blocks(start, stop, n_fft)]


def _blocks(first: int, end: int, n_fft: int) -> list[tuple[int, int]]:
    """What to read: whole stretches only, since cut ends splash over the spectrum, unless it is short."""
    frames = end - first
    if frames == 0:
        return []
    if frames < 2 * n_fft:
        return [(first - n_fft // 2, end + n_fft // 2)]
    count = -(-(frames - n_fft + 1) // _BLOCK_FRAMES)
    indices = (
        range(count)
        if count <= _MOST_BLOCKS
        else (index * count // _MOST_BLOCKS for index in range(_MOST_BLOCKS))
    )
    starts = [first + index * _BLOCK_FRAMES for index in indices]
    return [(start, min(start + _BLOCK_FRAMES + n_fft // 2, end)) for start in starts]


def _stretches(block: Audio, window: NDArray[np.float64]) -> NDArray[np.float64]:
    """Power of half-overlapping windowed stretches: (channels, stretches, bins)."""
    n_fft = window.size
    hop = n_fft // 2
    framed = np.lib.stride_tricks.sliding_window_view(block, n_fft, axis=1)[:, ::hop]
    power: NDArray[np.float64] = np.abs(np.fft.rfft(framed * window, axis=2)) ** 2
    return power

"""The null test of a set of stems: the sum of what came out against the sum of what went in.

Below every crossover the two must cancel, or the stems no longer add up to their mix. Peaks in the first and
last milliseconds of each stem are told apart: where a sound is cut hard, a band of it reaches below itself.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from audiosr_fx.bandwidth import apply_fir, lowpass_fir
from audiosr_fx.files import FilePath, FileSource
from audiosr_fx.part import PartSource, region_at_rate
from audiosr_fx.peaks import decibels
from audiosr_fx.settings import Region
from audiosr_fx.sources import Audio, ResampledSource, Source

_BLOCK_FRAMES: Final = 65_536
_TRANSITION_HZ: Final = 200.0

END_S: Final = 0.005
"""How far from a recording's ends, beyond a filter's reach, peaks count as those of the ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StemPair:
    """A stem before and after, and the part of it that was rendered."""

    original: FilePath
    finished: FilePath
    region: Region | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NullSum:
    """What is left where the sum of the originals is taken from that of the finished stems.

    Attributes:
        stems: how many were summed.
        below_hz: up to where they were compared; None for all.
        left_dbfs: RMS of what is left, all of it; -inf for nothing.
        peak_dbfs: the largest sample that is left away from the ends of all stems; -inf for nothing.
        ends_peak_dbfs: the same at the ends.
    """

    stems: int
    below_hz: float | None
    left_dbfs: float
    peak_dbfs: float
    ends_peak_dbfs: float


def measure_null_sum(
    pairs: Sequence[StemPair],
    *,
    below_hz: float | None,
    gain_db: float = 0.0,
) -> NullSum:
    """Sum both sides block by block, at the highest rate of the finished stems, and compare them.

    Args:
        pairs: of any lengths; a mono stem is in every channel.
        below_hz: the lowest place where the model has changed a stem; None compares all.
        gain_db: that all stems were turned up by.

    Raises:
        AudioFormatError: a file that cannot be read.
    """
    with ExitStack() as files:
        before = [files.enter_context(FileSource(pair.original, warns=False)) for pair in pairs]
        after = [files.enter_context(FileSource(pair.finished)) for pair in pairs]
        rate = max(source.sample_rate for source in after)
        channels = max(source.channels for source in after)
        was = [_at(source, pair.region, rate) for source, pair in zip(before, pairs, strict=True)]
        now: list[Source] = [ResampledSource(source, rate) for source in after]
        taps = None
        if below_hz is not None and below_hz < rate / 2.0 - _TRANSITION_HZ:
            edge = max(below_hz - _TRANSITION_HZ / 2.0, _TRANSITION_HZ)
            taps = lowpass_fir(edge, rate, transition_hz=_TRANSITION_HZ)
        reach = 0 if taps is None else taps.size // 2
        ends = {place for source in now for place in (0, source.frames)}
        margin = reach + round(END_S * rate)
        peak, ends_peak, power_left = 0.0, 0.0, 0.0
        frames = max(source.frames for source in now)
        for start in range(0, frames, _BLOCK_FRAMES):
            first, stop = start - reach, min(start + _BLOCK_FRAMES, frames) + reach
            left = _sum(now, first, stop, channels)
            left -= _sum(was, first, stop, channels) * 10.0 ** (gain_db / 20.0)
            if taps is not None:
                left = apply_fir(left, taps)
            size, inside = np.abs(left), away_from(ends, margin, start, left.shape[1])
            peak = max(peak, float(np.max(size * inside, initial=0.0)))
            ends_peak = max(ends_peak, float(np.max(size * ~inside, initial=0.0)))
            power_left += float(np.square(left).sum(dtype=np.float64))
    left_rms = math.sqrt(power_left / (channels * frames)) if frames else 0.0
    return NullSum(
        stems=len(pairs),
        below_hz=None if taps is None else below_hz,
        left_dbfs=decibels(left_rms),
        peak_dbfs=decibels(peak),
        ends_peak_dbfs=decibels(ends_peak),
    )


def _at(source: FileSource, region: Region | None, rate: int) -> Source:
    """The part of an original that was rendered, at another rate, as a render brings it there."""
    resampled = ResampledSource(source, rate)
    if region is None:
        return resampled
    part = region_at_rate(region, source, rate)
    return PartSource(resampled, *part.within(resampled.frames))


def away_from(ends: Collection[int], margin: int, start: int, count: int) -> NDArray[np.bool_]:
    """Which of ``count`` samples from ``start`` on are farther than ``margin`` from all ends, (samples,)."""
    places = np.arange(start, start + count)
    away = np.ones(count, np.bool_)
    for end in ends:
        away &= np.abs(places - end) > margin
    return away


def _sum(sources: Sequence[Source], start: int, stop: int, channels: int) -> Audio:
    """All sources added up in float64, (channels, stop - start); mono goes to every channel."""
    total = np.zeros((channels, stop - start))
    for source in sources:
        audio = source.read(start, stop)
        total[: channels if source.channels == 1 else source.channels] += audio
    return total  # type: ignore[return-value]

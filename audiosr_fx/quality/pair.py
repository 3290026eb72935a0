"""A recording before and after, read in step: at one rate, from the same moment, with the same channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from audiosr_fx.bandwidth import Crossover, Verdict, apply_fir, crossover, judge, lowpass_fir
from audiosr_fx.part import PartSource
from audiosr_fx.quality.lag import find_lag
from audiosr_fx.sources import ResampledSource, Source, position_at_rate

_PROBE_S: Final = 6.0
_LAG_S: Final = 0.5
_SAME_CUTOFF: Final = 0.02  # the render may have looked at another part, or at another rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """What went in and what came out, of one rate and length.

    Attributes:
        before: the source at the output's rate.
        after: the output.
        lag: samples by which the output is late; ``after`` has been moved by it.
        is_comparable: whether both have the same channels.
        missing_s: how much shorter the output is than the source from there on; negative where it is longer.
    """

    before: Source
    after: Source
    lag: int
    is_comparable: bool
    missing_s: float


def align(source: Source, output: Source, *, start_s: float, loud_s: float, band: Crossover | None) -> Pair:
    """Bring an output and its source together.

    Args:
        source: what went in.
        output: what came out, at any rate; a mono source may have become wider.
        start_s: where in the source the output begins.
        loud_s: a loud moment of the output, where the two are held against each other for a delay.
        band: where a generated band begins, which says nothing about a delay.
    """
    rate = output.sample_rate
    resampled = ResampledSource(source, rate)
    start = position_at_rate(round(start_s * source.sample_rate), source.sample_rate, rate)
    left = max(resampled.frames - start, 0)
    frames = min(left, output.frames)
    is_comparable = source.channels in (1, output.channels)
    before = PartSource(resampled, start, start + frames, channels=output.channels if is_comparable else None)
    lag = _lag(before, output, loud_s, band) if is_comparable else 0
    return Pair(
        before=before,
        after=PartSource(output, lag, lag + frames),
        lag=lag,
        is_comparable=is_comparable,
        missing_s=(left - output.frames) / rate,
    )


def _lag(before: Source, after: Source, loud_s: float, band: Crossover | None) -> int:
    rate = before.sample_rate
    taps = np.ones(1)
    if band is not None and band.lower_hz < 0.45 * rate:
        taps = lowpass_fir(band.lower_hz * 0.8, rate, transition_hz=band.lower_hz * 0.4)
    start = round((loud_s - _PROBE_S / 2.0) * rate)
    stop = start + round(_PROBE_S * rate)
    start, stop = max(start, 0), min(max(stop, 0), before.frames)
    margin = taps.size // 2
    probes = [apply_fir(source.read(start - margin, stop + margin), taps) for source in (before, after)]
    return find_lag(probes[0], probes[1], round(_LAG_S * rate))


def band_of(source: Source, cutoff_hz: float | None) -> Crossover | None:
    """Where the generated band begins in a file whose cutoff is known.

    The source is judged again for how it rolls off; where that gives another cutoff, the one given counts.
    """
    if cutoff_hz is None:
        return None
    verdict = judge(source)
    found = verdict.cutoff_hz
    if found is not None and abs(found / cutoff_hz - 1.0) <= _SAME_CUTOFF:
        return crossover(verdict)
    return crossover(Verdict(cutoff_hz=cutoff_hz, process=True, reason="", kind="given"))

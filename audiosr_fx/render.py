"""Long, multichannel audio through the model: blocks of the input plus its generated upper band.

The input stays what it is: below the crossover it passes through, its level and length are kept, and only
what ``HighBand`` generates is added to it. Memory does not grow with the length. Where the low band is not to
be kept, what a cleaner leaves of the input, or what ``FullBand`` generates, takes its place.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from audiosr_fx.bandwidth import Verdict, crossover, judge
from audiosr_fx.cleaning import CleanedSource, Taken
from audiosr_fx.errors import AudioFormatError, ParameterError
from audiosr_fx.fullband import FullBand
from audiosr_fx.headroom import Headroom
from audiosr_fx.highband import HighBand
from audiosr_fx.meltrack import (
    HOP,
    SAMPLE_RATE,
    WINDOW_FRAMES,
    WINDOW_HOP,
    BandPlan,
    normalising_gains,
)
from audiosr_fx.progress import OnEvent, ProgressEvent, ShouldCancel, stop_if_asked
from audiosr_fx.recent import RecentSource
from audiosr_fx.settings import Region, RenderSettings, parse_region, session_rate
from audiosr_fx.sources import (
    MAX_CHANNELS,
    ArraySource,
    Audio,
    ResampledSource,
    Source,
    WeightedSum,
    check_audio,
    check_finite,
    check_sample_rate,
    native_rate_of,
    position_at_rate,
)

if TYPE_CHECKING:
    from audiosr_fx.cache import RenderCache
    from audiosr_fx.engine import Engine

__all__ = [
    "SAMPLE_RATE",
    "OnEvent",
    "ProgressEvent",
    "Region",
    "RenderSettings",
    "RenderStream",
    "Rendered",
    "ShouldCancel",
    "parse_region",
    "render",
    "render_array",
]

_HIGHEST_CUTOFF = 0.95  # of the Nyquist frequency of the output: above it there is nothing to add
_PASS_BLOCK_S = 1.0
_SHORTEST_S = 0.010  # a mel frame; less has no band to speak of
_SHORTEST_CLEANED_S = 3.0  # in less a held note is as steady as noise


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A finished render: float32 (channels, samples), its rate, and what was decided about the input.

    With a cache, ``blocks_made`` by the model and ``blocks_reused`` from an earlier render are counted.
    """

    audio: Audio
    sample_rate: int
    verdict: Verdict
    blocks_made: int = 0
    blocks_reused: int = 0


def render(
    source: Source,
    settings: RenderSettings,
    engine: Engine,
    *,
    sample_rate_out: int | None = None,
    region: Region | None = None,
    on_event: OnEvent | None = None,
    should_cancel: ShouldCancel | None = None,
    cache: RenderCache | None = None,
    ceiling: float | None = None,
) -> RenderStream:
    """Judge a source and start to render it.

    The source is read once from end to end here, even for a region: the cutoff and the level in front of the
    vocoder are decisions for the whole file, so that a region comes out as it would in the whole.

    Args:
        source: any rate from 1 to 768 kHz, 1 to 32 channels.
        settings: what to do; ``settings.model`` is what ``engine`` holds and is not looked at.
        engine: the model.
        sample_rate_out: of the result, in Hz. None: 48 kHz, or the source's own rate where that is higher.
        region: the part to render; its result is bit for bit (on a CPU) the same part of the whole.
        on_event: hears how far the render is.
        should_cancel: asked between windows and between sampling steps.
        cache: where what the model makes is kept, and taken from when all it is made from is the same; so a
            render that was stopped goes on where it was, and another tone or limiter needs no model.
        ceiling: where the sum would have a larger magnitude than this, the new band gives way, and nothing
            else; for what is written to an integer format as it is, see ``audiosr_fx.writer.ceiling_of``.
            Where a model makes the low band anew as well, nothing gives way.

    Returns:
        The stream; iterating does the work.

    Raises:
        AudioFormatError: NaN or Inf, or a rate or channel count we cannot take.
        ParameterError: a region beyond the end, a ceiling of 0 or less, or settings the model cannot do.
        RenderCancelled: should_cancel said so; here or while iterating.
    """
    check_sample_rate(source.sample_rate)
    if not 1 <= source.channels <= MAX_CHANNELS:
        raise AudioFormatError(f"the source has {source.channels} channels; expected 1 to {MAX_CHANNELS}")
    if ceiling is not None and not ceiling > 0.0:
        raise ParameterError(f"ceiling is {ceiling}; expected a magnitude of more than 0, or None")
    rate_out = (
        session_rate(source.sample_rate) if sample_rate_out is None else check_sample_rate(sample_rate_out)
    )
    start, stop = _whole(source) if region is None else region.within(source.frames)
    seconds_apart = _seconds_apart(engine, settings, source.channels, looks_ahead=ceiling is not None)
    recent = RecentSource(source, seconds_apart, should_cancel)
    seconds = (stop - start) / source.sample_rate
    if on_event is not None:
        on_event(
            ProgressEvent(
                stage="measure", windows_done=0, windows_total=0, seconds_done=0.0, seconds_total=seconds
            )
        )
    engine.sampling(settings)  # settings that cannot work fail before the file is read
    gains = normalising_gains(measure_peaks(recent))
    at_48k = _at_rate(recent, SAMPLE_RATE, seconds_apart)
    cleaned = None
    if _cleans(settings, engine) and source.frames >= _SHORTEST_CLEANED_S * source.sample_rate:
        cleaned = CleanedSource(at_48k, engine, gains, should_cancel=should_cancel, cache=cache)
    verdict = _verdict(recent, cleaned, settings, rate_out, engine)
    return RenderStream(
        at_48k if rate_out == SAMPLE_RATE else _at_rate(recent, rate_out, seconds_apart),
        at_48k,
        settings,
        engine,
        verdict,
        gains,
        cleaned=cleaned if verdict.is_cleaned else None,
        start=position_at_rate(start, source.sample_rate, rate_out),
        stop=position_at_rate(stop, source.sample_rate, rate_out),
        on_event=on_event,
        should_cancel=should_cancel,
        cache=cache,
        ceiling=ceiling,
    )


def render_array(
    audio: NDArray[Any],
    sample_rate: float,
    settings: RenderSettings | None = None,
    *,
    engine: Engine | None = None,
    sample_rate_out: int | None = None,
    region: Region | None = None,
    on_event: OnEvent | None = None,
    should_cancel: ShouldCancel | None = None,
    cache: RenderCache | None = None,
) -> Rendered:
    """Render an array in one call; see ``render``.

    Args:
        audio: floating point (channels, samples), full scale ±1.0; left as it is.
        sample_rate: in Hz.
        settings: None for the defaults.
        engine: None loads the one that ``settings.model`` names.
        sample_rate_out: see ``render``.
        region: see ``render``.
        on_event: see ``render``.
        should_cancel: see ``render``.
        cache: see ``render``.

    Raises:
        As ``render``; also CheckpointError where the weights are missing.
    """
    settings = settings or RenderSettings()
    source = ArraySource(check_audio(audio, sample_rate), sample_rate)
    if engine is None:
        from audiosr_fx.engine import load_engine

        engine = load_engine(settings.model)
    stream = render(
        source,
        settings,
        engine,
        sample_rate_out=sample_rate_out,
        region=region,
        on_event=on_event,
        should_cancel=should_cancel,
        cache=cache,
    )
    out = np.empty((stream.channels, stream.frames), np.float32)
    position = 0
    for block in stream:
        out[:, position : position + block.shape[1]] = block
        position += block.shape[1]
    return Rendered(
        audio=out,
        sample_rate=stream.sample_rate,
        verdict=stream.verdict,
        blocks_made=stream.blocks_made,
        blocks_reused=stream.blocks_reused,
    )


class RenderStream:
    """A render in progress: an iterator of float32 (channels, n) blocks, ``frames`` samples in all.

    Attributes:
        verdict: what was found about the input, and why it is rendered or passes through.
        sample_rate: of the blocks, in Hz.
        channels: of the blocks.
        frames: samples per channel that the blocks add up to.
    """

    def __init__(
        self,
        base: Source,
        at_48k: Source,
        settings: RenderSettings,
        engine: Engine,
        verdict: Verdict,
        gains: NDArray[np.float32],
        *,
        cleaned: Source | None,
        start: int,
        stop: int,
        on_event: OnEvent | None,
        should_cancel: ShouldCancel | None,
        cache: RenderCache | None,
        ceiling: float | None,
    ) -> None:
        """Made by ``render``: the input at the rate of the blocks and at 48 kHz, and there as it is cleaned.

        ``start`` and ``stop`` are samples of ``base``.
        """
        self.verdict = verdict
        self.sample_rate = base.sample_rate
        self.channels = base.channels
        self.frames = stop - start
        self._start, self._stop, self._position = start, stop, start
        self._on_event = on_event
        self._should_cancel = should_cancel
        self._windows = (0, 0)
        self._windows_done = 0
        self._base = base
        self._mix = np.float32(settings.mix)
        self._generated: HighBand | None = None
        self._headroom: Headroom | None = None
        self._yielding: Source | None = None
        given = at_48k if cleaned is None else cleaned
        makes_all = not settings.keep_low_band and engine.config.cleaner is None
        terms: list[tuple[float, Source]] = [] if cleaned is None else [(1.0, cleaned), (-1.0, at_48k)]
        if verdict.process and self.frames > 0:
            band = (FullBand if makes_all else HighBand)(
                given,
                engine,
                settings,
                BandPlan(crossover=crossover(verdict), gains=gains),
                on_window=self._window_done,
                should_cancel=should_cancel,
                cache=cache,
            )
            self._generated = band
            self._windows = self._windows_of(band)
            terms += [(1.0, band), (-1.0, at_48k)] if makes_all else [(1.0, band)]
            if ceiling is not None and not makes_all:
                self._headroom = Headroom(ceiling, self.sample_rate)
        if self._headroom is not None and cleaned is not None:  # the band is read twice, in step
            recent = RecentSource(terms[-1][1], _PASS_BLOCK_S + WINDOW_HOP * HOP / SAMPLE_RATE)
            terms[-1] = (1.0, recent)
            self._yielding = ResampledSource(recent, self.sample_rate)
        self._change = ResampledSource(WeightedSum(terms), self.sample_rate) if terms else None
        block_s = WINDOW_HOP * HOP / SAMPLE_RATE if terms else _PASS_BLOCK_S
        self._block = max(1, int(block_s * self.sample_rate))

    @property
    def blocks_made(self) -> int:
        """Blocks of the new band that the model made so far, where there is a cache to count them."""
        return 0 if self._generated is None else len(self._generated.made)

    @property
    def blocks_reused(self) -> int:
        """Blocks that came from the cache so far."""
        return 0 if self._generated is None else len(self._generated.reused)

    @property
    def gave_way_s(self) -> float:
        """For how long the new band gave way to the ceiling so far, in seconds; 0 without one."""
        return 0.0 if self._headroom is None else self._headroom.frames / self.sample_rate

    @property
    def lift_db(self) -> float:
        """By how much the new band would have gone over the ceiling: the most so far; 0 without one."""
        return 0.0 if self._headroom is None else self._headroom.lift_db

    def __iter__(self) -> Iterator[Audio]:
        return self

    def __next__(self) -> Audio:
        if self._position >= self._stop:
            raise StopIteration
        stop_if_asked(self._should_cancel)
        stop = min(self._stop, (self._position // self._block + 1) * self._block)
        out = self._read(self._position, stop)
        self._position = stop
        if stop == self._stop:
            self._windows_done = self._windows[1] - self._windows[0]
        self._report()
        return out

    def _read(self, start: int, stop: int) -> Audio:
        reach = 0 if self._headroom is None else self._headroom.reach
        base = self._base.read(start - reach, stop + reach)
        if self._change is None:
            return base
        change = self._mix * self._change.read(start - reach, stop + reach)
        if self._headroom is None:
            return base + change
        if self._yielding is None:
            return self._headroom.fit(base + change, base, change)
        band = self._mix * self._yielding.read(start - reach, stop + reach)
        return self._headroom.fit(base + change, base + (change - band), band)

    def _windows_of(self, band: HighBand) -> tuple[int, int]:
        """First and last plus one of the windows that the asked-for stretch lies in."""
        per_window = WINDOW_HOP * HOP * self.sample_rate / SAMPLE_RATE
        first = min(int(self._start / per_window), band.mel.windows - 1)
        return first, max(first + 1, min(band.mel.windows, math.ceil(self._stop / per_window)))

    def _window_done(self, index: int) -> None:
        first, stop = self._windows
        self._windows_done = max(self._windows_done, min(index + 1, stop) - first)
        self._report()

    def _report(self) -> None:
        if self._on_event is None:
            return
        first, stop = self._windows
        self._on_event(
            ProgressEvent(
                stage="render",
                windows_done=self._windows_done,
                windows_total=stop - first,
                seconds_done=(self._position - self._start) / self.sample_rate,
                seconds_total=self.frames / self.sample_rate,
            )
        )


def measure_peaks(source: Source) -> NDArray[np.float32]:
    """The largest absolute sample of each channel: (channels,).

    Raises:
        AudioFormatError: NaN or Inf; the text says where.
    """
    peaks = np.zeros(source.channels, np.float32)
    for start in range(0, source.frames, 1 << 18):
        block = source.read(start, min(start + (1 << 18), source.frames))
        check_finite(block, "the source holds", start)
        peaks = np.maximum(peaks, np.abs(block).max(axis=1))
    return peaks


def _cleans(settings: RenderSettings, engine: Engine) -> bool:
    """Whether an input is to be cleaned, and judged and continued as it is then."""
    return not settings.keep_low_band and settings.mix > 0.0 and engine.config.cleaner is not None


def _verdict(
    source: Source, cleaned: CleanedSource | None, settings: RenderSettings, rate_out: int, engine: Engine
) -> Verdict:
    """Judge a source, without its noise where that goes, and say what becomes of its low band."""
    taken = None
    if cleaned is not None:
        parts = cleaned.telling_parts()
        verdict = _gated(cleaned, settings, rate_out, parts)
        taken = cleaned.taken(parts)
        is_silent = verdict.kind == "silent" and judge(source).kind == "silent"  # not by losing its noise
        verdict = replace(verdict, is_cleaned=not is_silent and not taken.is_most)
    if taken is None or taken.is_most:
        verdict = _gated(source, settings, rate_out)
    if settings.keep_low_band:
        return verdict
    if verdict.is_cleaned and taken is not None:
        what = f"steady tones and hiss are taken away{_amount(taken)}"
    elif verdict.process and engine.config.cleaner is None:
        what = "below the cutoff the input is not kept but made anew"
    elif not _cleans(settings, engine) or verdict.kind == "silent":
        what = "the input is kept as it is"
    elif taken is None:
        what = f"no noise is taken away, as less than {_SHORTEST_CLEANED_S:.0f} s may be one held note"
    else:
        what = (
            "no noise is taken away, as it would be most of the recording"
            f" ({taken.dbfs:.0f} of {taken.from_dbfs:.0f} dBFS RMS)"
        )
    return replace(verdict, reason=f"{verdict.reason}; {what}")


def _amount(taken: Taken) -> str:
    return ", of which there is next to nothing" if taken.is_nothing else f", {taken.dbfs:.0f} dBFS RMS of it"


def _gated(
    source: Source,
    settings: RenderSettings,
    rate_out: int,
    parts: Sequence[tuple[int, int]] | None = None,
) -> Verdict:
    """Judge a source; what a result at that rate, or the model, has no room for is not generated."""
    sample_rate = min(rate_out, SAMPLE_RATE)
    verdict = judge(source, cutoff_hz=settings.cutoff_hz, parts=parts)
    if verdict.process and source.frames < _SHORTEST_S * source.sample_rate:
        return replace(verdict, process=False, reason=f"shorter than {1000 * _SHORTEST_S:.0f} ms")
    limit_hz = _HIGHEST_CUTOFF * sample_rate / 2.0 - 1.0
    full = verdict.kind == "nyquist" and sample_rate <= native_rate_of(source)
    if verdict.process and verdict.cutoff_hz is not None and (full or verdict.cutoff_hz > limit_hz):
        who = "a result" if rate_out <= SAMPLE_RATE else "the model"
        reason = f"{verdict.reason}; {who} at {sample_rate} Hz has no room for more"
        return replace(verdict, process=False, reason=reason)
    if verdict.process and settings.mix == 0.0:
        return replace(verdict, process=False, reason=f"{verdict.reason}; mix is 0, so nothing is added")
    return verdict


def _seconds_apart(
    engine: Engine, settings: RenderSettings, channels: int, *, looks_ahead: bool = False
) -> float:
    """How far the model reads ahead of what is handed out: a batch of windows, two blocks, some context.

    Where a block looks ahead for peaks, the model has made the next one already.
    """
    frames = WINDOW_FRAMES + (max(1, engine.batch_size // channels) + 3) * WINDOW_HOP
    if _cleans(settings, engine):
        frames += WINDOW_HOP + 2 * engine.cleaner_context
    if looks_ahead:
        frames += WINDOW_HOP
    return frames * HOP / SAMPLE_RATE + 1.0


def _at_rate(source: Source, sample_rate: int, seconds_apart: float) -> Source:
    """The source at another rate, resampled once however often it is read."""
    if sample_rate == source.sample_rate:
        return source
    return RecentSource(ResampledSource(source, sample_rate), seconds_apart)


def _whole(source: Source) -> tuple[int, int]:
    return 0, source.frames

"""A board over a signal of any length, block by block: what can stream does, what cannot gets the whole.

Each stage gives as many samples as it gets, so nothing shifts: what it holds back is drawn out with silence.
A stage that must see its input as a whole, and comes after others, reads it from a temporary file, so memory
stays bounded unless an effect itself takes only arrays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, repeat, tee
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audiosr_fx.contract import BUFFER_SIZE
from audiosr_fx.errors import PluginError
from audiosr_fx.part import Part
from audiosr_fx.program import EffectStage, ParallelStage, Program, Stage
from audiosr_fx.progress import OnEvent, PassProgress, ShouldCancel, stop_if_asked
from audiosr_fx.settings import Region
from audiosr_fx.sources import ArraySource, Audio, Source, check_finite, native_rate_of, speakers_of
from audiosr_fx.spool import SpoolSource

if TYPE_CHECKING:
    from audiosr_fx.bandwidth import Verdict
    from audiosr_fx.cache import RenderCache
    from audiosr_fx.render import RenderStream
    from audiosr_fx.settings import RenderSettings

CHUNK_FRAMES = 65_536
RUN_UP_S = 2.0
"""Of real audio before a region, in which filters, gates and limiters settle."""
RUN_OUT_S = 0.5
"""Behind it, for those that look ahead."""
LONGEST_HOLD_S = 60
"""A stage that still holds back samples after so much silence will never give them."""


class Bounce:
    """A program on its way over a source: an iterator of float32 (channels, n) blocks, as long as the source.

    A region of a source is gone through with some of what lies around it, which is cut off in the end:
    filters and limiters have settled where it begins, and a model knows what comes before and after. A model
    that is the first of a program sees the whole source; loudness is measured in the region alone.

    Attributes:
        first_sample: where in the source it begins.
        streams: of every ``AudioSR`` that has begun.
        renders: of every ``AudioSR`` that has begun: its settings, and what it found in its input.
    """

    def __init__(
        self,
        program: Program,
        source: Source,
        *,
        region: Region | None = None,
        name: str = "the source",
        folder: Path | None = None,
        on_event: OnEvent | None = None,
        should_cancel: ShouldCancel | None = None,
        cache: RenderCache | None = None,
        ceiling: float | None = None,
    ) -> None:
        """Begin.

        Args:
            program: of a board that nobody else uses meanwhile.
            source: the input; its rate is the rate of the result.
            region: the part of it to give, in its samples; None is all of it.
            name: of the input, for messages.
            folder: for temporary files; None is the system's.
            on_event: hears how far it is; seconds are of the whole, over all passes.
            should_cancel: asked at every block.
            cache: of the models.
            ceiling: of the samples, for a program of one model and nothing else: what it adds gives way, see
                ``audiosr_fx.render.render``. In other programs a limiter may follow, or a gain.
        """
        self.streams: list[RenderStream] = []
        self.renders: list[tuple[RenderSettings, Verdict]] = []
        self._program = program
        self._source = source
        self._name = name
        self._folder = folder
        self._should_cancel = should_cancel
        self._cache = cache
        is_one_effect = len(program.stages) == 1 and isinstance(program.stages[0], EffectStage)
        self._ceiling = ceiling if is_one_effect else None
        self._part = _part_of(source, region, program.stages)
        self.first_sample = self._part.kept_start
        seconds = self._part.frames / source.sample_rate
        self._progress = PassProgress(on_event, seconds, 1 + _passes(program.stages, is_source=True)[0])

    def __iter__(self) -> Iterator[Audio]:
        """The blocks; reading them does the work.

        Raises:
            AudioFormatError: NaN or Inf, in the source or from a stage.
            ParameterError: settings that do not fit the rate.
            PluginError: a plugin failed.
            RenderCancelled: should_cancel said so.
        """
        self._program.check(self._source.sample_rate)
        self._progress.begin()
        signal = _Signal(self._source, self._name, self._part)
        blocks = self._counted(self._run(self._program, signal).blocks())
        kept = self._part.from_its_start()
        yield from blocks if kept.is_whole(kept.frames) else _cut(blocks, kept.kept_start, kept.kept_stop)

    def _run(self, program: Program, signal: _Signal) -> _Signal:
        for stage in program.stages:
            signal = self._through(stage, signal)
        return signal

    def _through(self, stage: Stage, signal: _Signal) -> _Signal:
        if isinstance(stage, ParallelStage):
            return signal.followed_by(self._mixed(stage, signal), str(stage))
        if stage.streams_as_whole:
            return signal.followed_by(self._streamed(stage, signal), str(stage))
        signal = self._whole(signal)
        effect: Any = stage.effect if isinstance(stage, EffectStage) else None
        render_source = getattr(effect, "render_source", None)
        if render_source is None:
            processed = self._processed(stage, signal)
            return _Signal(processed, str(stage), signal.part.from_its_start())
        how: dict[str, Any] = {
            "on_event": self._progress.listener(),
            "should_cancel": self._should_cancel,
        }
        if getattr(effect, "takes_cache", False):
            how["cache"] = self._cache
        if self._ceiling is not None and getattr(effect, "takes_ceiling", False):
            how["ceiling"] = self._ceiling
        if signal.is_part and getattr(effect, "takes_parts", False):
            stream = render_source(signal.origin, part=signal.part, **how)
        else:
            stream = render_source(signal.given, **how)
        after = signal.followed_by(iter(stream), str(stage))
        verdict: Verdict | None = getattr(stream, "verdict", None)
        if verdict is None:
            return after
        self.renders.append((effect.settings, verdict))
        self.streams.append(stream)
        return replace(after, native_rate=after.sample_rate) if verdict.process else after

    def _streamed(self, stage: Stage, signal: _Signal) -> Iterator[Audio]:
        """A stage over a stream: the last samples it holds are drawn out with silence."""
        rate, channels, frames = signal.sample_rate, signal.channels, signal.frames
        stage.prepare(rate, channels)
        silence = np.zeros((channels, CHUNK_FRAMES), np.float32)
        done = 0
        for block in chain(
            _even(signal.blocks()), repeat(silence, 1 + LONGEST_HOLD_S * rate // CHUNK_FRAMES)
        ):
            if done == frames:
                return
            stop_if_asked(self._should_cancel)
            out = stage.process(block, rate, BUFFER_SIZE, False)[:, : frames - done]
            done += out.shape[1]
            if out.shape[1]:
                yield out
        if done != frames:
            raise PluginError(
                f"{stage} gave {done} of {frames} samples; it does not keep to the call contract"
            )

    def _mixed(self, stage: ParallelStage, signal: _Signal) -> Iterator[Audio]:
        """Branches in step; they share a stream where all can, and read a source where one cannot."""
        if not stage.branches:
            for block in signal.blocks():
                yield np.zeros_like(block)
            return
        if stage.streams_as_whole:
            inputs = [
                signal.followed_by(blocks, signal.maker)
                for blocks in tee(signal.blocks(), len(stage.branches))
            ]
        else:
            inputs = list(repeat(self._whole(signal), len(stage.branches)))
        branches = [
            self._run(branch, start).blocks() for branch, start in zip(stage.branches, inputs, strict=True)
        ]
        waiting = [np.zeros((signal.channels, 0), np.float32)] * len(branches)
        done = 0
        while done < signal.frames:
            waiting = [
                held if held.shape[1] else next(branch)
                for held, branch in zip(waiting, branches, strict=True)
            ]
            ready = min(held.shape[1] for held in waiting)
            mixed = waiting[0][:, :ready].copy()
            for held in waiting[1:]:
                mixed += held[:, :ready]
            waiting = [held[:, ready:] for held in waiting]
            done += ready
            yield mixed

    def _processed(self, stage: Stage, signal: _Signal) -> Source:
        """A stage that takes only arrays: the signal is held whole."""
        stop_if_asked(self._should_cancel)
        source = signal.given
        audio = source.read(0, source.frames)
        check_finite(audio, f"{signal.maker} gives")
        if source.frames:
            audio = stage.process(audio, source.sample_rate, BUFFER_SIZE, True)
            check_finite(audio, f"{stage} gives")
        self._progress.advance(source.frames / source.sample_rate)
        return ArraySource(audio, source.sample_rate, speakers_of(source), native_rate=native_rate_of(source))

    def _whole(self, signal: _Signal) -> _Signal:
        """The signal as one that is read from a source: as it is, or by way of a temporary file."""
        if signal.once is None:
            return signal
        spool = SpoolSource(
            signal.sample_rate,
            signal.channels,
            self._folder,
            speakers=speakers_of(signal.origin),
            native_rate=signal.native_rate or native_rate_of(signal.origin),
        )
        for block in self._counted(signal.blocks()):
            spool.append(block)
        return _Signal(spool, signal.maker, signal.part.from_its_start())

    def _counted(self, blocks: Iterator[Audio]) -> Iterator[Audio]:
        for block in blocks:
            stop_if_asked(self._should_cancel)
            yield block
            self._progress.advance(block.shape[1] / self._source.sample_rate)


@dataclass(frozen=True, slots=True)
class _Signal:
    """Audio between two stages: a part of a source, or as many samples in blocks that can be had once.

    ``maker`` is who made it, for messages. ``native_rate`` is how far it can reach, see ``native_rate_of``;
    None is that of the origin.
    """

    origin: Source
    maker: str
    part: Part
    once: Iterator[Audio] | None = None
    native_rate: int | None = None

    @property
    def is_part(self) -> bool:
        return not self.part.is_whole(self.origin.frames)

    @property
    def given(self) -> Source:
        """The part alone, as a source; only where it is read from one."""
        return self.part.given(self.origin) if self.is_part else self.origin

    @property
    def sample_rate(self) -> int:
        return self.origin.sample_rate

    @property
    def channels(self) -> int:
        return self.origin.channels

    @property
    def frames(self) -> int:
        return self.part.frames

    def followed_by(self, blocks: Iterator[Audio], maker: str) -> _Signal:
        return _Signal(self.origin, maker, self.part, blocks, self.native_rate)

    def blocks(self) -> Iterator[Audio]:
        position = self.part.start
        for block in self._read() if self.once is None else self.once:
            check_finite(block, f"{self.maker} gives", position)
            position += block.shape[1]
            yield block

    def _read(self) -> Iterator[Audio]:
        for start in range(self.part.start, self.part.stop, CHUNK_FRAMES):
            yield self.origin.read(start, min(start + CHUNK_FRAMES, self.part.stop))


def _part_of(source: Source, region: Region | None, stages: Sequence[Stage]) -> Part:
    """What of a source to go through for a region: as much around it as the stages need to settle."""
    if region is None:
        return Part.whole(source.frames)
    start, stop = region.within(source.frames)
    before_s, behind_s = _surroundings_s(stages)
    return Part(
        start=max(0, start - round(before_s * source.sample_rate)),
        stop=min(source.frames, stop + round(behind_s * source.sample_rate)),
        kept_start=start,
        kept_stop=stop,
    )


def _surroundings_s(stages: Sequence[Stage]) -> tuple[float, float]:
    """Seconds before and behind a region: none where the only stage reads what it needs by itself."""
    if not stages or (len(stages) == 1 and _takes_parts(stages[0])):
        return 0.0, 0.0
    heard_s = max(_context_s(stage) for stage in (stages[1:] if _takes_parts(stages[0]) else stages))
    return max(RUN_UP_S, heard_s), max(RUN_OUT_S, heard_s)


def _takes_parts(stage: Stage) -> bool:
    return isinstance(stage, EffectStage) and getattr(stage.effect, "takes_parts", False)


def _context_s(stage: Stage) -> float:
    """Seconds around a sample that a stage, or a branch of it, makes use of."""
    if isinstance(stage, ParallelStage):
        inner = (one for branch in stage.branches for one in branch.stages)
        return max((_context_s(one) for one in inner), default=0.0)
    return float(getattr(stage.effect, "context_s", 0.0)) if isinstance(stage, EffectStage) else 0.0


def _cut(blocks: Iterator[Audio], start: int, stop: int) -> Iterator[Audio]:
    """The samples from start to stop of a stream, which is read to its end."""
    position = 0
    for block in blocks:
        kept = block[:, max(start - position, 0) : max(stop - position, 0)]
        position += block.shape[1]
        if kept.shape[1]:
            yield kept


def _even(blocks: Iterator[Audio]) -> Iterator[Audio]:
    """The same samples in blocks of one size, the last filled up: some plugins slip on small or odd ones."""
    waiting: list[Audio] = []
    for block in blocks:
        waiting.append(block)
        if sum(piece.shape[1] for piece in waiting) >= CHUNK_FRAMES:
            joined = np.concatenate(waiting, axis=1)
            whole = joined.shape[1] // CHUNK_FRAMES * CHUNK_FRAMES
            for start in range(0, whole, CHUNK_FRAMES):
                yield np.ascontiguousarray(joined[:, start : start + CHUNK_FRAMES])
            waiting = [joined[:, whole:].copy()]
    rest = np.concatenate(waiting, axis=1) if waiting else None
    if rest is not None and rest.shape[1]:
        yield np.pad(rest, ((0, 0), (0, CHUNK_FRAMES - rest.shape[1])))


def _passes(stages: Sequence[Stage], *, is_source: bool) -> tuple[int, bool]:
    """How often the signal is gone through before its result can be read, and whether that is a source."""
    passes = 0
    for stage in stages:
        if stage.streams_as_whole:
            is_source = False
            continue
        if isinstance(stage, ParallelStage):
            passes += not is_source
            passes += sum(_passes(branch.stages, is_source=True)[0] for branch in stage.branches)
            is_source = False
            continue
        passes += not is_source
        takes_sources = isinstance(stage, EffectStage) and hasattr(stage.effect, "render_source")
        passes += not takes_sources
        is_source = not takes_sources
    return passes, is_source

"""A board over a signal of any length, block by block: what can stream does, what cannot gets the whole.

Each stage gives as many samples as it gets, so nothing shifts: what it holds back is drawn out with silence.
A stage that must see its input as a whole, and comes after others, reads it from a temporary file, so memory
stays bounded unless an effect itself takes only arrays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, repeat, tee
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audiosr_fx.contract import BUFFER_SIZE
from audiosr_fx.errors import AudioFormatError, PluginError
from audiosr_fx.program import EffectStage, ParallelStage, Program, Stage
from audiosr_fx.progress import OnEvent, PassProgress, ShouldCancel
from audiosr_fx.recent import stop_if_asked
from audiosr_fx.sources import ArraySource, Audio, Source
from audiosr_fx.spool import SpoolSource

if TYPE_CHECKING:
    from audiosr_fx.bandwidth import Verdict
    from audiosr_fx.settings import RenderSettings

CHUNK_FRAMES = 65_536
LONGEST_HOLD_S = 60
"""A stage that still holds back samples after so much silence will never give them."""


class Bounce:
    """A program on its way over a source: an iterator of float32 (channels, n) blocks, as long as the source.

    Attributes:
        renders: of every ``AudioSR`` that has begun: its settings, and what it found in its input.
    """

    def __init__(
        self,
        program: Program,
        source: Source,
        *,
        name: str = "the source",
        folder: Path | None = None,
        on_event: OnEvent | None = None,
        should_cancel: ShouldCancel | None = None,
    ) -> None:
        """Begin.

        Args:
            program: of a board that nobody else uses meanwhile.
            source: the input; its rate is the rate of the result.
            name: of the input, for messages.
            folder: for temporary files; None is the system's.
            on_event: hears how far it is; seconds are of the whole, over all passes.
            should_cancel: asked at every block.
        """
        self.renders: list[tuple[RenderSettings, Verdict]] = []
        self._program = program
        self._source = source
        self._name = name
        self._folder = folder
        self._should_cancel = should_cancel
        seconds = source.frames / source.sample_rate
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
        blocks = self._run(self._program, _Signal(self._source, self._name)).blocks()
        yield from self._counted(blocks)

    def _run(self, program: Program, signal: _Signal) -> _Signal:
        for stage in program.stages:
            signal = self._through(stage, signal)
        return signal

    def _through(self, stage: Stage, signal: _Signal) -> _Signal:
        if isinstance(stage, ParallelStage):
            return signal.followed_by(self._mixed(stage, signal), str(stage))
        if stage.streams_as_whole:
            return signal.followed_by(self._streamed(stage, signal), str(stage))
        source = self._whole(signal)
        effect: Any = stage.effect if isinstance(stage, EffectStage) else None
        render_source = getattr(effect, "render_source", None)
        if render_source is None:
            return _Signal(self._processed(stage, source, signal.maker), str(stage))
        stream = render_source(source, on_event=self._progress.listener(), should_cancel=self._should_cancel)
        if getattr(stream, "verdict", None) is not None:
            self.renders.append((effect.settings, stream.verdict))
        return signal.followed_by(iter(stream), str(stage))

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
            inputs = list(repeat(_Signal(self._whole(signal), signal.maker), len(stage.branches)))
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

    def _processed(self, stage: Stage, source: Source, maker: str) -> Source:
        """A stage that takes only arrays: the signal is held whole."""
        stop_if_asked(self._should_cancel)
        audio = source.read(0, source.frames)
        _check_finite(audio, 0, maker)
        if source.frames:
            audio = stage.process(audio, source.sample_rate, BUFFER_SIZE, True)
            _check_finite(audio, 0, str(stage))
        self._progress.advance(source.frames / source.sample_rate)
        return ArraySource(audio, source.sample_rate)

    def _whole(self, signal: _Signal) -> Source:
        """The signal as a source: as it is, or by way of a temporary file."""
        if signal.source is not None:
            return signal.source
        spool = SpoolSource(signal.sample_rate, signal.channels, self._folder)
        for block in self._counted(signal.blocks()):
            spool.append(block)
        return spool

    def _counted(self, blocks: Iterator[Audio]) -> Iterator[Audio]:
        for block in blocks:
            stop_if_asked(self._should_cancel)
            yield block
            self._progress.advance(block.shape[1] / self._source.sample_rate)


@dataclass(frozen=True, slots=True)
class _Signal:
    """Audio between two stages: a source, or blocks that can be had once; who made it, for messages."""

    origin: Source
    maker: str
    once: Iterator[Audio] | None = None

    @property
    def source(self) -> Source | None:
        return self.origin if self.once is None else None

    @property
    def sample_rate(self) -> int:
        return self.origin.sample_rate

    @property
    def channels(self) -> int:
        return self.origin.channels

    @property
    def frames(self) -> int:
        return self.origin.frames

    def followed_by(self, blocks: Iterator[Audio], maker: str) -> _Signal:
        return _Signal(self.origin, maker, blocks)

    def blocks(self) -> Iterator[Audio]:
        position = 0
        for block in self._read() if self.once is None else self.once:
            _check_finite(block, position, self.maker)
            position += block.shape[1]
            yield block

    def _read(self) -> Iterator[Audio]:
        for start in range(0, self.frames, CHUNK_FRAMES):
            yield self.origin.read(start, min(start + CHUNK_FRAMES, self.frames))


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


def _check_finite(audio: Audio, position: int, maker: str) -> None:
    finite = np.isfinite(audio)
    if not finite.all():
        channel, sample = (int(i) for i in np.argwhere(~finite)[0])
        raise AudioFormatError(
            f"{maker} gives {audio[channel, sample]} at sample {position + sample} of channel {channel};"
            " expected finite values"
        )


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

"""The last stage: a loudness and a ceiling at once, which takes a few rounds of gain and limiting."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from audiosr_fx.checked_settings import Setting, check_settings, describe_settings
from audiosr_fx.contract import BUFFER_SIZE, OwnEffect, check_call
from audiosr_fx.errors import ParameterError
from audiosr_fx.limiter import LimiterSettings, LimiterStream
from audiosr_fx.loudness import apply_gain
from audiosr_fx.meters import Levels, Meter, measure, read_blocks, weights_of, why_undefined
from audiosr_fx.part import Part
from audiosr_fx.progress import OnEvent, ShouldCancel
from audiosr_fx.sources import ArraySource, Audio, Source

Outcome: TypeAlias = Literal[
    "reached", "on target already", "max_gain_db", "max_limiting_db", "no convergence", "silent", "undefined"
]

MAX_ROUNDS: Final = 10

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterSettings:
    """Controls of mastering; see ``audiosr_fx.params``."""

    target_lufs: float = -14.0
    ceiling_dbtp: float = -1.0
    tolerance_lu: float = 0.1
    max_gain_db: float = 20.0
    max_limiting_db: float = 12.0
    lookahead_ms: float = 5.0
    release_ms: float = 100.0

    def __post_init__(self) -> None:
        check_settings(self)

    @property
    def limiter(self) -> LimiterSettings:
        """For the limiter, whose channels are linked."""
        return LimiterSettings(
            ceiling_dbtp=self.ceiling_dbtp, lookahead_ms=self.lookahead_ms, release_ms=self.release_ms
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Mastering:
    """What a signal needs to be at a loudness and under a ceiling, and what it measures then.

    Attributes:
        before, after: levels of the signal as it came, and as it will be.
        gain_db: in front of the limiter.
        limiting_db: the most the limiter turns a peak down; 0 where it has nothing to do.
        rounds: of gain and limiting that were tried.
        outcome: ``reached``; ``on target already``; else what stood in the way.
        reason: the same as one line.
    """

    before: Levels
    after: Levels
    gain_db: float
    limiting_db: float
    rounds: int
    outcome: Outcome
    reason: str


def find_mastering(source: Source, settings: MasterSettings, should_cancel: ShouldCancel | None) -> Mastering:
    """Find the gain that brings a source to its target once its peaks are limited.

    Limiting takes loudness away, so a first gain falls short. The gain is moved by the secant rule, between
    the nearest gains known to be too low and too high, until the loudness is within the tolerance.

    Raises:
        AudioFormatError: NaN or Inf.
        RenderCancelled: should_cancel said so.
    """
    before = measure(source, should_cancel=should_cancel)
    rounds = _Rounds(source, settings, should_cancel)
    loudness = before.integrated_lufs
    if loudness is None:
        why = why_undefined(source.sample_rate, source.channels, source.frames, weights_of(source))
        return rounds.end(before, rounds.play(0.0), "undefined", f"{why}: only its peaks are limited")
    if not math.isfinite(loudness):
        first = rounds.play(0.0)
        return rounds.end(before, first, "silent", "below the gate of -70 LUFS, left alone")
    wanted = settings.target_lufs - loudness
    is_there = abs(wanted) <= settings.tolerance_lu
    tried = rounds.play(0.0 if is_there else min(wanted, settings.max_gain_db))
    if is_there and tried.limiting_db == 0.0:
        return rounds.end(before, tried, "on target already", f"{loudness:.2f} LUFS, left alone")
    return rounds.end(before, *rounds.search(tried))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Round:
    """One gain and what came of it."""

    gain_db: float
    limiting_db: float
    levels: Levels

    @property
    def lufs(self) -> float:
        assert self.levels.integrated_lufs is not None
        return self.levels.integrated_lufs


class _Rounds:
    """Gains that are tried on a source, one after another."""

    def __init__(self, source: Source, settings: MasterSettings, should_cancel: ShouldCancel | None) -> None:
        self._source = source
        self._settings = settings
        self._should_cancel = should_cancel
        self._count = 0

    def play(self, gain_db: float) -> _Round:
        """Limit the source at that gain, and measure."""
        self._count += 1
        limited = _Limited(self._source, self._settings, gain_db, self._should_cancel)
        weights = weights_of(self._source)
        meter = Meter(self._source.sample_rate, self._source.channels, channel_weights=weights)
        for block in limited:
            meter.write(block)
        return _Round(gain_db=gain_db, limiting_db=limited.limiting_db, levels=meter.levels())

    def search(self, tried: _Round) -> tuple[_Round, Outcome, str]:
        """From a first round to the target, or to what stands in the way."""
        low: _Round | None = None
        high: _Round | None = None
        last: _Round | None = None
        most, bound = self._most_gain(tried)
        if tried.gain_db > most:
            tried = self.play(most)
        while abs(self._missing(tried)) > self._settings.tolerance_lu / 2.0:
            if self._missing(tried) > 0.0 and tried.gain_db >= most:
                return self._stopped(tried, bound)
            if self._count >= MAX_ROUNDS:
                return self._stopped(tried, "no convergence")
            low, high = (tried, high) if self._missing(tried) > 0.0 else (low, tried)
            gain_db = min(self._next_gain(tried, last, low, high), most)
            last, tried = tried, self.play(gain_db)
        return self._reached(tried)

    def _missing(self, tried: _Round) -> float:
        return self._settings.target_lufs - tried.lufs

    def _reached(self, tried: _Round) -> tuple[_Round, Outcome, str]:
        rounds = f"{self._count} round" + "s" * (self._count > 1)
        return tried, "reached", f"{tried.lufs:.2f} LUFS after {rounds}"

    def _most_gain(self, tried: _Round) -> tuple[float, Outcome]:
        """The gain where a bound is met, and which one: each dB more is a dB more off the highest peak."""
        by_limiting = math.inf
        if tried.limiting_db > 0.0:
            by_limiting = tried.gain_db + self._settings.max_limiting_db - tried.limiting_db
        if by_limiting < self._settings.max_gain_db:
            return by_limiting, "max_limiting_db"
        return self._settings.max_gain_db, "max_gain_db"

    def _next_gain(
        self, tried: _Round, last: _Round | None, low: _Round | None, high: _Round | None
    ) -> float:
        slope = 1.0
        if last is not None and abs(tried.gain_db - last.gain_db) > 1e-6:
            slope = min(max((tried.lufs - last.lufs) / (tried.gain_db - last.gain_db), 0.2), 1.0)
        gain_db = tried.gain_db + (self._settings.target_lufs - tried.lufs) / slope
        if low is not None and high is not None and not low.gain_db < gain_db < high.gain_db:
            return (low.gain_db + high.gain_db) / 2.0
        return gain_db

    def _stopped(self, tried: _Round, bound: Outcome) -> tuple[_Round, Outcome, str]:
        settings = self._settings
        if abs(self._missing(tried)) <= settings.tolerance_lu:
            return self._reached(tried)
        why = {
            "max_gain_db": f"{settings.target_lufs:g} needs more than {settings.max_gain_db:g} dB of gain",
            "max_limiting_db": (
                f"{settings.target_lufs:g} needs more than {settings.max_limiting_db:g} dB of limiting"
            ),
        }.get(bound, f"{settings.target_lufs:g} is not met after {self._count} rounds")
        return tried, bound, f"{tried.lufs:.2f} LUFS; {why}"

    def end(self, before: Levels, tried: _Round, outcome: Outcome, reason: str) -> Mastering:
        return Mastering(
            before=before,
            after=tried.levels,
            gain_db=tried.gain_db,
            limiting_db=tried.limiting_db,
            rounds=self._count,
            outcome=outcome,
            reason=reason,
        )


class _Limited:
    """A source at a gain, limited: an iterator of blocks, as long as the source in all."""

    def __init__(
        self, source: Source, settings: MasterSettings, gain_db: float, should_cancel: ShouldCancel | None
    ) -> None:
        self._source = source
        self._settings = settings
        self._gain_db = gain_db
        self._should_cancel = should_cancel
        self.limiting_db = 0.0

    def __iter__(self) -> Iterator[Audio]:
        rate = self._source.sample_rate
        stream = LimiterStream(self._settings.limiter, rate, self._source.channels)
        for block in read_blocks(self._source, self._should_cancel):
            yield stream.push(apply_gain(block, self._gain_db), rate)
        yield stream.flush()
        self.limiting_db = stream.largest_reduction_db


class MasterTo(OwnEffect):
    """Brings a signal to a loudness with its true peaks under a ceiling, or as near as its bounds allow.

    What is there already comes out bit for bit. Where loudness is not defined, only peaks are limited. An
    offline effect: each call is one whole signal, which is read several times. ``mastering`` says what was
    done in the last call, and how it measures.

    Args:
        target_lufs: -60 to 0.
        ceiling_dbtp: -40 to 0.
        tolerance_lu: how near to the target is near enough, 0.01 to 5.
        max_gain_db: the most it turns up, 0 to 60.
        max_limiting_db: the most it turns a peak down on the way to the target, 0 to 40.
        lookahead_ms: of the limiter, 1 to 20.
        release_ms: of the limiter, 5 to 5000.

    Raises:
        ParameterError: a control outside its range.
    """

    is_offline = True
    takes_parts = True
    latency_samples = 0

    __slots__ = ("__weakref__", "mastering", "settings")

    target_lufs = Setting[float]()
    ceiling_dbtp = Setting[float]()
    tolerance_lu = Setting[float]()
    max_gain_db = Setting[float]()
    max_limiting_db = Setting[float]()
    lookahead_ms = Setting[float]()
    release_ms = Setting[float]()

    def __init__(
        self,
        target_lufs: float = -14.0,
        ceiling_dbtp: float = -1.0,
        tolerance_lu: float = 0.1,
        max_gain_db: float = 20.0,
        max_limiting_db: float = 12.0,
        lookahead_ms: float = 5.0,
        release_ms: float = 100.0,
    ) -> None:
        self.settings = MasterSettings(
            target_lufs=target_lufs,
            ceiling_dbtp=ceiling_dbtp,
            tolerance_lu=tolerance_lu,
            max_gain_db=max_gain_db,
            max_limiting_db=max_limiting_db,
            lookahead_ms=lookahead_ms,
            release_ms=release_ms,
        )
        self.mastering: Mastering | None = None

    def render_source(
        self,
        source: Source,
        *,
        on_event: OnEvent | None = None,
        should_cancel: ShouldCancel | None = None,
        part: Part | None = None,
    ) -> Iterator[Audio]:
        """A signal of any length in blocks, float32 (channels, n), without holding all of it.

        Of a ``part``, what is kept is measured. ``on_event`` is for the sake of the contract. Raises as
        ``find_mastering``.
        """
        measured = source if part is None else part.kept(source)
        self.mastering = find_mastering(measured, self.settings, should_cancel)
        source = source if part is None else part.given(source)
        _log.info("%s", self.mastering.reason)
        if self.mastering.outcome == "on target already":
            yield from read_blocks(source, should_cancel)
        else:
            yield from _Limited(source, self.settings, self.mastering.gain_db, should_cancel)

    def process(
        self,
        input_array: NDArray[Any],
        sample_rate: float,
        buffer_size: int = BUFFER_SIZE,
        reset: bool = True,
    ) -> Audio:
        """Master a whole signal.

        Args:
            input_array: float32 or float64, (samples,), (channels, samples) or (samples, channels).
            sample_rate: in Hz.
            buffer_size: for the sake of the contract; 1 or more.
            reset: only True, as loudness is not known before the end.

        Returns:
            A new float32 array of the same shape.

        Raises:
            AudioFormatError: as ``AudioSR.process``.
            ParameterError: ``reset=False``, or a buffer of less than one sample.
        """
        if not reset:
            raise ParameterError(
                "reset is False; MasterTo measures whole signals and cannot continue a stream"
            )
        call = check_call(input_array, sample_rate, buffer_size)
        blocks = self.render_source(ArraySource(call.audio, call.sample_rate))
        return call.layout.restore(np.concatenate([call.audio[:, :0], *blocks], axis=1))

    def reset(self) -> None:
        """For the sake of the contract: nothing is kept between calls."""

    def __repr__(self) -> str:
        return describe_settings(self)

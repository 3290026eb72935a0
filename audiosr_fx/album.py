"""An album: files that belong together get one gain, so that what is quieter among them stays quieter."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, TypeGuard

from numpy.typing import NDArray

from audiosr_fx.board import Board
from audiosr_fx.bounce import Bounce
from audiosr_fx.contract import BUFFER_SIZE, Effect, OwnEffect, check_call
from audiosr_fx.errors import AudioFormatError, ParameterError
from audiosr_fx.files import FilePath, FileSource
from audiosr_fx.limiter import LimiterSettings, LimiterStream, TruePeakLimiter
from audiosr_fx.loudness import LoudnessNormalize, LoudnessSettings, apply_gain, decide_gain
from audiosr_fx.mastering import MasterTo
from audiosr_fx.meters import Meter, integrated_lufs, weights_of
from audiosr_fx.node import AudioSR
from audiosr_fx.part import region_at_rate
from audiosr_fx.plugins import VST3
from audiosr_fx.progress import ShouldCancel
from audiosr_fx.settings import Region
from audiosr_fx.sources import Audio, ResampledSource

RegionOf: TypeAlias = Callable[[int], Region | None]
"""The region of a file that is meant, by its sample rate; None for all of it."""

MAX_ROUNDS: Final = 4
_PEAK_MARGIN_DB: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class AlbumDecision:
    """What a set measures together, and the one gain that follows: in a few words, and as one line."""

    measured_lufs: float | None
    gain_db: float
    summary: str

    @property
    def reason(self) -> str:
        """What to say of one file."""
        return f"album gain {self.gain_db:+.2f} dB"


class AlbumGain(OwnEffect):
    """One gain that is known beforehand, and why it is that; it streams."""

    is_offline = False
    latency_samples = 0

    def __init__(self, decision: AlbumDecision) -> None:
        self.decision = decision

    def process(
        self,
        input_array: NDArray[Any],
        sample_rate: float,
        buffer_size: int = BUFFER_SIZE,
        reset: bool = True,
    ) -> Audio:
        """Turn a signal, or a chunk of one, up or down; see ``audiosr_fx.contract``."""
        call = check_call(input_array, sample_rate, buffer_size)
        return call.layout.restore(apply_gain(call.audio, self.decision.gain_db))

    def __repr__(self) -> str:
        return f"AlbumGain(gain_db={self.decision.gain_db:.2f})"


Stages: TypeAlias = dict[int, tuple[Effect, ...]]
"""What takes the place of some effects of a board, by their place ``in_series``."""


def in_series(board: Board) -> list[Effect]:
    """What a board holds, without boards: what those hold stands in their place, and sounds the same."""
    series: list[Effect] = []
    for effect in board:
        series += in_series(effect) if _is_plain(effect) else [effect]
    return series


def _is_plain(effect: Effect) -> TypeGuard[Board]:
    return isinstance(effect, Board) and not effect.has_own_process


def with_stages(board: Board, stages: Stages) -> Board:
    """A board in series with some effects replaced."""
    return Board(_replaced(in_series(board), stages))


def _replaced(series: Sequence[Effect], stages: Stages) -> list[Effect]:
    return [new for place, old in enumerate(series) for new in stages.get(place, (old,))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Album:
    """Files that are one set.

    Attributes:
        paths: those that cannot be read are left out of every measurement.
        sample_rate: of the session, in Hz; a file of a higher rate keeps its own.
        region_of: the part of each that counts.
    """

    paths: Sequence[FilePath]
    sample_rate: int = 48_000
    region_of: RegionOf = lambda rate: None

    def learn(self, board: Board, should_cancel: ShouldCancel | None = None) -> Stages:
        """One gain for the set in place of every stage of loudness of a board; see ``with_stages``.

        The set is measured as it arrives at that stage, but without what ``AudioSR`` adds, some tenths of a
        LU, or takes away of noise, and without what plugins do. In place of a ``MasterTo`` the gain is one
        that brings the set to the target with its peaks limited, and the limiter follows. Boards in the board
        count as what they hold; stages inside a ``Mix`` stay as they are.

        Raises:
            RenderCancelled: should_cancel said so.
        """
        stages: Stages = {}
        series = in_series(board)
        for place, effect in enumerate(series):
            before = _replaced(series[:place], stages)
            if isinstance(effect, LoudnessNormalize):
                stages[place] = (AlbumGain(self._decide(before, effect.settings, None, should_cancel)),)
            elif isinstance(effect, MasterTo):
                how = effect.settings
                wanted = LoudnessSettings(
                    target_lufs=how.target_lufs, max_gain_db=how.max_gain_db, tolerance_lu=how.tolerance_lu
                )
                gain = AlbumGain(self._decide(before, wanted, effect, should_cancel))
                limiter = TruePeakLimiter(how.ceiling_dbtp, how.lookahead_ms, how.release_ms)
                stages[place] = (gain, limiter)
        return stages

    def _decide(
        self,
        before: Sequence[Effect],
        settings: LoudnessSettings,
        master: MasterTo | None,
        should_cancel: ShouldCancel | None,
    ) -> AlbumDecision:
        found = self._meters(before, None, 0.0, should_cancel)
        measured = integrated_lufs(found.values())
        decision = decide_gain(measured, settings, "the set has nothing that can be measured")
        gain_db, limited = decision.gain_db, ""
        peaks = {path: meter.levels().true_peak_dbtp for path, meter in found.items()}
        if master is not None and decision.outcome in ("adjusted", "held back"):
            room_db = master.ceiling_dbtp + master.max_limiting_db - max(peaks.values())
            most_db = min(settings.max_gain_db, room_db)
            limit = _Limit(master.settings.limiter, peaks)

            def reach(gain_db: float) -> float | None:
                return integrated_lufs(self._meters(before, limit, gain_db, should_cancel).values())

            gain_db, limited = _search(reach, master, min(gain_db, most_db), most_db)
        return AlbumDecision(
            measured_lufs=measured,
            gain_db=gain_db,
            summary=f"one gain of {gain_db:+.2f} dB for the set of {len(found)},"
            f" which {_loudness_text(measured)}{limited}",
        )

    def _meters(
        self,
        before: Sequence[Effect],
        limit: _Limit | None,
        gain_db: float,
        should_cancel: ShouldCancel | None,
    ) -> dict[FilePath, Meter]:
        """A meter for every file that can be read, behind some effects, at a gain, limited where need be."""
        effects = [effect for effect in before if not isinstance(effect, (AudioSR, VST3))]
        found = {}
        for path in self.paths:
            try:
                with FileSource(path, warns=False) as file:
                    limiter = None if limit is None or not limit.reaches(path, gain_db) else limit.settings
                    found[path] = self._meter(Board(effects), file, limiter, gain_db, should_cancel)
            except (AudioFormatError, ParameterError):
                continue  # what is wrong with it is said when its turn comes
        return found

    def _meter(
        self,
        board: Board,
        file: FileSource,
        limiter: LimiterSettings | None,
        gain_db: float,
        should_cancel: ShouldCancel | None,
    ) -> Meter:
        source = ResampledSource(file, max(self.sample_rate, file.sample_rate))
        region = self.region_of(file.sample_rate)
        if region is not None:
            region = region_at_rate(region, file, source.sample_rate)
        meter = Meter(source.sample_rate, source.channels, channel_weights=weights_of(source))
        stream = None if limiter is None else LimiterStream(limiter, source.sample_rate, source.channels)
        for block in Bounce(board.compile(), source, region=region, should_cancel=should_cancel):
            loud = apply_gain(block, gain_db)
            meter.write(loud if stream is None else stream.push(loud, source.sample_rate))
        if stream is not None:
            meter.write(stream.flush())
        return meter


def _loudness_text(lufs: float | None) -> str:
    if lufs is None:
        return "has no loudness"
    return f"has {lufs:.2f} LUFS" if math.isfinite(lufs) else "is silent"


@dataclass(frozen=True, slots=True)
class _Limit:
    """A limiter, and the true peaks of the files in front of it."""

    settings: LimiterSettings
    peaks_dbtp: Mapping[FilePath, float]

    def reaches(self, path: FilePath, gain_db: float) -> bool:
        """Whether it has anything to do with a file at a gain; where not, it would pass every bit."""
        return self.peaks_dbtp.get(path, math.inf) + gain_db > self.settings.ceiling_dbtp - _PEAK_MARGIN_DB


def _search(
    reach: Callable[[float], float | None], master: MasterTo, gain_db: float, most_db: float
) -> tuple[float, str]:
    """A gain that meets the target in spite of the limiter, and what the set has then.

    ``reach`` gives the loudness of the set at a gain, once it is limited.
    """
    for rounds_left in reversed(range(MAX_ROUNDS)):
        reached = reach(gain_db)
        missing = 0.0 if reached is None else master.target_lufs - reached
        is_at_bound = missing > 0.0 and gain_db >= most_db
        if abs(missing) <= master.tolerance_lu or is_at_bound or not rounds_left:
            break
        gain_db = min(gain_db + missing, most_db)
    note = ", more would limit it too much" if is_at_bound and missing > master.tolerance_lu else ""
    return gain_db, f", and {reached:.2f} once it is limited{note}"

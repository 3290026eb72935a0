"""Loudness as an effect: one gain for a file, or one for a set of files that belong together.

The meters behind it live in ``audiosr_fx.meters``; the ones that take an array are offered here as well.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from audiosr_fx.checked_settings import Setting, check_settings, describe_settings
from audiosr_fx.contract import BUFFER_SIZE, OwnEffect, check_call
from audiosr_fx.errors import ParameterError
from audiosr_fx.meters import (
    integrated_lufs,
    measure_loudness,
    meter_source,
    read_blocks,
    sample_peak_dbfs,
    true_peak_dbtp,
    weights_of,
    why_undefined,
)
from audiosr_fx.part import Part
from audiosr_fx.progress import OnEvent, ShouldCancel
from audiosr_fx.sources import ArraySource, Audio, Source
from audiosr_fx.wording import brief, joined

__all__ = [
    "GainDecision",
    "LoudnessNormalize",
    "LoudnessSettings",
    "album_loudness",
    "decide_gain",
    "measure_loudness",
    "sample_peak_dbfs",
    "true_peak_dbtp",
]

Outcome: TypeAlias = Literal["adjusted", "on target", "held back", "silent", "undefined"]

_log = logging.getLogger(__name__)

_EXPECTED: Final = "expected several sources, as in learn([FileSource('a.wav'), FileSource('b.wav')])"
_SILENT: Final = "below the gate of -70 LUFS, left alone"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoudnessSettings:
    """Controls of loudness; see ``audiosr_fx.params``."""

    target_lufs: float = -14.0
    max_gain_db: float = 20.0
    tolerance_lu: float = 0.1
    mode: str = "integrated"

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class GainDecision:
    """What was measured, and the one gain that follows.

    Attributes:
        measured_lufs: of the file or the set; -inf for silence, None where loudness is not defined.
        gain_db: 0 where the samples stay as they are.
        outcome: ``adjusted``; ``on target`` already; ``held back`` by max_gain_db; ``silent``; ``undefined``.
        reason: the same as one line.
    """

    measured_lufs: float | None
    gain_db: float
    outcome: Outcome
    reason: str


def decide_gain(measured_lufs: float | None, settings: LoudnessSettings, why: str = "") -> GainDecision:
    """The gain for a loudness, and why; ``why`` says what stood against measuring it."""
    if measured_lufs is None:
        reason = f"{why or 'loudness is not defined'}: left alone"
        return GainDecision(measured_lufs=None, gain_db=0.0, outcome="undefined", reason=reason)
    if not math.isfinite(measured_lufs):
        return GainDecision(measured_lufs=-math.inf, gain_db=0.0, outcome="silent", reason=_SILENT)
    wanted = settings.target_lufs - measured_lufs
    gain_db = wanted
    outcome: Outcome = "adjusted"
    reason = f"{measured_lufs:.2f} LUFS, gain {gain_db:+.2f} dB"
    if abs(wanted) <= settings.tolerance_lu:
        gain_db, outcome = 0.0, "on target"
        reason = f"{measured_lufs:.2f} LUFS, within {settings.tolerance_lu:g} LU of the target"
    elif wanted > settings.max_gain_db:
        gain_db, outcome = settings.max_gain_db, "held back"
        reason = f"{measured_lufs:.2f} LUFS would need {wanted:+.2f} dB; max_gain_db allows {gain_db:+.2f}"
    return GainDecision(measured_lufs=measured_lufs, gain_db=gain_db, outcome=outcome, reason=reason)


def album_loudness(sources: Iterable[Source], should_cancel: ShouldCancel | None = None) -> float | None:
    """Loudness of a set as if it were one programme: all its gating blocks together, whatever their rates.

    Returns:
        LUFS; -inf for silence; None where it is defined for none of them.

    Raises:
        ParameterError: ``sources`` is a name, or holds what is no source.
        AudioFormatError: NaN or Inf.
        RenderCancelled: should_cancel said so.
    """
    return integrated_lufs([meter_source(one, should_cancel=should_cancel) for one in _checked(sources)])


def _checked(sources: Iterable[Source] | str) -> Iterator[Source]:
    """The sources of a set one by one, as they come; raises as ``album_loudness``."""
    if isinstance(sources, str) or not isinstance(sources, Iterable):
        raise ParameterError(f"sources is {joined(brief(sources))}; {_EXPECTED}")
    for source in sources:
        if not hasattr(source, "sample_rate"):
            raise ParameterError(f"sources holds {joined(brief(source))}; {_EXPECTED}")
        yield source


class LoudnessNormalize(OwnEffect):
    """Brings a signal to a loudness by one gain, which is never more than a gain: peaks may pass full scale.

    Put a ``TruePeakLimiter`` behind it, or use ``MasterTo``, where peaks matter. What has no loudness passes
    untouched, and ``decision`` says so: silence, less than 0.4 s, less than 4 kHz, or channels whose weights
    nobody knows. In the mode ``album`` the gain is that of a set, which ``learn`` measures first.

    An offline effect: each call is one whole signal. ``decision`` is that of the last call.

    Args:
        target_lufs: -60 to 0.
        max_gain_db: the most it turns up, 0 to 60.
        tolerance_lu: what is this near to the target stays as it is, 0.01 to 5.
        mode: ``integrated`` or ``album``.

    Raises:
        ParameterError: a control outside its range.
    """

    is_offline = True
    takes_parts = True
    latency_samples = 0

    __slots__ = ("__weakref__", "_learned", "decision", "settings")

    target_lufs = Setting[float]()
    max_gain_db = Setting[float]()
    tolerance_lu = Setting[float]()
    mode = Setting[str]()

    def __init__(
        self,
        target_lufs: float = -14.0,
        max_gain_db: float = 20.0,
        tolerance_lu: float = 0.1,
        mode: str = "integrated",
    ) -> None:
        self.settings = LoudnessSettings(
            target_lufs=target_lufs, max_gain_db=max_gain_db, tolerance_lu=tolerance_lu, mode=mode
        )
        self.decision: GainDecision | None = None
        self._learned: list[float | None] = []

    def learn(self, sources: Iterable[Source], should_cancel: ShouldCancel | None = None) -> GainDecision:
        """Measure a set, whose one gain every call in the mode ``album`` applies from now on.

        Args:
            sources: files or arrays as sources, of any rates and channels.
            should_cancel: asked at every block.

        Raises:
            ParameterError: ``sources`` is a name, or holds what is no source.
            AudioFormatError: NaN or Inf.
            RenderCancelled: should_cancel said so.
        """
        self._learned = [album_loudness(sources, should_cancel)]
        return decide_gain(self._learned[0], self.settings, "the set has nothing that can be measured")

    def decide(self, source: Source, should_cancel: ShouldCancel | None = None) -> GainDecision:
        """The gain for a source.

        Raises:
            ParameterError: the mode is ``album``, and ``learn`` has not been called.
            AudioFormatError: NaN or Inf.
            RenderCancelled: should_cancel said so.
        """
        if self.mode == "album":
            if not self._learned:
                raise ParameterError(
                    "mode is 'album', and no set is known; call learn() with all of it first"
                )
            return decide_gain(self._learned[0], self.settings, "the set has nothing that can be measured")
        why = why_undefined(source.sample_rate, source.channels, source.frames, weights_of(source))
        meter = None if why else meter_source(source, should_cancel=should_cancel)
        return decide_gain(None if meter is None else integrated_lufs([meter]), self.settings, why)

    def render_source(
        self,
        source: Source,
        *,
        on_event: OnEvent | None = None,
        should_cancel: ShouldCancel | None = None,
        part: Part | None = None,
    ) -> Iterator[Audio]:
        """A signal of any length in blocks, float32 (channels, n); it is read twice.

        Of a ``part``, what is kept is measured. ``on_event`` is for the sake of the contract. Raises as
        ``decide``.
        """
        measured = source if part is None else part.kept(source)
        self.decision = self.decide(measured, should_cancel)
        _log.info("%s", self.decision.reason)
        for block in read_blocks(source if part is None else part.given(source), should_cancel):
            yield apply_gain(block, self.decision.gain_db)

    def process(
        self,
        input_array: NDArray[Any],
        sample_rate: float,
        buffer_size: int = BUFFER_SIZE,
        reset: bool = True,
    ) -> Audio:
        """Bring a whole signal to its loudness.

        Args:
            input_array: float32 or float64, (samples,), (channels, samples) or (samples, channels).
            sample_rate: in Hz.
            buffer_size: for the sake of the contract; 1 or more.
            reset: only True, as a gain is not known before the end.

        Returns:
            A new float32 array of the same shape.

        Raises:
            AudioFormatError: as ``AudioSR.process``.
            ParameterError: ``reset=False``, a buffer of less than one sample, or as ``decide``.
        """
        if not reset:
            raise ParameterError(
                "reset is False; LoudnessNormalize measures whole signals and cannot continue a stream"
            )
        call = check_call(input_array, sample_rate, buffer_size)
        self.decision = self.decide(ArraySource(call.audio, call.sample_rate))
        _log.info("%s", self.decision.reason)
        return call.layout.restore(apply_gain(call.audio, self.decision.gain_db))

    def reset(self) -> None:
        """For the sake of the contract: no stream is kept. What ``learn`` found stays."""

    def __repr__(self) -> str:
        return describe_settings(self)


def apply_gain(audio: Audio, gain_db: float) -> Audio:
    """A new array, turned up or down; bit for bit the same at 0 dB."""
    return audio * np.float32(10.0 ** (gain_db / 20.0)) if gain_db else audio.copy()

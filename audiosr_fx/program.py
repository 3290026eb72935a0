"""What a board does, unfolded: a series of stages, each of which runs one thing over (channels, samples).

Boards within boards become one series, each run of native plugins one real ``Pedalboard``, and a parallel
section one stage with a program for each branch. Everything that would crash or hang native code is refused
on the way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Protocol, TypeAlias

import numpy as np
import pedalboard

from audiosr_fx.contract import Effect, is_offline
from audiosr_fx.effect_list import EffectList
from audiosr_fx.errors import AudioFormatError, AudioSRError, ParameterError, PluginError
from audiosr_fx.native import NativeRun, check_native, is_native, is_native_container
from audiosr_fx.sources import Audio
from audiosr_fx.wording import joined


class Stage(Protocol):
    """One step of a program; (channels, samples) in and out, as the call contract has it."""

    @property
    def is_offline(self) -> bool:
        """Whether it refuses ``reset=False``."""

    @property
    def streams_as_whole(self) -> bool:
        """Whether a stream comes out as the whole signal would."""

    def process(self, audio: Audio, sample_rate: int, buffer_size: int, reset: bool) -> Audio:
        """Run a whole signal, or the next chunk of a stream."""

    def prepare(self, sample_rate: int, channels: int) -> None:
        """Get ready for a stream of chunks of any size."""

    def reset(self) -> None:
        """Forget what came before."""


@dataclass(frozen=True, slots=True, eq=False)
class Parallel:
    """Branches side by side, each a series."""

    branches: tuple[Series, ...]


Series: TypeAlias = tuple["Effect | Parallel", ...]


def unfold(effects: EffectList) -> Series:
    """A list of effects with all that they hold, as one series.

    Raises:
        ParameterError: something holds itself, or the same effect stands in two places.
    """
    if effects.is_parallel:
        series: Series = (Parallel(tuple(tuple(_unfold([branch], (effects,))) for branch in effects)),)
    else:
        series = tuple(_unfold(effects, (effects,)))
    counts = Counter(id(effect) for effect in leaves(series))
    for effect in leaves(series):
        if counts[id(effect)] > 1:
            raise ParameterError(
                f"{effect!r} stands in {counts[id(effect)]} places, where its states would mix;"
                " make one for each"
            )
    return series


def _unfold(effects: Iterable[Effect], above: tuple[object, ...]) -> Iterator[Effect | Parallel]:
    present: Iterator[Any] = (effect for effect in effects if effect is not None)
    for effect in present:
        is_list = isinstance(effect, EffectList) and not effect.has_own_process
        if not is_list and not is_native_container(effect):
            yield effect
            continue
        if any(effect is holder for holder in above):
            raise ParameterError(f"a {type(effect).__name__} holds itself; take it out of itself")
        path = (*above, effect)
        if effect.is_parallel if is_list else isinstance(effect, pedalboard.Mix):
            yield Parallel(tuple(tuple(_unfold([branch], path)) for branch in effect))
        else:
            yield from _unfold(effect, path)


def leaves(series: Series) -> Iterator[Effect]:
    """Every effect of a series, branches included."""
    for item in series:
        if isinstance(item, Parallel):
            for branch in item.branches:
                yield from leaves(branch)
        else:
            yield item


def signature(series: Series) -> tuple[Any, ...]:
    """Equal for series of the very same effects in the same order."""
    return tuple(
        tuple(signature(branch) for branch in item.branches) if isinstance(item, Parallel) else id(item)
        for item in series
    )


class Program:
    """A series, ready to run."""

    def __init__(self, series: Series) -> None:
        self.series = series
        self.stages: list[Stage] = list(_stages(series))

    def check(self, sample_rate: int) -> None:
        """Refuse what native code would not stand at this rate.

        Raises:
            ParameterError: see ``check_native``.
        """
        for effect in leaves(self.series):
            if is_native(effect):
                check_native(effect, sample_rate)  # type: ignore[arg-type]

    @property
    def offline_names(self) -> list[str]:
        """Effects that cannot continue a stream."""
        return [type(effect).__name__ for effect in leaves(self.series) if is_offline(effect)]

    def process(self, audio: Audio, sample_rate: int, buffer_size: int, reset: bool) -> Audio:
        """Run all stages.

        Raises:
            AudioFormatError: what one stage puts out is nothing that the next could take.
        """
        for i, stage in enumerate(self.stages):
            if audio.shape[1] == 0:
                break
            if i > 0 and not np.isfinite(audio).all():
                raise AudioFormatError(
                    f"{self.stages[i - 1]} put out NaN or Inf; check what it is set to,"
                    " and the level before it"
                )
            audio = stage.process(audio, sample_rate, buffer_size, reset)
        return audio

    def prepare(self, sample_rate: int, channels: int) -> None:
        """Get every stage ready for a stream of chunks of any size."""
        for stage in self.stages:
            stage.prepare(sample_rate, channels)

    def reset(self) -> None:
        """Make every stage forget what came before."""
        for stage in self.stages:
            stage.reset()


def _stages(series: Series) -> Iterator[Stage]:
    for are_native, items in groupby(series, is_native):
        if are_native:
            yield NativeRun(list(items))  # type: ignore[arg-type]
            continue
        for item in items:
            yield ParallelStage(item) if isinstance(item, Parallel) else EffectStage(item)


class EffectStage:
    """One effect in Python."""

    def __init__(self, effect: Effect) -> None:
        self.effect = effect
        self._waiting: Audio | None = None

    @property
    def is_offline(self) -> bool:
        """See ``Stage``."""
        return is_offline(self.effect)

    @property
    def streams_as_whole(self) -> bool:
        """See ``Stage``: what is no native plugin keeps to the contract."""
        return not self.is_offline

    def process(self, audio: Audio, sample_rate: int, buffer_size: int, reset: bool) -> Audio:
        """See ``Stage``. An effect never sees an array whose shape could mean either layout."""
        channels, samples = audio.shape
        if reset:
            self._waiting = None
            padding = max(0, channels + 1 - samples) if channels > 1 else 0
            out = self._run(np.pad(audio, ((0, 0), (0, padding))), sample_rate, buffer_size, reset)
            if out.shape[1] != samples + padding:
                raise PluginError(f"{self} returned {out.shape[1]} of {samples + padding} samples")
            return out[:, :samples]
        if self._waiting is not None:
            audio = np.concatenate([self._waiting, audio], axis=1)
        if 1 < audio.shape[1] <= channels or (channels > 1 and audio.shape[1] == 1):
            self._waiting = audio
            return audio[:, :0]
        self._waiting = None
        return self._run(audio, sample_rate, buffer_size, reset)

    def _run(self, audio: Audio, sample_rate: int, buffer_size: int, reset: bool) -> Audio:
        try:
            out = self.effect.process(audio, sample_rate, buffer_size=buffer_size, reset=reset)
        except (AudioSRError, MemoryError):
            raise
        except Exception as cause:
            raise PluginError(f"{self} failed: {type(cause).__name__}: {joined(str(cause))}") from cause
        if (
            not isinstance(out, np.ndarray)
            or out.dtype.kind != "f"
            or out.ndim != 2
            or len(out) != len(audio)
        ):
            what = f"{out.dtype} {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
            raise PluginError(f"{self} returned {what} for float32 {audio.shape}")
        return out.astype(np.float32, copy=False)

    def prepare(self, sample_rate: int, channels: int) -> None:
        """See ``Stage``."""
        self.reset()

    def reset(self) -> None:
        """See ``Stage``."""
        self._waiting = None
        reset = getattr(self.effect, "reset", None)
        if reset is not None:
            reset()

    def __str__(self) -> str:
        return str(getattr(self.effect, "name", type(self.effect).__name__))


class ParallelStage:
    """Branches over the same input, summed sample by sample: what one holds back, the others wait for."""

    def __init__(self, parallel: Parallel) -> None:
        self.branches = [Program(branch) for branch in parallel.branches]
        self._waiting: list[Audio] | None = None

    @property
    def is_offline(self) -> bool:
        """See ``Stage``."""
        return any(stage.is_offline for branch in self.branches for stage in branch.stages)

    @property
    def streams_as_whole(self) -> bool:
        """See ``Stage``."""
        return all(stage.streams_as_whole for branch in self.branches for stage in branch.stages)

    def process(self, audio: Audio, sample_rate: int, buffer_size: int, reset: bool) -> Audio:
        """See ``Stage``; silence where there are no branches, as with pedalboard's ``Mix``."""
        if not self.branches:
            return np.zeros_like(audio)
        outputs = [branch.process(audio, sample_rate, buffer_size, reset) for branch in self.branches]
        if reset or self._waiting is None:
            self._waiting = [audio[:, :0] for _ in self.branches]
        waiting = [np.concatenate(pair, axis=1) for pair in zip(self._waiting, outputs, strict=True)]
        ready = min(out.shape[1] for out in waiting)
        self._waiting = [out[:, ready:] for out in waiting]
        mixed = waiting[0][:, :ready].copy()
        for out in waiting[1:]:
            mixed += out[:, :ready]
        return mixed

    def prepare(self, sample_rate: int, channels: int) -> None:
        """See ``Stage``."""
        self._waiting = None
        for branch in self.branches:
            branch.prepare(sample_rate, channels)

    def reset(self) -> None:
        """See ``Stage``."""
        self._waiting = None
        for branch in self.branches:
            branch.reset()

    def __str__(self) -> str:
        return "Mix"

"""What a board and a mix do alike: take a call, check it, run what they hold, remember a stream's shape."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiosr_fx.contract import BUFFER_SIZE, Call, Effect, OwnEffect, check_call
from audiosr_fx.effect_list import EffectList
from audiosr_fx.errors import AudioFormatError, ParameterError
from audiosr_fx.program import Program, leaves, signature, unfold
from audiosr_fx.sources import Audio


class Rack(OwnEffect, EffectList):
    """A list of effects that is an effect itself. One thread at a time; others wait."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.has_own_process = cls.has_own_process or "process" in vars(cls)

    def __init__(self, plugins: Iterable[Effect | None] | None = None) -> None:
        """See ``EffectList``."""
        super().__init__(plugins)
        self.lock = threading.RLock()
        self._compiled: Program | None = None
        self._stream: Call | None = None

    @property
    def is_offline(self) -> bool:
        """Whether anything in it works on whole signals only, so that it cannot continue a stream."""
        return bool(self.compile().offline_names)

    def process(
        self,
        input_array: NDArray[Any],
        sample_rate: float,
        buffer_size: int = BUFFER_SIZE,
        reset: bool = True,
    ) -> Audio:
        """Run audio through it, as pedalboard's ``Pedalboard.process`` does.

        Args:
            input_array: float32 or float64, (samples,), (channels, samples) or (samples, channels), up to
                32 channels; the smaller axis is the channels.
            sample_rate: in Hz.
            buffer_size: samples that native plugins are handed at a time.
            reset: True: a whole signal. False: the next chunk of a stream, of the layout and rate of the one
                before, any size.

        Returns:
            A new float32 array of the same layout and length; with ``reset=False`` it may be shorter, as
            effects hold samples back, which come with later calls: send silence to get the last of them.

        Raises:
            AudioFormatError: another dtype or shape, NaN or Inf, an absurd rate, or a chunk that is not of
                its stream. For a wrong type it is a TypeError as well.
            ParameterError: a buffer of less than one sample, a frequency outside 0 to half the sample rate,
                an effect that holds itself or stands in two places, or ``reset=False`` with an offline one.
            PluginError: a plugin failed.
        """
        with self.lock:
            layout = None if reset or self._stream is None else self._stream.layout
            call = check_call(input_array, sample_rate, buffer_size, layout)
            program = self.compile()
            program.check(call.sample_rate)
            if not reset:
                self._check_stream(call, program)
            elif call.audio.size == 0:
                program.reset()
            if call.audio.size:
                self._stream = call
            out = program.process(call.audio, call.sample_rate, call.buffer_size, reset)
            out = call.layout.restore(out)
            return out.copy() if np.may_share_memory(out, input_array) else out

    def reset(self) -> None:
        """Forget what came before: tails, and the layout of a stream."""
        with self.lock:
            self._stream = None
            self.compile().reset()

    def compile(self) -> Program:
        """What it does now, as stages; the same object, with its state, as long as it holds the same effects.

        Raises:
            ParameterError: an effect that holds itself or stands in two places.
        """
        with self.lock:
            series = unfold(self)
            if self._compiled is None or signature(series) != signature(self._compiled.series):
                self._compiled = Program(series)
            return self._compiled

    def leaves(self) -> list[Effect]:
        """Every effect in it, those of inner boards and mixes included."""
        return list(leaves(unfold(self)))

    def _check_stream(self, call: Call, program: Program) -> None:
        """Refuse a chunk that cannot go on where the one before ended."""
        if names := program.offline_names:
            raise ParameterError(
                f"reset is False, but {', '.join(names)} can only take a whole signal at once;"
                " call with reset=True, or use Board.render_file"
            )
        if self._stream is not None and call.sample_rate != self._stream.sample_rate:
            raise AudioFormatError(
                f"sample_rate is {call.sample_rate} in a stream at {self._stream.sample_rate} Hz;"
                " keep to it, or begin anew with reset()"
            )

"""The call contract every effect answers to, pedalboard's own: the protocol, and the checks of a call.

``process(input_array, sample_rate, buffer_size=8192, reset=True)`` returns float32 of the layout that came
in. With ``reset=True`` a call is one whole signal, and the result has its length, latency compensated. With
``reset=False`` a call continues a stream, and may return fewer samples than it was given: what is held back
comes with later calls, so that all results joined are the signal, never shifted.

What an effect may have on top: ``is_offline`` (True: it works on whole signals only and cannot continue a
stream; False where absent); ``latency_samples`` (how much it holds back; for people to read); and, for an
offline one, ``render_source(source, *, on_event=None, should_cancel=None)``, which gives blocks (channels, n)
as long as the source, at its rate, so that a file need not be held whole. Where ``takes_parts`` is True as
well, it takes ``part=None`` too: a ``Part`` of the source, whose samples alone it gives. ``context_s`` says
how much on both sides of a sample it makes use of, where that is more than a second or two.
Where ``takes_cache`` is True, it takes ``cache=None`` too, a ``RenderCache``; where ``takes_ceiling`` is,
``ceiling=None``: a magnitude that what it adds to the source must not lift a sample over.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from audiosr_fx.errors import AudioFormatError, ParameterError
from audiosr_fx.sources import Audio, check_audio, check_sample_rate

BUFFER_SIZE = 8192
"""pedalboard's default."""

_DTYPES = (np.float32, np.float64)


@runtime_checkable
class Effect(Protocol):
    """Anything that may stand in a ``Board``: pedalboard's plugins, VST3 plugins, our nodes, yours."""

    def process(
        self,
        input_array: NDArray[np.float32],
        sample_rate: float,
        buffer_size: int = BUFFER_SIZE,
        reset: bool = True,
    ) -> NDArray[np.float32]:
        """See the module."""


class OwnEffect(ABC):
    """What our effects have alike: pedalboard's marks, and a call that is ``process``."""

    __slots__ = ()

    is_effect = True
    is_instrument = False

    @abstractmethod
    def process(
        self,
        input_array: NDArray[Any],
        sample_rate: float,
        buffer_size: int = BUFFER_SIZE,
        reset: bool = True,
    ) -> Audio:
        """See the module."""

    def __call__(
        self,
        input_array: NDArray[Any],
        sample_rate: float,
        buffer_size: int = BUFFER_SIZE,
        reset: bool = True,
    ) -> Audio:
        """The same as ``process``."""
        return self.process(input_array, sample_rate, buffer_size, reset)


class AudioTypeError(AudioFormatError, TypeError):
    """An argument of the wrong type; pedalboard's callers expect a TypeError."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How a signal lies in an array: the number of axes, of channels, and whether samples come first."""

    axes: int
    channels: int
    samples_first: bool = False

    def to_channels_samples(self, array: NDArray[Any]) -> NDArray[Any]:
        """An array of this layout as a view (channels, samples).

        Raises:
            AudioFormatError: it is of another layout.
        """
        view: NDArray[Any] = array[np.newaxis] if self.axes == 1 else array.T if self.samples_first else array
        if array.ndim != self.axes or view.shape[0] != self.channels:
            raise AudioFormatError(
                f"audio has shape {array.shape} in a stream of {self}; keep to it, or begin anew with reset()"
            )
        return view

    def restore(self, audio: Audio) -> Audio:
        """(channels, samples) as a C-contiguous array of this layout."""
        if self.axes == 1:
            channel: Audio = audio[0]
            return channel
        return np.ascontiguousarray(audio.T) if self.samples_first else audio

    def __str__(self) -> str:
        if self.axes == 1:
            return "(samples,)"
        return f"(samples, {self.channels})" if self.samples_first else f"({self.channels}, samples)"


@dataclass(frozen=True, slots=True)
class Call:
    """A checked call.

    Attributes:
        audio: the input, float32 (channels, samples), C-contiguous; the caller's own array or a copy.
        sample_rate: in Hz.
        buffer_size: 1 or more.
        layout: of the array that came in; ``layout.restore`` brings a result back to it.
    """

    audio: Audio
    sample_rate: int
    buffer_size: int
    layout: Layout


def check_call(
    input_array: NDArray[Any], sample_rate: float, buffer_size: int, layout: Layout | None = None
) -> Call:
    """Hold the arguments of ``process`` against the contract.

    Args:
        input_array: float32 or float64, (samples,), (channels, samples) or (samples, channels), up to
            32 channels; the smaller axis is the channels, unless there are no samples.
        sample_rate: in Hz.
        buffer_size: in samples.
        layout: of the stream that the call continues; None finds it in the array.

    Raises:
        AudioFormatError: another dtype or shape, a square array, NaN or Inf, or an absurd rate. For a
            wrong type it is a TypeError as well.
        ParameterError: a buffer of less than one sample.
    """
    rate = check_rate_type(sample_rate)
    check_array_type(input_array)
    check_buffer_size(buffer_size)
    layout = layout or find_layout(input_array)
    audio = layout.to_channels_samples(input_array)
    return Call(
        check_audio(audio, rate) if audio.size else np.zeros(audio.shape, np.float32),
        rate,
        int(buffer_size),
        layout,
    )


def find_layout(array: NDArray[Any]) -> Layout:
    """The layout of an array by its shape: the smaller axis is the channels, unless there are no samples.

    Raises:
        AudioFormatError: not one or two axes, or a square array, which could be either way.
    """
    if array.ndim == 1:
        return Layout(1, 1)
    if array.ndim != 2:
        raise AudioFormatError(f"audio has shape {array.shape}; expected one or two axes")
    first, second = array.shape
    if first == second > 1:
        raise AudioFormatError(
            f"audio has shape {array.shape}, which may be either way; expected more samples than channels"
        )
    samples_first = first == 0 or first > second > 0
    return Layout(2, second if samples_first else first, samples_first=samples_first)


def check_array_type(input_array: NDArray[Any]) -> None:
    """Raise AudioFormatError (and TypeError) unless it is an array of float32 or float64."""
    if not isinstance(input_array, np.ndarray) or input_array.dtype.newbyteorder("=") not in _DTYPES:
        is_array = isinstance(input_array, np.ndarray)
        kind = str(input_array.dtype) if is_array else f"a {type(input_array).__name__}"
        raise AudioTypeError(
            f"audio is {kind}; expected a NumPy array of float32 or float64, full scale ±1.0"
        )


def check_buffer_size(buffer_size: int) -> None:
    """Raise ParameterError unless it is a whole number from 1: pedalboard never returns from 0."""
    if isinstance(buffer_size, bool) or not isinstance(buffer_size, (int, np.integer)) or buffer_size < 1:
        raise ParameterError(f"buffer_size is {buffer_size!r}; expected 1 or more")


def check_rate_type(sample_rate: float) -> int:
    """The rate as an int; AudioFormatError for one we cannot take, a TypeError too where it is no number."""
    if isinstance(sample_rate, bool) or not isinstance(sample_rate, (int, float, np.integer, np.floating)):
        raise AudioTypeError(f"sample_rate is {sample_rate!r}; expected a number in Hz")
    return check_sample_rate(float(sample_rate))


def is_offline(effect: object) -> bool:
    """Whether an effect works on whole signals only."""
    return bool(getattr(effect, "is_offline", False))

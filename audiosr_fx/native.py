"""pedalboard's compiled plugins: which they are, what they may hold, how they run and travel.

They check little, and some mistakes crash or hang the process, so what reaches them is checked here first.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pedalboard

from audiosr_fx.contract import BUFFER_SIZE
from audiosr_fx.errors import AudioFormatError, ParameterError, PluginError
from audiosr_fx.sources import Audio
from audiosr_fx.wording import one_line

_MODULES = ("pedalboard", "pedalboard_native")
_CONTAINERS = (pedalboard.Chain, pedalboard.Mix)
_NEED_THE_WHOLE = (pedalboard.PitchShift, pedalboard.GSMFullRateCompressor)
_FREQUENCIES = ("cutoff_frequency_hz", "cutoff_hz", "centre_frequency_hz")


def is_native(effect: object) -> bool:
    """Whether compiled code processes it: not where a subclass has a ``process`` of its own."""
    if not isinstance(effect, pedalboard.Plugin):
        return False
    owner = next(cls for cls in type(effect).__mro__ if "process" in vars(cls) or "__call__" in vars(cls))
    return owner.__module__.split(".")[0] in _MODULES


def is_native_container(effect: object) -> bool:
    """Whether it is pedalboard's own ``Pedalboard``, ``Chain`` or ``Mix``."""
    return isinstance(effect, _CONTAINERS) and is_native(effect)


def needs_the_whole(plugin: object) -> bool:
    """Whether a plugin gives another result in a stream than for the whole signal at once."""
    return isinstance(plugin, _NEED_THE_WHOLE)


def check_native(plugin: pedalboard.Plugin, sample_rate: int) -> None:
    """Refuse settings that make compiled code unstable.

    Raises:
        ParameterError: a frequency outside 0 Hz to half the sample rate, or a value that is not finite.
    """
    kind: Any = type(plugin)
    for name in parameter_names(kind):
        value = getattr(plugin, name, None)
        if not isinstance(value, float):
            continue
        where = f"{type(plugin).__name__}: {name} is {value:.10g}"
        if not math.isfinite(value):
            raise ParameterError(f"{where}; expected a finite number")
        if name in _FREQUENCIES and not 0 < value < sample_rate / 2:
            raise ParameterError(
                f"{where}; expected more than 0 and less than {sample_rate / 2:.10g} Hz, half the sample rate"
            )


def describe_native(plugin: pedalboard.Plugin) -> tuple[str, dict[str, Any]]:
    """The class of a built-in plugin and the arguments that make another like it.

    Raises:
        ParameterError: a plugin from a file, a subclass, or an impulse response given as an array.
    """
    kind: Any = type(plugin)
    if vars(pedalboard).get(kind.__name__) != kind or isinstance(plugin, pedalboard.ExternalPlugin):
        way_out = "; use VST3(path) instead" if isinstance(plugin, pedalboard.ExternalPlugin) else ""
        raise ParameterError(
            f"{plugin!r} cannot be described, so it cannot be copied or leave this process{way_out}"
        )
    if isinstance(plugin, _CONTAINERS):
        return kind.__name__, {"plugins": list(plugin)}
    if isinstance(plugin, pedalboard.Convolution):
        if plugin.impulse_response_filename is None:
            raise ParameterError(
                "Convolution holds an array, whose sample rate it does not tell, so it cannot be copied or"
                " leave this process; give it the name of a file"
            )
        return kind.__name__, {
            "impulse_response_filename": plugin.impulse_response_filename,
            "mix": plugin.mix,
        }
    return kind.__name__, {name: getattr(plugin, name) for name in parameter_names(kind)}


def build_native(kind: str, arguments: dict[str, Any]) -> pedalboard.Plugin:
    """The plugin that ``describe_native`` described."""
    plugin: pedalboard.Plugin = getattr(pedalboard, kind)(**arguments)
    return plugin


class PackedNative:
    """A built-in plugin on its way through ``pickle``, which cannot take it: out comes another, set alike."""

    def __init__(self, plugin: pedalboard.Plugin) -> None:
        self._plugin = plugin

    def __reduce__(self) -> tuple[Any, ...]:
        """Raises as ``describe_native``."""
        kind, arguments = describe_native(self._plugin)
        if isinstance(self._plugin, _CONTAINERS):
            inner = (None if plugin is None else PackedNative(plugin) for plugin in arguments["plugins"])
            arguments = {"plugins": list(inner)}
        return build_native, (kind, arguments)


def clone_native(plugin: pedalboard.Plugin) -> pedalboard.Plugin:
    """Another of a built-in plugin, set alike; raises as ``describe_native``."""
    kind, arguments = describe_native(plugin)
    if isinstance(plugin, _CONTAINERS):
        arguments = {"plugins": [clone_native(inner) for inner in arguments["plugins"] if inner is not None]}
    return build_native(kind, arguments)


@functools.cache
def parameter_names(kind: type[pedalboard.Plugin]) -> tuple[str, ...]:
    """What the constructor of a built-in plugin takes, by name and in order; each is an attribute too.

    There is no other way to ask than the signature in its docstring.
    """
    if issubclass(kind, (pedalboard.ExternalPlugin, *_CONTAINERS)):
        return ()
    own: Any = next(cls for cls in kind.__mro__ if cls.__module__.split(".")[0] in _MODULES)
    return tuple(re.findall(r", (\w+): ", own.__init__.__doc__.splitlines()[0]))


@contextmanager
def small_numbers_kept() -> Iterator[None]:
    """Leave the processor treating tiny numbers as before.

    Many plugins make it flush them to zero, which is quick, and forget to undo it; what runs after them in
    the same thread would then give other results than without them.
    """
    flushed = _flushes_small_numbers()
    try:
        yield
    finally:
        if _flushes_small_numbers() != flushed:
            import torch

            torch.set_flush_denormal(flushed)


def _flushes_small_numbers() -> bool:
    smallest = np.full(1, np.finfo(np.float32).smallest_subnormal)
    return bool((smallest * np.float32(1.0))[0] == 0.0)


class NativeRun:
    """Consecutive native plugins as one real ``Pedalboard``.

    In a stream it does what pedalboard leaves to its caller: a chunk larger than those before would make
    plugins prepare anew and forget, so blocks never outgrow the first one.
    """

    def __init__(self, plugins: Sequence[pedalboard.Plugin], *, is_fresh: bool = False) -> None:
        """``is_fresh``: the plugins have never run, so that there is nothing to forget."""
        self.plugins = tuple(plugins)
        self._is_fresh = is_fresh  # some VST3 plugins complain when they are reset twice in a row
        self._begins_anew = False
        self._board = pedalboard.Pedalboard(list(plugins))  # type: ignore[attr-defined]
        self._largest_block = 0

    @property
    def is_offline(self) -> bool:
        """Never: each of them takes a stream, if not every one gives the same result then."""
        return False

    @property
    def streams_as_whole(self) -> bool:
        """Whether a stream comes out as the whole signal would."""
        return not any(needs_the_whole(plugin) for plugin in self.plugins)

    def process(self, audio: Audio, sample_rate: int, buffer_size: int, reset: bool) -> Audio:
        """(channels, samples) in; as many out, or fewer where ``reset`` is False."""
        channels, samples = audio.shape
        if self._begins_anew and not reset:
            self._reset()
        if reset or self._largest_block == 0:
            self._largest_block = min(buffer_size, samples)
        self._begins_anew = self._is_fresh = False
        block = min(buffer_size, self._largest_block)
        try:
            with small_numbers_kept():
                if samples <= channels:  # by its shape it could lie either way; an empty one could not
                    self._board.process(audio[:, :0], sample_rate, reset=False)
                return self._board.process(audio, sample_rate, block, reset)
        except ValueError as cause:
            raise AudioFormatError(f"{self}: {one_line(cause)}") from cause
        except (RuntimeError, TypeError) as cause:
            raise self._failure(cause) from cause

    def prepare(self, sample_rate: int, channels: int) -> None:
        """Get ready for a stream of chunks of any size."""
        silence = np.zeros((channels, max(BUFFER_SIZE, channels + 1)), np.float32)
        self.process(silence, sample_rate, BUFFER_SIZE, reset=True)
        self._begins_anew = True

    def reset(self) -> None:
        """Forget what came before."""
        self._largest_block = 0
        self._begins_anew = False
        self._reset()

    def _reset(self) -> None:
        if self._is_fresh:
            return
        self._is_fresh = True
        try:
            self._board.reset()
        except RuntimeError as cause:
            raise self._failure(cause) from cause

    def _failure(self, cause: Exception) -> PluginError:
        if "main thread" in str(cause):
            return PluginError(
                f"{self}: must be loaded anew to be reset, which only the main thread may do;"
                " call it there, or render in a process of its own (isolated=True)"
            )
        return PluginError(f"{self}: {one_line(cause)}")

    def __str__(self) -> str:
        return ", ".join(str(getattr(plugin, "name", type(plugin).__name__)) for plugin in self.plugins)

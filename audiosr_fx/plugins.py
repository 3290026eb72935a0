"""VST3 plugins as effects: described by plain settings, loaded when first needed, hosted for any channels.

A mono plugin is hosted once per channel, and a plugin that takes stereo only takes mono too.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pedalboard
from numpy.typing import NDArray

from audiosr_fx.contract import BUFFER_SIZE, OwnEffect, check_call
from audiosr_fx.errors import AudioFormatError
from audiosr_fx.files import FilePath
from audiosr_fx.native import NativeRun
from audiosr_fx.plugin_files import write_state
from audiosr_fx.plugin_loading import class_id_of, load_vst3, set_parameters
from audiosr_fx.plugin_settings import OF_THE_HOST, ParameterValue, VST3Settings
from audiosr_fx.sources import Audio

__all__ = ["VST3", "VST3Settings"]

_ANY_RATE = 48_000


class VST3(OwnEffect):
    """A VST3 plugin as an effect, for boards, mixes and on its own.

    Nothing is loaded before ``load`` or the first call, so a board may hold plugins that are run in another
    process only. Loading belongs on the main thread; a loaded plugin may then be called from others, but for
    some that must be loaded anew to be reset.

    Args:
        path: of the ``.vst3`` bundle or file.
        parameters: see ``VST3Settings``, as for the rest.
        preset: a ``.vstpreset`` file.
        state: a file of raw state.
        plugin_name: which one, where a file holds several.
        load_timeout_s: how long the plugin may take to get ready.

    Raises:
        ParameterError: settings of the wrong kind.
    """

    is_offline = False

    __slots__ = ("__weakref__", "_hosted", "_instances", "settings")

    def __init__(
        self,
        path: FilePath,
        parameters: Mapping[str, ParameterValue] | None = None,
        *,
        preset: FilePath | None = None,
        state: FilePath | None = None,
        plugin_name: str | None = None,
        load_timeout_s: float = 10.0,
    ) -> None:
        self.settings = VST3Settings(
            path=_text(path),
            parameters={} if parameters is None else parameters,
            preset=None if preset is None else _text(preset),
            state=None if state is None else _text(state),
            plugin_name=plugin_name,
            load_timeout_s=load_timeout_s,
        )
        self._instances: list[_Instance] = []
        self._hosted: tuple[int, int] | None = None

    @classmethod
    def from_settings(cls, settings: VST3Settings) -> VST3:
        """The effect that settings describe."""
        effect = cls(settings.path)
        effect.settings = settings
        return effect

    @property
    def name(self) -> str:
        """Of the plugin, once it is loaded; before, of its file."""
        if self._instances:
            return str(self._instances[0].plugin.name)
        return self.settings.plugin_name or Path(self.settings.path).stem

    @property
    def latency_samples(self) -> int:
        """What the loaded plugin reports, in samples; 0 before."""
        return int(self._instances[0].plugin.reported_latency_samples) if self._instances else 0

    @property
    def plugin(self) -> pedalboard.VST3Plugin:
        """The object that pedalboard loaded, now if need be; of several (one per channel) the first."""
        self.load()
        return self._instances[0].plugin

    @property
    def parameters(self) -> dict[str, Any]:
        """What pedalboard tells of every parameter, by name, without those of the host."""
        plugin: Any = self.plugin
        known: dict[str, Any] = plugin.parameters
        return {name: parameter for name, parameter in known.items() if name not in OF_THE_HOST}

    def set_parameters(self, values: Mapping[str, ParameterValue]) -> None:
        """Change parameters, now and for every load to come.

        Raises:
            ParameterError: a name the plugin does not know, or a value it does not take; nothing is changed.
        """
        settings = replace(self.settings, parameters={**self.settings.parameters, **values})
        for instance in self._instances:
            set_parameters(instance.plugin, values)
        self.settings = settings

    def load(self) -> None:
        """Load the plugin and set it up; does nothing where it is loaded already.

        Raises:
            PluginError: no such plugin, it does not load, or this is not the main thread.
            ParameterError: a parameter the plugin does not know, or a value it does not take.
            PresetError: a preset or state that is damaged, or of another plugin.
        """
        if not self._instances:
            self._add_instance()

    def save_state(self, path: FilePath) -> None:
        """Write the plugin's full state, parameters included, into a new file for ``state``.

        Raises:
            PluginError: the plugin does not load.
            FileExistsError: there is such a file.
            OSError: it cannot be written.
        """
        self.load()
        run = self._instances[0].run
        width = (find_widths(run) or [2])[0]  # a plugin learns its parameters when it runs
        run.process(np.zeros((width, BUFFER_SIZE), np.float32), _ANY_RATE, BUFFER_SIZE, reset=False)
        self._hosted = None
        write_state(path, bytes(self.plugin.raw_state), class_id_of(self.plugin))

    def process(
        self,
        input_array: NDArray[Any],
        sample_rate: float,
        buffer_size: int = BUFFER_SIZE,
        reset: bool = True,
    ) -> Audio:
        """Run audio through the plugin.

        A mono plugin is hosted once per channel, each instance set alike. A plugin that takes stereo only is
        given mono on both channels, and their mean comes back.

        Args:
            input_array: float32 or float64, (samples,), (channels, samples) or (samples, channels).
            sample_rate: in Hz.
            buffer_size: samples that the plugin is handed at a time.
            reset: False continues a stream; see ``audiosr_fx.contract``.

        Returns:
            A new float32 array of the same layout.

        Raises:
            AudioFormatError: see ``check_call``; also channels that the plugin cannot be hosted for.
            PluginError: the plugin does not load, or failed.
        """
        call = check_call(input_array, sample_rate, buffer_size)
        if call.audio.size == 0:
            if reset:
                self.reset()
            return call.layout.restore(call.audio)
        width = self._fit(call.audio.shape[0], call.sample_rate)
        outputs = [
            instance.run.process(part, call.sample_rate, call.buffer_size, reset)
            for instance, part in zip(self._instances, _dealt(call.audio, width), strict=True)
        ]
        joined = np.concatenate(outputs)
        if width > call.audio.shape[0]:
            joined = joined.mean(axis=0, keepdims=True, dtype=np.float32)
        return call.layout.restore(joined)

    def reset(self) -> None:
        """Forget what came before."""
        for instance in self._instances:
            instance.run.reset()

    def _fit(self, channels: int, sample_rate: int) -> int:
        """Load as many instances as these channels need; returns how many channels each of them is given."""
        if self._hosted is not None and self._hosted[0] == channels:
            return self._hosted[1]
        self.load()
        candidates = [channels, 2] if channels == 1 else [channels, 1]
        first = self._instances[0].run
        width = next((width for width in candidates if takes(first, width, sample_rate)), None)
        if width is None:
            raise AudioFormatError(
                f"{self.name} takes {_counted(find_widths(first, sample_rate))}, and the audio has"
                f" {channels}; put it on a part of them"
            )
        needed = channels if width == 1 else 1
        del self._instances[needed:]
        while len(self._instances) < needed:
            self._add_instance()
        for instance in self._instances:
            instance.run.prepare(sample_rate, width)
        self._hosted = channels, width
        return width

    def _add_instance(self) -> None:
        plugin = load_vst3(self.settings)
        self._instances.append(_Instance(plugin, NativeRun([plugin], is_fresh=True)))

    if not TYPE_CHECKING:  # or checkers would let every attribute pass

        def __setattr__(self, name: str, value: Any) -> None:
            """Refuse what would change nothing: pedalboard's own plugins have parameters as attributes."""
            try:
                super().__setattr__(name, value)
            except AttributeError as cause:
                if hasattr(type(self), name):
                    raise
                raise AttributeError(
                    f"VST3 has no attribute {name!r}; parameters are set by set_parameters({{{name!r}: ...}})"
                ) from cause

    def __reduce__(self) -> tuple[Any, tuple[VST3Settings]]:
        return VST3.from_settings, (self.settings,)

    def __repr__(self) -> str:
        return f"<audiosr_fx.VST3 {self.settings.path!r} {dict(self.settings.parameters)!r} at {id(self):#x}>"


@dataclass(frozen=True, slots=True)
class _Instance:
    """A loaded plugin, and what runs it."""

    plugin: pedalboard.VST3Plugin
    run: NativeRun


def takes(run: NativeRun, width: int, sample_rate: int) -> bool:
    """Whether plugins run with so many channels; they forget what came before."""
    try:
        run.prepare(sample_rate, width)
    except AudioFormatError:
        return False
    return True


def find_widths(run: NativeRun, sample_rate: int = 48_000) -> list[int]:
    """Numbers of channels that plugins run with, up to eight."""
    return [width for width in range(1, 9) if takes(run, width, sample_rate)]


def _dealt(audio: Audio, width: int) -> list[Audio]:
    """What each instance is given: all channels, one each, or the only one twice."""
    if width == 1:
        return [audio[channel : channel + 1] for channel in range(audio.shape[0])]
    return [np.repeat(audio, width // audio.shape[0], axis=0)]


def _counted(widths: list[int]) -> str:
    listed = " or ".join(str(width) for width in widths) or "no number that could be found"
    return f"{listed} channel{'' if widths == [1] else 's'}"


def _text(path: FilePath) -> str:
    """A path for settings, which refuse what is none."""
    return os.fspath(path) if isinstance(path, os.PathLike) else path

"""Loading a VST3 plugin: names, presets and states are checked before the plugin sees them."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import pedalboard

from audiosr_fx.errors import ParameterError, PluginError, PresetError
from audiosr_fx.files import FilePath
from audiosr_fx.native import small_numbers_kept
from audiosr_fx.plugin_files import preset_class_id, read_state
from audiosr_fx.plugin_settings import ParameterValue, VST3Settings
from audiosr_fx.wording import one_line, shown


@small_numbers_kept()
def load_vst3(settings: VST3Settings) -> Any:
    """Load an effect and set it up.

    Raises:
        PluginError: as ``open_vst3``.
        ParameterError: a parameter it does not know, a value it does not take, or an instrument.
        PresetError: a preset or state that is damaged, or of another plugin.
    """
    preset, state = settings.preset, settings.state
    preset_class = None if preset is None else preset_class_id(preset)
    raw_state, state_class = (None, None) if state is None else read_state(state)
    plugin = open_vst3(settings.path, settings.plugin_name, settings.load_timeout_s)
    if not plugin.is_effect:
        raise ParameterError(f"{plugin.name} is an instrument, which takes no audio; expected an effect")
    if raw_state is not None:
        _check_class(plugin, state_class, state)
        plugin.raw_state = raw_state
    if preset is not None:
        _check_class(plugin, preset_class, preset)
        try:
            plugin.load_preset(preset)
        except RuntimeError as cause:
            raise PresetError(
                f"{shown(Path(preset))}: {plugin.name} refuses it ({one_line(cause)})"
            ) from cause
    set_parameters(plugin, settings.parameters)
    return plugin


def open_vst3(path: FilePath, plugin_name: str | None, load_timeout_s: float = 10.0) -> Any:
    """Load a plugin as it is, effect or instrument.

    Raises:
        PluginError: no such plugin, it does not load, or this is not the main thread.
    """
    path = Path(path)
    name = shown(path)
    if threading.current_thread() is not threading.main_thread():
        raise PluginError(
            f"{name}: plugins load on the main thread only; call load() there first, or render in a"
            " process of its own (isolated=True)"
        )
    if path.suffix.lower() != ".vst3":
        raise PluginError(f"{name}: is no VST3 plugin; expected a path that ends in .vst3")
    if not path.exists():
        raise PluginError(f"{name}: no such plugin; audiosr-fx plugins list shows those that are installed")
    try:
        if plugin_name is not None:
            names = pedalboard.VST3Plugin.get_plugin_names_for_file(str(path))
            if plugin_name not in names:
                raise PluginError(f"{name}: holds no {plugin_name!r}; it holds {', '.join(names)}")
        return pedalboard.VST3Plugin(
            str(path), plugin_name=plugin_name, initialization_timeout=load_timeout_s
        )
    except PluginError:
        raise
    except (ImportError, RuntimeError, ValueError) as cause:
        raise PluginError(f"{name}: cannot be loaded ({one_line(cause)})") from cause


def class_id_of(plugin: Any) -> str:
    """The class of a loaded plugin, 32 hexadecimal digits, as its own presets tell it."""
    return str(plugin.preset_data[8:40].decode("ascii", "replace")).upper()


def _check_class(plugin: Any, class_id: str | None, path: str | None) -> None:
    if class_id not in (None, class_id_of(plugin)):
        raise PresetError(
            f"{shown(Path(str(path)))}: is for a plugin of class {class_id}, and {plugin.name} is"
            f" {class_id_of(plugin)}; choose one of this plugin"
        )


def set_parameters(plugin: Any, values: Mapping[str, ParameterValue]) -> None:
    """Set parameters by name: all of them, or none.

    Raises:
        ParameterError: a name the plugin does not know, or a value it does not take.
    """
    known = plugin.parameters if values else {}
    raw = {}
    for name, value in values.items():
        if name not in known:
            close = get_close_matches(name, known, n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(close)}?" if close else "see audiosr-fx plugins show"
            raise ParameterError(f"{plugin.name} has no parameter {name!r}; {hint}")
        try:
            raw[name] = known[name].get_raw_value_for(value)
        except (TypeError, ValueError) as cause:
            raise ParameterError(f"{plugin.name}: {name} is {value!r}; {one_line(cause)}") from cause
    for name, raw_value in raw.items():
        known[name].raw_value = raw_value

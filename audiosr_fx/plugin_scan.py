"""Which VST3 plugins are installed, and what each can do: found out in another process, as some crash."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pedalboard

from audiosr_fx.child_voice import Message
from audiosr_fx.errors import AudioSRError, PluginError
from audiosr_fx.native import NativeRun
from audiosr_fx.plugin_loading import open_vst3
from audiosr_fx.plugin_settings import OF_THE_HOST
from audiosr_fx.plugins import find_widths
from audiosr_fx.wording import one_line, shown
from audiosr_fx.worker import Report, run_apart


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterInfo:
    """One control of a plugin.

    Attributes:
        name: as ``VST3(parameters=...)`` takes it.
        value: what it is set to, as the plugin words it.
        unit: Hz, dB, ...; empty where the plugin tells none.
        minimum: of a number; None for a choice.
        maximum: of a number; None for a choice.
        choices: texts that can be chosen; empty for a number.
        is_automatable: False for meters, and for what a host should not change while it plays.
    """

    name: str
    value: str
    unit: str
    minimum: float | None
    maximum: float | None
    choices: tuple[str, ...]
    is_automatable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginInfo:
    """One plugin, or a file that turned out not to be one: then ``error`` says why, and the rest is empty.

    ``channels`` lists how many it takes by itself, of 1 to 8; ``VST3`` hosts it for others too.
    """

    path: str
    name: str = ""
    vendor: str = ""
    version: str = ""
    category: str = ""
    identifier: str = ""
    is_instrument: bool = False
    channels: tuple[int, ...] = ()
    latency_samples: int = 0
    parameters: tuple[ParameterInfo, ...] = ()
    error: str | None = None


def plugin_folders() -> list[Path]:
    """The folders where this system keeps VST3 plugins, whether they are there or not.

    Source: Steinberg, VST 3 plug-in locations.
    """
    home = Path.home()
    if sys.platform == "darwin":
        return [home / "Library/Audio/Plug-Ins/VST3", Path("/Library/Audio/Plug-Ins/VST3")]
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA", str(home / "AppData/Local"))
        common = os.environ.get("COMMONPROGRAMFILES", "C:/Program Files/Common Files")
        return [Path(local) / "Programs/Common/VST3", Path(common) / "VST3"]
    return [home / ".vst3", Path("/usr/lib/vst3"), Path("/usr/local/lib/vst3")]


def find_plugins(folders: Sequence[Path]) -> list[Path]:
    """Every ``.vst3`` bundle or file in some folders and below, in order of their names."""
    return sorted({path for folder in folders for path in _below(folder)}, key=lambda path: path.name.lower())


def _below(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        yield from (Path(parent, name) for name in (*folders, *files) if name.lower().endswith(".vst3"))
        folders[:] = [name for name in folders if not name.lower().endswith(".vst3")]


def scan_plugins(
    paths: Sequence[Path],
    *,
    with_parameters: bool = False,
    plugin_name: str | None = None,
    timeout_s: float = 30.0,
    on_found: Callable[[PluginInfo], None] | None = None,
) -> list[PluginInfo]:
    """Load plugins in another process and tell about them, broken ones included.

    Args:
        paths: of bundles or files.
        with_parameters: tell about every parameter too, which takes longer.
        plugin_name: only this one of a file that holds several; None tells about all.
        timeout_s: after which a plugin counts as hung.
        on_found: hears each as soon as it is known.
    """
    found: list[PluginInfo] = []
    remaining = [str(path) for path in paths]

    def hear(message: Message) -> None:
        remaining.remove(message["path"])
        for told in message["plugins"]:
            add(_info(told))

    def add(info: PluginInfo) -> None:
        found.append(info)
        if on_found is not None:
            on_found(info)

    while remaining:
        try:
            run_apart(
                _scan,
                list(remaining),
                with_parameters,
                plugin_name,
                what="it",
                on_message=hear,
                timeout_s=timeout_s,
            )
            break
        except PluginError as error:
            at_risk = remaining.pop(0)
            add(PluginInfo(path=at_risk, error=f"{shown(Path(at_risk))}: {error}"))
    return found


def _scan(paths: list[str], with_parameters: bool, plugin_name: str | None, report: Report) -> Message:
    """The child's side of ``scan_plugins``: one report for each path."""
    for path in paths:
        try:
            names = [plugin_name] if plugin_name else _names(path)
            plugins = [asdict(_examine(path, name, with_parameters)) for name in names]
        except AudioSRError as error:
            plugins = [asdict(PluginInfo(path=path, error=one_line(error)))]
        report({"path": path, "plugins": plugins})
    return {}


def _names(path: str) -> list[str | None]:
    """The plugins of a file that holds several; None where it holds one, or cannot be asked."""
    try:
        names = pedalboard.VST3Plugin.get_plugin_names_for_file(path)
    except (ImportError, RuntimeError, ValueError):
        return [None]
    return list(names) if len(names) > 1 else [None]


def _examine(path: str, plugin_name: str | None, with_parameters: bool) -> PluginInfo:
    plugin = open_vst3(path, plugin_name)
    return PluginInfo(
        path=path,
        name=plugin.name,
        vendor=plugin.manufacturer_name,
        version=plugin.version,
        category=plugin.category,
        identifier=plugin.identifier,
        is_instrument=plugin.is_instrument,
        channels=() if plugin.is_instrument else tuple(find_widths(NativeRun([plugin]))),
        latency_samples=plugin.reported_latency_samples,
        parameters=tuple(_parameters(plugin)) if with_parameters else (),
    )


def _parameters(plugin: Any) -> Iterator[ParameterInfo]:
    for name, parameter in plugin.parameters.items():
        if name in OF_THE_HOST:
            continue
        minimum, maximum, _ = parameter.range
        is_number = parameter.type is float
        yield ParameterInfo(
            name=name,
            value=str(parameter.string_value).strip(),
            unit=(parameter.label or "").strip(),
            minimum=float(minimum) if is_number else None,
            maximum=float(maximum) if is_number else None,
            choices=() if is_number else tuple(str(value) for value in parameter.valid_values),
            is_automatable=parameter.is_automatable,
        )


def _info(told: Message) -> PluginInfo:
    """What the child told, as it was before it went through JSON."""
    parameters = (
        ParameterInfo(**{**parameter, "choices": tuple(parameter["choices"])})
        for parameter in told["parameters"]
    )
    return PluginInfo(**{**told, "channels": tuple(told["channels"]), "parameters": tuple(parameters)})

"""``audiosr-fx plugins``: which VST3 plugins there are, and what can be set on each."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audiosr_fx.commands.terminal import printable, say, say_error, say_json, say_note
from audiosr_fx.errors import ParameterError, PluginError
from audiosr_fx.wording import shown

if TYPE_CHECKING:
    from audiosr_fx.plugin_scan import ParameterInfo, PluginInfo

app = typer.Typer(no_args_is_help=True, help="List VST3 plugins, and show what can be set on one.")

_MOST_CHOICES = 8


@app.command("list")
def list_command(
    folders: Annotated[
        list[Path] | None,
        typer.Option("--folder", metavar="FOLDER", help="Look here instead; may be given more than once."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object per plugin and line.")] = False,
) -> None:
    """Show the VST3 plugins of this machine. Each is loaded in another process; broken ones are named."""
    from audiosr_fx.plugin_scan import find_plugins, plugin_folders, scan_plugins

    for folder in folders or []:
        if not folder.is_dir():
            raise ParameterError(f"folder is {folder}; expected one that is there")
    places = folders or plugin_folders()
    found = scan_plugins(find_plugins(places), on_found=lambda info: _say_plugin(info, json=json))
    if not found:
        say_note(f"no plugins in {', '.join(shown(place) for place in places)}")


@app.command("show")
def show_command(
    plugin: Annotated[
        str, typer.Argument(metavar="PATH|NAME", help="A .vst3, or the name of an installed one.")
    ],
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Which one, where a file holds several.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object per plugin and line.")] = False,
) -> None:
    """Show one plugin: vendor, channels, latency, and every parameter with its range and value.

    [bold]audiosr-fx plugins show /usr/lib/vst3/ZamTube.vst3[/bold]
    """
    from audiosr_fx.plugin_scan import scan_plugins

    for info in scan_plugins([_find(plugin)], with_parameters=True, plugin_name=name):
        if info.error is not None:
            raise PluginError(info.error)
        if json:
            say_json(asdict(info))
        else:
            _say_details(info)


def _find(plugin: str) -> Path:
    """The path as given, or that of an installed plugin whose file is named so."""
    from audiosr_fx.plugin_scan import find_plugins, plugin_folders

    path = Path(plugin)
    if path.suffix.lower() == ".vst3" or path.exists():
        return path
    named = [found for found in find_plugins(plugin_folders()) if found.stem.lower() == plugin.lower()]
    return named[0] if named else path


def _say_plugin(info: PluginInfo, *, json: bool) -> None:
    if json:
        say_json({key: value for key, value in asdict(info).items() if key != "parameters"})
    elif info.error is not None:
        say_error(info.error)
    else:
        name, vendor = printable(info.name), printable(info.vendor)
        say(f"{name:<24}{vendor:<20} {_kind(info):<16} {printable(info.path)}")


def _kind(info: PluginInfo) -> str:
    if info.is_instrument:
        return "instrument"
    widths = {1: "mono", 2: "stereo"}
    return ", ".join(widths.get(count, f"{count} channels") for count in info.channels) or "unknown channels"


def _say_details(info: PluginInfo) -> None:
    say(f"{printable(info.name)} {printable(info.version)}, {printable(info.vendor)}".rstrip(", "))
    say(f"  {printable(info.path)}")
    say(f"  {_kind(info)}, {printable(info.category)}, latency {info.latency_samples} samples")
    for parameter in info.parameters:
        value = f"{printable(parameter.value)} {printable(parameter.unit)}".rstrip()
        note = "" if parameter.is_automatable else " (not automatable)"
        say(f"  {parameter.name:<24} {value:<20} {_range(parameter)}{note}")


def _range(parameter: ParameterInfo) -> str:
    if parameter.minimum is not None:
        return f"{parameter.minimum:.6g} to {parameter.maximum:.6g}"
    listed = [printable(choice) for choice in parameter.choices[:_MOST_CHOICES]]
    more = len(parameter.choices) - len(listed)
    return " | ".join(listed) + (f" | {more} more (--json shows all)" if more else "")

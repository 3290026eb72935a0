"""``audiosr-fx presets``: list the chains there are, show one, check files, and begin a new one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from audiosr_fx.commands.terminal import (
    ExitCode,
    describe_error,
    exit_code_of,
    joint_exit_code,
    printable,
    say,
    say_error,
    say_json,
)
from audiosr_fx.errors import CheckpointError, PresetError
from audiosr_fx.wording import shown

app = typer.Typer(no_args_is_help=True, help="List, show, check and begin presets: chains of effects.")

_BEGINNING = """\
# Every [[chain]] is one effect, first to last; audiosr-fx presets show podcast shows a longer one.
schema = 1
name = "{name}"
description = "Restores the highs and keeps peaks under -1 dBTP."

[[chain]]
type = "AudioSR"
quality = "standard"

[[chain]]
type = "TruePeakLimiter"
ceiling_dbtp = -1.0
"""


@app.command("list")
def list_command(
    json: Annotated[bool, typer.Option("--json", help="One JSON object per preset and line.")] = False,
) -> None:
    """Show the presets there are, shipped ones and your own."""
    from audiosr_fx.presets import find_presets, read_preset, user_folder

    codes = []
    for name, path in find_presets().items():
        try:
            preset = read_preset(path)
        except PresetError as error:
            say_error(describe_error(error))
            codes.append(exit_code_of(error))
            continue
        codes.append(ExitCode.OK)
        origin = "yours" if path.parent == user_folder() else "shipped"
        if json:
            told = {"name": name, "title": preset.name, "description": preset.description}
            say_json({**told, "origin": origin, "path": str(path)})
        else:
            mark = " (yours)" if origin == "yours" else ""
            say(f"{printable(name):<20}{preset.description}{mark}")
    raise typer.Exit(joint_exit_code(codes))


@app.command("show")
def show_command(
    preset: Annotated[str, typer.Argument(metavar="NAME|FILE", help="Name, or a .toml file.")],
) -> None:
    """Print a preset's text, once it is checked, to read or to begin another from."""
    from audiosr_fx.presets import find_preset, read_preset

    path = find_preset(preset)
    read_preset(path)
    for line in path.read_text("utf-8").splitlines():
        say(printable(line.expandtabs()))


@app.command("check")
def check_command(
    presets: Annotated[
        list[str], typer.Argument(metavar="NAME|FILE", help="Names of presets, or .toml files.")
    ],
    sample_rate: Annotated[
        int,
        typer.Option(
            "--sample-rate",
            metavar="HZ",
            min=1000,
            max=768_000,
            help="Of the session; frequencies are checked against it.",
        ),
    ] = 48_000,
) -> None:
    """Say whether presets can be rendered, and what is wrong with those that cannot."""
    from audiosr_fx.presets import load_preset

    codes = []
    for name in presets:
        try:
            preset = load_preset(name)
            preset.build(sample_rate)
        except (PresetError, CheckpointError) as error:
            say_error(describe_error(error, about=Path(name)))
            codes.append(exit_code_of(error))
            continue
        codes.append(ExitCode.OK)
        say(f"{printable(name)}: {preset.name}, {' > '.join(one.type for one in preset.chain)}")
    raise typer.Exit(joint_exit_code(codes))


@app.command("new")
def new_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Such as my-vocal; also the file's name.")],
    origin: Annotated[
        str | None, typer.Option("--from", metavar="NAME|FILE", help="Begin as a copy of this one.")
    ] = None,
) -> None:
    """Put a new preset into your folder, and print its file, to be edited; never in place of another.

    [bold]audiosr-fx presets new my-vocal --from dark-vocal[/bold]

    It then goes by its name: [bold]audiosr-fx render voice.wav -o voice.flac --preset my-vocal[/bold]
    """
    from audiosr_fx.presets import find_preset, read_preset, renamed, write_preset

    text = _BEGINNING.format(name=printable(name).replace("\\", "").replace('"', ""))
    if origin is not None:
        path = find_preset(origin)
        read_preset(path)
        text = renamed(path.read_text("utf-8"), name)
    say(shown(write_preset(name, text)))

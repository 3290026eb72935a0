"""``audiosr-fx hosts``: the scripts that DAWs load, listed and put where a DAW finds them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from audiosr_fx.commands.terminal import OutputError, say, say_note
from audiosr_fx.wording import shown

app = typer.Typer(no_args_is_help=True, help="Scripts for DAWs: what there is, and where it goes.")

HostArgument = Annotated[str, typer.Argument(metavar="HOST", help="A DAW, such as ardour.")]


@app.command("list")
def list_command() -> None:
    """List the DAWs there are scripts for, with their files."""
    from hosts.scripts import all_scripts

    for host in all_scripts():
        say(f"{host.name:<10} {shown(host.folder)}")
        for path in host.files:
            say(f"{'':<10} {path.relative_to(host.folder)}")


@app.command("show")
def show_command(host: HostArgument) -> None:
    """Say how to install, use and bind the scripts for a DAW."""
    from hosts.scripts import find_scripts

    say(find_scripts(host).readme.read_text("utf-8").rstrip())


@app.command("install")
def install_command(
    host: HostArgument,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="DIR", help="Where.", show_default="the DAW's own folder")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that differ.")] = False,
) -> None:
    """Copy a DAW's scripts to where it looks for them.

    [bold]audiosr-fx hosts install ardour[/bold]
    """
    from hosts.scripts import find_scripts

    scripts = find_scripts(host)
    for place in [to.expanduser().absolute()] if to is not None else scripts.places(Path.home()):
        try:
            changed = scripts.install(place, force=force)
        except OSError as cause:
            raise OutputError(f"{shown(place)}: cannot be written ({cause.strerror or cause})") from cause
        for path in changed:
            say(shown(path))
        if not changed:
            say_note(f"{shown(place)} is up to date")
    say_note(f"how to go on: audiosr-fx hosts show {scripts.name}")

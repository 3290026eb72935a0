"""``audiosr-fx midi``: which inputs there are, what arrives, and a mapping made by playing."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from audiosr_fx.commands.terminal import say, say_note
from audiosr_fx.errors import ParameterError

app = typer.Typer(no_args_is_help=True, help="MIDI inputs, and what keys mean.")

PortOption = Annotated[
    str,
    typer.Option(
        "--port", metavar="PORT", help="An input: its name, '' for one of our own, jack: or socket:PORT."
    ),
]


@app.command("ports")
def ports_command() -> None:
    """List the MIDI inputs of this machine."""
    from hosts.midi_ports import input_names

    for name in input_names():
        say(name)


@app.command("learn")
def learn_command(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TARGET",
            help="render, part, again, cancel, preset:NAME or control:NAME; none shows what arrives.",
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where the mapping goes.")
    ] = None,
    port: PortOption = "",
) -> None:
    """Show what arrives, and write down what it shall mean.

    [bold]audiosr-fx midi learn render cancel control:detail -o keys.toml[/bold], then play each in turn.
    """
    from hosts.midi import learn
    from hosts.midi_ports import open_input

    if bool(targets) != (output is not None):
        raise ParameterError("expected both targets and --output FILE, or neither to see what arrives")
    if output is not None and output.exists():
        raise ParameterError(f"{output} exists already; choose another name")
    heard: queue.SimpleQueue[Any] = queue.SimpleQueue()
    opened = open_input(port, heard.put)
    say_note(f"listening at {opened.name}; Ctrl-C ends it")
    try:
        if output is None:
            for message in _all(heard):
                say(str(message))
            return
        mapping = learn(targets or [], _all(heard), say_note)
    finally:
        opened.close()
    with output.open("x", encoding="utf-8") as stream:
        stream.write(mapping.to_toml())
    say(str(output))


def _all(heard: queue.SimpleQueue[Any]) -> Iterator[Any]:
    while True:
        yield heard.get()

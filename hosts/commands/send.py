"""``audiosr-fx send``: what a DAW's script says to a running server, from a shell."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from audiosr_fx.commands.terminal import printable, say
from audiosr_fx.errors import ParameterError
from hosts import protocol
from hosts.client import new_request, render_message
from hosts.commands.send_lines import lines_command
from hosts.commands.send_live import live_command
from hosts.commands.sending import (
    REPLY,
    ChangesOption,
    JsonOption,
    PresetOption,
    Server,
    follow,
    reaches_server,
    say_answer,
    say_reply,
)
from hosts.osc import Argument, Message
from hosts.protocol import check_request_id
from hosts.tempo import split_bars

app = typer.Typer(no_args_is_help=True, help="Talk to a running audiosr-fx serve, as a DAW's script does.")

_MICRO = 1_000_000
SourceArgument = Annotated[Path, typer.Argument(metavar="FILE", help="An audio file; relative with --root.")]
RegionOption = Annotated[
    str | None,
    typer.Option(
        "--region",
        metavar="START-END",
        help="Only this part: 12.5-17, 1:02.5-1:10 or 96000s-144000s; 12.5- goes to the end.",
    ),
]
RootOption = Annotated[str, typer.Option("--root", metavar="NAME", help="A root of the server.")]


@app.command("render")
@reaches_server
def render_command(
    *,
    server: Server,
    source: SourceArgument,
    region: RegionOption = None,
    bars: Annotated[
        str | None,
        typer.Option(
            "--bars",
            metavar="FROM[-TO]",
            help="Bars: 17, 17-25 (up to where 25 begins), 17- (to the end), 17:3-18:1; or a marker's name.",
        ),
    ] = None,
    tempo_map: Annotated[
        str,
        typer.Option(
            "--tempo-map",
            metavar="FILE",
            help="MIDI file that --bars counts by, this time.",
            show_default="the server's own",
        ),
    ] = "",
    preset: PresetOption = "",
    changes: ChangesOption = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="The whole file, with only the region changed.")
    ] = False,
    root: RootOption = "",
    request: Annotated[
        str | None,
        typer.Option("--request", metavar="WORD", help="Name of the request.", show_default="a new one"),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", rich_help_panel=REPLY, help="Wait for the file.")
    ] = True,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", rich_help_panel=REPLY, help="No progress bar.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Render a file or a part of it, and print where the result is.

    [bold]audiosr-fx send render vocal.wav --region 12.5-17 --preset dark-vocal[/bold]
    """
    if request is not None:
        check_request_id(request)
    options = (*(changes or ()), *(("mode=file",) if replace else ()))
    if bars is not None:
        if region is not None:
            raise ParameterError("--region and --bars are given; expected one of them")
        path = str(source) if root else str(source.absolute())
        first, last = split_bars(bars)
        map_path = tempo_map if root or not tempo_map else str(Path(tempo_map).absolute())
        word = request or new_request()
        said = Message(protocol.RENDER_BARS, (word, root, path, first, last, "", map_path, preset, *options))
    else:
        said = _region_message(source, region, root, preset, options, request)
    with server.connect() as client:
        follow(client, said, source.name, wait=wait, quiet=quiet, json=json)


@app.command("announce")
@reaches_server
def announce_command(
    *,
    server: Server,
    source: SourceArgument,
    region: RegionOption = None,
    preset: PresetOption = "",
    changes: ChangesOption = None,
    root: RootOption = "",
    json: JsonOption = False,
) -> None:
    """Name the region that a MIDI key renders; nothing is rendered yet."""
    render = _region_message(source, region, root, preset, tuple(changes or ()), None)
    said = Message(protocol.ANNOUNCE, render.arguments, render.types)
    with server.connect() as client:
        say_answer(client.ask(said)[0], json=json)


app.command("lines")(lines_command)
app.command("live")(live_command)


@app.command("cancel")
@reaches_server
def cancel_command(
    *,
    server: Server,
    request: Annotated[str, typer.Argument(metavar="REQUEST", help="Name of the request.")],
    json: JsonOption = False,
) -> None:
    """Stop a request."""
    check_request_id(request)
    ends = (protocol.ERROR, protocol.DONE)
    with server.connect() as client:
        client.send(Message(protocol.CANCEL, (request,)))
        said = Message(protocol.STATUS, (request,))
        say_answer(client.ask(said, lambda replies: replies[-1].address in ends)[-1], json=json)


@app.command("status")
@reaches_server
def status_command(
    *,
    server: Server,
    request: Annotated[
        str, typer.Argument(metavar="REQUEST", help="Name of a request.", show_default="all")
    ] = "",
    json: JsonOption = False,
) -> None:
    """Say how a request stands, or how many there are."""
    if request:
        check_request_id(request)
    with server.connect() as client:
        said = Message(protocol.STATUS, (request,))
        for reply in client.ask(said):
            say_answer(reply, json=json)


@app.command("presets")
@reaches_server
def presets_command(
    *,
    server: Server,
    json: JsonOption = False,
) -> None:
    """List the presets of the server, with the MIDI program of each."""
    with server.connect() as client:
        said = Message(protocol.PRESETS, (new_request(),))
        replies = client.ask(said, _are_all)
        for reply in sorted({reply.arguments for reply in replies}, key=lambda each: str(each[4])):
            if json:
                say_reply(Message(protocol.PRESET_REPLY, reply), json=True)
            else:
                say(f"{reply[2]!s:>3}  {printable(str(reply[4])):<20} {printable(str(reply[5]))}")


@app.command("param", context_settings={"ignore_unknown_options": True})  # -2 is a value
@reaches_server
def param_command(
    *,
    server: Server,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A control, such as quality.")],
    value: Annotated[
        str | None, typer.Argument(metavar="VALUE", help="For renders to come; auto lets go of it.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Set a control for renders to come, or show it."""
    given = () if value is None else (_typed(value),)
    with server.connect() as client:
        said = Message(protocol.PARAM, (new_request(), name, *given))
        say_answer(client.ask(said)[0], json=json)


@app.command("ping")
@reaches_server
def ping_command(
    *,
    server: Server,
    json: JsonOption = False,
) -> None:
    """Say whether a server answers."""
    with server.connect() as client:
        say_reply(client.ask(Message(protocol.PING, (new_request(),)))[0], json=json)


def _are_all(replies: list[Message]) -> bool:
    """Whether every preset has been told, be it in any order and more than once."""
    return len({reply.arguments[2] for reply in replies}) == replies[0].arguments[3]


def _region_message(
    source: Path, region: str | None, root: str, preset: str, options: tuple[str, ...], request: str | None
) -> Message:
    start, length, rate = _span(region, None if root else source)
    return render_message(
        str(source) if root else str(source.absolute()),
        root=root,
        start=start,
        length=length,
        rate=rate,
        preset=preset,
        options=options,
        request=request,
    )


def _span(region: str | None, source: Path | None) -> tuple[Argument, Argument, int]:
    """Start, length and rate of the message, exact to the sample; seconds where the file is not here."""
    from audiosr_fx.files import read_info
    from audiosr_fx.settings import parse_region

    if region is None:
        return 0, 0, 0
    if source is not None:
        info = read_info(source)
        start, stop = parse_region(region, info.sample_rate).within(info.frames)
        return start, stop - start, info.sample_rate
    if "s" in region:
        raise ParameterError(f"region is {region!r}; expected seconds, as the file lies below a root there")
    read = parse_region(region, _MICRO)
    length = 0 if read.stop is None else read.stop - read.start
    return _decimal(read.start), _decimal(length), 0


def _decimal(micro: int) -> str:
    return f"{micro // _MICRO}.{micro % _MICRO:06d}"


def _typed(text: str) -> Argument:
    if text == "auto":
        return None
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text

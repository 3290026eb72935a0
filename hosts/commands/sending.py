"""What the commands of send share: their options, a client, and replies for people and programs."""

from __future__ import annotations

import json as json_module
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial, wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from audiosr_fx.commands.terminal import ExitCode, printable, say, say_error, say_json
from hosts import protocol
from hosts.client import OscClient
from hosts.osc import Message
from hosts.server import DEFAULT_PORT

_server_option = partial(typer.Option, rich_help_panel="Server")
REPLY = "Reply"

HostOption = Annotated[str, _server_option("--host", metavar="ADDRESS", help="Where it listens.")]
PortOption = Annotated[int, _server_option("--port", min=1, max=65535, help="Its OSC port.")]
TcpOption = Annotated[bool, _server_option("--tcp", help="TCP instead of UDP.")]
SecretOption = Annotated[
    Path | None, _server_option("--secret", metavar="FILE", help="Sign with the secret in this file.")
]
JsonOption = Annotated[
    bool, typer.Option("--json", rich_help_panel=REPLY, help="One JSON object per reply and line.")
]

PresetOption = Annotated[str, typer.Option("--preset", metavar="NAME", help="A preset of the server.")]
ChangesOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a value; may be given more than once."),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where a server is, as the options of a command say."""

    host: str
    port: int
    tcp: bool
    secret: Path | None

    def connect(self) -> OscClient:
        """A client of it.

        Raises:
            ParameterError: nobody is there, or the file of the secret holds none.
        """
        from hosts.signing import read_secret

        secret = None if self.secret is None else read_secret(self.secret)
        return OscClient(self.host, self.port, over_tcp=self.tcp, secret=secret)


def reaches_server(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say where the server is, in place of its argument ``server``."""

    @wraps(command)
    def reaching(
        *, host: HostOption, port: PortOption, tcp: TcpOption, secret: SecretOption, **others: Any
    ) -> None:
        command(server=Server(host=host, port=port, tcp=tcp, secret=secret), **others)

    types = {"host": HostOption, "port": PortOption, "tcp": TcpOption, "secret": SecretOption}
    defaults = {"host": "127.0.0.1", "port": DEFAULT_PORT, "tcp": False, "secret": None}
    hints = get_type_hints(command, include_extras=True)
    del hints["server"]
    reaching.__annotations__ = hints | types
    of_command = [
        each.replace(annotation=hints[each.name], kind=Parameter.KEYWORD_ONLY)
        for each in signature(command).parameters.values()
        if each.name != "server"
    ]
    of_server = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=defaults[name], annotation=annotation)
        for name, annotation in types.items()
    ]
    reaching.__signature__ = Signature([*of_command, *of_server])  # type: ignore[attr-defined]
    return reaching


def follow(client: OscClient, said: Message, name: str, *, wait: bool, quiet: bool, json: bool) -> None:
    """Send a render and say what is answered, with a bar of that name; exits where it fails."""
    with _bar(name, quiet=quiet or not wait) as show:
        for reply in client.render(said):
            if json:
                say_reply(reply, json=True)
            if reply.address == protocol.PROGRESS:
                show(reply.arguments[2], str(reply.arguments[3]))
            if reply.address == protocol.ERROR:
                say_error(str(reply.arguments[2]))
                raise typer.Exit(ExitCode.USAGE if is_refusal(reply) else ExitCode.SOME_FAILED)
            if reply.address == protocol.ACCEPTED and not wait:
                if not json:
                    say(f"{reply.arguments[0]!s} {reply.arguments[1]!s}")
                return
            if reply.address == protocol.DONE and not json:
                say(printable(str(reply.arguments[2])))


def is_refusal(reply: Message) -> bool:
    """Whether an error answers what was said, and is not the end of a request, which has a job's name."""
    return reply.address == protocol.ERROR and not reply.arguments[1]


def say_answer(reply: Message, *, json: bool) -> None:
    """Print a reply; a refusal is an error and ends the command."""
    if is_refusal(reply):
        say_error(str(reply.arguments[2]))
        raise typer.Exit(ExitCode.USAGE)
    say_reply(reply, json=json)


def say_reply(reply: Message, *, json: bool) -> None:
    """Say a reply in one line, or as JSON."""
    address = next(each for each in protocol.REPLIES if each.path == reply.address)
    named = {field.name: value for field, value in zip(address.fields, reply.arguments, strict=False)}
    if json:
        say_json({"reply": reply.address.removeprefix(f"{protocol.PREFIX}/"), **named})
    else:
        texts = {name: json_module.dumps(value, ensure_ascii=False) for name, value in named.items()}
        words = " ".join(f"{name}={printable(text)}" for name, text in texts.items() if named[name] != "")
        say(f"{reply.address.removeprefix(f'{protocol.PREFIX}/')} {words}")


@contextmanager
def _bar(name: str, *, quiet: bool) -> Iterator[Any]:
    """A bar on stderr, silent where that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[state]}", markup=False),
        console=console,
        disable=quiet or not console.is_terminal,
        transient=True,
    ) as progress:
        task = progress.add_task(printable(name), total=1.0, state="asking")
        yield lambda done, state: progress.update(task, completed=float(done), state=state)

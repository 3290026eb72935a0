"""``audiosr-fx send lines``: many renders from a file of lines, for scripts of hosts that have no sockets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Annotated, Final, TextIO

import typer

from audiosr_fx.commands.terminal import ExitCode, OutputError
from audiosr_fx.errors import AudioSRError, MessageError, ParameterError
from audiosr_fx.wording import one_line, shown
from hosts.commands.sending import Server, reaches_server
from hosts.lines import read_lines, render_lines

_BREATH_S: Final = 5.0


@reaches_server
def lines_command(
    *,
    server: Server,
    requests: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="A request a line, with tabs between: word, path, start, length, rate, preset, options.",
        ),
    ],
    replies: Annotated[
        Path, typer.Option("--replies", "-o", metavar="FILE", help="Where the answers are written, likewise.")
    ],
) -> None:
    """Render what the lines of a file ask for; for scripts of hosts that have no sockets.

    FILE is UTF-8, its paths absolute. Answers are as over OSC, the reply's name in front.

    Empty lines among them say that this program still runs.
    """
    guard = Lock()
    _check_target(replies, requests)
    with _writing(replies) as stream:

        def tell(line: str) -> None:
            with guard:
                stream.write(f"{line}\n")
                stream.flush()

        try:
            messages = read_lines(_text_of(requests))
        except AudioSRError as error:
            tell(f"error\t\t\t{one_line(error)}")
            raise
        with _breathing(tell):
            are_done = render_lines(messages, server.connect, tell)
    if not are_done:
        raise typer.Exit(ExitCode.SOME_FAILED)


@contextmanager
def _breathing(tell: Callable[[str], None]) -> Iterator[None]:
    """An empty line from time to time, so that who reads can tell a long render from a dead program."""
    done = Event()

    def breathe() -> None:
        while not done.wait(_BREATH_S):
            with suppress(OSError):  # a full disk, which the next answer says
                tell("")

    thread = Thread(target=breathe, name="send lines", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _check_target(replies: Path, requests: Path) -> None:
    """Hold the name for the answers against what it would overwrite.

    Raises:
        OutputError: it has content, or is the file of the requests.
    """
    with suppress(OSError):  # nothing there
        if replies.samefile(requests) or (replies.is_file() and replies.stat().st_size > 0):
            raise OutputError(f"{shown(replies)}: is there already; expected a new file for the answers")


@contextmanager
def _writing(path: Path) -> Iterator[TextIO]:
    try:
        stream = path.open("w", encoding="utf-8", newline="\n")
    except OSError as cause:
        raise OutputError(f"{shown(path)}: cannot be written ({cause.strerror})") from cause
    with stream:
        yield stream


def _text_of(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as cause:
        raise ParameterError(f"{shown(path)}: cannot be read ({cause.strerror})") from cause
    except UnicodeDecodeError as cause:
        raise MessageError(f"{shown(path)}: is not UTF-8 at its byte {cause.start}") from cause

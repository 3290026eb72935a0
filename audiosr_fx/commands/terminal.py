"""What every command shares at the terminal: exit codes, one-line errors, JSON lines."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from enum import IntEnum
from pathlib import Path

import typer

from audiosr_fx.atomic import refuse_special
from audiosr_fx.errors import (
    NO_ROOM,
    AudioFormatError,
    AudioSRError,
    CheckpointError,
    JobError,
    MessageError,
    NameTaken,
    NoRoom,
    ParameterError,
    PluginError,
    PresetError,
    RenderCancelled,
    StorageError,
)
from audiosr_fx.json_values import finite
from audiosr_fx.wording import one_line, shown
from audiosr_fx.wording import printable as printable

INTERRUPTS = (signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []))
"""What asks the program to end: Ctrl-C, a request to terminate, and a terminal that was closed."""


class ExitCode(IntEnum):
    """How a command ended, for scripts."""

    OK = 0
    SOME_FAILED = 1
    USAGE = 2
    BAD_AUDIO = 3
    MODEL = 4
    OUTPUT = 5
    INTERNAL = 70
    CANCELLED = 130


EXIT_CODES_HELP = (
    "Exit codes: 0 done, 1 some of several files or a server's render failed, 2 wrong usage or refused, "
    "3 audio that cannot be read, 4 model, weights or plugin, 5 output cannot be written, "
    "70 a fault of this program, 130 cancelled."
)


class OutputError(AudioSRError):
    """A result that cannot be written."""


def refuse_taken(path: Path, overwrite: bool) -> None:
    """Refuse a name that anything has, be it a link to nowhere, unless it is a file that may be replaced.

    Raises:
        OutputError: it is taken, or by something that is neither file nor folder.
    """
    with output_errors():
        refuse_special(path)
    if not overwrite and os.path.lexists(path):
        raise OutputError(f"{shown(path)}: exists already; choose another name, or add --overwrite")


def exit_code_of(error: BaseException) -> ExitCode:
    """The exit code that an error ends the program with."""
    match error:
        case RenderCancelled() | KeyboardInterrupt():
            return ExitCode.CANCELLED
        case NoRoom() | NameTaken():
            return ExitCode.OUTPUT
        case AudioFormatError():
            return ExitCode.BAD_AUDIO
        case CheckpointError() | PluginError():
            return ExitCode.MODEL
        case ParameterError() | PresetError() | MessageError():
            return ExitCode.USAGE
        case OutputError() | OSError() | StorageError():
            return ExitCode.OUTPUT
        case JobError():
            return ExitCode.USAGE
        case _:
            return ExitCode.INTERNAL


def describe_error(error: BaseException, about: Path | None = None) -> str:
    """One line a user can act on, beginning with the file it is about unless it names one itself."""
    text = _describe(error)
    names_file = about is None or isinstance(error, OutputError) or shown(about) in printable(text)
    return text if names_file else f"{about}: {text}"


def _describe(error: BaseException) -> str:
    match error:
        case RenderCancelled() | KeyboardInterrupt():
            return "cancelled"
        case OSError() if error.strerror:
            where = f"{error.filename}: " if error.filename else ""
            return f"{where}{error.strerror}{_way_out(error)}"
        case NameTaken():
            return one_line(error).replace(NameTaken.WAY_OUT, "add --overwrite")
        case AudioSRError() | OSError():
            return one_line(error)
        case _:
            return (
                f"unexpected {type(error).__name__}: {one_line(error)} (audiosr-fx --debug ... shows where)"
            )


def _way_out(error: OSError) -> str:
    if error.errno not in NO_ROOM:
        return ""
    return f"; make room in {Path(error.filename).parent}" if error.filename else "; make room on the disk"


def say_error(text: str) -> None:
    """Print one line to stderr."""
    sys.stderr.write(f"error: {printable(text)}\n")
    sys.stderr.flush()


def say_note(text: str) -> None:
    """Print one line beside the result, to stderr."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def say_amid_anything(text: str) -> None:
    """Print one line to stderr from a signal's handler, which may have come amid a line.

    Past the stream, which takes nothing then. Source: Python's ``io``, "Reentrancy".
    """
    with suppress(OSError, ValueError):  # there is none, or nobody reads it
        os.write(sys.stderr.fileno(), f"{text}\n".encode())


def say(text: str) -> None:
    """Print one line of result to stdout."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def say_json(record: Mapping[str, object]) -> None:
    """Print one JSON object as one line to stdout; infinities and NaN become null."""
    say(json.dumps(finite(record), allow_nan=False))


@contextmanager
def translated_errors(*, debug: bool) -> Iterator[None]:
    """Turn every error into one line on stderr and an exit code; with ``debug`` let it through."""
    try:
        yield
    except KeyboardInterrupt as error:
        say_error(describe_error(error))
        raise typer.Exit(ExitCode.CANCELLED) from None
    except Exception as error:
        is_for_typer = hasattr(error, "exit_code") or isinstance(error, typer.Abort)
        if is_for_typer or isinstance(error, BrokenPipeError) or debug:
            raise
        say_error(describe_error(error))
        raise typer.Exit(exit_code_of(error)) from error


def joint_exit_code(codes: Sequence[ExitCode]) -> ExitCode:
    """The exit code of a batch: what all of its files share, otherwise that some failed."""
    return codes[0] if len(set(codes)) == 1 else ExitCode.SOME_FAILED


@contextmanager
def output_errors() -> Iterator[None]:
    """Call what goes wrong inside an error of the output, not of the audio that came in."""
    try:
        yield
    except (AudioFormatError, OSError) as error:
        raise OutputError(describe_error(error)) from error


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Let what is inside finish before anything in ``INTERRUPTS`` takes effect."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []
    handlers = {
        number: signal.signal(number, lambda number, frame: arrived.append(number))
        for number in INTERRUPTS
        if signal.getsignal(number) is not signal.SIG_IGN  # as nohup sets it
    }
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if arrived:
            raise KeyboardInterrupt

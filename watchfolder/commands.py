"""``audiosr-fx watch``: render what is dropped into a folder, for as long as it runs."""

from __future__ import annotations

import os
import sys
from collections import Counter
from contextlib import suppress
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from audiosr_fx.cache import default_cache
from audiosr_fx.commands.job import Bits
from audiosr_fx.commands.options import QueueOption
from audiosr_fx.commands.outputs import OutputFormat
from audiosr_fx.commands.system import refuse_windows
from audiosr_fx.commands.terminal import ExitCode, say, say_error
from audiosr_fx.errors import ParameterError
from watchfolder.known_names import check_inputs, check_names
from watchfolder.naming import DEFAULT_TEMPLATE, FIELDS
from watchfolder.studio import After, FolderSettings, StudioSettings, read_studio

_set_option = partial(typer.Option, rich_help_panel="Sub-folders")
_result_option = partial(typer.Option, rich_help_panel="Results")


class NameTaken(StrEnum):
    """What to do where an output of a name is there."""

    SUFFIX = "suffix"
    SKIP = "skip"
    REPLACE = "replace"


class OnRequest(StrEnum):
    """Formats that are taken only when asked for."""

    OGG = "ogg"
    MP3 = "mp3"


def watch(
    context: typer.Context,
    input: Annotated[Path | None, typer.Argument(metavar="IN", help="Folder to watch.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="OUT", help="Folder for results, apart from IN.")
    ] = None,
    preset: Annotated[
        str, typer.Option("--preset", metavar="NAME", help="A preset, by name or .toml file.")
    ] = "",
    model: Annotated[str, typer.Option("--model", metavar="NAME", help="Model of every AudioSR.")] = "",
    recursive: Annotated[
        bool, _set_option("--recursive", "-r", help="Sub-folders too; one named after a preset chooses it.")
    ] = False,
    settle_s: Annotated[
        float, typer.Option("--settle", metavar="S", help="Seconds that a file must lie still.")
    ] = 3.0,
    scan_s: Annotated[
        float, typer.Option("--scan", metavar="S", help="Longest pause between two looks, in seconds.")
    ] = 2.0,
    pattern: Annotated[
        str, typer.Option("--pattern", metavar="GLOB", help="Only such names, for example '*_dull.*'.")
    ] = "*",
    also: Annotated[
        list[OnRequest] | None,
        typer.Option("--also", help="Take this format too; may be given more than once."),
    ] = None,
    after: Annotated[
        After, _result_option("--after", help="What becomes of a source once its result is there.")
    ] = After.KEEP,
    album: Annotated[
        bool, _set_option("--album/--no-album", help="Stems that arrive together in a sub-folder are a set.")
    ] = True,
    template: Annotated[
        str,
        _result_option(
            "--template", metavar="TEXT", help=f"Names of results: {', '.join(FIELDS)} in braces."
        ),
    ] = DEFAULT_TEMPLATE,
    format: Annotated[OutputFormat, _result_option("--format", help="Format of results.")] = OutputFormat.WAV,
    bits: Annotated[Bits, _result_option("--bits", help="Bits per sample; auto keeps float.")] = Bits.AUTO,
    name_taken: Annotated[
        NameTaken,
        _result_option(
            "--if-taken",
            help="What to do where a result of that name is there; that of another stem is never replaced.",
        ),
    ] = NameTaken.SUFFIX,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="Several folders, from a studio file, instead."),
    ] = None,
    once: Annotated[
        bool,
        typer.Option("--once", help="Render what is there, and end; exit code 1 if some did not go well."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be rendered, and into what.")
    ] = False,
    devices: Annotated[
        list[str] | None,
        typer.Option(
            "--device", metavar="DEVICE", help="auto, cpu, cuda:0, ...; one worker for each that is given."
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Log as one JSON object per line.")] = False,
    queue: QueueOption = None,
) -> None:
    """Render what is dropped into a folder.

    One folder: [bold]audiosr-fx watch stems --out finished --preset album-stems --recursive[/bold]

    Several: [bold]audiosr-fx watch --config studio.toml[/bold]

    A stem is taken when it has lain still for a while and its header agrees with its size. Sources are never
    changed. SIGTERM and Ctrl-C end it within seconds, and the next start goes on; with --once that is exit
    code 130. SIGHUP reads presets and the studio file anew.
    """
    refuse_windows("watch")
    if config is not None:
        _refuse_beside_config(context)
        studio = read_studio(config.expanduser().absolute())
    elif input is None or out is None:
        raise ParameterError("expected a folder to watch and --out for its results, or --config")
    else:
        studio = StudioSettings(
            folders=(
                FolderSettings(
                    input=input.expanduser().absolute(),
                    output=out.expanduser().absolute(),
                    preset=str(Path(preset).absolute()) if preset.endswith(".toml") else preset,
                    model=model,
                    recursive=recursive,
                    settle_s=settle_s,
                    scan_s=scan_s,
                    pattern=pattern,
                    also=tuple(also or ()),
                    after=after,
                    album=album,
                    template=template,
                    format=str(format),
                    bits=str(bits),
                    name_taken=str(name_taken),
                ),
            )
        )
    check_inputs(studio)
    check_names(studio, devices or [])
    default_cache()  # a size that is none is told now, and not by each stem
    if dry_run:
        _dry_run(studio, queue)
        return
    failed = run_daemon(studio, queue, devices or ["auto"], once=once, as_json=json, debug=_debug(context))
    if not once:
        _leave()
    if failed:
        say_error(_what_failed(failed, queue))
        raise typer.Exit(ExitCode.SOME_FAILED)


def _what_failed(count: int, queue: Path | None) -> str:
    from audiosr_fx.jobs.database import queue_folder, queue_option

    files = "1 file" if count == 1 else f"{count} files"
    states = "--state failed --state parked --state queued"
    look = f"audiosr-fx jobs list {states}{queue_option(queue_folder(queue))}"
    return f"{files} did not become a result; {look} says why"


def run_daemon(
    studio: StudioSettings,
    queue: Path | None,
    devices: list[str],
    *,
    once: bool,
    as_json: bool,
    debug: bool,
) -> int:
    """Own the queue and watch until asked to stop; returns how many files failed.

    Raises:
        typer.Exit: it was stopped although it was to go on until all had ended, which the log says.
    """
    from audiosr_fx.jobs.database import queue_folder
    from audiosr_fx.jobs.door import Door
    from audiosr_fx.jobs.lock import START_PATIENCE_S
    from audiosr_fx.jobs.service import Service
    from audiosr_fx.jobs.store import JobStore
    from watchfolder.daemon import Daemon
    from watchfolder.logs import open_log
    from watchfolder.signals import signals_heard

    state = queue_folder(queue)
    with (
        open_log(state, as_json=as_json, debug=debug),  # first: the store may tell of damage
        JobStore(state, patience_s=START_PATIENCE_S) as store,
    ):
        service = Service(store, devices=devices)
        daemon = Daemon(studio, service, state, once=once)
        with signals_heard(daemon), service, Door(service):
            failed = daemon.run()
    if daemon.unfinished is not None:
        raise typer.Exit(ExitCode.CANCELLED)
    return failed


def _dry_run(studio: StudioSettings, queue: Path | None) -> None:
    """Say what lies in the folders now, and what would become of it."""
    from audiosr_fx.jobs.database import queue_folder
    from watchfolder.known import look_up
    from watchfolder.planning import plan_now

    known = look_up(queue_folder(queue))
    promised: set[tuple[bytes, bytes]] = set()
    plans = [plan_now(settings, known, promised) for settings in studio.folders]
    for line in [line for plan in plans for line in plan.lines]:
        say(line)
    for reason, count in sum((plan.left for plan in plans), Counter[str]()).most_common():
        say(f"{count} left alone: {reason}")
    say(f"{sum(plan.renders for plan in plans)} to be rendered; nothing was rendered now")


def _refuse_beside_config(context: typer.Context) -> None:
    """Only some options make sense beside a studio file.

    Raises:
        ParameterError: another was given.
    """
    allowed = {"config", "once", "dry_run", "devices", "json", "queue"}
    for name in context.params:
        source = context.get_parameter_source(name)
        if name not in allowed and source is not None and source.name == "COMMANDLINE":
            raise ParameterError(f"{name} is given beside --config; write it into the studio file instead")


def _leave() -> None:
    """End at once: all is on the disk, and to take large libraries apart can take seconds."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(ExitCode.OK)


def _debug(context: typer.Context) -> bool:
    top: Any = context.find_root().params
    return bool(top.get("debug"))

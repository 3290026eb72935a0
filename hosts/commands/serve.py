"""``audiosr-fx serve``: OSC and MIDI in front of the queue, until it is stopped."""

from __future__ import annotations

import logging
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from audiosr_fx.commands.options import QueueOption
from audiosr_fx.commands.system import refuse_windows
from audiosr_fx.commands.terminal import say_note
from hosts.server import DEFAULT_PORT


def serve(
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            metavar="FILE",
            help="A studio file in TOML: roots, serve, osc, midi, and folders as for watch.",
        ),
    ] = None,
    roots: Annotated[
        list[str] | None,
        typer.Option(
            "--root",
            metavar="DIR",
            help="A folder whose files may be rendered, or NAME=DIR; may be given more than once.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", help="Where results go.", show_default="restored, beside each source"
        ),
    ] = None,
    tempo_map: Annotated[
        Path | None,
        typer.Option(
            "--tempo-map",
            metavar="FILE",
            help="A MIDI file: tempo, metre and markers of the song; read again when it changes.",
        ),
    ] = None,
    osc_port: Annotated[
        int | None, typer.Option("--osc-port", help="For OSC, UDP and TCP.", show_default=str(DEFAULT_PORT))
    ] = None,
    osc_host: Annotated[
        str | None,
        typer.Option("--osc-host", metavar="ADDRESS", help="Address to listen at.", show_default="127.0.0.1"),
    ] = None,
    http_port: Annotated[
        int | None,
        typer.Option("--http-port", help="For the OSCQuery description.", show_default="the OSC port + 1"),
    ] = None,
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Listen beyond this machine; needs --secret.")
    ] = False,
    secret: Annotated[
        Path | None,
        typer.Option("--secret", metavar="FILE", help="Every message must be signed with what it holds."),
    ] = None,
    midi: Annotated[
        str | None,
        typer.Option(
            "--midi",
            metavar="PORT",
            help="Hear a MIDI input: its name, '' for one of our own, jack:, or socket:PORT.",
            show_default="no MIDI",
        ),
    ] = None,
    midi_map: Annotated[
        Path | None,
        typer.Option("--midi-map", metavar="FILE", help="What keys mean; audiosr-fx midi learn writes one."),
    ] = None,
    device: Annotated[
        str, typer.Option("--device", metavar="DEVICE", help="auto, cpu, cuda, cuda:1 or mps.")
    ] = "auto",
    queue: QueueOption = None,
) -> None:
    """Render what a DAW asks for over OSC and MIDI, and watch folders beside it.

    [bold]audiosr-fx serve --root ~/Sessions[/bold], then bind a key to a script of your DAW.

    Nobody but this machine can reach it, and no file outside the named folders. Ctrl-C stops it; what is open
    goes on with the next start.
    """
    refuse_windows("serve")
    from audiosr_fx.cache import default_cache
    from audiosr_fx.jobs.database import queue_folder
    from audiosr_fx.jobs.door import Door
    from audiosr_fx.jobs.lock import START_PATIENCE_S
    from audiosr_fx.jobs.service import Service
    from audiosr_fx.jobs.store import JobStore
    from audiosr_fx.jobs.task import check_device
    from hosts.config import HostConfig, parse_root, read_config
    from hosts.serving import HostServer, answer_at_once
    from hosts.watching import WatchPart
    from watchfolder.studio import read_studio

    check_device(device)
    said = HostConfig(
        roots=tuple(parse_root(text) for text in roots or []),
        out=_absolute(out),
        tempo_map=_absolute(tempo_map),
        osc_host=osc_host,
        osc_port=osc_port,
        http_port=http_port,
        allow_remote=allow_remote,
        secret=_absolute(secret),
        midi=midi,
        midi_map=_absolute(midi_map),
    )
    merged = said if config is None else said.over(read_config(config))
    settings = merged.settings()
    default_cache()  # a size that is none is told now, and not by each job
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with ExitStack() as stack:
        store = stack.enter_context(JobStore(queue_folder(queue), patience_s=START_PATIENCE_S))
        service = Service(store, devices=(device,))
        server = HostServer(settings, service)
        stack.enter_context(service)
        stack.enter_context(Door(service))
        watch = None
        if merged.has_folders and config is not None:
            watch = WatchPart(read_studio(config.expanduser().absolute()), service)
        answer_at_once()
        server.start()
        stack.callback(server.stop)
        if watch is not None:
            watch.start()
            stack.callback(watch.stop)
        _introduce(server, settings.roots)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:  # the way to end it
            say_note("stopping; what is open goes on with the next start")


def _introduce(server: object, roots: dict[str, Path]) -> None:
    from hosts.serving import HostServer

    assert isinstance(server, HostServer)
    host = server.osc.settings.host
    signed = ", signed messages only" if server.osc.settings.secret else ""
    say_note(f"listening for OSC at {host}:{server.osc.port}, UDP and TCP{signed}")
    if server.query is not None:
        say_note(f"described at http://127.0.0.1:{server.query.port}/")
    if server.midi is not None and not server.midi.problem:
        say_note(f"listening for MIDI at {server.midi.name}")
    for name, folder in roots.items():
        say_note(f"root {name}: {folder}")


def _absolute(path: Path | None) -> Path | None:
    return None if path is None else path.expanduser().absolute()

"""``audiosr-fx send live``: the clip that is selected in Ableton Live, by way of AbletonOSC."""

from __future__ import annotations

from typing import Annotated

import typer

from audiosr_fx.errors import ParameterError
from hosts.ableton.abletonosc import ANSWER_PORT, ASK_PORT, AbletonOsc
from hosts.client import render_message
from hosts.commands.sending import (
    ChangesOption,
    JsonOption,
    PresetOption,
    Server,
    follow,
    reaches_server,
)


@reaches_server
def live_command(
    *,
    server: Server,
    track: Annotated[
        int | None,
        typer.Option("--track", min=1, help="Of the clip, from 1.", show_default="the selected one"),
    ] = None,
    slot: Annotated[
        int | None,
        typer.Option("--slot", min=1, help="Of the clip, from 1.", show_default="the selected one"),
    ] = None,
    preset: PresetOption = "",
    changes: ChangesOption = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
    json: JsonOption = False,
    live_port: Annotated[
        int, typer.Option("--live-port", min=1, max=65535, help="Where AbletonOSC listens.")
    ] = ASK_PORT,
    answer_port: Annotated[
        int, typer.Option("--answer-port", min=1, max=65535, help="Where AbletonOSC answers to.")
    ] = ANSWER_PORT,
) -> None:
    """Render the session clip that is selected in Ableton Live, and print where the result is.

    It needs AbletonOSC, which can make no audio clip: drag the result into Live, or use our device there.
    """
    if (track is None) != (slot is None):
        raise ParameterError(
            "--track and --slot belong together; give both, or neither for the selected clip"
        )
    with AbletonOsc(ask_port=live_port, answer_port=answer_port) as live:
        where = live.selected() if track is None or slot is None else (track - 1, slot - 1)
        clip = live.clip(*where)
    said = render_message(
        str(clip.path),
        start=clip.start,
        length=clip.length,
        rate=clip.rate,
        preset=preset,
        options=tuple(changes or ()),
    )
    with server.connect() as client:
        follow(client, said, clip.path.name, wait=True, quiet=quiet, json=json)

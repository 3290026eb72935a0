"""A renderer for tests of the front doors: light to import, and it does as the source's name says."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import soundfile

from audiosr_fx.errors import AudioFormatError, RenderCancelled
from audiosr_fx.jobs.task import Task
from audiosr_fx.settings import parse_region


def render(
    task: Task, on_progress: Callable[[float], None], should_cancel: Callable[[], bool]
) -> dict[str, Any]:
    """Copy the region; notes each call beside the source, and waits there while told to hold."""
    request = task.order.request
    with (request.source.parent / f"{request.source.stem}.renders").open("a") as stream:
        stream.write(f"{request.region} {request.splice} {request.seed} {request.preset}\n")
    if "bad" in request.source.stem:
        raise AudioFormatError(f"{request.source}: is bad")
    audio, rate = soundfile.read(request.source, dtype="float32", always_2d=True)
    region = parse_region(request.region or "0-", rate)
    on_progress(0.5)
    while (request.source.parent / f"{request.source.stem}.hold").exists():
        if should_cancel():
            raise RenderCancelled("the render was cancelled")
        time.sleep(0.005)
    stop = len(audio) if region.stop is None else region.stop
    soundfile.write(task.destination, audio[region.start : stop], rate, subtype="FLOAT", format="WAV")
    return {}

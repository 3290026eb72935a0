"""What a worker does: the chain of an order over its source, into the file that it was told to write."""

from __future__ import annotations

import logging
import platform
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from audiosr_fx import __version__
from audiosr_fx.decode_limits import ALL_KINDS, DecodeLimits, decoded_bytes
from audiosr_fx.errors import AudioFormatError, NoRoom, ParameterError
from audiosr_fx.files import SUBTYPES
from audiosr_fx.jobs.order import model_sha256
from audiosr_fx.jobs.task import DeviceMissing, Task
from audiosr_fx.settings import PLUGIN_TIMEOUT_S, parse_region, session_rate
from audiosr_fx.sources import position_at_rate
from audiosr_fx.wording import shown

if TYPE_CHECKING:
    from audiosr_fx.decoding import DecodedFile
    from audiosr_fx.file_job import RenderedFile
    from audiosr_fx.files import AudioInfo
    from audiosr_fx.jobs.order import Order
    from audiosr_fx.jobs.request import RenderRequest
    from audiosr_fx.progress import ProgressEvent
    from audiosr_fx.settings import Region

_TAKE: Final = "take.audiosr_fx.wav"
_PARTS: Final = ("torch", "numpy", "pedalboard", "soundfile", "soxr")
_log = logging.getLogger(__name__)


def render(
    task: Task, on_progress: Callable[[float], None], should_cancel: Callable[[], bool]
) -> dict[str, Any]:
    """Render a task; see ``audiosr_fx.jobs.task.Renderer``.

    Raises:
        DeviceMissing: the device of the task is not there.
        NoRoom: for the result, on the disk that it goes to.
        AudioSRError: as ``Board.render_file``.
    """
    from audiosr_fx.preset import parse_preset

    order, request = task.order, task.order.request
    preset = parse_preset(order.recipe, order.recipe_path or "the preset")
    _check_device(task, bool(order.models))
    models = _models(order)
    started = time.monotonic()
    is_spliced = bool(request.splice)
    with _decoded(task, should_cancel) as decoded:
        info = decoded.info
        rate = _rate(info, request)
        board = preset.build(rate, device=task.device)
        done = board.render_file(
            request.source,
            task.destination.with_name(_TAKE) if is_spliced else task.destination,
            rate,
            region=_region(request, info),
            format="WAV" if is_spliced else request.format.upper() or None,
            subtype="FLOAT" if is_spliced else SUBTYPES[request.bits],
            overwrite=True,
            keep_metadata=request.keep_metadata,
            preset=Path(order.recipe_path).stem if order.recipe_path else preset.name,
            on_event=lambda event: on_progress(_fraction(event)),
            should_cancel=should_cancel,
            isolated=preset.has_plugins,
            timeout_s=PLUGIN_TIMEOUT_S,
            decoded=decoded,
            small_batches=task.is_small,
            bound_for=_spliced_subtype(task, info) if is_spliced else None,
        )
        if is_spliced:
            done = _spliced(done, task, decoded, should_cancel)
    return _told(done, task, time.monotonic() - started) | {"models": models}


def _decoded(task: Task, should_cancel: Callable[[], bool]) -> DecodedFile:
    """The source, decoded in a process of its own: a file from anywhere must not take the models with it.

    What the disk has no room for is refused before it is decoded: such a job is tried again and again.
    So is what has no samples, often the header of a recording to come: it must not be done and put away.

    Raises:
        AudioFormatError: as ``decode_apart``, it has no samples, or it is no longer what was ordered.
        NoRoom: as ``_check_room``.
    """
    from audiosr_fx.decoding import decode_apart

    source = task.order.request.source
    limits = DecodeLimits(kinds=ALL_KINDS)  # which of them come in is for the front doors to say
    decoded = decode_apart(
        source,
        limits,
        folder=task.destination.parent,
        check_info=lambda info: _check_info(task, info),
        should_cancel=should_cancel,
    )
    if decoded.sha256 != task.order.source.sha256:
        decoded.close()
        raise AudioFormatError(f"{shown(source)}: has changed since it was taken in; drop it again")
    return decoded


def _models(order: Order) -> dict[str, str]:
    """The SHA-256 of each model that is rendered with; one may have been imported anew since it was named.

    Raises:
        CheckpointError: it is gone.
    """
    found = {name: model_sha256(name) for name, _ in order.models}
    for name, before in order.models:
        if found[name] != before:
            _log.warning("model %s is another than when %s was taken in", name, shown(order.request.source))
    return found


def _rate(info: AudioInfo, request: RenderRequest) -> int:
    """What to render at: 48 kHz or the source's own rate where that is higher; what it must have to fit."""
    from audiosr_fx.splice import splice_rate

    return splice_rate(info, request.splice) if request.splice else session_rate(info.sample_rate)


def _region(request: RenderRequest, info: AudioInfo) -> Region | None:
    return parse_region(request.region, info.sample_rate) if request.region else None


def _spliced(
    take: RenderedFile, task: Task, decoded: DecodedFile, should_cancel: Callable[[], bool]
) -> RenderedFile:
    """Put a rendered region where it belongs, into the file that was asked for."""
    from audiosr_fx.splice import splice_file

    request, info = task.order.request, decoded.info
    region = _region(request, info)
    assert region is not None
    done = splice_file(
        request.source,
        take.path,
        task.destination,
        region,
        request.splice,  # type: ignore[arg-type] # checked by the request
        format=request.format.upper() or None,
        subtype=_spliced_subtype(task, info),
        overwrite=True,
        keep_metadata=request.keep_metadata,
        should_cancel=should_cancel,
        decoded=decoded,
    )
    take.path.unlink()
    return replace(
        take,
        path=task.destination,
        frames=done.frames,
        peak=done.peak,
        clipped_samples=done.clipped_samples,
    )


def _spliced_subtype(task: Task, info: AudioInfo) -> str:
    """How the samples of a region, or of the file that it is put into, are written."""
    request = task.order.request
    if asked := SUBTYPES[request.bits]:
        return asked
    if request.splice == "file":
        return info.subtype
    return info.subtype_in(request.format or task.destination.suffix.lstrip("."))


def _told(done: RenderedFile, task: Task, render_s: float) -> dict[str, Any]:
    """What the manifest says of a render."""
    verdicts = [asdict(replace(verdict, spectrum=None)) for verdict in done.verdicts]
    rendered = [verdict for verdict in done.verdicts if verdict.process]
    return {
        "sample_rate": done.sample_rate,
        "channels": done.channels,
        "frames": done.frames,
        "duration_s": done.frames / done.sample_rate,
        "render_s": render_s,
        "peak": done.peak,
        "clipped_samples": done.clipped_samples,
        "gave_way_s": done.gave_way_s,
        "lift_db": done.lift_db,
        "cutoff_hz": rendered[0].cutoff_hz if rendered else None,
        "verdicts": [{key: value for key, value in one.items() if key != "spectrum"} for one in verdicts],
        "decisions": list(done.decisions),
        "device": task.device,
        "small_batches": task.is_small,
        "versions": _versions(),
    }


def _versions() -> dict[str, str]:
    found = {"audiosr_fx": __version__, "python": platform.python_version(), "system": platform.platform()}
    for part in _PARTS:
        try:
            found[part] = version(part)
        except PackageNotFoundError:
            continue
    return found


def _fraction(event: ProgressEvent) -> float:
    if event.seconds_total <= 0 or event.stage == "measure":
        return 0.0
    windows = event.windows_done / event.windows_total if event.windows_total else 0.0
    return min(1.0, max(windows, event.seconds_done / event.seconds_total))


def _check_info(task: Task, info: AudioInfo) -> None:
    """Refuse what cannot come to anything, by what the header says."""
    if info.frames == 0:
        source = task.order.request.source
        raise AudioFormatError(f"{shown(source)}: holds no samples; record or export it again")
    _check_room(task, info)


def _check_room(task: Task, info: AudioInfo) -> None:
    """Refuse to begin what the disk has no room for: the decoded source, the result, and a temporary file."""
    request = task.order.request
    region = _region(request, info)
    start, stop = (0, info.frames) if region is None else region.within(info.frames)
    made = position_at_rate(stop - start, info.sample_rate, _rate(info, request))
    whole = info.frames if request.splice == "file" else 0
    needed = decoded_bytes(info) + 4 * info.channels * (2 * made + whole)
    free = shutil.disk_usage(task.destination.parent).free
    if free < needed:
        raise NoRoom(
            f"{shown(request.folder)}: {needed / 1e6:.1f} MB are needed for"
            f" {request.output_name}, and {free / 1e6:.1f} MB are free; make room"
        )


def _check_device(task: Task, is_needed: bool) -> None:
    if not is_needed:
        return
    from audiosr_fx.engine import choose_device

    try:
        choose_device(task.device)
    except ParameterError as cause:
        raise DeviceMissing(str(cause)) from cause

"""``audiosr-fx render --preset``: files through a chain, with the outputs and codes of any render."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from audiosr_fx.commands.outputs import Task
from audiosr_fx.commands.progress import RenderProgress
from audiosr_fx.commands.render import Bits, Job, Result, check_output, render_each
from audiosr_fx.commands.terminal import OutputError, joint_exit_code, printable
from audiosr_fx.errors import AudioFormatError, ParameterError
from audiosr_fx.files import FileSource, read_info, shown
from audiosr_fx.preset import Preset
from audiosr_fx.presets import find_preset, read_preset

if TYPE_CHECKING:
    from audiosr_fx.board import Board
    from audiosr_fx.progress import OnEvent

SESSION_RATE = 48_000
PLUGIN_TIMEOUT_S = 600.0
_SUBTYPES = {Bits.AUTO: None, Bits.PCM_16: "PCM_16", Bits.PCM_24: "PCM_24", Bits.FLOAT: "FLOAT"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PresetResult(Result):
    """What became of one file that went through a preset."""

    preset: str

    def __str__(self) -> str:
        reason = f" ({printable(self.reason)})" if self.reason else ""
        text = (
            f"{printable(self.output)}: {printable(self.preset)}{reason}; "
            f"{self.duration_s:.1f} s in {self.render_s:.1f} s, {self.speed:.1f}x real time"
        )
        if self.clipped_samples:
            text += f"; {self.clipped_samples} samples limited at full scale (--bits 32 keeps them)"
        return text


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenPreset:
    """A preset as the command line asks for it, its name for people to find it by, and its values changed."""

    name: str
    preset: Preset

    @property
    def is_album(self) -> bool:
        """Whether all files are to be measured together first."""
        return any(section.values.get("mode") == "album" for _, section in self.preset.sections())

    @property
    def has_plugins(self) -> bool:
        """Whether it runs code that may crash, and so runs in a process of its own."""
        return any(section.type == "VST3" for _, section in self.preset.sections())


def choose_preset(name: str, changes: Sequence[str], context: typer.Context) -> ChosenPreset:
    """Find a preset and change its values: by the render options that were typed, then by ``--set``.

    Raises:
        PresetError, ParameterError: no such preset or key, or a value that does not fit.
    """
    preset = read_preset(find_preset(name))
    typed = {key: value for key, value in _typed_controls(context).items() if value is not None}
    preset = preset.with_values("AudioSR", typed)
    for change in changes:
        key, equals, value = change.partition("=")
        if not equals:
            raise ParameterError(f"--set is {change!r}; expected KEY=VALUE, such as target_lufs=-16")
        preset = preset.with_setting(key.strip(), value.strip())
    return ChosenPreset(name=find_preset(name).stem, preset=preset)


def render_preset(
    tasks: list[Task], chosen: ChosenPreset, job: Job, *, device: str, json: bool, quiet: bool
) -> None:
    """Run every task through a preset, say what became of each, and end with the exit code they share."""
    job = replace(job, protected=tuple(task.source for task in tasks))
    with RenderProgress(files=len(tasks), quiet=quiet) as progress:
        board = chosen.preset.build(SESSION_RATE, device=device)
        if chosen.is_album:
            progress.begin("the set")
            effect: Any = board[0]
            effect.learn(_readable(tasks))
        codes = render_each(
            tasks,
            lambda task: render_preset_task(task, board, chosen, job, progress.update),
            progress,
            json,
        )
    raise typer.Exit(joint_exit_code(codes))


def render_preset_task(
    task: Task, board: Board, chosen: ChosenPreset, job: Job, on_event: OnEvent | None = None
) -> PresetResult:
    """Run one file through a board into another file, which appears only when it is whole.

    Raises: as ``Board.render_file``, and
        OutputError: the output exists already, or cannot be written.
    """
    check_output(task, job)
    started = time.perf_counter()
    sample_rate = max(SESSION_RATE, read_info(task.source).sample_rate)
    try:
        done = board.render_file(
            task.source,
            task.output,
            sample_rate,
            format=task.format.upper(),
            subtype=_SUBTYPES[job.bits],
            overwrite=job.overwrite,
            keep_metadata=job.keep_metadata,
            preset=chosen.name,
            protected=job.protected,
            on_event=on_event,
            isolated=chosen.has_plugins,
            timeout_s=PLUGIN_TIMEOUT_S,
        )
    except AudioFormatError as error:
        if str(error).startswith(f"{shown(task.output)}:"):
            raise OutputError(str(error)) from error
        raise
    render_s = time.perf_counter() - started
    rendered = [verdict for verdict in done.verdicts if verdict.process]
    duration_s = done.frames / done.sample_rate
    return PresetResult(
        input=str(task.source),
        output=str(task.output),
        rendered=bool(rendered),
        cutoff_hz=rendered[0].cutoff_hz if rendered else None,
        reason="; ".join([*(verdict.reason for verdict in done.verdicts), *done.decisions]),
        sample_rate=done.sample_rate,
        channels=done.channels,
        duration_s=duration_s,
        render_s=render_s,
        speed=duration_s / render_s,
        clipped_samples=done.clipped_samples,
        preset=chosen.name,
    )


def _typed_controls(context: typer.Context) -> dict[str, Any]:
    """The render options that stand on the command line, by the name of their control."""
    from audiosr_fx.params import RENDER_CONTROLS

    names = [control.name for control in RENDER_CONTROLS]
    typed = {
        name: context.params[name] for name in names if name in context.params and _is_typed(context, name)
    }
    if str(typed.get("model", "")).endswith(".safetensors"):
        typed["model"] = str(Path(typed["model"]).absolute())
    return typed


def _is_typed(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _readable(tasks: Sequence[Task]) -> Iterator[FileSource]:
    """The inputs that can be measured; what is wrong with the others is said when their turn comes."""
    for task in tasks:
        try:
            source = FileSource(task.source)
        except AudioFormatError:
            continue
        with source:
            if _is_finite(source):
                yield source


def _is_finite(source: FileSource) -> bool:
    """Whether a file can be decoded to its end, and holds numbers only."""
    import numpy as np

    from audiosr_fx.meters import read_blocks

    try:
        return all(bool(np.isfinite(block).all()) for block in read_blocks(source))
    except AudioFormatError:
        return False

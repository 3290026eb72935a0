"""``audiosr-fx render``: files in, the same files with their highs restored out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audiosr_fx.commands.options import control_option
from audiosr_fx.commands.outputs import OutputFormat, Task, plan_outputs
from audiosr_fx.commands.progress import RenderProgress
from audiosr_fx.commands.terminal import (
    ExitCode,
    OutputError,
    describe_error,
    exit_code_of,
    interrupts_held,
    joint_exit_code,
    output_errors,
    printable,
    say,
    say_error,
    say_json,
)
from audiosr_fx.errors import AudioSRError, ParameterError
from audiosr_fx.settings import Region, RenderSettings, Spacing, parse_region

if TYPE_CHECKING:
    from audiosr_fx.engine import Engine
    from audiosr_fx.files import FileSource
    from audiosr_fx.metadata import Metadata
    from audiosr_fx.render import ProgressEvent, RenderStream


class Bits(StrEnum):
    """Sample formats that can be asked for."""

    AUTO = "auto"
    PCM_16 = "16"
    PCM_24 = "24"
    FLOAT = "32"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """How a batch is rendered and written, the same for each of its files."""

    settings: RenderSettings
    region: str | None = None
    bits: Bits = Bits.AUTO
    overwrite: bool = False
    sample_rate_out: int | None = None
    keep_metadata: bool = True
    protected: tuple[Path, ...] = ()
    """Files that no output may replace, beside its own input: the inputs of the whole batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one file. ``speed`` is seconds of audio per second of work."""

    input: str
    output: str
    rendered: bool
    cutoff_hz: float | None
    reason: str
    sample_rate: int
    channels: int
    duration_s: float
    render_s: float
    speed: float
    clipped_samples: int

    def __str__(self) -> str:
        verdict = f"rendered from {self.cutoff_hz:.0f} Hz" if self.rendered else "passed through untouched"
        text = (
            f"{printable(self.output)}: {verdict} ({self.reason}); "
            f"{self.duration_s:.1f} s in {self.render_s:.1f} s, {self.speed:.1f}x real time"
        )
        if self.clipped_samples:
            text += f"; {self.clipped_samples} samples limited at full scale (--bits 32 keeps them)"
        return text


def render_files(
    context: typer.Context,
    inputs: Annotated[list[Path], typer.Argument(metavar="IN...", help="Audio files.")],
    out: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="OUT", help="A file for one input, otherwise a folder."),
    ],
    preset: Annotated[
        str | None,
        typer.Option(
            "--preset",
            metavar="NAME",
            help="A whole chain instead: a name from audiosr-fx presets list, or a .toml file.",
        ),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change a value of the preset, such as target_lufs=-16; may be given more than once.",
        ),
    ] = None,
    model: Annotated[str, control_option("model")] = "mini",
    quality: Annotated[str, control_option("quality")] = "standard",
    seed: Annotated[int, control_option("seed")] = 0,
    cutoff_hz: Annotated[float | None, control_option("cutoff_hz")] = None,
    region: Annotated[
        str | None,
        typer.Option(
            "--region",
            metavar="START-END",
            help="Only this part: seconds (12.5-17), minutes (1:02.5-1:10) or samples (96000s-144000s).",
        ),
    ] = None,
    format: Annotated[
        OutputFormat | None,
        typer.Option("--format", help="File format.", show_default="by the name of the output or the input"),
    ] = None,
    bits: Annotated[
        Bits, typer.Option("--bits", help="Bits per sample: 16 (dithered), 24, or 32 (float); auto is 24.")
    ] = Bits.AUTO,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace outputs that exist; never an input.")
    ] = False,
    metadata: Annotated[
        bool,
        typer.Option(
            "--metadata/--no-metadata",
            help="Carry tags, markers, time stamps and pictures over, and note how the file was made.",
        ),
    ] = True,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    json: Annotated[bool, typer.Option("--json", help="One JSON object per file and line.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
    steps: Annotated[int | None, control_option("steps", panel="Sampling")] = None,
    guidance_scale: Annotated[float | None, control_option("guidance_scale", panel="Sampling")] = None,
    sampler: Annotated[str | None, control_option("sampler", panel="Sampling")] = None,
    spacing: Annotated[Spacing | None, control_option("spacing", panel="Sampling")] = None,
    eta: Annotated[float, control_option("eta", panel="Sampling")] = 0.0,
    detail: Annotated[float | None, control_option("detail", panel="Sampling")] = None,
    keep_low_band: Annotated[bool, control_option("keep_low_band")] = True,
) -> None:
    """Restore the highs of audio files.

    One file: [bold]audiosr-fx render dull.wav -o restored.wav[/bold]

    Many, into a folder: [bold]audiosr-fx render stems/*.wav -o restored/ --quality best[/bold]

    A part: [bold]audiosr-fx render song.flac -o chorus.flac --region 1:02.5-1:30[/bold]

    Through a chain: [bold]audiosr-fx render voice.wav -o voice.flac --preset podcast[/bold]

    Material that already reaches 20 kHz, and silence, pass through untouched.
    """
    settings = RenderSettings(
        model=model,
        quality=quality,
        seed=seed,
        cutoff_hz=cutoff_hz,
        steps=steps,
        guidance_scale=guidance_scale,
        sampler=sampler,
        spacing=spacing,
        eta=eta,
        detail=detail,
        keep_low_band=keep_low_band,
    )
    job = Job(settings=settings, region=region, bits=bits, overwrite=overwrite, keep_metadata=metadata)
    if region is not None:
        parse_region(region, 48_000)
    tasks = plan_outputs(inputs, out, format)
    if bits is Bits.FLOAT and any(task.format is OutputFormat.FLAC for task in tasks):
        raise ParameterError("bits is 32; FLAC takes 16 or 24, so choose another format")
    if preset is not None:
        from audiosr_fx.commands.preset_render import choose_preset, render_preset

        if region is not None:
            raise ParameterError("region is given with a preset; cut the file first, or render without one")
        chosen = choose_preset(preset, changes or [], context)
        render_preset(tasks, chosen, job, device=device, json=json, quiet=quiet)
    if changes:
        raise ParameterError(f"--set is {changes[0]!r}, but there is no --preset whose value it could be")
    run_batch(tasks, job, device=device, json=json, quiet=quiet)


def run_batch(tasks: list[Task], job: Job, *, device: str, json: bool, quiet: bool) -> None:
    """Render every task, say what became of each, and end the program with the exit code they share."""
    from audiosr_fx.engine import load_engine

    job = replace(job, protected=tuple(task.source for task in tasks))
    with RenderProgress(files=len(tasks), quiet=quiet) as progress:
        engine = load_engine(job.settings.model, device)
        codes = render_each(
            tasks, lambda task: render_task(task, job, engine, progress.update), progress, json
        )
    raise typer.Exit(joint_exit_code(codes))


def render_each(
    tasks: Sequence[Task], render_one: Callable[[Task], Result], progress: RenderProgress, json: bool
) -> list[ExitCode]:
    """Run every file, say how each went, and let none that fails stop the others."""
    codes: list[ExitCode] = []
    for task in tasks:
        progress.begin(task.source.name)
        try:
            result = render_one(task)
        except (AudioSRError, OSError) as error:
            codes.append(exit_code_of(error))
            text = describe_error(error, about=task.source)
            say_error(text)
            if json:
                say_json({"input": str(task.source), "error": text, "exit_code": int(codes[-1])})
            continue
        codes.append(ExitCode.OK)
        if json:
            say_json(asdict(result))
        else:
            say(str(result))
    return codes


def render_task(
    task: Task, job: Job, engine: Engine, on_event: Callable[[ProgressEvent], None] | None = None
) -> Result:
    """Render one file into another, which appears only when it is whole.

    Raises:
        AudioFormatError: the input cannot be read.
        ParameterError: settings or a region that do not fit the model or the file.
        OutputError: the output exists already, or cannot be written.
    """
    from audiosr_fx.files import FileSource
    from audiosr_fx.render import render

    check_output(task, job)
    started = time.perf_counter()
    with FileSource(task.source) as source:
        region = None if job.region is None else parse_region(job.region, source.sample_rate)
        stream = render(
            source,
            job.settings,
            engine,
            sample_rate_out=job.sample_rate_out,
            region=region,
            on_event=on_event,
        )
        subtype = _subtype(job.bits, source.info.subtype, task.format)
        metadata = _metadata(source, stream, job, region) if job.keep_metadata else None
        clipped = _write(task, job, stream, subtype, metadata)
    render_s = time.perf_counter() - started
    duration_s = stream.frames / stream.sample_rate
    return Result(
        input=str(task.source),
        output=str(task.output),
        rendered=stream.verdict.process,
        cutoff_hz=stream.verdict.cutoff_hz,
        reason=stream.verdict.reason,
        sample_rate=stream.sample_rate,
        channels=stream.channels,
        duration_s=duration_s,
        render_s=render_s,
        speed=duration_s / render_s,
        clipped_samples=clipped,
    )


def check_output(task: Task, job: Job) -> None:
    """Refuse early, before work is spent, what the writer would refuse in the end; make the folder.

    Raises:
        OutputError: the output exists, is an input, or its folder cannot be made.
    """
    with output_errors():
        if task.output.exists():
            for source in (task.source, *job.protected):
                if source.exists() and task.output.samefile(source):
                    raise OutputError(
                        f"{printable(str(task.output))}: is the input {printable(str(source))},"
                        " which is never replaced"
                    )
            if not job.overwrite:
                raise OutputError(f"{printable(str(task.output))}: exists already; --overwrite replaces it")
        task.output.parent.mkdir(parents=True, exist_ok=True)


def _metadata(source: FileSource, stream: RenderStream, job: Job, region: Region | None) -> Metadata:
    """What the source says beside its audio, for the part that is rendered, and how that was made."""
    from audiosr_fx.history import model_record
    from audiosr_fx.metadata import moved, read_metadata

    metadata = read_metadata(source.info.path, info=source.info)
    if region is not None:
        start, stop = region.within(source.frames)
        metadata = moved(metadata, sample_rate=stream.sample_rate, start=start, stop=stop)
    made = model_record(job.settings, stream.verdict)
    if made.action == "untouched" and stream.sample_rate != source.sample_rate:
        made = replace(made, action="resampled")
    return metadata.with_provenance(made)


def _write(task: Task, job: Job, stream: RenderStream, subtype: str, metadata: Metadata | None) -> int:
    """Write a render to its file; returns the number of samples an integer format had to limit."""
    from audiosr_fx.writer import AudioWriter

    writer: AudioWriter | None = None
    try:
        with output_errors(), interrupts_held():
            writer = AudioWriter(
                task.output,
                stream.sample_rate,
                stream.channels,
                subtype=subtype,
                format=task.format.upper(),
                expected_frames=stream.frames,
                overwrite=job.overwrite,
                sources=[task.source, *job.protected],
                metadata=metadata,
            )
        for block in stream:
            with output_errors():
                writer.write(block)
        with output_errors():
            writer.close()
    except BaseException:
        if writer is not None:
            with interrupts_held():
                writer.abort()
        raise
    return writer.clipped_samples


def _subtype(bits: Bits, of_source: str, format: OutputFormat) -> str:
    """The name of a sample format; auto keeps float where the format can, and takes 24 bit otherwise."""
    if bits is Bits.AUTO:
        keeps_float = of_source in ("FLOAT", "DOUBLE") and format is not OutputFormat.FLAC
        return "FLOAT" if keeps_float else "PCM_24"
    return {Bits.PCM_16: "PCM_16", Bits.PCM_24: "PCM_24"}.get(bits, "FLOAT")

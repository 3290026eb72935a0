"""A file through the model alone: the plain ``audiosr-fx render``."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from audiosr_fx.commands.job import (
    Job,
    Result,
    bandwidth_word,
    check_output,
    intact_below_hz,
    levels_before,
    own_reason,
    subtype_of,
)
from audiosr_fx.commands.outputs import Task
from audiosr_fx.commands.terminal import interrupts_held, output_errors
from audiosr_fx.settings import Region, RenderSettings, parse_region

if TYPE_CHECKING:
    from audiosr_fx.bandwidth import Verdict
    from audiosr_fx.files import FileSource
    from audiosr_fx.metadata import Metadata
    from audiosr_fx.meters import Levels
    from audiosr_fx.progress import OnEvent
    from audiosr_fx.render import RenderStream
    from audiosr_fx.sources import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainRecipe:
    """The model with the settings of a job."""

    job: Job
    device: str = "auto"
    timeout_s: float | None = None

    @property
    def finds_cutoff(self) -> bool:
        """Whether none was given."""
        return self.job.settings.cutoff_hz is None

    def judge(self, source: Source) -> Verdict:
        """What the model decides about a file, which is loaded where that takes it."""
        if self.job.settings.keep_low_band:
            from audiosr_fx.bandwidth import judge

            return judge(source)
        from audiosr_fx.engine import load_engine
        from audiosr_fx.render import render

        settings = self.job.settings
        return render(
            source, settings, load_engine(settings.model, self.device), cache=self.job.cache
        ).verdict

    def apart(self) -> PlainRecipe:
        """The same."""
        return self

    def prepare(self) -> None:
        """Load the model, which stays in memory."""
        from audiosr_fx.model.catalogue import find_model

        find_model(self.job.settings.model)  # a wrong name is told before torch is loaded
        from audiosr_fx.engine import load_engine

        load_engine(self.job.settings.model, self.device)

    def render(self, task: Task, on_event: OnEvent | None = None) -> Result:
        """Render one file.

        Raises:
            AudioFormatError: the input cannot be read.
            ParameterError: settings or a region that do not fit the model or the file.
            OutputError: the output exists already, or cannot be written.
        """
        from audiosr_fx.engine import load_engine
        from audiosr_fx.files import FileSource
        from audiosr_fx.part import PartSource
        from audiosr_fx.render import render
        from audiosr_fx.writer import ceiling_of

        job, settings = self.job, _settings_for(task, self.job)
        check_output(task, job)
        started = time.perf_counter()
        with FileSource(task.source) as source:
            region = None if job.region is None else parse_region(job.region, source.sample_rate)
            start, stop = (0, source.frames) if region is None else region.within(source.frames)
            before = levels_before(PartSource(source, start, stop))
            stream = render(
                source,
                settings,
                load_engine(settings.model, self.device),
                sample_rate_out=job.sample_rate_out,
                region=region,
                on_event=on_event,
                cache=job.cache,
                ceiling=ceiling_of(subtype_of(task, job, source.info)),
            )
            verdict = stream.verdict
            source.check_unchanged()
            is_skipped = job.skip_untouched and verdict.is_untouched
            written = _Written() if is_skipped else _write(task, job, settings, source, stream, region)
        render_s = time.perf_counter() - started
        duration_s = stream.frames / stream.sample_rate
        return Result(
            input=str(task.source),
            output=None if is_skipped else str(task.output),
            rendered=verdict.process,
            cleaned=verdict.is_cleaned,
            bandwidth=bandwidth_word(verdict, task),
            cutoff_hz=verdict.cutoff_hz,
            intact_below_hz=intact_below_hz(verdict, keeps_low_band=settings.keep_low_band),
            reason=own_reason(verdict, task),
            decisions=(task.note,) if task.note else (),
            untouched=verdict.is_untouched,
            lufs_before=before.integrated_lufs if before else None,
            lufs_after=written.levels.integrated_lufs if written.levels else None,
            true_peak_before_dbtp=before.true_peak_dbtp if before else None,
            true_peak_after_dbtp=written.levels.true_peak_dbtp if written.levels else None,
            sample_rate=stream.sample_rate,
            channels=stream.channels,
            start_s=start / source.sample_rate,
            duration_s=duration_s,
            render_s=render_s,
            speed=duration_s / render_s,
            clipped_samples=written.clipped_samples,
            gave_way_s=stream.gave_way_s,
            lift_db=stream.lift_db or _float_lift_db(written, before, verdict),
            blocks_made=stream.blocks_made,
            blocks_reused=stream.blocks_reused,
        )


@dataclass(frozen=True, slots=True)
class _Written:
    """What is known of a file once it is written."""

    clipped_samples: int = 0
    levels: Levels | None = None
    is_float: bool = False


def _float_lift_db(written: _Written, before: Levels | None, verdict: Verdict) -> float:
    """How far new highs took a file of float samples over full scale, where its input was not."""
    if not (written.is_float and written.levels and before and verdict.process):
        return 0.0
    return max(0.0, written.levels.sample_peak_dbfs) if before.sample_peak_dbfs <= 0.0 else 0.0


def _settings_for(task: Task, job: Job) -> RenderSettings:
    return job.settings if task.cutoff_hz is None else replace(job.settings, cutoff_hz=task.cutoff_hz)


def _write(
    task: Task,
    job: Job,
    settings: RenderSettings,
    source: FileSource,
    stream: RenderStream,
    region: Region | None,
) -> _Written:
    """Write a render to its file."""
    from audiosr_fx.writer import AudioWriter

    metadata = _metadata(source, stream, settings, region) if job.keep_metadata else None
    writer: AudioWriter | None = None
    try:
        with output_errors(), interrupts_held():
            writer = AudioWriter(
                task.output,
                stream.sample_rate,
                stream.channels,
                speakers=source.info.speakers,
                subtype=subtype_of(task, job, source.info),
                format=task.format.upper(),
                expected_frames=stream.frames,
                overwrite=job.overwrite,
                sources=[task.source, *job.protected],
                metadata=metadata,
                measured=True,
            )
        for block in stream:
            with output_errors():
                writer.write(block)
        source.check_unchanged()
        with output_errors():
            writer.close()
    except BaseException:
        if writer is not None:
            with interrupts_held():
                writer.abort()
        raise
    return _Written(writer.clipped_samples, writer.levels(), writer.subtype == "FLOAT")


def _metadata(
    source: FileSource, stream: RenderStream, settings: RenderSettings, region: Region | None
) -> Metadata:
    """What the source says beside its audio, for the part that is rendered, and how that was made."""
    from audiosr_fx.metadata import moved, read_metadata
    from audiosr_fx.render_records import model_record

    metadata = read_metadata(source.info.path, info=source.info)
    if region is not None:
        start, stop = region.within(source.frames)
        metadata = moved(metadata, sample_rate=stream.sample_rate, start=start, stop=stop)
    made = model_record(settings, stream.verdict)
    if made.action == "untouched" and stream.sample_rate != source.sample_rate:
        made = replace(made, action="resampled")
    return metadata.with_provenance(made)

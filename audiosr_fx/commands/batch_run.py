"""A batch from its first file to its last word: lines, table, checks, report and exit code."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import typer

from audiosr_fx.commands.batch import check_jobs, refuse_early, render_each
from audiosr_fx.commands.job import Failure, Outcome, Recipe, Result
from audiosr_fx.commands.outputs import Task, without_empty_folders
from audiosr_fx.commands.progress import RenderProgress
from audiosr_fx.commands.stem_set import SetCheck, check_sum, share_cutoff
from audiosr_fx.commands.table import Summary, table_text
from audiosr_fx.commands.terminal import (
    ExitCode,
    describe_error,
    exit_code_of,
    joint_exit_code,
    say,
    say_error,
    say_json,
    say_note,
)
from audiosr_fx.errors import AudioSRError, ParameterError
from audiosr_fx.wording import shown

MAX_THREADS = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """How a batch is run and told about.

    Attributes:
        jobs: processes at a time.
        threads: of the model in each; None divides what there is.
        is_album: all files get one gain.
        is_stem_set: all files are stems of one session.
        shares_cutoff: stems take the cutoff of the set.
        report: the page to write in the end.
        json: one object per file and line, in place of lines and a table for people.
        quiet: no progress bar.
    """

    jobs: int = 1
    threads: int | None = None
    is_album: bool = False
    is_stem_set: bool = False
    shares_cutoff: bool = True
    report: Path | None = None
    json: bool = False
    quiet: bool = False

    def __post_init__(self) -> None:
        check_jobs(self.jobs)
        if self.threads is not None and not 1 <= self.threads <= MAX_THREADS:
            raise ParameterError(f"threads is {self.threads}; expected 1 to {MAX_THREADS}")


def run_batch(tasks: Sequence[Task], recipe: Recipe, batch: Batch) -> None:
    """Render every task, say what became of each, and end the program with the exit code they share.

    Folders are made for what is written; those to which nothing came do not stay.
    """
    with without_empty_folders():
        _run_batch(tasks, recipe, batch)


def _run_batch(tasks: Sequence[Task], recipe: Recipe, batch: Batch) -> None:
    from audiosr_fx.commands.batch_report import check_report, write_batch_report

    if batch.report is not None:
        check_report(batch.report, tasks, overwrite=recipe.job.overwrite)
    run = _Run(batch, len(tasks))
    refused = refuse_early(tasks, recipe)
    has_work = len(refused) < len(tasks)
    try:
        with RenderProgress(files=len(tasks), quiet=batch.quiet) as progress:
            if has_work and batch.is_stem_set and batch.shares_cutoff and recipe.finds_cutoff:
                progress.say("judging the stems")
                tasks = share_cutoff(tasks, recipe)
            if has_work and batch.is_album:
                progress.say("measuring the set")
                recipe = _for_album(recipe, tasks)
            for outcome in render_each(
                tasks, recipe, progress, jobs=batch.jobs, threads=batch.threads, refused=refused
            ):
                run.tell(outcome)
    except KeyboardInterrupt:
        run.end()
        raise
    set_check = check_sum(recipe, run.outcomes) if batch.is_stem_set else None
    run.end(set_check)
    if batch.report is not None and not any(isinstance(outcome, Result) for outcome in run.outcomes):
        say_note(f"report: {shown(batch.report)} is not written, as every file failed")
    elif batch.report is not None:
        try:
            with RenderProgress(files=1, quiet=batch.quiet) as progress:
                write_batch_report(
                    batch.report, run.outcomes, set_check, overwrite=recipe.job.overwrite, say=progress.say
                )
            say_note(f"report: {shown(batch.report)}")
        except (AudioSRError, OSError) as error:
            say_error(describe_error(error, about=batch.report))
            run.codes.append(exit_code_of(error))
    raise typer.Exit(joint_exit_code(run.codes))


@dataclass(slots=True)
class _Run:
    """A batch on its way: what is known so far."""

    batch: Batch
    files: int
    outcomes: list[Outcome] = field(default_factory=list)
    codes: list[ExitCode] = field(default_factory=list)
    started: float = field(default_factory=time.perf_counter)

    def tell(self, outcome: Outcome) -> None:
        """Say what became of a file."""
        self.outcomes.append(outcome)
        self.codes.append(ExitCode(outcome.exit_code) if isinstance(outcome, Failure) else ExitCode.OK)
        if isinstance(outcome, Failure):
            say_error(outcome.error)
        if self.batch.json:
            say_json(asdict(outcome))
        elif isinstance(outcome, Result):
            say(str(outcome))

    def end(self, set_check: SetCheck | None = None) -> None:
        """Say what became of all of them, where there are several."""
        album_lufs = _album_lufs(self.outcomes) if self.batch.is_album else None
        wall_s = time.perf_counter() - self.started
        summary = Summary.of(self.files, self.outcomes, wall_s, album_lufs)
        if self.batch.json:
            told: dict[str, object] = {**asdict(summary), "speed": summary.speed}
            if set_check is not None:
                told["stems"] = set_check.told()
            if self.files > 1 or set_check is not None:
                say_json({"summary": told})
            return
        if self.files > 1 and self.outcomes:
            say("")
            say(table_text(self.outcomes))
            say("")
        if self.files > 1:
            say(str(summary))
        if set_check is not None:
            say(str(set_check))


def _for_album(recipe: Recipe, tasks: Sequence[Task]) -> Recipe:
    """The recipe with one gain for all, or as it is, with a word on why."""
    from audiosr_fx.commands.preset_render import PresetRecipe

    if not isinstance(recipe, PresetRecipe):
        say_note("album: without a preset no level is touched, so all files keep theirs")
        return recipe
    if not recipe.chosen.has_loudness:
        say_note(f"album: {recipe.chosen.name} has no stage of loudness, so --album changes nothing")
        return recipe
    learned = recipe.for_album(tasks)
    for effects in learned.learned.values():
        say_note(f"album: {effects[0].decision.summary}")  # type: ignore[attr-defined]
    return learned


def _album_lufs(outcomes: Sequence[Outcome]) -> float | None:
    """Loudness of all that was written, as one programme."""
    from audiosr_fx.files import FileSource
    from audiosr_fx.meters import Meter, integrated_lufs, meter_source

    meters: list[Meter] = []
    for outcome in outcomes:
        if isinstance(outcome, Result) and outcome.output is not None:
            try:
                with FileSource(outcome.output) as source:
                    meters.append(meter_source(source))
            except AudioSRError:  # somebody took it away meanwhile
                continue
    return integrated_lufs(meters)

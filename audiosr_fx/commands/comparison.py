"""The work behind ``audiosr-fx evaluate``: run a plan, show how far it is, and keep what came of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field
from functools import cache
from itertools import combinations, count, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from audiosr_fx.atomic import write_text
from audiosr_fx.commands.terminal import (
    OutputError,
    describe_error,
    output_errors,
    printable,
    refuse_taken,
    say,
    say_error,
    say_json,
    say_note,
)
from audiosr_fx.errors import AudioFormatError, ParameterError
from audiosr_fx.wording import file_name, first_few, shown

if TYPE_CHECKING:
    from audiosr_fx.engine import Engine
    from audiosr_fx.quality.cases import Case
    from audiosr_fx.quality.conditions import Condition
    from audiosr_fx.quality.outputs import Misfit
    from audiosr_fx.quality.plan import Plan
    from audiosr_fx.quality.scores import Gap, Score
    from audiosr_fx.quality.spectra import Waveform
    from audiosr_fx.quality.systems import System
    from audiosr_fx.quality.tables import Table
    from audiosr_fx.training.data import Clip
    from audiosr_fx.training.trained_on import TrainedOn

_CURVES = {"lsd_over_cutoff.png": "draw_over_cutoff", "lsd_over_steps.png": "draw_over_steps"}
_EMBEDDED = "mini"  # whose held-out sources are known by name
_PANELS_OF = "spectrograms_{}.png".format


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """Where results go beside the terminal; None for nowhere."""

    csv: Path | None = None
    markdown: Path | None = None
    plots: Path | None = None
    audio: Path | None = None
    json: bool = False
    overwrite: bool = False

    def check(self, originals: Path) -> None:
        """Refuse, before any work, what could not be kept in the end.

        Raises:
            OutputError: a name that is taken, or a folder that is not there.
            ParameterError: audio among the originals, or two results in one place.
        """
        given = {name: getattr(self, name) for name in ("csv", "markdown", "plots", "audio")}
        for (name, path), (other, taken) in combinations(((n, p) for n, p in given.items() if p), 2):
            if path.resolve() == taken.resolve() and name in ("csv", "markdown"):
                raise ParameterError(f"{name} and {other} are both {path}; expected two places")
        for path in (self.csv, self.markdown):
            if path is None:
                continue
            refuse_taken(path, self.overwrite)
            if not path.absolute().parent.is_dir():
                raise OutputError(f"{path}: there is no folder {path.parent}")
        for folder, pattern in ((self.plots, "*.png"), (self.audio, "*")):
            if folder is None:
                continue
            if folder.exists() and not folder.is_dir():
                raise OutputError(f"{folder}: is not a folder")
            if not self.overwrite and next(folder.glob(pattern), None) is not None:
                raise OutputError(f"{folder}: holds files; choose another folder, or add --overwrite")
        if self.audio is not None and self.audio.resolve().is_relative_to(originals.resolve()):
            raise ParameterError(f"audio is {self.audio}; expected a folder outside the originals")


@dataclass(slots=True, kw_only=True)
class Comparison:
    """What came of a plan so far.

    ``examples`` holds, for one clip of each kind, the waveforms to draw; ``bare`` names cases with nothing
    above their cutoff, ``damaged`` those that could not be made, by reason; ``misfits`` says which outputs of
    other systems were not as long as their clips, or not in step. ``failure`` is what ended it early.
    """

    scores: list[Score] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    bare: list[str] = field(default_factory=list)
    damaged: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    misfits: dict[str, list[Misfit]] = field(default_factory=lambda: defaultdict(list))
    examples: dict[str, list[tuple[str, Waveform]]] = field(default_factory=dict)
    failure: Exception | KeyboardInterrupt | None = None

    @property
    def is_complete(self) -> bool:
        """Whether every system has a score for every clip."""
        return self.failure is None and not self.gaps and not self.damaged


def compare(
    folder: Path, plan: Plan, outputs: Sequence[str], results: Results, *, everything: bool, device: str
) -> Comparison:
    """Run a plan; Ctrl-C, a full disk or any other fault on the way ends it early with what there is.

    Raises:
        AudioSRError: nothing to compare on, no such model, or a plan that makes no sense.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

    from audiosr_fx.commands.kept_audio import KeptAudio, check_kept_names
    from audiosr_fx.commands.progress import counted
    from audiosr_fx.quality.cases import choose_clips
    from audiosr_fx.quality.conditions import conditions_of
    from audiosr_fx.quality.scores import Score, evaluate

    conditions = conditions_of(
        plan.cutoffs_hz, plan.families, plan.codecs, order=plan.order, hiss=plan.hiss, tones=plan.tones
    )
    clips = choose_clips(
        folder,
        everything=everything,
        trained_on=None if everything else _trained_on(plan.models),
        limit=plan.limit,
        grouped=plan.grouped,
    )
    if results.audio is not None:
        check_kept_names(clip.name for chosen in clips.values() for clip in chosen)
    if not any(clips.values()):
        raise AudioFormatError(f"{folder}: holds no clip that was held out of training; --all takes all")
    kept = None
    if results.audio is not None:
        several_seeds = len(plan.seeds) > 1
        kept = KeptAudio(folder=results.audio, several_seeds=several_seeds, overwrite=results.overwrite)
    done = Comparison()
    systems = _systems(plan, outputs, conditions, device, done)
    if kept is not None:
        kept.check_rows(systems)
    total = sum(map(len, clips.values())) * len(conditions) * len(systems)

    def keep(system: System, case: Case, waveform: Waveform) -> None:
        if case.condition == conditions[0]:
            _remember(done, systems, system, case, waveform)
        if kept is not None:
            kept.keep(system, case, waveform)

    cases = _cases(clips, conditions, plan.seconds, done)
    columns = (TextColumn("scoring"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with counted("scoring", total, columns=columns) as show:
            for found in evaluate(systems, cases, on_output=keep):
                if isinstance(found, Score):
                    done.scores.append(found)
                else:
                    done.gaps.append(found)
                skipped = len(done.bare) + sum(map(len, done.damaged.values()))
                show(len(done.scores) + len(done.gaps) + skipped * len(systems))
    except (Exception, KeyboardInterrupt) as failure:  # hours of scores are not to be lost by it
        if not (done.scores or isinstance(failure, KeyboardInterrupt)):
            raise
        done.failure = failure
        what = "interrupted" if isinstance(failure, KeyboardInterrupt) else "stopped by an error"
        say_note(f"{what}; what follows is {len(done.scores)} scores of {total}")
    return done


def report(done: Comparison, plan: Plan, results: Results) -> None:
    """Print the tables, name what is missing, and write what was asked for.

    Raises:
        AudioFormatError: not one score.
        OutputError: a result cannot be written.
    """
    from audiosr_fx.quality.metrics import PROTOCOL
    from audiosr_fx.quality.scores import csv_text
    from audiosr_fx.quality.tables import aggregate, count_clips, make_tables

    _say_gaps(done, plan, results)
    if not done.scores:
        raise AudioFormatError("there is not one score; see the lines above, or --help")
    tables = make_tables(done.scores, plan.metrics)
    counted = count_clips(done.scores)
    if results.json:
        for cell in aggregate(done.scores):
            record = asdict(cell)
            say_json({**{name: record[name] for name in record if name != "means"}, **record["means"]})
    else:
        for table in tables:
            _print(table)
        say(counted)
    with _all_outputs_attempted() as attempt:
        if results.csv is not None:
            with attempt():
                write_text(results.csv, csv_text(done.scores))
        if results.markdown is not None:
            text = "\n\n".join([*(table.markdown() for table in tables), f"{counted}. {PROTOCOL}"])
            with attempt():
                write_text(results.markdown, text + "\n")
        if results.plots is not None:
            with attempt():
                _draw(done, results.plots)


@contextmanager
def _all_outputs_attempted() -> Iterator[Callable[[], AbstractContextManager[None]]]:
    """Write every output that can be written; what could not is an error at the end."""
    failures: list[OutputError] = []

    @contextmanager
    def attempt() -> Iterator[None]:
        try:
            with output_errors():
                yield
        except OutputError as error:
            failures.append(error)

    yield attempt
    for failure in failures[1:]:
        say_error(str(failure))
    if failures:
        raise failures[0]


def _trained_on(models: Sequence[str]) -> TrainedOn:
    """What the models say they were trained on; a line names those that do not."""
    from audiosr_fx.model.catalogue import read_card
    from audiosr_fx.training.trained_on import TrainedOn

    told = TrainedOn().also(*(TrainedOn.from_text(read_card(name).trained_on, name) for name in models))
    unknown = sorted(told.unknown - {_EMBEDDED})
    if unknown:
        say_note(
            f"{printable(', '.join(unknown))}: it is not known what it was trained on;"
            " if these clips are among it, its scores are too good"
        )
    return told


def _systems(
    plan: Plan, outputs: Sequence[str], conditions: Sequence[Condition], device: str, done: Comparison
) -> list[System]:
    from audiosr_fx.engine import load_engine
    from audiosr_fx.quality.outputs import output_system, parse_outputs
    from audiosr_fx.quality.systems import (
        ModelRuns,
        baseline_systems,
        check_rows,
        model_systems,
        stage_systems,
    )

    runs = ModelRuns(
        models=plan.models,
        qualities=plan.qualities,
        samplers=plan.samplers,
        steps=plan.steps,
        guidance=plan.guidance,
        seeds=plan.seeds,
        variants=plan.variants,
    )
    others = [
        output_system(name, folder, conditions, done.misfits[name].append)
        for name, folder in map(parse_outputs, outputs)
    ]

    @cache
    def engine_of(model: str) -> Engine:
        return load_engine(model, device)

    systems = baseline_systems(plan.tilts_db_per_octave) if plan.baselines else []
    systems += stage_systems(plan.models, engine_of, predictor=plan.predictor, bound=False)
    systems += model_systems(runs, engine_of)
    systems += others
    if plan.vocoder_bound:
        systems += stage_systems(plan.models, engine_of, predictor=False, bound=True)
    check_rows(systems)
    return systems


def _cases(
    clips: dict[str, list[Clip]], conditions: Sequence[Condition], seconds: float, done: Comparison
) -> Iterator[Case]:
    """One clip of each kind in turn, so that what is there early covers all kinds."""
    from audiosr_fx.quality.cases import make_case

    for row in zip_longest(*clips.values()):
        for kind, clip in zip(clips, row, strict=True):
            for condition in conditions if clip is not None else ():
                try:
                    case = make_case(clip, kind, condition, seconds)
                except (AudioFormatError, FileNotFoundError) as error:
                    done.damaged[describe_error(error)].append(f"{clip.name} ({condition})")
                    continue
                if case is None:
                    done.bare.append(f"{clip.name} ({condition})")
                else:
                    yield case


def _remember(
    done: Comparison, systems: Sequence[System], system: System, case: Case, waveform: Waveform
) -> None:
    """Keep the first clip of a kind for its picture: the original and one waveform of each system."""
    from audiosr_fx.quality.plots import MOST_PANELS

    clip = printable(case.clip)
    if system is systems[0] and case.kind not in done.examples:
        done.examples[case.kind] = [(f"{clip}: original", case.bright)]
    example = done.examples.get(case.kind, [])
    if not example or not example[0][0].startswith(f"{clip}:"):
        return
    if len(example) < MOST_PANELS and system.name not in [title for title, _ in example]:
        example.append((system.name, waveform))


def _say_gaps(done: Comparison, plan: Plan, results: Results) -> None:
    from audiosr_fx.quality.speech import reason_without

    by_reason: dict[tuple[str, str], list[str]] = defaultdict(list)
    for gap in done.gaps:
        by_reason[gap.system, gap.reason].append(gap.clip)
    for (system, reason), clips in by_reason.items():
        say_note(printable(f"{system}: {reason} ({first_few(list(dict.fromkeys(clips)), 8)})"))
    for reason, names in done.damaged.items():
        say_note(printable(f"skipped: {first_few(names, 4)}: {reason}"))
    for system, misfits in done.misfits.items():
        _say_misfits(system, misfits)
    if done.bare:
        where = f"the first channel's {plan.seconds:g} s from the middle"
        say_note(printable(f"nothing in {where} to restore above the cutoff: {first_few(done.bare, 4)}"))
    if any(score.kind == "speech" for score in done.scores):
        for package, metric in (("pesq", "pesq"), ("pystoi", "stoi")):
            absent = reason_without(package)
            if absent is not None and (metric in plan.metrics or results.csv is not None):
                say_note(f"{metric} is skipped: {absent}")
    elif asked := [metric for metric in ("pesq", "stoi") if metric in plan.metrics]:
        say_note(f"{', '.join(asked)}: measured on clips of the kind speech alone, and there are none")


def _say_misfits(system: str, misfits: Sequence[Misfit]) -> None:
    """What was done to outputs before they were scored."""
    from audiosr_fx.training.data import SAMPLE_RATE

    if moved := [misfit for misfit in misfits if misfit.lag]:
        most = max((misfit.lag for misfit in moved), key=abs)
        say_note(
            printable(
                f"{system}: outputs that were not in step and were moved: {len(moved)}, as {moved[0].clip};"
                f" at most {abs(most)} samples {'late' if most > 0 else 'early'}"
                f"{'; what that lacks at the beginning counts as silence' if most < 0 else ''}"
            )
        )
    if uneven := [misfit for misfit in misfits if misfit.surplus]:
        ends = (f"{pick(misfit.surplus for misfit in uneven) / SAMPLE_RATE:+.2f}" for pick in (min, max))
        say_note(
            printable(
                f"{system}: outputs that are longer or shorter than their clips: {len(uneven)}, as"
                f" {uneven[0].clip}; by {' to '.join(dict.fromkeys(ends))} s"
            )
        )
    if lacking := max((misfit.lacking for misfit in misfits), default=0):
        say_note(
            f"{system}: scored without what outputs lack at their end, at most {lacking / SAMPLE_RATE:.2f} s"
        )


def _print(table: Table) -> None:
    """On a terminal as wide as that is, elsewhere as wide as it needs."""
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    console = Console()
    if not console.is_terminal:
        console = Console(width=10_000)
    drawn = RichTable()
    for number, name in enumerate(table.header):
        drawn.add_column(Text(name), justify="right" if number else "left")
    for row in table.rows:
        drawn.add_row(*(Text(printable(text)) for text in row))
    say(f"{table.title} ({table.note})")
    console.print(drawn)


def _draw(done: Comparison, folder: Path) -> None:
    from audiosr_fx.quality import plots

    folder.mkdir(parents=True, exist_ok=True)
    pictures = {name: getattr(plots, function)(done.scores) for name, function in _CURVES.items()}
    for kind, waveforms in done.examples.items():
        pictures[_picture_name(kind, pictures)] = plots.draw_panels([*waveforms[1:], waveforms[0]])
    for name, picture in pictures.items():
        if picture is not None:
            (folder / name).write_bytes(picture)
            say_note(f"drawn: {shown(folder / name)}")
    drawn = {title for waveforms in done.examples.values() for title, _ in waveforms}
    rows = dict.fromkeys(score.system for score in done.scores)
    if left_out := [row for row in rows if row not in drawn]:
        say_note(
            printable(
                f"not in the spectrograms, which hold {plots.MOST_PANELS} panels: {first_few(left_out, 8)};"
                " compare fewer rows to see them"
            )
        )


def _picture_name(kind: str, taken: Container[str]) -> str:
    """Of a kind's spectrograms; numbered where letters that file names cannot have told kinds apart."""
    plain = file_name(kind) or "kind"
    names = (plain if number == 1 else f"{plain}_{number}" for number in count(1))
    return next(name for name in map(_PANELS_OF, names) if name not in taken)

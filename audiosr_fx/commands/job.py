"""How a batch is rendered, and what became of each of its files."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from audiosr_fx.commands.outputs import Task, make_folder
from audiosr_fx.commands.terminal import ExitCode, OutputError, output_errors, printable, refuse_taken
from audiosr_fx.errors import AudioFormatError
from audiosr_fx.settings import RenderSettings, parse_region, session_rate
from audiosr_fx.wording import gave_way, shown

if TYPE_CHECKING:
    from audiosr_fx.bandwidth import Verdict
    from audiosr_fx.cache import RenderCache
    from audiosr_fx.files import AudioInfo
    from audiosr_fx.meters import Levels
    from audiosr_fx.progress import OnEvent
    from audiosr_fx.sources import Source


_log = logging.getLogger(__name__)


class Bits(StrEnum):
    """Sample formats that can be asked for."""

    AUTO = "auto"
    PCM_16 = "16"
    PCM_24 = "24"
    FLOAT = "32"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """How a batch is rendered and written, the same for each of its files."""

    settings: RenderSettings = field(default_factory=RenderSettings)
    region: str | None = None
    bits: Bits = Bits.AUTO
    overwrite: bool = False
    sample_rate_out: int | None = None
    keep_metadata: bool = True
    skip_untouched: bool = False
    cache: RenderCache | None = None
    protected: tuple[Path, ...] = ()
    """Files that no output may replace, beside its own input: the inputs of the whole batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one file.

    Attributes:
        input, output: names; ``output`` is None where nothing was to be written.
        preset: what it went through, if not the model alone.
        rendered: whether a model made new highs.
        cleaned: whether a model took steady tones and hiss away.
        bandwidth: the gate's verdict in a word, see ``audiosr_fx.bandwidth.Kind``, or ``shared`` where a set
            of stems gave the cutoff; None where no model stood.
        cutoff_hz: where the input's own highs end.
        intact_below_hz: up to where the input passed a model untouched; None where it did in all.
        reason: the gate's line on the verdict.
        decisions: a line from each stage of loudness, and from a set of stems.
        untouched: every sample is that of the input, resampled where that has another rate.
        lufs_before, lufs_after: integrated loudness; None where it is not defined.
        true_peak_before_dbtp, true_peak_after_dbtp: of both files.
        start_s: where in the input the output begins.
        speed: seconds of audio per second of work.
        clipped_samples: beyond full scale in the input already, or by a preset; of integer formats.
        gave_way_s: for how long the new band gave way at full scale, in such a format.
        lift_db: by how much it would lift a sample over full scale, or over the input where that is higher:
            the most there was. Of a file of float samples: how far it goes over full scale, if its input
            did not.
        blocks_made, blocks_reused: of the new band, by a model and from the cache; none without a cache.
    """

    input: str
    output: str | None
    preset: str | None = None
    rendered: bool
    cleaned: bool = False
    bandwidth: str | None
    cutoff_hz: float | None
    intact_below_hz: float | None
    reason: str
    decisions: tuple[str, ...] = ()
    untouched: bool
    lufs_before: float | None
    lufs_after: float | None
    true_peak_before_dbtp: float | None
    true_peak_after_dbtp: float | None
    sample_rate: int
    channels: int
    start_s: float
    duration_s: float
    render_s: float
    speed: float
    clipped_samples: int
    gave_way_s: float = 0.0
    lift_db: float = 0.0
    blocks_made: int = 0
    blocks_reused: int = 0

    @classmethod
    def from_told(cls, told: Mapping[str, Any]) -> Result:
        """A result as another process told it."""
        return cls(**{**told, "decisions": tuple(told["decisions"])})

    def __str__(self) -> str:
        said = printable("; ".join(filter(None, (self.reason, *self.decisions))))
        name = printable(self.input if self.output is None else self.output)
        text = (
            f"{name}: {self._verdict}{', ' if said else ''}{said}; "
            f"{self.duration_s:.1f} s in {self.render_s:.1f} s, {speed_text(self.speed)} real time"
        )
        if self.blocks_reused:
            blocks = self.blocks_made + self.blocks_reused
            text += f"; {self.blocks_reused} of {blocks} blocks from the cache"
        if self.gave_way_s:
            text += f"; {gave_way(self.gave_way_s, self.lift_db)} (WAV with --bits 32 keeps it)"
        elif self.lift_db:
            text += (
                f"; goes {self.lift_db:.1f} dB over full scale, as the input did not; float samples keep it"
            )
        if self.clipped_samples:
            text += f"; {self.clipped_samples} samples clipped at full scale (WAV with --bits 32 keeps them)"
        return text

    @property
    def _verdict(self) -> str:
        if self.output is None:
            return "left out, nothing to do"
        if self.preset is not None:
            return printable(self.preset)
        if self.rendered:
            return "rendered"
        return "cleaned, no new highs" if self.cleaned else "passed through untouched"


def speed_text(speed: float) -> str:
    """Seconds of audio per second of work, with a figure that counts where the work is slow."""
    return f"{speed:.1f}x" if speed >= 0.095 or speed <= 0.0 else f"{speed:.1g}x"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A file that nothing became of, and why, in one line."""

    input: str
    error: str
    exit_code: int

    def __str__(self) -> str:
        return self.error


Outcome: TypeAlias = Result | Failure


class Recipe(Protocol):
    """What every file of a batch goes through; it can be sent to another process."""

    @property
    def job(self) -> Job:
        """How files are written."""

    @property
    def timeout_s(self) -> float | None:
        """How long a process of its own may be without progress; None where it runs no foreign code."""

    @property
    def finds_cutoff(self) -> bool:
        """Whether its models look for a cutoff in each file, so that a set may tell them one instead."""

    def judge(self, source: Source) -> Verdict:
        """What its first model decides about a file: without its noise, where that goes."""

    def apart(self) -> Recipe:
        """The same, for a process that may crash without harm."""

    def prepare(self) -> None:
        """Load what all files need; what goes wrong here goes wrong for all."""

    def render(self, task: Task, on_event: OnEvent | None = None) -> Result:
        """Render one file into another, which appears only when it is whole."""


def check_output(task: Task, job: Job) -> None:
    """Refuse early, before work is spent, what the writer would refuse in the end; make the folder.

    Raises:
        OutputError: the output exists, is an input or no file, or its folder cannot be made.
    """
    with output_errors():
        if task.output.exists():
            for source in (task.source, *job.protected):
                if source.exists() and task.output.samefile(source):
                    raise OutputError(
                        f"{shown(task.output)}: is the input {shown(source)}, which is never replaced"
                    )
        refuse_taken(task.output, job.overwrite)
        try:
            make_folder(task.output.parent)
        except (FileExistsError, NotADirectoryError) as cause:
            blocking = next(path for path in task.output.parents if path.exists())
            raise OutputError(f"{shown(blocking)}: is a file; expected a folder for outputs") from cause


def check_task(task: Task, job: Job) -> None:
    """Refuse what can be seen to fail from names and headers, before anything slow begins.

    Raises:
        AudioFormatError: the input is not there, or no audio that is taken.
        ParameterError: the region does not fit it.
        OutputError: as ``check_output``, or a format that cannot hold such audio.
    """
    from audiosr_fx.files import FileSource
    from audiosr_fx.writer import check_format

    with FileSource(task.source, warns=False) as source:
        if job.region is not None:
            parse_region(job.region, source.sample_rate).within(source.frames)
        rate = job.sample_rate_out or session_rate(source.sample_rate)
        with output_errors():
            check_format(task.output, task.format, subtype_of(task, job, source.info), source.channels, rate)
    check_output(task, job)


def subtype_of(task: Task, job: Job, info: AudioInfo) -> str:
    """How samples are written: as was asked, else as near to the input's as the format has it."""
    from audiosr_fx.files import SUBTYPES

    return SUBTYPES[job.bits] or info.subtype_in(task.format)


def failure_of(task: Task, error: BaseException) -> Failure:
    """What to say of a file that failed."""
    from audiosr_fx.commands.terminal import describe_error, exit_code_of

    _log.debug("%s failed", task.source, exc_info=error)
    code: ExitCode = exit_code_of(error)
    return Failure(
        input=str(task.source), error=describe_error(error, about=task.source), exit_code=int(code)
    )


def levels_before(source: Source) -> Levels | None:
    """How loud an input is; None for one that cannot be read, of which the render tells."""
    from audiosr_fx.meters import measure

    try:
        return measure(source)
    except AudioFormatError:
        return None


def bandwidth_word(verdict: Verdict, task: Task) -> str:
    """A verdict's kind, or that the cutoff is that of a set of stems."""
    return "shared" if verdict.kind == "given" and task.cutoff_hz is not None else verdict.kind


def own_reason(verdict: Verdict, task: Task) -> str:
    """What the gate says of a file, without the cutoff that its set gave: the task's note tells of that."""
    if verdict.kind != "given" or task.cutoff_hz is None:
        return verdict.reason
    return "; ".join(verdict.reason.split("; ")[1:])


def intact_below_hz(verdict: Verdict, *, keeps_low_band: bool) -> float | None:
    """Up to where a verdict leaves the input alone; None for all of it."""
    from audiosr_fx.bandwidth import crossover

    if verdict.is_untouched:
        return None
    return crossover(verdict).lower_hz if keeps_low_band else 0.0

"""A board over a file: decoded, brought to the session's rate, run, and written whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING

import numpy as np
import scipy.signal  # noqa: F401 - meters load it when they begin, and a board apart runs against the clock

from audiosr_fx.atomic import folder_beside, publish
from audiosr_fx.bounce import Bounce
from audiosr_fx.child_voice import Message
from audiosr_fx.contract import check_rate_type, is_offline
from audiosr_fx.errors import AudioFormatError, NameTaken, ParameterError
from audiosr_fx.files import AudioInfo, FileSource, read_info
from audiosr_fx.metadata import Metadata, moved, read_metadata
from audiosr_fx.meters import Levels
from audiosr_fx.params import check_switch
from audiosr_fx.part import region_at_rate
from audiosr_fx.progress import OnEvent, ProgressEvent, ShouldCancel
from audiosr_fx.render_records import board_records
from audiosr_fx.settings import Region
from audiosr_fx.sources import Audio, ResampledSource, Source, position_at_rate
from audiosr_fx.wording import one_line, shown, taken
from audiosr_fx.worker import Report, run_apart
from audiosr_fx.writer import AudioWriter, ceiling_of

if TYPE_CHECKING:
    from audiosr_fx.bandwidth import Verdict
    from audiosr_fx.cache import RenderCache
    from audiosr_fx.decoding import DecodedFile, SharedSamples
    from audiosr_fx.rack import Rack


@dataclass(frozen=True, slots=True, kw_only=True)
class FileJob:
    """What a board makes of a file; see ``Board.render_file`` for what each means."""

    source: Path
    destination: Path
    sample_rate: float | None = 48_000
    format: str | None = None
    subtype: str | None = None
    overwrite: bool = False
    keep_metadata: bool = True
    region: Region | None = None
    skip_untouched: bool = False
    preset: str | None = None
    protected: tuple[Path, ...] = ()
    cache: RenderCache | None = None
    decoded: DecodedFile | None = None
    small_batches: bool = False
    bound_for: str | None = None

    def __post_init__(self) -> None:
        for name in ("overwrite", "keep_metadata", "skip_untouched", "small_batches"):
            check_switch(name, getattr(self, name))
        for name in ("format", "subtype", "preset", "bound_for"):
            text = getattr(self, name)
            if not isinstance(text, (str, NoneType)):
                raise ParameterError(f"{name} is {text!r}; expected a name")
        if not isinstance(self.region, (Region, NoneType)):
            raise ParameterError(f"region is {self.region!r}; expected a Region, as parse_region() gives it")

    def rate(self, of_source: int) -> int:
        """Of the session, in Hz."""
        return of_source if self.sample_rate is None else check_rate_type(self.sample_rate)

    def subtype_for(self, info: AudioInfo) -> str:
        """Of the destination: as was asked, else as near to the source's as the format has it."""
        return self.subtype or info.subtype_in(self.format or self.destination.suffix.lstrip("."))


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedFile:
    """A file that a board wrote, or would have written.

    Attributes:
        path: its name.
        sample_rate: in Hz.
        channels: 1 to 32.
        frames: samples per channel.
        peak: largest magnitude, 1.0 is full scale.
        clipped_samples: samples beyond full scale that an integer format had to clip.
        gave_way_s: for how many seconds the new band gave way at full scale, where a model alone made an
            integer file.
        lift_db: by how much it would have lifted a sample over full scale, or over the input where that is
            higher: the most there was.
        verdicts: what each ``AudioSR`` of the board found, and why it rendered or passed the file through.
        blocks_made: of the new band, by a model.
        blocks_reused: of the new band, from an earlier render.
        decisions: one line from each stage of loudness or mastering, on what it did and why.
        levels: how loud it is.
        is_untouched: every sample is that of the source, resampled where that has another rate.
        is_written: False where it was to be left out because it is untouched.
    """

    path: Path
    sample_rate: int
    channels: int
    frames: int
    peak: float
    clipped_samples: int
    verdicts: tuple[Verdict, ...] = ()
    decisions: tuple[str, ...] = ()
    levels: Levels | None = None
    is_untouched: bool = False
    is_written: bool = True
    blocks_made: int = 0
    blocks_reused: int = 0
    gave_way_s: float = 0.0
    lift_db: float = 0.0


def run_job(
    board: Rack, job: FileJob, on_event: OnEvent | None, should_cancel: ShouldCancel | None = None
) -> RenderedFile:
    """Run a board over a file in this process; see ``Board.render_file``."""
    with _opened(job) as file, board.lock, _batches(board, job):
        check_destination(job, file.info)
        source = ResampledSource(file, job.rate(file.sample_rate))
        bounce = Bounce(
            board.compile(),
            source,
            region=None if job.region is None else region_at_rate(job.region, file, source.sample_rate),
            name=shown(job.source),
            folder=job.destination.parent,
            on_event=on_event,
            should_cancel=should_cancel,
            cache=job.cache,
            ceiling=ceiling_of(job.bound_for or job.subtype_for(file.info)),
        )
        try:
            return _write(board, bounce, job, source, file)
        finally:
            board.reset()


def _opened(job: FileJob) -> AbstractContextManager[FileSource | DecodedFile]:
    """The samples of the source; those that came decoded stay their owner's."""
    return FileSource(job.source) if job.decoded is None else nullcontext(job.decoded)


@contextmanager
def _batches(board: Rack, job: FileJob) -> Iterator[None]:
    """Let the models of a board do one item at a time while inside, if the job asks for it."""
    if not job.small_batches:
        yield
        return
    engines = [effect.find_engine() for effect in board.leaves() if hasattr(effect, "find_engine")]
    sizes = [engine.batch_size for engine in engines]
    try:
        for engine in engines:
            engine.batch_size = 1
        yield
    finally:
        for engine, size in zip(engines, sizes, strict=True):
            engine.batch_size = size


def run_job_apart(
    board: Rack,
    job: FileJob,
    on_event: OnEvent | None,
    should_cancel: ShouldCancel | None,
    timeout_s: float | None,
) -> RenderedFile:
    """Run a board over a file in a process of its own; see ``Board.render_file``."""
    info = read_info(job.source) if job.decoded is None else job.decoded.info
    check_destination(job, info)
    names = ", ".join(dict.fromkeys(type(effect).__name__ for effect in board.leaves()))

    def hear(message: Message) -> None:
        if on_event is not None:
            on_event(ProgressEvent(**message))

    try:
        with folder_beside(job.destination) as folder:
            aside = replace(job, destination=folder / job.destination.name, decoded=None)
            told = run_apart(
                _work,
                board,
                aside,
                None if job.decoded is None else job.decoded.shared(),
                inherited=() if job.decoded is None else (job.decoded.descriptor,),
                what=f"{shown(job.source)}: the process of the board ({names})",
                on_message=hear,
                should_cancel=should_cancel,
                timeout_s=timeout_s,
            )
            check_destination(job, info)
            if told["is_written"]:
                publish(aside.destination, job.destination, overwrite=job.overwrite)
    except FileExistsError as cause:
        raise NameTaken(taken(job.destination)) from cause
    except OSError as cause:
        raise AudioFormatError(
            f"{shown(job.destination)}: cannot be written ({cause.strerror or one_line(cause)})"
        ) from cause
    verdicts = tuple(_verdict(verdict) for verdict in told.pop("verdicts"))
    decisions = tuple(told.pop("decisions"))
    levels = Levels(**told.pop("levels"))
    return RenderedFile(path=job.destination, verdicts=verdicts, decisions=decisions, levels=levels, **told)


def _work(board: Rack, job: FileJob, samples: SharedSamples | None, report: Report) -> Message:
    """The child's side of ``run_job_apart``."""
    if samples is not None:
        job = replace(job, decoded=samples.open())
    done = run_job(board, job, on_event=lambda event: report(asdict(event)))
    verdicts = tuple(replace(verdict, spectrum=None) for verdict in done.verdicts)
    told = asdict(replace(done, verdicts=verdicts))
    del told["path"]
    return told


def _verdict(told: Message) -> Verdict:
    """A verdict as the child told it, which is without its spectrum."""
    from audiosr_fx.bandwidth import Verdict

    fade = told.pop("fade_hz")
    return Verdict(fade_hz=None if fade is None else (fade[0], fade[1]), **told)


def check_destination(job: FileJob, info: AudioInfo) -> None:
    """Refuse early what the writer would refuse in the end.

    Raises:
        AudioFormatError: a format we do not write, a name that is taken, or a folder that cannot be written.
    """
    _open(job, info, job.rate(info.sample_rate), None).abort()


def _open(job: FileJob, info: AudioInfo, sample_rate: int, metadata: Metadata | None) -> AudioWriter:
    start, stop = (0, info.frames) if job.region is None else job.region.within(info.frames)
    first, end = (position_at_rate(place, info.sample_rate, sample_rate) for place in (start, stop))
    return AudioWriter(
        job.destination,
        sample_rate,
        info.channels,
        speakers=info.speakers,
        subtype=job.subtype_for(info),
        format=job.format,
        expected_frames=end - first,
        overwrite=job.overwrite,
        sources=[job.source, *job.protected],
        metadata=metadata,
        measured=True,
    )


def _write(
    board: Rack, bounce: Bounce, job: FileJob, source: ResampledSource, file: FileSource | DecodedFile
) -> RenderedFile:
    metadata = _metadata(job, file.info, source.sample_rate) if job.keep_metadata else None
    blocks = iter(bounce)
    first = [block for block in [next(blocks, None)] if block is not None]  # now all verdicts are known
    if metadata is not None:
        metadata = metadata.with_provenance(*board_records(board.leaves(), bounce.renders, job.preset))
    likeness = _Likeness(source, bounce.first_sample)
    with _open(job, file.info, source.sample_rate, metadata) as writer:
        for block in chain(first, blocks):
            writer.write(block)
            likeness.hear(block)
        file.check_unchanged()
        is_written = not (job.skip_untouched and likeness.holds)
        if not is_written:
            writer.abort()
    return RenderedFile(
        path=job.destination,
        sample_rate=source.sample_rate,
        channels=source.channels,
        frames=writer.frames,
        peak=writer.peak,
        clipped_samples=writer.clipped_samples,
        verdicts=tuple(verdict for _, verdict in bounce.renders),
        decisions=tuple(_decisions(board, job)),
        levels=writer.levels(),
        is_untouched=likeness.holds,
        is_written=is_written,
        blocks_made=sum(getattr(stream, "blocks_made", 0) for stream in bounce.streams),
        blocks_reused=sum(getattr(stream, "blocks_reused", 0) for stream in bounce.streams),
        gave_way_s=max((getattr(stream, "gave_way_s", 0.0) for stream in bounce.streams), default=0.0),
        lift_db=max((getattr(stream, "lift_db", 0.0) for stream in bounce.streams), default=0.0),
    )


class _Likeness:
    """Whether a stream is the very samples of a source, from one of them on; known as long as it holds."""

    def __init__(self, source: Source, first_sample: int) -> None:
        self.holds = True
        self._source = source
        self._position = first_sample

    def hear(self, block: Audio) -> None:
        """The next samples of the stream."""
        if self.holds:
            stop = self._position + block.shape[1]
            self.holds = np.array_equal(block, self._source.read(self._position, stop))
            self._position = stop


def _metadata(job: FileJob, info: AudioInfo, sample_rate: int) -> Metadata:
    metadata = read_metadata(job.source, info=info)
    if job.region is None:
        return metadata
    start, stop = job.region.within(info.frames)
    return moved(metadata, sample_rate=sample_rate, start=start, stop=stop)


def _decisions(board: Rack, job: FileJob) -> Iterator[str]:
    """What the stages of loudness say they did in the last render."""
    for effect in board.leaves():
        of_what = "the region alone: " if job.region is not None and is_offline(effect) else ""
        decision = getattr(effect, "mastering", None) or getattr(effect, "decision", None)
        if decision is not None:
            yield f"{of_what}{decision.reason}"

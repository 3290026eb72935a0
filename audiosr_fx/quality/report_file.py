"""One file of a report: everything that is measured on it, before and after."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from audiosr_fx.errors import AudioSRError, RenderCancelled
from audiosr_fx.files import FileSource
from audiosr_fx.metadata.provenance import Provenance
from audiosr_fx.metadata.reading import read_metadata
from audiosr_fx.meters import Levels, Meter, meter_source
from audiosr_fx.part import PartSource
from audiosr_fx.progress import ShouldCancel
from audiosr_fx.quality.comparison import Comparison, compare
from audiosr_fx.quality.excerpt import Excerpt, choose_part, cut_excerpt
from audiosr_fx.quality.pair import Pair, align, band_of
from audiosr_fx.quality.pictures import draw_pixels, loudest_db, mean_curve_db
from audiosr_fx.quality.spectrogram import Panel, measure_panel
from audiosr_fx.sources import Source
from audiosr_fx.wording import one_line

_COLUMNS: Final = 600

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A file before or after: its format, length and levels."""

    format: str
    sample_rate: int
    channels: int
    duration_s: float
    levels: Levels


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A spectrogram as PNG, from 0 Hz to ``nyquist_hz``, and the mean spectrum as a curve."""

    png: bytes
    curve_db: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReport:
    """What is known about one file; None, or a line in ``notes``, where something could not be found out.

    Attributes:
        before, after: the files; the source as far as the output takes it up.
        crossover_hz: where the generated band begins, the -6 dB point.
        comparison: of the two, in step.
        lag_ms: by how much the output was late, before it was put in step.
        missing_s: how much shorter the output is than the source; negative where it is longer.
        pictures: before and after, or one of them alone, in step.
        nyquist_hz, seconds, top_db: how far pictures reach, and the level of their brightest colour.
        excerpt: to listen to.
        provenance: what this program wrote into the output, oldest first.
        notes: lines on what could not be measured, and why.
    """

    before: Side | None = None
    after: Side | None = None
    crossover_hz: float | None = None
    comparison: Comparison | None = None
    lag_ms: float = 0.0
    missing_s: float = 0.0
    pictures: tuple[Picture | None, Picture | None] = (None, None)
    nyquist_hz: float = 0.0
    seconds: float = 0.0
    top_db: float = 0.0
    excerpt: Excerpt | None = None
    provenance: tuple[Provenance, ...] = ()
    notes: tuple[str, ...] = ()


def measure_file(
    source: Path,
    output: Path | None,
    *,
    cutoff_hz: float | None = None,
    start_s: float = 0.0,
    excerpt_s: int = 20,
    should_cancel: ShouldCancel | None = None,
) -> FileReport:
    """Measure a file before and after; bounded memory whatever its length.

    Args:
        source: what went in.
        output: what came out; None where nothing did.
        cutoff_hz: where the source ended and a generated band begins; None for none.
        start_s: where in the source the output begins.
        excerpt_s: seconds to listen to; 0 for none.
        should_cancel: asked every second of audio.

    Raises:
        RenderCancelled: once should_cancel says so; nothing else, as what cannot be read becomes a note.
    """
    work = _Work(excerpt_s, should_cancel)
    with ExitStack() as stack:
        before = work.tried(lambda: stack.enter_context(FileSource(source)))
        after = None
        if output is not None:
            after = work.tried(lambda: stack.enter_context(FileSource(output)))
        if after is not None:
            work.tried(lambda: work.read_provenance(after))
        if before is not None and after is not None:
            work.tried(lambda: work.both(before, after, cutoff_hz, start_s))
        else:
            work.tried(lambda: work.one(before, after))
    return replace(work.report, notes=tuple(work.notes))


class _Work:
    """Measures step by step; what one step found is kept when a later one fails."""

    def __init__(self, excerpt_s: int, should_cancel: ShouldCancel | None) -> None:
        self.notes: list[str] = []
        self.report = FileReport()
        self._excerpt_s = excerpt_s
        self._should_cancel = should_cancel

    def tried(self, step: Callable[[], T]) -> T | None:
        """What a step gives, or None and a note on why it gives nothing."""
        try:
            return step()
        except RenderCancelled:
            raise
        except (AudioSRError, OSError) as error:
            self.notes.append(one_line(error))
            return None

    def read_provenance(self, output: FileSource) -> None:
        """What the output says about itself."""
        found = read_metadata(output.info.path, info=output.info).provenance
        self.report = replace(self.report, provenance=found)

    def one(self, before: FileSource | None, after: FileSource | None) -> None:
        """Only one of the files is there, or none."""
        if before is not None:
            self.report = replace(self.report, before=self._side(before, before)[0])
        if after is not None:
            self.report = replace(self.report, after=self._side(after, after)[0])
        self._draw(before, after)

    def both(self, source: FileSource, output: FileSource, cutoff_hz: float | None, start_s: float) -> None:
        """A file and what became of it."""
        after, meter = self._side(output, output)
        self.report = replace(self.report, after=after)
        before, _ = self._side(source, _taken_up(source, output, start_s))
        self.report = replace(self.report, before=before)
        band = band_of(source, cutoff_hz)
        pair = align(source, output, start_s=start_s, loud_s=_loudest_s(meter, output), band=band)
        self.report = replace(
            self.report,
            crossover_hz=None if band is None else band.frequency_hz,
            lag_ms=1000.0 * pair.lag / output.sample_rate,
            missing_s=pair.missing_s,
        )
        self._draw(pair.before, pair.after)
        comparison = None
        if pair.is_comparable:
            comparison = compare(pair.before, pair.after, crossover=band, should_cancel=self._should_cancel)
            self.report = replace(self.report, comparison=comparison)
        else:
            self.notes.append(
                f"channels: {source.channels} became {output.channels};"
                " they cannot be held against each other"
            )
        if self._excerpt_s:
            self._listen(pair, comparison, meter)

    def _listen(self, pair: Pair, comparison: Comparison | None, meter: Meter) -> None:
        change, power = _by_second(meter) if comparison is None else (comparison.change, comparison.power)
        start_s, choice = choose_part(change, power, self._excerpt_s)
        try:
            excerpt = cut_excerpt(pair.before, pair.after, start_s, self._excerpt_s, choice)
            self.report = replace(self.report, excerpt=excerpt)
        except AudioSRError as error:
            self.notes.append(f"nothing to listen to: {one_line(error)}")

    def _side(self, file: FileSource, part: Source) -> tuple[Side, Meter]:
        meter = meter_source(part, should_cancel=self._should_cancel)
        side = Side(
            format=f"{file.info.format} {file.info.subtype}",
            sample_rate=file.sample_rate,
            channels=file.channels,
            duration_s=part.frames / file.sample_rate,
            levels=meter.levels(),
        )
        return side, meter

    def _draw(self, before: Source | None, after: Source | None) -> None:
        """Pictures on common scales."""
        panels = [
            None if source is None or not source.frames else measure_panel(source, "", max_columns=_COLUMNS)
            for source in (before, after)
        ]
        drawn = [panel for panel in panels if panel is not None]
        if not drawn:
            return
        top_db = loudest_db(*drawn)
        first, second = (None if panel is None else _picture(panel, top_db) for panel in panels)
        self.report = replace(
            self.report,
            pictures=(first, second),
            nyquist_hz=drawn[0].nyquist_hz,
            seconds=drawn[0].duration_s,
            top_db=top_db,
        )


def _picture(panel: Panel, top_db: float) -> Picture:
    return Picture(png=draw_pixels(panel, top_db), curve_db=tuple(mean_curve_db(panel).tolist()))


def _taken_up(source: FileSource, output: FileSource, start_s: float) -> Source:
    """The part of a source that an output was made of; all of it where the output covers it."""
    start = round(start_s * source.sample_rate)
    left = max(source.frames - start, 0)
    if start == 0 and output.frames >= source.frames * output.sample_rate // source.sample_rate:
        return source
    frames = min(left, round(output.info.duration_s * source.sample_rate))
    return PartSource(source, start, start + frames)


def _loudest_s(meter: Meter, output: FileSource) -> float:
    """The middle of the loudest three seconds."""
    short_term = meter.short_term_lufs
    return float(np.argmax(short_term)) / 10.0 + 1.5 if short_term.size else output.info.duration_s / 2.0


def _by_second(meter: Meter) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """No change that is known, and the power of every second by its momentary loudness."""
    power = 10.0 ** (meter.momentary_lufs[::10] / 10.0)
    return np.zeros_like(power), power

"""The mastering report: one page on a batch of files, to read, to look at and to listen to.

``write_report`` measures every file before and after by itself, and writes one page of HTML that asks for
nothing from elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRow:
    """One file of a batch: what was done to it.

    ``output``: None where none was written: skipped, or failed (``error`` then says why). ``rendered``:
    whether the model ran; False passed through. ``cutoff_hz``: where the input ended. ``reason``: the gate's
    one line on that. ``decisions``: lines of loudness stages. ``render_s``: how long it took. ``start_s``:
    where in the source the output begins.
    """

    source: Path
    output: Path | None
    error: str = ""
    preset: str = ""
    rendered: bool = False
    cutoff_hz: float | None = None
    reason: str = ""
    decisions: tuple[str, ...] = ()
    render_s: float | None = None
    start_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StemCheck:
    """Whether the sum of all finished stems is the sum of the originals below the crossover.

    ``null_db``: what differs, relative to the sum of the originals. ``reason``: a line on what was compared.
    """

    null_db: float
    crossover_hz: float
    stems: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportEvent:
    """How far a report is: ``rows_done`` of ``rows_total``, and which file comes next."""

    rows_done: int
    rows_total: int
    source: Path


OnReportEvent: TypeAlias = Callable[[ReportEvent], None]


def write_report(
    path: Path,
    rows: Sequence[ReportRow],
    *,
    title: str,
    stem_check: StemCheck | None = None,
    overwrite: bool = False,
    on_event: OnReportEvent | None = None,
) -> None:
    """Measure all files and write the page; it appears whole or not at all.

    A file that cannot be read becomes a line of the report.

    Args:
        path: of the page.
        rows: one per file, in the order of the page.
        title: stands above it; any text.
        stem_check: of a set of stems.
        overwrite: replace a file of that name.
        on_event: told before every file, and once at the end.

    Raises:
        AudioFormatError: the page cannot be written, or its name is taken.
    """
    raise NotImplementedError

"""The mastering report: one page on a batch of files, to read, to look at and to listen to.

Everything on it is measured from the files themselves, before and after. The page is one file of HTML that
asks for nothing from elsewhere. Its size is bounded: of every file it holds 20 seconds of sound as FLAC, and
of more than 24 files less of each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from audiosr_fx import __version__
from audiosr_fx.errors import NameTaken
from audiosr_fx.progress import ShouldCancel
from audiosr_fx.quality.embed import assemble_page, asset, data_block, json_block, write_whole
from audiosr_fx.quality.listen_folder import SAMPLE_RATE
from audiosr_fx.quality.report_data import Blocks, file_data, stem_data
from audiosr_fx.quality.report_file import measure_file
from audiosr_fx.quality.report_rows import ReportRow, StemCheck
from audiosr_fx.wording import printable, taken

__all__ = ["OnReportEvent", "ReportEvent", "ReportRow", "StemCheck", "excerpt_seconds", "write_report"]

EXCERPT_S: Final = 20
_SHORTEST_S: Final = 5
_ALL_S: Final = 480  # of sound, before and after each: 45 MB of music, 250 MB of white noise at most
_SCRIPTS: Final = (
    "player.js",
    "transport.js",
    "report_charts.js",
    "report_listen.js",
    "report_table.js",
    "report.js",
)
_STYLES: Final = ("player.css", "parts.css", "report.css")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportEvent:
    """How far a report is: ``rows_done`` of ``rows_total``; ``source`` comes next, None at the end."""

    rows_done: int
    rows_total: int
    source: Path | None


OnReportEvent: TypeAlias = Callable[[ReportEvent], None]


def write_report(
    path: Path,
    rows: Sequence[ReportRow],
    *,
    title: str,
    stem_check: StemCheck | None = None,
    overwrite: bool = False,
    on_event: OnReportEvent | None = None,
    should_cancel: ShouldCancel | None = None,
) -> list[str]:
    """Measure all files and write the page; it appears whole or not at all.

    A file that cannot be read becomes a line of the report.

    Args:
        path: of the page.
        rows: one per file, in the order of the page.
        title: stands above it; any text.
        stem_check: of a set of stems.
        overwrite: replace a file of that name.
        on_event: told before every file, and once at the end.
        should_cancel: asked every second of audio.

    Returns:
        Lines on the files that could not be read; the page has them, too.

    Raises:
        AudioFormatError: the page cannot be written, or its name is taken.
        RenderCancelled: once should_cancel says so.
    """
    if path.exists() and not overwrite:  # before the work, not only after it
        raise NameTaken(taken(path))
    blocks: Blocks = {}
    files: list[dict[str, Any]] = []
    unread: list[str] = []
    seconds = excerpt_seconds(len(rows))
    for number, row in enumerate(rows):
        if on_event is not None:
            on_event(ReportEvent(rows_done=number, rows_total=len(rows), source=row.source))
        report = measure_file(
            row.source,
            row.output,
            cutoff_hz=row.cutoff_hz,
            start_s=row.start_s,
            excerpt_s=seconds if number * seconds < _ALL_S else 0,
            should_cancel=should_cancel,
        )
        files.append(file_data(row, report, blocks))
        if files[-1]["status"] == "unreadable":
            unread += report.notes
    write_whole(path, _page(title, files, stem_check, blocks).encode("utf-8"), overwrite=overwrite)
    if on_event is not None:
        on_event(ReportEvent(rows_done=len(rows), rows_total=len(rows), source=None))
    return unread


def excerpt_seconds(files: int) -> int:
    """How much of every file a page of so many holds: 20 s, less from the 25th on, and never under 5 s.

    Beyond 96 files the last ones are only measured and drawn.
    """
    return max(_SHORTEST_S, min(EXCERPT_S, _ALL_S // max(files, 1)))


def _page(title: str, files: list[dict[str, Any]], stem_check: StemCheck | None, blocks: Blocks) -> str:
    data = {
        "title": printable(title),
        "software": f"audiosr_fx {__version__}",
        "sample_rate": SAMPLE_RATE,
        "files": files,
        "stem_check": None if stem_check is None else stem_data(stem_check),
    }
    return assemble_page(
        title=printable(title),
        body=asset("report.html"),
        styles=[asset(name) for name in _STYLES],
        scripts=[asset(name) for name in _SCRIPTS],
        blocks=[json_block("report", data), *(data_block(name, blocks[name]) for name in sorted(blocks))],
    )

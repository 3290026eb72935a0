"""``--report``: the page on a batch, checked before the work and written after it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from audiosr_fx.atomic import temporary_beside
from audiosr_fx.commands.job import Failure, Outcome
from audiosr_fx.commands.outputs import Task, make_folder
from audiosr_fx.commands.terminal import OutputError, output_errors, refuse_taken
from audiosr_fx.errors import ParameterError
from audiosr_fx.wording import shown

if TYPE_CHECKING:
    from audiosr_fx.commands.stem_set import SetCheck
    from audiosr_fx.quality.report import ReportRow


def check_report(path: Path, tasks: Sequence[Task], *, overwrite: bool) -> None:
    """Refuse before an hour of rendering what could not be written after it.

    Raises:
        ParameterError: no name of a page.
        OutputError: the page exists, or its folder takes no files.
    """
    if path.suffix.lower() not in (".html", ".htm"):
        raise ParameterError(f"report is {path}; expected a name in .html")
    with output_errors():
        if path.is_dir():
            raise OutputError(f"{shown(path)}: is a folder; expected a file name")
        if any(path.exists() and task.source.exists() and path.samefile(task.source) for task in tasks):
            raise OutputError(f"{shown(path)}: is an input, which is never replaced")
        refuse_taken(path, overwrite)
        make_folder(path.parent)
        probe = temporary_beside(path)
        try:
            os.close(os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        except OSError as cause:  # which names the probe
            raise OutputError(
                f"{shown(path)}: cannot be written ({cause.strerror}); check the folder and the disk"
            ) from cause
        probe.unlink()


def write_batch_report(
    path: Path,
    outcomes: Sequence[Outcome],
    set_check: SetCheck | None,
    *,
    overwrite: bool,
    say: Callable[[str], None],
) -> None:
    """Write the page; ``say`` hears how far it is.

    Raises:
        OutputError: it cannot be written.
    """
    from audiosr_fx.quality.report import ReportEvent, StemCheck, write_report

    def hear(event: ReportEvent) -> None:
        say(f"report: {event.rows_done}/{event.rows_total} files")

    stem_check = None
    if set_check is not None and set_check.found is not None:
        found = set_check.found
        stem_check = StemCheck(
            null_dbfs=found.left_dbfs,
            crossover_hz=found.below_hz or 0.0,
            stems=found.stems,
            reason=str(set_check),
        )
    rows = [_row(outcome) for outcome in outcomes]
    presets = dict.fromkeys(row.preset for row in rows if row.preset)
    title = f"{len(rows)} files{' through ' if presets else ''}{', '.join(presets)}"
    with output_errors():
        write_report(path, rows, title=title, stem_check=stem_check, overwrite=overwrite, on_event=hear)


def _row(outcome: Outcome) -> ReportRow:
    from audiosr_fx.quality.report import ReportRow

    source = Path(outcome.input)
    if isinstance(outcome, Failure):
        return ReportRow(source=source, output=None, error=outcome.error)
    return ReportRow(
        source=source,
        output=None if outcome.output is None else Path(outcome.output),
        preset=outcome.preset or "",
        rendered=outcome.rendered,
        is_cleaned=outcome.cleaned,
        cutoff_hz=outcome.cutoff_hz,
        reason=outcome.reason,
        decisions=outcome.decisions,
        render_s=outcome.render_s,
        start_s=outcome.start_s,
    )

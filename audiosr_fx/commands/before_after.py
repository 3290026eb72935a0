"""``audiosr-fx report``: one page on files before and after, whoever mastered them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from audiosr_fx.commands.terminal import ExitCode, output_errors, printable, refuse_taken, say, say_error
from audiosr_fx.errors import ParameterError
from audiosr_fx.wording import first_few

_MOST_NAMES = 8


def report(
    before: Annotated[
        Path, typer.Argument(metavar="BEFORE", help="A file or a folder, as it came in.", show_default=False)
    ],
    after: Annotated[
        Path, typer.Argument(metavar="AFTER", help="What became of it: of the same names, in a folder.")
    ],
    out: Annotated[Path, typer.Option("--output", "-o", metavar="HTML", help="The page to write.")],
    title: Annotated[
        str | None, typer.Option("--title", metavar="TEXT", help="Stands above it; AFTER's name otherwise.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a page that exists.")] = False,
) -> None:
    """Compare files before and after on one page, to look at and to listen to.

    [bold]audiosr-fx report mixes masters -o report.html[/bold]

    Spectrograms, levels, null test, mono sum, and a blind, level-matched A/B player for every file. The
    page needs no network and no server.
    """
    from audiosr_fx.commands.progress import counted
    from audiosr_fx.quality.report import write_report
    from audiosr_fx.quality.report_pairs import pair_rows

    if out.suffix.lower() not in (".html", ".htm"):
        raise ParameterError(f"output is {out}; expected a name in .html, as in -o report.html")
    refuse_taken(out, overwrite)
    rows = pair_rows(before, after)
    with counted("measuring", len(rows)) as show, output_errors():
        unread = write_report(
            out,
            rows,
            title=title or after.resolve().name,
            overwrite=overwrite,
            on_event=lambda event: show(event.rows_done),
        )
    size_mb = out.stat().st_size / 1e6
    say(printable(f"{out}: {size_mb:.1f} MB, files: {len(rows)}"))
    for folder, other in ((before, "after"), (after, "before")):
        alone = [row.source.name for row in rows if row.lacks == other]
        if alone:
            say(printable(f"only in {folder}: {first_few(alone, _MOST_NAMES)}"))
    for line in unread:
        say_error(f"not measured: {printable(line)}")
    if unread:
        raise typer.Exit(ExitCode.SOME_FAILED)

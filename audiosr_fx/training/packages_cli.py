"""``audiosr-fx train packages``: a folder of clips to train on, cut from recordings in Debian packages.

What needs scipy is imported inside the command, so that help appears at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audiosr_fx.commands.terminal import say, say_note
from audiosr_fx.errors import AudioFormatError, ParameterError

if TYPE_CHECKING:
    from audiosr_fx.training.packages import Recordings


def packages(
    folder: Annotated[
        Path, typer.Option("-o", "--output", metavar="FOLDER", help="New folder for clips and INDEX.csv.")
    ],
    cache: Annotated[
        Path, typer.Option("--cache", metavar="FOLDER", help="Unpacked packages; what lacks is downloaded.")
    ] = Path("packages"),
    kind: Annotated[
        list[str] | None, typer.Option("--kind", help="Only this kind: speech, mix, ... Repeat it for more.")
    ] = None,
    package: Annotated[
        list[str] | None, typer.Option("--package", help="Only this package. Repeat it for more.")
    ] = None,
) -> None:
    """Make clips to train on from openly licensed recordings in Debian packages, which are not installed."""
    from rich.console import Console
    from rich.progress import Progress

    from audiosr_fx.training.clips import check_unused, write_index
    from audiosr_fx.training.package_clips import cut_recordings
    from audiosr_fx.training.package_fetch import fetch_package
    from audiosr_fx.training.packages import load_packages

    table = load_packages().recordings
    chosen = _choose(table, kind, package)
    check_unused(folder)
    rows = []
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("cutting", total=sum(60 * entry.minutes for entry in chosen))
        for entry in chosen:
            progress.update(task, description=entry.source)
            root = fetch_package(entry.package, cache)
            rows += list(cut_recordings(entry, root, folder))
            progress.advance(task, 60 * entry.minutes)
    if not rows:
        raise AudioFormatError("no recording was clean and bright enough to be cut; choose another --package")
    write_index(folder, rows)
    say_note(f"{len(rows)} clips, {sum(row.seconds for row in rows) / 60:.1f} minutes")
    say(str(folder))


def _choose(
    table: tuple[Recordings, ...], kinds: list[str] | None, names: list[str] | None
) -> list[Recordings]:
    chosen = [
        entry
        for entry in table
        if (not kinds or entry.kind in kinds) and (not names or entry.package in names)
    ]
    for given, allowed, option in (
        (kinds, {entry.kind for entry in table}, "--kind"),
        (names, {entry.package for entry in table}, "--package"),
    ):
        for value in given or []:
            if value not in allowed:
                raise ParameterError(f"{option} is {value!r}; expected one of {', '.join(sorted(allowed))}")
    if not chosen:
        raise ParameterError("no recordings of that --kind are in that --package")
    return chosen

"""``audiosr-fx train instruments``: a folder of music clips, played from patterns, to train on.

What needs scipy is imported inside the command, so that help appears at once.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from audiosr_fx.commands.terminal import say
from audiosr_fx.errors import AudioFormatError, ParameterError


def instruments(
    folder: Annotated[
        Path, typer.Option("-o", "--output", metavar="FOLDER", help="New folder for clips and INDEX.csv.")
    ],
    soundfont: Annotated[
        list[Path] | None,
        typer.Option(
            "--soundfont", metavar="FILE.sf2", help="Instruments; repeat it for more. None: synths."
        ),
    ] = None,
    midi: Annotated[
        Path | None,
        typer.Option("--midi", metavar="FOLDER", help="Play MIDI files of this folder, not random patterns."),
    ] = None,
    minutes: Annotated[float, typer.Option("--minutes", min=0.1, help="How much music.")] = 10.0,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed makes the same clips.")] = 0,
    style: Annotated[
        str | None, typer.Option("--style", help="Only one of: band, machines, ensemble, solo, drums.")
    ] = None,
    source: Annotated[str, typer.Option("--source", help="What the clips' names begin with.")] = "midi",
    licence: Annotated[str, typer.Option("--licence", help="Of the soundfonts, for the index.")] = "unknown",
    author: Annotated[
        str | None, typer.Option("--author", help="Of the soundfonts; what they say of it if not given.")
    ] = None,
) -> None:
    """Make music clips to train on: random patterns or MIDI files, played by soundfonts and synthesisers."""
    from rich.console import Console
    from rich.progress import Progress

    from audiosr_fx.training.clips import Origin
    from audiosr_fx.training.instruments import make_clips
    from audiosr_fx.training.orchestra import HELD_OUT_SAMPLES, Orchestra
    from audiosr_fx.training.soundfonts import SoundFont

    if not re.fullmatch(r"[A-Za-z][\w-]*", source):
        raise ParameterError(f"--source is {source!r}; expected a word of letters, digits, - and _")
    fonts = [SoundFont(path, HELD_OUT_SAMPLES) for path in soundfont or []]
    origin = Origin(
        source_repo=", ".join(font.path.name for font in fonts),
        source_path="",
        licence=licence,
        author=author or "; ".join(font.author for font in fonts),
        original_sample_rate=44_100,
    )
    files = [] if midi is None else _midi_files(midi)
    making = make_clips(
        folder,
        Orchestra(fonts),
        origin,
        minutes=minutes,
        seed=seed,
        source=source,
        style=style,
        midi=files,
    )
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("playing", total=60 * minutes)
        for row in making:
            progress.advance(task, row.seconds)
    say(str(folder))


def _midi_files(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".mid", ".midi"))
    if not files:
        raise AudioFormatError(f"{folder} holds no MIDI files (.mid, .midi)")
    return files

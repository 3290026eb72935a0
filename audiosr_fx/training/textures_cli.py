"""``audiosr-fx train textures``: a folder of rain, wind, fire and the like, made by chance, to train on.

What needs scipy is imported inside the command, so that help appears at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from audiosr_fx.commands.terminal import say


def textures(
    folder: Annotated[
        Path, typer.Option("-o", "--output", metavar="FOLDER", help="New folder for clips and INDEX.csv.")
    ],
    minutes: Annotated[float, typer.Option("--minutes", min=0.1, help="How much sound.")] = 10.0,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed makes the same clips.")] = 0,
) -> None:
    """Make sounds without notes to train on: rain, wind, surf, fire, applause, hiss and noise."""
    from rich.console import Console
    from rich.progress import Progress

    from audiosr_fx.training.textures import make_textures

    making = make_textures(folder, minutes=minutes, seed=seed)
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("making", total=60 * minutes)
        for row in making:
            progress.advance(task, row.seconds)
    say(str(folder))

"""What the commands of training share: their options, and a log that is shown."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

_TUNING = "Instead of the recipe's value"
_MACHINE = "Machine"

Data = Annotated[
    list[str],
    typer.Option(
        "--data",
        metavar="FOLDER[:WEIGHT]",
        help="Folder of audio: WAV, FLAC, Ogg, MP3 or AIFF of any rate, sub-folders too. An INDEX.csv in it"
        " may say kinds, limits and licences. Repeat it for more; a weight makes one count more.",
    ),
]
Runs = Annotated[
    Path, typer.Option("--runs", metavar="FOLDER", help="Where checkpoints and logs of this model are kept.")
]
RecipeName = Annotated[
    str,
    typer.Option(
        "--recipe", metavar="NAME|FILE", help="A recipe by name (audiosr-fx train recipes) or a .toml file."
    ),
]
Init = Annotated[
    str | None,
    typer.Option(
        "--init",
        metavar="MODEL",
        help="Start from these weights: mini, basic, speech, a model of your own, a .safetensors file, or the"
        " folder of a run.",
    ),
]
Steps = Annotated[
    int | None,
    typer.Option(
        "--steps",
        metavar="N",
        min=1,
        help="Stop after so many steps, earlier runs counted in.",
        rich_help_panel=_TUNING,
    ),
]
BatchSize = Annotated[
    int | None,
    typer.Option("--batch-size", metavar="N", min=1, help="Examples per pass.", rich_help_panel=_TUNING),
]
Accumulate = Annotated[
    int | None,
    typer.Option("--accumulate", metavar="N", min=1, help="Passes per step.", rich_help_panel=_TUNING),
]
LearningRate = Annotated[
    float | None,
    typer.Option("--learning-rate", metavar="X", help="Highest of the run.", rich_help_panel=_TUNING),
]
Precision = Annotated[
    str | None,
    typer.Option(
        "--precision",
        metavar="float32|bfloat16",
        help="Of products and convolutions.",
        rich_help_panel=_TUNING,
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(
        "--seed", metavar="N", min=0, help="The same seed draws the same examples.", rich_help_panel=_TUNING
    ),
]
Device = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="auto|cpu|cuda|mps",
        help="auto takes the best there is.",
        rich_help_panel=_MACHINE,
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads", metavar="N", min=1, help="CPU threads; all when not given.", rich_help_panel=_MACHINE
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        metavar="N",
        min=0,
        help="Processes that make examples ahead; none on a CPU when not given.",
        rich_help_panel=_MACHINE,
    ),
]
BoardOn = Annotated[
    bool,
    typer.Option(
        "--board/--no-board",
        help="Write TensorBoard files: tensorboard --logdir RUNS/board shows curves, pictures and sounds.",
        rich_help_panel=_MACHINE,
    ),
]


def log_to_stderr() -> None:
    """Show what is logged, each line with its time."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("audiosr_fx").setLevel(logging.INFO)

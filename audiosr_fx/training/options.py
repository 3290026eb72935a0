"""What the commands of training share: their options, and a log that is shown."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

_tuning_option = partial(typer.Option, rich_help_panel="Instead of the recipe's value")
_machine_option = partial(typer.Option, rich_help_panel="Machine")

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
    _tuning_option("--steps", metavar="N", min=1, help="Stop after so many steps, earlier runs counted in."),
]
BatchSize = Annotated[
    int | None, _tuning_option("--batch-size", metavar="N", min=1, help="Examples per pass.")
]
Accumulate = Annotated[
    int | None, _tuning_option("--accumulate", metavar="N", min=1, help="Passes per step.")
]
LearningRate = Annotated[
    float | None, _tuning_option("--learning-rate", metavar="X", help="Highest of the run.")
]
Precision = Annotated[
    str | None,
    _tuning_option("--precision", metavar="float32|bfloat16", help="Of products and convolutions."),
]
Seed = Annotated[
    int | None, _tuning_option("--seed", metavar="N", min=0, help="The same seed draws the same examples.")
]
Device = Annotated[
    str, _machine_option("--device", metavar="auto|cpu|cuda|mps", help="auto takes the best there is.")
]
Threads = Annotated[
    int | None, _machine_option("--threads", metavar="N", min=1, help="CPU threads; all when not given.")
]
Workers = Annotated[
    int | None,
    _machine_option(
        "--workers",
        metavar="N",
        min=0,
        help="Processes that make examples ahead; none on a CPU when not given.",
    ),
]
BoardOn = Annotated[
    bool,
    _machine_option(
        "--board/--no-board",
        help="Write TensorBoard files: tensorboard --logdir RUNS/board shows curves, pictures and sounds.",
    ),
]


def log_to_stderr() -> None:
    """Show what is logged, each line with its time."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("audiosr_fx").setLevel(logging.INFO)

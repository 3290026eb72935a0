"""``audiosr-fx train``: train the stages of a model one by one or in turn, and export the result.

What needs torch is imported inside the commands, so that help appears at once.
"""

from __future__ import annotations

import logging
import os
import re
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from audiosr_fx.commands.terminal import INTERRUPTS, ExitCode, OutputError, say, say_note
from audiosr_fx.errors import CheckpointError, ParameterError
from audiosr_fx.training.instruments_cli import instruments
from audiosr_fx.training.packages_cli import packages

if TYPE_CHECKING:
    from audiosr_fx.model.audiosr import AudioSRModel
    from audiosr_fx.training.card import Card

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Train a model of your own, or go on from one, with any folder of audio.

    [bold]audiosr-fx train all --data my_sounds --recipe finetune --init mini[/bold]

    [bold]audiosr-fx train export my_model[/bold]

    [bold]audiosr-fx render dull.wav -o bright.wav --model my_model[/bold]

    A run goes on where it stopped, after Ctrl-C too. Training needs more packages than rendering:

    [bold]pip install 'audiosr-fx\\[train]'[/bold]

    On a machine with eight GPUs put this in place of audiosr-fx:

    [bold]torchrun --nproc-per-node 8 -m audiosr_fx[/bold]""",
)

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
        help="Start from these weights: mini, basic, speech, a .safetensors file, or the folder of a run.",
    ),
]
Steps = Annotated[
    int | None,
    typer.Option(
        "--steps", min=1, help="Stop after so many steps, earlier runs counted in.", rich_help_panel=_TUNING
    ),
]
BatchSize = Annotated[
    int | None, typer.Option("--batch-size", min=1, help="Examples per pass.", rich_help_panel=_TUNING)
]
Accumulate = Annotated[
    int | None, typer.Option("--accumulate", min=1, help="Passes per step.", rich_help_panel=_TUNING)
]
LearningRate = Annotated[
    float | None, typer.Option("--learning-rate", help="Highest of the run.", rich_help_panel=_TUNING)
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
    typer.Option("--seed", min=0, help="The same seed draws the same examples.", rich_help_panel=_TUNING),
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
    typer.Option("--threads", min=1, help="CPU threads; all when not given.", rich_help_panel=_MACHINE),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
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


def _command(name: str, help_text: str) -> None:
    @app.command(name, help=help_text)
    def command(
        data: Data,
        runs: Runs = Path("runs"),
        recipe: RecipeName = "mini",
        init: Init = None,
        steps: Steps = None,
        batch_size: BatchSize = None,
        accumulate: Accumulate = None,
        learning_rate: LearningRate = None,
        precision: Precision = None,
        seed: Seed = None,
        device: Device = "auto",
        threads: Threads = None,
        workers: Workers = None,
        board: BoardOn = True,
    ) -> None:
        overrides = {
            "steps": steps,
            "batch_size": batch_size,
            "accumulate": accumulate,
            "learning_rate": learning_rate,
            "precision": precision,
            "seed": seed,
        }
        _train(name, data, runs, recipe, init, overrides, device, threads, workers, board)


_command("predictor", "Train the envelope predictor: bright log-mel from dull log-mel in one pass.")
_command("vae", "Train the autoencoder of log-mels.")
_command("vocoder", "Train the vocoder; the light one hears the predictor's mels once that is trained.")
_command("ldm", "Train the latent diffusion; needs the autoencoder, and the predictor if the model has one.")
_command("all", "Train every stage of the recipe in turn.")


def _train(
    name: str,
    data: list[str],
    runs: Path,
    recipe_name: str,
    init: str | None,
    overrides: Mapping[str, Any],
    device: str,
    threads: int | None,
    workers: int | None,
    board: bool,
) -> None:
    import torch

    from audiosr_fx.training.data import DataFolder
    from audiosr_fx.training.recipes import load_recipe
    from audiosr_fx.training.run import TrainRequest, train_stages

    _log_to_stderr()
    if threads is not None:
        torch.set_num_threads(threads)
    recipe = load_recipe(recipe_name).with_overrides(**overrides)
    request = TrainRequest(
        stages=recipe.stages if name == "all" else [name],
        data=[DataFolder.parse(text) for text in data],
        runs=runs,
        recipe=recipe,
        init=init,
        device=device,
        workers=workers,
        board=board,
        go_on=name == "all",
        overrides=overrides,
    )
    with _interrupts_noted() as should_stop:
        stopped = train_stages(request, should_stop)
    if stopped is not None:
        _say_once(
            f"{stopped.stage} stopped at step {stopped.step} of {stopped.steps}, saved in"
            f" {stopped.checkpoint}; the same command goes on from there"
        )
        raise typer.Exit(ExitCode.CANCELLED)
    *_, last = request.phases()
    _say_once(f"trained; to make a model of it: audiosr-fx train export NAME --runs {last.runs}")


def _say_once(text: str) -> None:
    """Of several processes that share a run, only the first speaks."""
    if os.environ.get("RANK", "0") == "0":
        say_note(text)


def _log_to_stderr() -> None:
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("audiosr_fx").setLevel(logging.INFO)


@contextmanager
def _interrupts_noted() -> Iterator[Callable[[], bool]]:
    """Note a first request to end, for the loop to ask about between two steps; a second one ends at once."""
    noted: list[int] = []

    def note(number: int, frame: object) -> None:
        if noted:
            raise KeyboardInterrupt
        noted.append(number)
        say_note("stopping after this step; once more to stop at once, without saving")

    before = {
        number: signal.signal(number, note)
        for number in INTERRUPTS
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield lambda: bool(noted)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


app.command()(instruments)
app.command()(packages)


@app.command("recipes")
def recipes_command(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME|FILE]", help="Show every key of this recipe.")
    ] = None,
) -> None:
    """List the recipes, or show one with every key it has."""
    from audiosr_fx.toml_text import to_toml
    from audiosr_fx.training.recipes import load_recipe, recipe_names

    if name is None:
        for known in recipe_names():
            say(f"{known:<10}{load_recipe(known).description}")
        return
    recipe = load_recipe(name)
    say(f"# SHA-256 {recipe.sha256}\n{to_toml(recipe.to_table())}")


@app.command()
def export(
    destination: Annotated[
        str,
        typer.Argument(
            metavar="NAME|FILE",
            help="A name, to render with it by that name, or a file ending in .safetensors.",
        ),
    ],
    runs: Runs = Path("runs"),
    recipe: RecipeName = "mini",
    init: Annotated[
        str | None,
        typer.Option(
            "--init",
            metavar="MODEL",
            help="Take stages that were not trained from here; not needed where the run itself recorded it.",
        ),
    ] = None,
    licence: Annotated[str, typer.Option("--licence", help="Licence of the weights, for their card.")] = "",
    description: Annotated[str, typer.Option("--description", help="One line, for lists and the card.")] = "",
    card: Annotated[
        Path | None, typer.Option("--card", metavar="FILE", help="Text of your own, added to the card.")
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data",
            metavar="FOLDER",
            help="Fit the output level on the validation clips in here (models with a predictor).",
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a model that is there.")] = False,
) -> None:
    """Write the trained stages as one half-precision model file with its card.

    Stages that were not trained come from the weights that the run started from.
    """
    import torch

    from audiosr_fx.model.checkpoint import save_model
    from audiosr_fx.training.assemble import trained_model
    from audiosr_fx.training.recipes import load_recipe

    _log_to_stderr()
    path = _export_path(destination)
    if path.exists() and not overwrite:
        raise OutputError(f"{path}: exists already; choose another name, or allow it with --overwrite")
    notes = "" if card is None else card.read_text(encoding="utf-8")
    fallback = load_recipe(recipe)
    model, records = trained_model(runs, fallback, init)
    if data:
        _calibrate(model, data, next(iter(records.values())), fallback)
    model.config = replace(model.config, name=path.stem)
    text = _write_card(path.stem, model, records, init, licence, description, notes)
    save_model(
        model,
        path,
        text.text,
        torch.float16,
        notes={
            "description": text.description,
            "licence": text.licence,
            "attribution": text.attribution,
            "recipe_sha256": text.recipe_sha256,
        },
    )
    say(str(path))


def _export_path(destination: str) -> Path:
    from audiosr_fx.model.catalogue import KNOWN_MODELS
    from audiosr_fx.model.places import models_folder

    if destination.endswith(".safetensors"):
        return Path(destination).expanduser()
    if destination in KNOWN_MODELS or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", destination):
        raise ParameterError(
            f"the model's name is {destination!r}; expected letters, digits, dots, _ and -, and none of"
            f" {', '.join(KNOWN_MODELS)}; or a file ending in .safetensors"
        )
    return models_folder() / f"{destination}.safetensors"


def _calibrate(model: AudioSRModel, data: list[str], record: dict[str, Any], recipe: Any) -> None:
    from audiosr_fx.training.calibrate import calibrate_level
    from audiosr_fx.training.data import DataFolder
    from audiosr_fx.training.folders import load_data
    from audiosr_fx.training.run import recorded_data_settings, split_data

    clips = load_data([DataFolder.parse(text) for text in data])
    _, validation = split_data(clips, recorded_data_settings(record, recipe))
    gain_db = calibrate_level(model, validation)
    say_note(f"output level raised by {gain_db:.1f} dB")


def _write_card(
    name: str,
    model: AudioSRModel,
    records: Mapping[str, Mapping[str, Any]],
    init: str | None,
    licence: str,
    description: str,
    notes: str,
) -> Card:
    from audiosr_fx.model.catalogue import read_card
    from audiosr_fx.training.card import write_card

    init = init or next((str(record["init"]) for record in records.values() if record.get("init")), None)
    ancestor = None
    if init is not None and not Path(init).is_dir():
        try:
            ancestor = (Path(init).stem, read_card(init).card)
        except CheckpointError:
            ancestor = (Path(init).stem, "")
    return write_card(
        name,
        records,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        licence=licence,
        description=description,
        notes=notes,
        ancestor=ancestor,
    )

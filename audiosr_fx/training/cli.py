"""``audiosr-fx train``: train the stages of a model one by one or in turn.

What needs torch is imported inside the commands, so that help appears at once.
"""

from __future__ import annotations

import os
import shlex
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from audiosr_fx.commands.help_text import HELP_NAMES, FlowingHelp
from audiosr_fx.commands.terminal import INTERRUPTS, ExitCode, printable, say, say_amid_anything, say_note
from audiosr_fx.training.export_cli import export
from audiosr_fx.training.instruments_cli import instruments
from audiosr_fx.training.options import (
    Accumulate,
    BatchSize,
    BoardOn,
    Data,
    Device,
    Init,
    LearningRate,
    Precision,
    RecipeName,
    Runs,
    Seed,
    Steps,
    Threads,
    Workers,
    log_to_stderr,
)
from audiosr_fx.training.packages_cli import packages
from audiosr_fx.training.textures_cli import textures

app = typer.Typer(
    cls=FlowingHelp,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": list(HELP_NAMES)},
    help="""Train a model of your own, or go on from one, with any folder of audio.

    [bold]audiosr-fx train all --data my_sounds --recipe finetune --init mini[/bold]

    [bold]audiosr-fx train export my_model[/bold]

    [bold]audiosr-fx render dull.wav -o bright.wav --model my_model[/bold]

    A run goes on where it stopped, after Ctrl-C too. Training needs more packages than rendering:

    [bold]pip install 'audiosr-fx\\[train]'[/bold]

    On a machine with eight GPUs put this in place of audiosr-fx:

    [bold]torchrun --nproc-per-node 8 -m audiosr_fx[/bold]""",
)


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
_command("cleaner", "Train the cleaner, which takes steady tones and hiss away before anything is restored.")
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
    from audiosr_fx.training.data import DataFolder

    folders = [DataFolder.parse(text) for text in data]
    for folder in folders:
        folder.check()
    _say_once(printable(f"train {name}: recipe {recipe_name}, data {', '.join(data)}"))
    import torch

    from audiosr_fx.training.recipes import load_recipe
    from audiosr_fx.training.request import TrainRequest
    from audiosr_fx.training.run import train_stages

    log_to_stderr()
    if threads is not None:
        torch.set_num_threads(threads)
    recipe = load_recipe(recipe_name).with_overrides(**overrides)
    request = TrainRequest(
        stages=recipe.stages if name == "all" else [name],
        data=folders,
        runs=runs,
        recipe=recipe,
        init=init,
        device=device,
        workers=workers,
        board=board,
        go_on=name == "all",
        overrides=overrides,
    )
    with interrupts_noted() as should_stop, _disk_faults_of_threads_untold():
        stopped = train_stages(request, should_stop)
    if stopped is not None:
        _say_once(
            f"{stopped.stage} stopped at step {stopped.step} of {stopped.steps}, saved in"
            f" {printable(str(stopped.checkpoint))}; the same command goes on from there"
        )
        raise typer.Exit(ExitCode.CANCELLED)
    *_, last = request.phases()
    where = printable(shlex.quote(str(last.runs)))
    _say_once(f"trained; to make a model of it: audiosr-fx train export NAME --runs {where}")


def _say_once(text: str) -> None:
    """Of several processes that share a run, only the first speaks."""
    if os.environ.get("RANK", "0") == "0":
        say_note(text)


@contextmanager
def interrupts_noted() -> Iterator[Callable[[], bool]]:
    """Note a first request to end, for the loop to ask about between two steps; a second one ends at once."""
    noted: list[int] = []

    def note(number: int, frame: object) -> None:
        if noted:
            raise KeyboardInterrupt
        noted.append(number)
        say_amid_anything("stopping after this step; once more to stop at once, without saving")

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


@contextmanager
def _disk_faults_of_threads_untold() -> Iterator[None]:
    """Print no traceback where the thread that writes TensorBoard's files fails: the board says so."""
    before = threading.excepthook

    def hook(fault: threading.ExceptHookArgs) -> None:
        if not issubclass(fault.exc_type, OSError):
            before(fault)

    threading.excepthook = hook
    try:
        yield
    finally:
        threading.excepthook = before


app.command()(export)
app.command()(instruments)
app.command()(textures)
app.command()(packages)


@app.command("recipes")
def recipes_command(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME|FILE", help="Show every key of this recipe.")
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

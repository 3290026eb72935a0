"""``audiosr-fx train``: train the stages of a model one by one or in turn, and export the result."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.progress import track

from audiosr_fx.engine import load_engine
from audiosr_fx.errors import ParameterError
from audiosr_fx.model.audiosr import AudioSRModel
from audiosr_fx.model.checkpoint import load_model, save_model
from audiosr_fx.quality.evaluate import baseline_systems, model_systems, summarise, write_scores
from audiosr_fx.quality.evaluate import evaluate as run_evaluation
from audiosr_fx.training.calibrate import calibrate_level
from audiosr_fx.training.data import load_corpus, split_corpus
from audiosr_fx.training.recipes import CONFIGS, RECIPES, build_stage, load_stages, trained_model
from audiosr_fx.training.trainer import Trainer

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Train the stages of a model, or export what was trained.",
)

Data = Annotated[
    Path, typer.Option("--data", help="Folder of clips with an INDEX.csv (mono FLAC at 48 kHz).")
]
Runs = Annotated[Path, typer.Option("--runs", help="Where checkpoints and logs are kept and looked for.")]
Config = Annotated[str, typer.Option("--config", help=f"One of {', '.join(CONFIGS)}.")]
Steps = Annotated[
    int | None, typer.Option("--steps", min=1, help="Stop after this many steps, earlier runs counted in.")
]
BatchSize = Annotated[int | None, typer.Option("--batch-size", min=1)]
LearningRate = Annotated[float | None, typer.Option("--learning-rate")]
Threads = Annotated[int | None, typer.Option("--threads", min=1, help="CPU threads; all when not given.")]
Init = Annotated[
    str | None, typer.Option("--init", help="Start from this model's weights (a name or a file).")
]


def _train(
    stages: list[str],
    data: Path,
    runs: Path,
    config: str,
    steps: int | None,
    batch_size: int | None,
    learning_rate: float | None,
    threads: int | None,
    init: str | None,
) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    if threads is not None:
        torch.set_num_threads(threads)
    if config not in CONFIGS:
        raise ParameterError(f"--config is {config!r}; expected one of {', '.join(CONFIGS)}")
    training, validation, _ = split_corpus(load_corpus(data))
    for name in stages:
        model = AudioSRModel(CONFIGS[config]) if init is None else load_model(init)
        needs = [stage for stage in RECIPES[name].needs if getattr(model, stage) is not None]
        needed = [stage for stage in needs if init is None or (runs / f"{stage}.pt").exists()]
        load_stages(model, runs, needed)
        recipe = RECIPES[name].training
        settings = replace(
            recipe,
            steps=steps or recipe.steps,
            batch_size=batch_size or recipe.batch_size,
            learning_rate=learning_rate or recipe.learning_rate,
        )
        Trainer(build_stage(name, model, training, validation), settings, runs).run()


def _command(name: str, stages: list[str], help_text: str) -> None:
    @app.command(name, help=help_text)
    def command(
        data: Data,
        runs: Runs = Path("runs"),
        config: Config = "mini",
        steps: Steps = None,
        batch_size: BatchSize = None,
        learning_rate: LearningRate = None,
        threads: Threads = None,
        init: Init = None,
    ) -> None:
        _train(stages, data, runs, config, steps, batch_size, learning_rate, threads, init)


_command("predictor", ["predictor"], "The envelope predictor: bright log-mel from dull log-mel in one pass.")
_command("vae", ["vae"], "The mel autoencoder.")
_command("vocoder", ["vocoder"], "The light vocoder; hears the predictor's mels if it has been trained.")
_command("ldm", ["ldm"], "The latent diffusion; needs the predictor and the autoencoder.")
_command("all", list(RECIPES), "Every stage in turn.")


@app.command()
def evaluate(
    data: Data,
    model: Annotated[str, typer.Option("--model", help="A name or a model file.")] = "mini",
    seed: Annotated[int, typer.Option("--seed", help="Of the renders.")] = 0,
    scores: Annotated[
        Path | None, typer.Option("--csv", help="Write every single score to this file.")
    ] = None,
) -> None:
    """Score a model and naive baselines by LSD on the clips that training never saw."""
    _, validation, test = split_corpus(load_corpus(data))
    engine = load_engine(model)
    systems = {**baseline_systems(validation), **model_systems(engine, seed)}
    found = []
    for score in track(run_evaluation(systems, test), "scoring", console=Console(stderr=True)):
        found.append(score)
    if scores is not None:
        write_scores(found, scores)
    typer.echo(summarise(found))


@app.command()
def export(
    destination: Annotated[Path, typer.Argument(help="Model file to write (.safetensors).")],
    runs: Runs = Path("runs"),
    config: Config = "mini",
    card: Annotated[Path | None, typer.Option("--card", help="Text file with licence and credits.")] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="Fit the output level on the validation clips in here.")
    ] = None,
) -> None:
    """Write the moving averages of all stages as one half-precision model file."""
    model = trained_model(CONFIGS[config], runs)
    if data is not None:
        gain_db = calibrate_level(model, split_corpus(load_corpus(data))[1])
        typer.echo(f"output level raised by {gain_db:.1f} dB", err=True)
    text = "" if card is None else card.read_text(encoding="utf-8")
    save_model(model, destination, text, torch.float16)
    typer.echo(destination)

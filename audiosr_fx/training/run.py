"""What one ``audiosr-fx train`` command does: read the data, train its stages in turn, keep a record."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from audiosr_fx import __version__
from audiosr_fx.errors import AudioFormatError
from audiosr_fx.model.audiosr import AudioSRModel
from audiosr_fx.model.config import ModelConfig
from audiosr_fx.model.config_json import config_to_json
from audiosr_fx.toml_tables import read_table
from audiosr_fx.training.assemble import (
    build_stage,
    load_stages,
    needed_stages,
    stage_kind,
    start_record,
    starting_model,
)
from audiosr_fx.training.card import data_rows
from audiosr_fx.training.compute import Compute
from audiosr_fx.training.data import Clip, choose_validation, split_corpus
from audiosr_fx.training.folders import load_data
from audiosr_fx.training.preflight import check_run
from audiosr_fx.training.recipes import DataSettings, Recipe
from audiosr_fx.training.request import TrainRequest
from audiosr_fx.training.stage import TrainSettings
from audiosr_fx.training.trained_on import KEY, TrainedOn
from audiosr_fx.training.trainer import Trainer
from audiosr_fx.training.validation import VALIDATION_CUTOFFS_HZ

logger = logging.getLogger(__name__)

_MOST_WORKERS = 12
_LIMITS_NAME = "data.json"
_BRIGHT_HZ = 16_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """Where a run was when it was asked to stop."""

    stage: str
    step: int
    steps: int
    checkpoint: Path


def train_stages(request: TrainRequest, should_stop: Callable[[], bool]) -> Stopped | None:
    """Train the stages of a request one after the other, each from where it stopped.

    Args:
        request: what to do.
        should_stop: asked after every step; True saves a checkpoint and ends the run.

    Returns:
        None when all is trained.

    Raises:
        AudioFormatError: data that cannot be used.
        CheckpointError: weights that are missing or do not fit.
        OSError: the folder of the run cannot be written, or its disk has no room.
        ParameterError: settings that do not fit each other, or a device that is not here.
    """
    compute = Compute(request.device)
    if not compute.is_main:
        logging.getLogger("audiosr_fx").setLevel(logging.ERROR)
    _prefer_repeatable(compute.device)
    phases = list(request.phases())
    model = starting_model(request.recipe, request.init)
    check_run(phases, model)
    clips = _load_in_turn(request, compute)
    splits = [split_data(clips, phase.recipe.data) for phase in phases]
    stopped = None
    for phase, (training, validation) in zip(phases, splits, strict=True):
        stopped = _train_phase(phase, model.config, compute, training, validation, should_stop)
        if stopped is not None:
            break
    compute.close()
    return stopped


def _train_phase(
    request: TrainRequest,
    config: ModelConfig,
    compute: Compute,
    training: Sequence[Clip],
    validation: Sequence[Clip],
    should_stop: Callable[[], bool],
) -> Stopped | None:
    _describe(request.recipe, training, validation)
    for name in request.stages_in(config):
        stopped = _train_stage(request, name, compute, training, validation, should_stop)
        if stopped is not None:
            return stopped
    return None


def _load_in_turn(request: TrainRequest, compute: Compute) -> list[Clip]:
    """The data; one process measures what is new to it, the others find that in the cache."""
    if not compute.is_main:
        compute.wait()
    clips = load_data(request.data, request.runs / _LIMITS_NAME)
    if compute.is_main:
        compute.wait()
    return clips


def split_data(clips: Sequence[Clip], settings: DataSettings) -> tuple[list[Clip], list[Clip]]:
    """Training clips and the validation clips that are used: those that reach above the lowest cutoff.

    Raises:
        AudioFormatError: nothing is left to train on.
    """
    training, validation, _ = split_corpus(clips, frozenset(settings.held_out), settings.held_out_fraction)
    if not training:
        raise AudioFormatError("every source of the data is held out; nothing is left to train on")
    telling = [clip for clip in validation if clip.limit_hz > VALIDATION_CUTOFFS_HZ[0]]
    if validation and not telling:
        logger.warning(
            "no held-out clip reaches above %.0f Hz: there will be no validation and no early stop",
            VALIDATION_CUTOFFS_HZ[0],
        )
    return training, choose_validation(telling, settings.validation_clips)


def recorded_data_settings(record: dict[str, Any], recipe: Recipe) -> DataSettings:
    """How the data of a recorded run was split; as the recipe says where it is not recorded."""
    if "recipe" not in record:
        return recipe.data
    return read_table(DataSettings, json.loads(record["recipe"])["data"], "data")


def _train_stage(
    request: TrainRequest,
    name: str,
    compute: Compute,
    training: Sequence[Clip],
    validation: Sequence[Clip],
    should_stop: Callable[[], bool],
) -> Stopped | None:
    model = starting_model(request.recipe, request.init)
    _load_what_it_builds_on(model, name, request)
    settings = request.recipe.settings(name)
    training = stage_kind(name, model.config).choose(training, settings)
    stage = build_stage(name, model, request.recipe, training, validation, compute.device)
    if stage.precision != settings.precision:
        logger.info("%s is trained in %s: bfloat16 is only imitated here", name, stage.precision)
    warn_of_noise_that_stays(model, settings)
    trainer = Trainer(
        stage,
        settings,
        request.runs,
        compute=compute,
        workers=_workers(request.workers, compute),
        board=request.board,
        record=_record(request, model, training, validation),
        should_stop=should_stop,
    )
    if trainer.run():
        return None
    return Stopped(stage=name, step=trainer.step, steps=settings.steps, checkpoint=trainer.checkpoint_path)


def warn_of_noise_that_stays(model: AudioSRModel, settings: TrainSettings) -> None:
    """Noise in the input of a model that leaves the low band as it is stays there."""
    degrade = settings.augment.degrade
    if not model.config.makes_low_band and max(degrade.tone_probability, degrade.hiss_probability) > 0.0:
        logger.warning(
            "model %s never makes the low band, so this cleans nothing; train its cleaner (recipe clean), or"
            " go on from basic or speech",
            model.config.name,
        )


def _load_what_it_builds_on(model: AudioSRModel, name: str, request: TrainRequest) -> None:
    """Trained stages of this run in place of those the model came with; those it needs must be there."""
    needed = needed_stages(name, model.config)
    useful = [*needed, "vocoder"] if name == "ldm" else needed
    there = [stage for stage in useful if (request.runs / f"{stage}.pt").is_file()]
    missing = [stage for stage in needed if stage not in there]
    load_stages(model, request.runs, [*there, *(missing if request.init is None else [])])


def _record(
    request: TrainRequest, model: AudioSRModel, training: Sequence[Clip], validation: Sequence[Clip]
) -> dict[str, Any]:
    return {
        "version": __version__,
        "config": config_to_json(model.config),
        "recipe_name": request.recipe.name,
        "recipe": request.recipe.to_json(),
        "recipe_sha256": request.recipe.sha256,
        **start_record(request.init),
        "data": data_rows([*training, *validation]),
        KEY: TrainedOn.these(training).to_text(),
    }


def _describe(recipe: Recipe, training: Sequence[Clip], validation: Sequence[Clip]) -> None:
    logger.info(
        "recipe %s (%s): %d clips, %.1f minutes, of %d sources to train on, %d to validate on",
        recipe.name,
        recipe.sha256[:12],
        len(training),
        sum(clip.seconds for clip in training) / 60.0,
        len({clip.source for clip in training}),
        len(validation),
    )
    highest_hz = max(clip.limit_hz for clip in training)
    if highest_hz < _BRIGHT_HZ:
        logger.warning("no clip reaches above %.0f Hz: what lies higher cannot be learned", highest_hz)


def _workers(wanted: int | None, compute: Compute) -> int:
    """A CPU that trains has no time to spare; beside a GPU most of them do."""
    if wanted is not None:
        return wanted
    if compute.device.type == "cpu":
        return 0
    return max(1, min(_MOST_WORKERS, ((os.cpu_count() or 2) - 1) // compute.processes))


def _prefer_repeatable(device: torch.device) -> None:
    """On CUDA the same kernels every time, and single precision in the fast form that training can take."""
    if device.type == "cuda":
        torch.backends.cudnn.deterministic = True
        torch.set_float32_matmul_precision("high")

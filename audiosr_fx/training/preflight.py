"""What can be known of a run before its first step, so that nobody learns of it hours later."""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from audiosr_fx.errors import CheckpointError, ParameterError
from audiosr_fx.model.audiosr import AudioSRModel
from audiosr_fx.model.config import ModelConfig
from audiosr_fx.training.assemble import (
    fitted_model,
    module_of,
    needed_stages,
    stage_kind,
    start_record,
)
from audiosr_fx.training.checkpoints import check_start, read_record
from audiosr_fx.training.device_segments import check_augment
from audiosr_fx.training.discriminators import PatchDiscriminator
from audiosr_fx.training.recipes import STAGES, Recipe
from audiosr_fx.training.request import TrainRequest
from audiosr_fx.wording import did_you_mean, shown

_COPIES = 4  # in a checkpoint: weights, their average, and the two moments of the optimiser


def check_run(phases: Sequence[TrainRequest], model: AudioSRModel) -> None:
    """Look at every stage of every phase.

    Args:
        phases: in the order in which they are trained.
        model: that the first of them starts from.

    Raises:
        CheckpointError: a stage builds on another that is not trained before it, or the folder holds one
            that began from other weights.
        OSError: the folder cannot be written, or its disk has no room for the checkpoints.
        ParameterError: settings that do not fit the model or each other.
    """
    for phase in phases:
        if phase.init is not None:
            model = fitted_model(model, phase.recipe, phase.init)
        for name in phase.stages:
            phase.recipe.settings(name)
        for name in phase.stages_in(model.config):
            _check_stage(phase, name, model.config)
        _check_order(phase, model.config)
        _check_starts(phase)
    _check_writable(phases[0].runs)
    _check_room(phases, model)


def _check_stage(phase: TrainRequest, name: str, config: ModelConfig) -> None:
    settings = phase.recipe.settings(name)
    if phase.recipe.data.on_device:
        check_augment(settings.augment)
    shortest_s = _shortest_s(phase.recipe, name, config)
    if settings.augment.seconds < shortest_s:
        raise ParameterError(
            f"recipe {phase.recipe.name!r}: {name}.segment_s is {settings.segment_s};"
            f" expected {shortest_s:g} or more with this model"
        )
    figures = stage_kind(name, config).figures(config)
    if settings.watch and settings.watch not in figures:
        raise ParameterError(
            f"recipe {phase.recipe.name!r}: {name}.watch is {settings.watch!r};"
            f" expected one of {', '.join(figures)}{did_you_mean(settings.watch, figures)}"
        )


def _shortest_s(recipe: Recipe, name: str, config: ModelConfig) -> float:
    """The shortest examples that a stage's networks can halve as often as they do."""
    frames = config.vae.downsampling if name in ("vae", "ldm") else 1
    if name == "ldm":
        frames *= 2 ** (len(config.unet.multipliers) - 1)
    if name == "vae" and recipe.vae is not None and recipe.vae.adversarial is not None:
        frames *= math.ceil(PatchDiscriminator.FEWEST / frames)
    return frames * config.mel.hop_length / config.mel.sample_rate


def _check_order(phase: TrainRequest, config: ModelConfig) -> None:
    """Without other weights to take them from, the stages that one builds on are there or come before it."""
    trained: list[str] = []
    for name in phase.stages_in(config) if phase.init is None else []:
        for needed in needed_stages(name, config):
            path = phase.runs / f"{needed}.pt"
            if needed not in trained and not path.is_file():
                raise CheckpointError(
                    f"{shown(path)} does not exist, and stage {name!r} builds on it;"
                    f" train stage {needed!r} first"
                )
        trained.append(name)


def _check_starts(phase: TrainRequest) -> None:
    """Stages of one folder begin from the same weights, else they add up to no model."""
    paths = {name: phase.runs / f"{name}.pt" for name in STAGES}
    there = {name: path for name, path in paths.items() if path.is_file()}
    if phase.init is None or not there:
        return
    now = start_record(phase.init)
    for name, path in there.items():
        before = read_record(path)
        if before.get("init") or name in phase.stages:
            check_start(path, before, now)


def _check_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OSError(
            f"{shown(folder)} cannot be written ({error.strerror or error}); choose another --runs folder"
        ) from error


def _check_room(phases: Sequence[TrainRequest], model: AudioSRModel) -> None:
    """Room for all checkpoints that are not there yet, and for one more: each is replaced when whole."""
    sizes = {
        phase.runs / f"{name}.pt": _checkpoint_bytes(phase, name, model)
        for phase in phases
        for name in phase.stages_in(model.config)
    }
    needed = sum(size for path, size in sizes.items() if not path.exists()) + max(sizes.values())
    free = shutil.disk_usage(phases[0].runs).free
    if free < needed:
        raise OSError(
            f"{shown(phases[0].runs)}: checkpoints take {needed / 1e6:.0f} MB, and the disk has"
            f" {free / 1e6:.0f} MB left; make room, or choose another --runs folder"
        )


def _checkpoint_bytes(phase: TrainRequest, name: str, model: AudioSRModel) -> int:
    """At least: critics are not counted."""
    keeps_best = phase.recipe.settings(name).patience > 0
    weights = sum(weight.numel() * weight.element_size() for weight in module_of(model, name).parameters())
    return weights * (_COPIES + keeps_best)

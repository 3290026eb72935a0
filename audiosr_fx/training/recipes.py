"""How each stage of a model is trained: settings, what it builds on, and the model they add up to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import nn

from audiosr_fx.errors import CheckpointError, ParameterError
from audiosr_fx.model.audiosr import AudioSRModel
from audiosr_fx.model.config import BASIC, MINI, SPEECH, ExciterConfig, ModelConfig
from audiosr_fx.training.data import Clip
from audiosr_fx.training.ldm import LatentDenoiser, LatentStage
from audiosr_fx.training.predictor import PredictorStage
from audiosr_fx.training.segments import AugmentSettings, SegmentMaker
from audiosr_fx.training.trainer import Stage, TrainSettings
from audiosr_fx.training.vae import VAEStage
from audiosr_fx.training.vocoder import ExciterStage

CONFIGS: Mapping[str, ModelConfig] = {config.name: config for config in (MINI, BASIC, SPEECH)}

KIND_WEIGHTS: Mapping[str, float] = {"speech": 1.8, "mix": 1.8, "drums": 1.3}


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRecipe:
    """Settings of one stage; ``needs`` names the stages that must have been trained before."""

    training: TrainSettings
    segment_s: float
    needs: tuple[str, ...] = ()
    augment: AugmentSettings = field(default_factory=AugmentSettings)

    def maker(self, clips: Sequence[Clip]) -> SegmentMaker:
        return SegmentMaker(clips, replace(self.augment, seconds=self.segment_s), dict(KIND_WEIGHTS))


RECIPES: Mapping[str, StageRecipe] = {
    "predictor": StageRecipe(training=TrainSettings(steps=4_500), segment_s=2.56),
    "vae": StageRecipe(training=TrainSettings(steps=1_600, batch_size=8, ema_decay=0.998), segment_s=1.28),
    "vocoder": StageRecipe(
        training=TrainSettings(steps=1_200, batch_size=8, ema_decay=0.995),
        segment_s=1.28,
        needs=("predictor",),
    ),
    "ldm": StageRecipe(training=TrainSettings(steps=3_000), segment_s=2.56, needs=("predictor", "vae")),
}
"""In the order in which ``train all`` takes them."""


def build_stage(
    name: str, model: AudioSRModel, training: Sequence[Clip], validation: Sequence[Clip]
) -> Stage:
    """The stage ``name`` of ``model``, starting from the weights the model holds.

    Raises:
        ParameterError: no such stage, or one that the model's config does not have.
    """
    config = model.config
    builders: Mapping[str, Callable[[SegmentMaker], Stage]] = {
        "predictor": lambda maker: PredictorStage(config, maker, validation),
        "vae": lambda maker: VAEStage(config, maker, validation),
        "vocoder": lambda maker: ExciterStage(config, maker, validation, model.predictor),
        "ldm": lambda maker: LatentStage(model, maker, validation),
    }
    if name not in builders:
        raise ParameterError(f"stage is {name!r}; expected one of {', '.join(builders)}")
    if name == "predictor" and config.predictor is None:
        raise ParameterError(f"model {config.name!r} has no predictor to train")
    if name == "vocoder" and not isinstance(config.vocoder, ExciterConfig):
        raise ParameterError(f"the vocoder of model {config.name!r} cannot be trained yet")
    stage = builders[name](RECIPES[name].maker(training))
    if name != "ldm":  # which trains the model's own
        stage.module.load_state_dict(_module_of(model, name).state_dict())
    return stage


def load_stages(model: AudioSRModel, folder: Path, names: Sequence[str]) -> None:
    """Put the moving averages of trained stages into ``model``.

    Raises:
        CheckpointError: a stage has no checkpoint in ``folder``, or one that does not fit.
    """
    for name in names:
        path = folder / f"{name}.pt"
        if not path.is_file():
            raise CheckpointError(f"{path} does not exist; train stage {name!r} first")
        try:
            _module_of(model, name).load_state_dict(torch.load(path, weights_only=True)["average"])
        except (KeyError, RuntimeError, EOFError, UnpicklingError) as error:
            raise CheckpointError(f"{path} does not fit model {model.config.name!r} ({error})") from error


def trained_model(config: ModelConfig, folder: Path) -> AudioSRModel:
    """The model that all stages in ``folder`` add up to."""
    model = AudioSRModel(config).eval().requires_grad_(False)
    names = [name for name in RECIPES if name != "predictor" or config.predictor is not None]
    load_stages(model, folder, names)
    return model


def _module_of(model: AudioSRModel, name: str) -> nn.Module:
    """The part of a model, not a copy, that a stage trains."""
    module: nn.Module = LatentDenoiser(model) if name == "ldm" else getattr(model, name)
    return module

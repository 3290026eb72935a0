"""Very small models with random weights, for tests of everything around the model."""

from __future__ import annotations

import math
from dataclasses import replace
from unittest import mock

import torch

from audiosr_fx.engine import Engine
from audiosr_fx.model.audiosr import AudioSRModel
from audiosr_fx.model.config import (
    CleanerConfig,
    ExciterConfig,
    HiFiGANConfig,
    ModelConfig,
    PredictorConfig,
    UNetConfig,
    VAEConfig,
)

TINY = ModelConfig(
    name="tiny",
    vae=VAEConfig(
        base_channels=4, multipliers=(1, 2, 2, 4), blocks_per_level=1, latent_channels=4, norm_groups=2
    ),
    unet=UNetConfig(
        in_channels=8,
        out_channels=4,
        base_channels=8,
        multipliers=(1, 2, 2, 2),
        blocks_per_level=1,
        head_channels=8,
        norm_groups=4,
    ),
    vocoder=HiFiGANConfig(base_channels=64, resblock_kernels=(3, 5), resblock_dilations=(1, 3)),
)

WITH_PREDICTOR = replace(
    TINY,
    predictor=PredictorConfig(width=16, depth=1),
    vocoder=ExciterConfig(width=16, depth=1),
    cleaner=CleanerConfig(width=16, depth=1, kernel_size=9),
)
"""The stages of the embedded model."""


def tiny_model(seed: int = 0, config: ModelConfig = TINY) -> AudioSRModel:
    """A pipeline at toy width: random weights, float32, CPU, evaluation mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AudioSRModel(config)
    with torch.no_grad():
        model.vae.decoder.conv_out.bias.fill_(-6.0)  # a mel around the level of music
        for name, weight in model.vocoder.named_parameters():  # as initialised it is all but silent
            weight.mul_(0.0 if name == "conv_post.bias" else 1.7 if name.endswith("weight") else 1.0)
    return model.eval()


def excited_engine(seed: int = 0) -> Engine:
    """An untrained model of the embedded model's stages: its new band follows the level of the input."""
    return Engine(tiny_model(seed, replace(WITH_PREDICTOR, guidance_scale=1.0)), "cpu")


def muting_above(frequency_hz: float, model: AudioSRModel) -> AudioSRModel:
    """Its cleaner turns all above a frequency down by 80 dB."""
    assert model.cleaner is not None
    bins = torch.arange(1025) * 48_000 / 2048
    gain = torch.where(bins > frequency_hz, -4.0 * math.log(10.0), 0.0)
    model.cleaner.log_gain = mock.Mock(  # type: ignore[method-assign]
        side_effect=lambda magnitude, made: gain.expand_as(magnitude[:, made])
    )
    return model

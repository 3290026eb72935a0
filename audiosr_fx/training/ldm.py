"""Train the latent diffusion: v-prediction of what the predictor leaves open, given its answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from audiosr_fx.model.audiosr import AudioSRModel, SamplerSettings
from audiosr_fx.training.data import Clip
from audiosr_fx.training.losses import DB_PER_NEPER, weighted_mean
from audiosr_fx.training.segments import Batch, SegmentMaker, collate
from audiosr_fx.training.validation import validation_batches

UNCONDITIONAL_SHARE = 0.1
VALIDATION_STEPS = 8
_SCALE_BATCHES = 4


class LatentDenoiser(nn.Module):
    """What this stage trains and keeps: the U-Net and the two scales its latents come in."""

    scale_factor: Tensor
    condition_scale: Tensor

    def __init__(self, model: AudioSRModel) -> None:
        super().__init__()
        self.unet = model.unet
        self.register_buffer("scale_factor", model.scale_factor)
        self.register_buffer("condition_scale", model.condition_scale)


class LatentStage:
    """The U-Net of a model whose autoencoder and predictor are trained and stay as they are.

    The clean latent is the encoded bright mel less the condition, at unit variance. For models without
    a predictor the condition is the encoded dull mel and the latent the bright one, as published.
    """

    name = "ldm"

    def __init__(self, model: AudioSRModel, maker: SegmentMaker, validation: Sequence[Clip]) -> None:
        self.model = model.eval().requires_grad_(False)
        model.unet.requires_grad_(True)
        self.maker = maker
        self._multiple = model.config.vae.downsampling * 2 ** (len(model.config.unet.multipliers) - 1)
        self._validation = list(validation_batches(validation))
        if float(model.scale_factor) == 1.0:  # as made: weights that were trained bring their own
            self._set_scales()
        self.module: nn.Module = LatentDenoiser(model)

    @torch.no_grad()
    def _set_scales(self) -> None:
        """Scale latents and conditions to unit standard deviation, measured on a few fixed batches."""
        random = np.random.default_rng(0)
        latents, conditions = [], []
        for _ in range(_SCALE_BATCHES):
            condition, clean = self._encode(collate([self.maker.make(random) for _ in range(8)]))
            latents.append(clean.std())
            conditions.append(condition.std())
        self.model.condition_scale.copy_(1.0 / torch.stack(conditions).mean())
        self.model.scale_factor.copy_(1.0 / torch.stack(latents).mean())

    def loss(self, random: np.random.Generator, batch_size: int) -> Mapping[str, Tensor]:
        batch = collate([self.maker.make(random) for _ in range(batch_size)])
        with torch.no_grad():
            condition, clean = self._encode(batch)
            clean = clean * self.model.scale_factor
        schedule = self.model.schedule
        timestep = torch.from_numpy(random.integers(0, schedule.timesteps, batch_size))
        noise = torch.randn_like(clean)
        drop = torch.from_numpy(random.random(batch_size) < UNCONDITIONAL_SHARE)[:, None, None, None]
        condition = torch.where(drop, self.model.config.diffusion.unconditional_value, condition)
        velocity = self.model.predict_velocity(
            schedule.add_noise(clean, noise, timestep), timestep, condition
        )
        return {"total": (velocity - schedule.velocity(clean, noise, timestep)).square().mean()}

    def validate(self, module: nn.Module) -> Mapping[str, float]:
        """Mean absolute log-mel error above the cutoff in dB: predicted, averaged (1 step) and sampled."""
        assert isinstance(module, LatentDenoiser)
        trained, self.model.unet = self.model.unet, module.unet
        figures: dict[str, float] = {}
        for cutoff_hz, batch in self._validation:
            for steps in (0, 1, VALIDATION_STEPS):
                error_db = float(self._mel_error(batch, steps)) * DB_PER_NEPER
                figures[f"error_db_{steps}_steps_{cutoff_hz:.0f}"] = error_db
        self.model.unet = trained
        return figures

    def _mel_error(self, batch: Batch, steps: int) -> Tensor:
        model = self.model
        dull, bright = (self._cut(model.mel(x).log_mel) for x in (batch.dull, batch.target))
        frames = dull.shape[1] // model.config.vae.downsampling
        noise = torch.randn(
            (len(dull), model.latent_channels, frames, model.latent_bands),
            generator=torch.Generator().manual_seed(0),
        )
        restored = model.restore_mel(
            dull, batch.cutoff_hz, settings=SamplerSettings(steps=steps), start_noise=noise
        )
        edges = model.upper_edges_hz
        counted = (edges > batch.cutoff_hz[:, None]) & (edges <= batch.limit_hz[:, None] + 1.0)
        return weighted_mean((restored - bright).abs(), counted[:, None, :].float())

    def _encode(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Condition and unscaled clean latent of a batch."""
        model = self.model
        dull, bright = (self._cut(model.mel(x).log_mel) for x in (batch.dull, batch.target))
        if model.predictor is None:
            return self._latent(dull), self._latent(bright)
        predicted = model.predictor(dull, batch.cutoff_hz)
        trusted = (model.upper_edges_hz <= batch.limit_hz[:, None] + 1.0)[:, None, :]
        bright = torch.where(trusted, bright, predicted)
        bright = model.keep_low_bands(bright, dull, batch.cutoff_hz)
        condition = self._latent(predicted)
        return condition, self._latent(bright) - condition

    def _latent(self, mel: Tensor) -> Tensor:
        latent: Tensor = self.model.condition_encoder.encode(mel.unsqueeze(1)).mode.float()
        return latent

    def _cut(self, mel: Tensor) -> Tensor:
        return mel[:, : mel.shape[1] // self._multiple * self._multiple]

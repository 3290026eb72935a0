"""Train the latent diffusion: v-prediction of what the predictor leaves open, given its answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from audiosr_fx.model.audiosr import AudioSRModel, SamplerSettings
from audiosr_fx.model.config import ModelConfig
from audiosr_fx.model.vae import Posterior
from audiosr_fx.training.data import Clip
from audiosr_fx.training.losses import DB_PER_NEPER, weighted_mean
from audiosr_fx.training.ranges import check_range
from audiosr_fx.training.segments import Batch
from audiosr_fx.training.stage import BatchMaker, Example, Stage, TrainSettings
from audiosr_fx.training.validation import SHOWN, figures_per_cutoff, validation_batches

VALIDATION_STEPS = 8
_SCALE_BATCHES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class LDMSettings(TrainSettings):
    """How the latent diffusion is trained.

    Attributes:
        unconditional_share: of examples whose condition is withheld, for guidance.
        sample_posterior: whether latents are drawn from the posterior, as published, or are its mode.
    """

    unconditional_share: float = 0.1
    sample_posterior: bool = False

    def __post_init__(self) -> None:
        TrainSettings.__post_init__(self)
        check_range(self, "unconditional_share", 0.0, 1.0)


class LatentDenoiser(nn.Module):
    """What this stage trains and keeps: the U-Net and the two scales its latents come in."""

    scale_factor: Tensor
    condition_scale: Tensor

    def __init__(self, model: AudioSRModel) -> None:
        super().__init__()
        self.unet = model.unet
        self.register_buffer("scale_factor", model.scale_factor)
        self.register_buffer("condition_scale", model.condition_scale)


class LatentStage(Stage):
    """The U-Net of a model whose autoencoder and predictor are trained and stay as they are.

    The clean latent is the encoded bright mel less the condition, at unit variance. For models without
    a predictor the condition is the encoded dull mel and the latent the bright one, as published.
    """

    name = "ldm"

    def __init__(
        self,
        model: AudioSRModel,
        settings: LDMSettings,
        maker: BatchMaker,
        validation: Sequence[Clip],
        device: torch.device,
    ) -> None:
        super().__init__(maker, device, settings.precision)
        self.settings = settings
        self.model = model.eval().requires_grad_(False)
        model.unet.requires_grad_(True)
        self._multiple = model.config.vae.downsampling * 2 ** (len(model.config.unet.multipliers) - 1)
        self._validation = list(validation_batches(validation))
        if float(model.scale_factor) == 1.0:  # as made: weights that were trained bring their own
            self._set_scales()
        self.module: nn.Module = LatentDenoiser(model)

    @torch.no_grad()
    def _set_scales(self) -> None:
        """Scale latents and conditions to unit standard deviation, measured on a few fixed batches."""
        random = np.random.default_rng(0)
        torch.manual_seed(0)
        latents, conditions = [], []
        for _ in range(_SCALE_BATCHES):
            batch = self.move(self.maker.make_batch(random, 8))
            condition, clean = self._encode(batch)
            latents.append(clean.std())
            conditions.append(condition.std())
        self.model.condition_scale.copy_(1.0 / torch.stack(conditions).mean())
        self.model.scale_factor.copy_(1.0 / torch.stack(latents).mean())

    def loss(self, batch: Batch, random: np.random.Generator, step: int) -> Mapping[str, Tensor]:
        schedule = self.model.schedule
        batch_size = len(batch.dull)
        timestep = torch.from_numpy(random.integers(0, schedule.timesteps, batch_size))
        withheld = torch.from_numpy(random.random(batch_size) < self.settings.unconditional_share)
        batch = self.move(batch)
        with torch.no_grad():
            condition, clean = self._encode(batch)
            clean = clean * self.model.scale_factor
            noise = torch.randn_like(clean)
            noisy = schedule.add_noise(clean, noise, timestep)
            unconditional = self.model.config.diffusion.unconditional_value
            condition = torch.where(withheld.to(self.device)[:, None, None, None], unconditional, condition)
        with self.autocast():
            velocity = self.model.predict_velocity(noisy, timestep.to(self.device), condition)
        return {"total": (velocity - schedule.velocity(clean, noise, timestep)).square().mean()}

    @classmethod
    def figures(cls, config: ModelConfig) -> tuple[str, ...]:
        kinds = [f"error_db_{steps}_steps" for steps in _validated_steps(config)]
        return ("error_db", *figures_per_cutoff(*kinds))

    def validate(self, module: nn.Module) -> Mapping[str, float]:
        """Mean absolute log-mel error above the cutoff in dB: predicted, averaged (1 step) and sampled.

        ``error_db`` is the mean over the cutoffs of the sampled ones.
        """
        figures: dict[str, float] = {}
        for cutoff_hz, batch in self._validation:
            batch = self.move(batch)
            for steps in _validated_steps(self.model.config):
                error_db = float(self._mel_error(module, batch, steps)) * DB_PER_NEPER
                figures[f"error_db_{steps}_steps_{cutoff_hz:.0f}"] = error_db
        sampled = [value for name, value in figures.items() if f"_{VALIDATION_STEPS}_steps" in name]
        return {"error_db": float(np.mean(sampled)), **figures} if sampled else {}

    def examples(self, module: nn.Module) -> Iterator[Example]:
        for cutoff_hz, batch in self._validation[:1]:
            batch = self.move(Batch(*(tensor[:SHOWN] for tensor in batch)))
            dull, true = (self._cut(self.model.mel(x).log_mel) for x in (batch.dull, batch.target))
            made = self._restore(module, dull, batch.cutoff_hz, VALIDATION_STEPS)
            length = dull.shape[1] * self.model.config.mel.hop_length
            low = batch.dull[:, :length]
            high = self.model.vocode(made, low, cutoff_hz=cutoff_hz, start_frame=0, seed=0)
            sound = low + high if self.model.predictor is not None else high
            for index in range(len(dull)):
                yield Example(
                    name=f"{cutoff_hz:.0f} Hz, clip {index + 1}",
                    mels={"dull": dull[index], "sampled": made[index], "true": true[index]},
                    sounds={"dull": low[index], "made": sound[index], "true": batch.target[index, :length]},
                )

    def _mel_error(self, module: nn.Module, batch: Batch, steps: int) -> Tensor:
        model = self.model
        dull, bright = (self._cut(model.mel(x).log_mel) for x in (batch.dull, batch.target))
        restored = self._restore(module, dull, batch.cutoff_hz, steps)
        edges = model.upper_edges_hz
        counted = (edges > batch.cutoff_hz[:, None]) & (edges <= batch.limit_hz[:, None] + 1.0)
        return weighted_mean((restored - bright).abs(), counted[:, None, :].float())

    def _restore(self, module: nn.Module, dull: Tensor, cutoff_hz: Tensor, steps: int) -> Tensor:
        """Completed mels by the U-Net of ``module``, from noise that is always the same."""
        assert isinstance(module, LatentDenoiser)
        model = self.model
        noise = torch.randn(
            (
                len(dull),
                model.latent_channels,
                dull.shape[1] // model.config.vae.downsampling,
                model.latent_bands,
            ),
            generator=torch.Generator().manual_seed(0),
        )
        trained, model.unet = model.unet, module.unet
        try:
            return model.restore_mel(
                dull, cutoff_hz, settings=SamplerSettings(steps=steps), start_noise=noise.to(self.device)
            )
        finally:
            model.unet = trained

    def _encode(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Condition and unscaled clean latent of a batch."""
        model = self.model
        dull, bright = (self._cut(model.mel(x).log_mel) for x in (batch.dull, batch.target))
        if model.predictor is None:
            condition = self._latent(model.condition_encoder.encode(dull.unsqueeze(1)))
            return condition, self._latent(model.vae.encode(bright.unsqueeze(1)))
        predicted = model.predictor(dull, batch.cutoff_hz)
        trusted = (model.upper_edges_hz <= batch.limit_hz[:, None] + 1.0)[:, None, :]
        bright = torch.where(trusted, bright, predicted)
        bright = model.keep_low_bands(bright, dull, batch.cutoff_hz)
        condition, clean = (
            self._latent(model.condition_encoder.encode(mel.unsqueeze(1))) for mel in (predicted, bright)
        )
        return condition, clean - condition

    def _latent(self, posterior: Posterior) -> Tensor:
        if not self.settings.sample_posterior:
            return posterior.mode.float()
        return posterior.sample(torch.randn_like(posterior.mean)).float()

    def _cut(self, mel: Tensor) -> Tensor:
        return mel[:, : mel.shape[1] // self._multiple * self._multiple]


def _validated_steps(config: ModelConfig) -> tuple[int, ...]:
    """Steps of the sampler that are validated; none is the prediction alone."""
    return (1, VALIDATION_STEPS) if config.predictor is None else (0, 1, VALIDATION_STEPS)

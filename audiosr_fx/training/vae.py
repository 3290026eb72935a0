"""Train the mel autoencoder: L1 on log-mel and a light Kullback-Leibler term."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from audiosr_fx.model.config import ModelConfig
from audiosr_fx.model.mel import LogMel
from audiosr_fx.model.vae import VAE, Posterior
from audiosr_fx.training.data import Clip
from audiosr_fx.training.losses import DB_PER_NEPER
from audiosr_fx.training.segments import SegmentMaker, collate
from audiosr_fx.training.validation import validation_batches

KL_WEIGHT = 1e-2


class VAEStage:
    """Log-mel to latent and back, for bright and dull mels alike."""

    name = "vae"

    def __init__(self, config: ModelConfig, maker: SegmentMaker, validation: Sequence[Clip]) -> None:
        self.vae = VAE(config.vae)
        self.module: nn.Module = self.vae
        self.mel = LogMel(config.mel)
        self.maker = maker
        self._multiple = config.vae.downsampling
        self._validation = [batch for _, batch in validation_batches(validation)][:1]

    def loss(self, random: np.random.Generator, batch_size: int) -> Mapping[str, Tensor]:
        batch = collate([self.maker.make(random) for _ in range(batch_size)])
        bright = torch.from_numpy(random.random(batch_size) < 0.7)[:, None]
        mel = self._cut(self.mel(torch.where(bright, batch.target, batch.dull)).log_mel)
        with torch.autocast("cpu", torch.bfloat16):
            posterior = self.vae.encode(mel)
            decoded = self.vae.decode(posterior.sample(torch.randn_like(posterior.mean)))
        reconstruction = (decoded.float() - mel).abs().mean()
        divergence = kl_divergence(posterior)
        return {
            "total": reconstruction + KL_WEIGHT * divergence,
            "reconstruction": reconstruction,
            "divergence": divergence,
        }

    def validate(self, module: nn.Module) -> Mapping[str, float]:
        assert isinstance(module, VAE)
        errors = []
        for batch in self._validation:
            mel = self._cut(self.mel(batch.target).log_mel)
            errors.append(float((module.decode(module.encode(mel).mode) - mel).abs().mean()))
        return {"error_db": float(np.mean(errors)) * DB_PER_NEPER}

    def _cut(self, mel: Tensor) -> Tensor:
        return mel[:, None, : mel.shape[1] // self._multiple * self._multiple]


def kl_divergence(posterior: Posterior) -> Tensor:
    """Mean divergence from the standard normal, in nats per latent value.

    Source: Kingma and Welling 2014, "Auto-Encoding Variational Bayes", appendix B.
    """
    mean, log_variance = posterior.mean.float(), posterior.log_variance.float()
    return 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance).mean()

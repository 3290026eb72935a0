"""Train the mel autoencoder: L1 on log-mel, a light Kullback-Leibler term, and critics of mels if wanted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from torch import Tensor, nn

from audiosr_fx.model.audiosr import AudioSRModel
from audiosr_fx.model.config import ModelConfig
from audiosr_fx.model.vae import VAE, Posterior
from audiosr_fx.training.adversarial import AdversarialSettings, Adversary
from audiosr_fx.training.data import Clip
from audiosr_fx.training.discriminators import PatchDiscriminator
from audiosr_fx.training.losses import DB_PER_NEPER
from audiosr_fx.training.ranges import check_range
from audiosr_fx.training.segments import Batch
from audiosr_fx.training.stage import BatchMaker, Example, Stage, TrainSettings
from audiosr_fx.training.validation import SHOWN, validation_batches


@dataclass(frozen=True, slots=True, kw_only=True)
class VAESettings(TrainSettings):
    """How the autoencoder is trained.

    Attributes:
        kl_weight: of the divergence from the standard normal, beside the error in nepers, both as means.
        bright_share: of examples that are full-band; the others are dull, as conditions are.
        adversarial: training against critics of mels.
    """

    kl_weight: float = 1e-2
    bright_share: float = 0.7
    adversarial: AdversarialSettings | None = None

    def __post_init__(self) -> None:
        TrainSettings.__post_init__(self)
        check_range(self, "kl_weight", 0.0, 1e3)
        check_range(self, "bright_share", 0.0, 1.0)


class VAEStage(Stage):
    """Log-mel to latent and back, for bright and dull mels alike."""

    name = "vae"

    def __init__(
        self,
        model: AudioSRModel,
        settings: VAESettings,
        maker: BatchMaker,
        validation: Sequence[Clip],
        device: torch.device,
    ) -> None:
        super().__init__(maker, device, settings.precision)
        self.settings = settings
        self.vae = model.vae.requires_grad_(True)
        self.module: nn.Module = self.vae
        self.mel = model.mel
        self._multiple = model.config.vae.downsampling
        self._validation = [batch for _, batch in islice(validation_batches(validation), 1)]
        if settings.adversarial is not None:
            critic = PatchDiscriminator(width=settings.adversarial.width).to(device)
            self.adversary = Adversary([critic], settings.adversarial)

    def loss(self, batch: Batch, random: np.random.Generator, step: int) -> Mapping[str, Tensor]:
        bright = torch.from_numpy(random.random(len(batch.dull)) < self.settings.bright_share).to(self.device)
        batch = self.move(batch)
        with torch.no_grad():
            mel = self._cut(self.mel(torch.where(bright[:, None], batch.target, batch.dull)).log_mel)
        with self.autocast():
            posterior = self.vae.encode(mel)
            decoded = self.vae.decode(posterior.sample(torch.randn_like(posterior.mean))).float()
        reconstruction = (decoded - mel).abs().mean()
        divergence = kl_divergence(posterior)
        losses = {
            "total": reconstruction + self.settings.kl_weight * divergence,
            "reconstruction": reconstruction,
            "divergence": divergence,
        }
        if self.adversary is not None:
            losses |= self.adversary.losses(mel, decoded, step)
            losses["total"] = losses["total"] + losses.get("adversarial", 0.0)
        return losses

    @classmethod
    def figures(cls, config: ModelConfig) -> tuple[str, ...]:
        return ("error_db",)

    def validate(self, module: nn.Module) -> Mapping[str, float]:
        assert isinstance(module, VAE)
        figures: dict[str, float] = {}
        for batch in self._validation:
            mel = self._cut(self.mel(self.move(batch).target).log_mel)
            error = (module.decode(module.encode(mel).mode) - mel).abs().mean()
            figures["error_db"] = float(error) * DB_PER_NEPER
        return figures

    def examples(self, module: nn.Module) -> Iterator[Example]:
        for batch in self._validation:
            mel = self._cut(self.mel(self.move(batch).target[:SHOWN]).log_mel)
            decoded = module(mel)
            for index in range(len(mel)):
                mels = {"reconstructed": decoded[index, 0], "true": mel[index, 0]}
                yield Example(name=f"clip {index + 1}", mels=mels)

    def _cut(self, mel: Tensor) -> Tensor:
        return mel[:, None, : mel.shape[1] // self._multiple * self._multiple]


def kl_divergence(posterior: Posterior) -> Tensor:
    """Mean divergence from the standard normal, in nats per latent value.

    Source: Kingma and Welling 2014, "Auto-Encoding Variational Bayes", appendix B.
    """
    mean, log_variance = posterior.mean.float(), posterior.log_variance.float()
    return 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance).mean()

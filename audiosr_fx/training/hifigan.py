"""Train the published vocoder: HiFi-GAN from true mels, by L1 on log-mels and critics of waveforms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

import numpy as np
import torch
from torch import Tensor, nn

from audiosr_fx.errors import ParameterError
from audiosr_fx.model.audiosr import AudioSRModel
from audiosr_fx.model.config import ModelConfig
from audiosr_fx.model.vocoder import HiFiGAN
from audiosr_fx.training.data import Clip
from audiosr_fx.training.segments import Batch
from audiosr_fx.training.stage import BatchMaker, Example, Stage
from audiosr_fx.training.validation import SHOWN, validation_batches
from audiosr_fx.training.vocoder import VocoderSettings, mean_lsd, waveform_adversary, waveform_examples


class HiFiGANStage(Stage):
    """Waveform from a full-band mel.

    Source: Kong et al. 2020, "HiFi-GAN", section 2.4; AudioSR (Liu et al. 2023), section 2.3, for the
    discriminators at several resolutions.
    """

    name = "vocoder"

    def __init__(
        self,
        model: AudioSRModel,
        settings: VocoderSettings,
        maker: BatchMaker,
        validation: Sequence[Clip],
        device: torch.device,
    ) -> None:
        super().__init__(maker, device, settings.precision)
        if not isinstance(model.vocoder, HiFiGAN):
            raise ParameterError(f"model {model.config.name!r} has another kind of vocoder")
        self.settings = settings
        self.module: nn.Module = model.vocoder.requires_grad_(True)
        self.mel = model.mel
        self.adversary = waveform_adversary(settings.adversarial, device)
        self._validation = [batch for _, batch in islice(validation_batches(validation), 1)]

    def loss(self, batch: Batch, random: np.random.Generator, step: int) -> Mapping[str, Tensor]:
        batch = self.move(batch)
        with torch.no_grad():
            mel = self.mel(batch.target).log_mel
        with self.autocast():
            made = self._synthesise(self.module, mel)
        target = batch.target[:, : made.shape[1]]
        error = (self.mel(made).log_mel - mel).abs().mean()
        losses = {"total": self.settings.mel_weight * error, "mel": error}
        if self.adversary is not None:
            losses |= self.adversary.losses(target, made, step)
            losses["total"] = losses["total"] + losses.get("adversarial", 0.0)
        return losses

    @classmethod
    def figures(cls, config: ModelConfig) -> tuple[str, ...]:
        return ("lsd",)

    def validate(self, module: nn.Module) -> Mapping[str, float]:
        figures: dict[str, float] = {}
        for batch in self._validation:
            batch = self.move(batch)
            made = self._synthesise(module, self.mel(batch.target).log_mel)
            figures["lsd"] = mean_lsd(batch, made)
        return figures

    def examples(self, module: nn.Module) -> Iterator[Example]:
        for batch in self._validation:
            batch = self.move(Batch(*(tensor[:SHOWN] for tensor in batch)))
            made = self._synthesise(module, self.mel(batch.target).log_mel)
            yield from waveform_examples(self.mel, batch, made, "from true mel")

    def _synthesise(self, module: nn.Module, mel: Tensor) -> Tensor:
        """Waveforms (B, hop_length * L) of mels (B, L, M), without the few samples at the end beyond."""
        made: Tensor = module(mel.transpose(1, 2))
        return made[:, 0, : mel.shape[1] * self.mel.config.hop_length].float()

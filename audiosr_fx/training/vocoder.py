"""Train the light vocoder: log spectra at several resolutions above the cutoff."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from audiosr_fx.model.config import ExciterConfig, ModelConfig
from audiosr_fx.model.exciter import Exciter
from audiosr_fx.model.mel import LogMel, mel_band_edges_hz
from audiosr_fx.model.predictor import Predictor
from audiosr_fx.quality.lsd import measure_lsd
from audiosr_fx.training.data import SAMPLE_RATE, Clip
from audiosr_fx.training.losses import spectral_loss
from audiosr_fx.training.segments import Batch, SegmentMaker, collate, misjudge
from audiosr_fx.training.validation import validation_batches

PREDICTED_SHARE = 0.75
"""Of the examples that are fed predicted mels."""


class ExciterStage:
    """Waveform from mel and low band; fed true mels, and predicted ones when a predictor is given."""

    name = "vocoder"

    def __init__(
        self,
        config: ModelConfig,
        maker: SegmentMaker,
        validation: Sequence[Clip],
        predictor: Predictor | None = None,
    ) -> None:
        if not isinstance(config.vocoder, ExciterConfig):
            raise ValueError(f"model {config.name!r} has another kind of vocoder")
        self.module: nn.Module = Exciter(config.vocoder, config.mel)
        self.mel = LogMel(config.mel)
        self.maker = maker
        self.predictor = predictor
        self._upper_edges_hz = torch.from_numpy(mel_band_edges_hz(config.mel)[2:]).float()
        self._validation = list(validation_batches(validation))

    def loss(self, random: np.random.Generator, batch_size: int) -> Mapping[str, Tensor]:
        batch = collate([self.maker.make(random) for _ in range(batch_size)])
        told_hz = misjudge(random, batch.cutoff_hz)
        predicted_share = 0.0 if self.predictor is None else PREDICTED_SHARE
        use_predicted = torch.from_numpy(random.random(batch_size) < predicted_share)
        with torch.no_grad():
            mel = self._mel(batch, told_hz, use_predicted)
        total = self._distance(self.module, batch, mel, told_hz)
        return {"total": total}

    def validate(self, module: nn.Module) -> Mapping[str, float]:
        figures: dict[str, float] = {}
        for cutoff_hz, batch in self._validation:
            kinds = {"true": False, "predicted": True} if self.predictor else {"true": False}
            for kind, predicted in kinds.items():
                use = torch.full_like(batch.cutoff_hz, predicted, dtype=torch.bool)
                mel = self._mel(batch, batch.cutoff_hz, use)
                estimate = self._synthesise(module, batch, mel, batch.cutoff_hz)
                lsd = [
                    measure_lsd(t.numpy(), e.numpy(), SAMPLE_RATE, highest_hz=float(limit))
                    for t, e, limit in zip(batch.target, estimate, batch.limit_hz, strict=True)
                ]
                figures[f"lsd_{kind}_{cutoff_hz:.0f}"] = float(np.mean(lsd))
        return figures

    def _mel(self, batch: Batch, told_hz: Tensor, use_predicted: Tensor) -> Tensor:
        dull, bright = self.mel(batch.dull).log_mel, self.mel(batch.target).log_mel
        known = (self._upper_edges_hz <= told_hz[:, None])[:, None, :]
        mel = torch.where(known, dull, bright)
        if self.predictor is not None and bool(use_predicted.any()):
            with torch.autocast("cpu", torch.bfloat16):
                predicted = self.predictor(dull, told_hz).float()
            mel = torch.where(use_predicted[:, None, None], predicted, mel)
        return mel

    def _synthesise(self, module: nn.Module, batch: Batch, mel: Tensor, told_hz: Tensor) -> Tensor:
        noise = torch.randn(1, batch.dull.shape[-1])
        made: Tensor = module(mel, batch.dull, told_hz, noise)
        return batch.dull + made

    def _distance(self, module: nn.Module, batch: Batch, mel: Tensor, told_hz: Tensor) -> Tensor:
        estimate = self._synthesise(module, batch, mel, told_hz)
        return spectral_loss(estimate, batch.target, told_hz, batch.limit_hz)

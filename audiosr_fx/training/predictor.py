"""Train the envelope predictor: L1 on the log-mel above the cutoff."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from audiosr_fx.model.config import ModelConfig
from audiosr_fx.model.mel import LogMel, mel_band_edges_hz
from audiosr_fx.model.predictor import Predictor
from audiosr_fx.training.data import Clip
from audiosr_fx.training.losses import DB_PER_NEPER, weighted_mean
from audiosr_fx.training.segments import Batch, SegmentMaker, collate, misjudge
from audiosr_fx.training.validation import validation_batches


class PredictorStage:
    """Bright log-mel from dull log-mel, judged by the mean absolute error in dB above the cutoff."""

    name = "predictor"

    def __init__(self, config: ModelConfig, maker: SegmentMaker, validation: Sequence[Clip]) -> None:
        if config.predictor is None:
            raise ValueError(f"model {config.name!r} has no predictor")
        self.module: nn.Module = Predictor(config.predictor, config.mel)
        self.mel = LogMel(config.mel)
        self.maker = maker
        self.band = BandWeights(config)
        self._validation = list(validation_batches(validation))

    def loss(self, random: np.random.Generator, batch_size: int) -> Mapping[str, Tensor]:
        batch = collate([self.maker.make(random) for _ in range(batch_size)])
        told_hz = misjudge(random, batch.cutoff_hz)
        with torch.autocast("cpu", torch.bfloat16):
            predicted = self._predict(self.module, batch, told_hz)
        return {"total": self._error(predicted.float(), batch, told_hz, self.band.weight)}

    def validate(self, module: nn.Module) -> Mapping[str, float]:
        figures: dict[str, float] = {}
        for cutoff_hz, batch in self._validation:
            predicted = self._predict(module, batch, batch.cutoff_hz)
            error = self._error(predicted, batch, batch.cutoff_hz, torch.ones_like(self.band.weight))
            figures[f"error_db_{cutoff_hz:.0f}"] = float(error) * DB_PER_NEPER
        return figures

    def _predict(self, module: nn.Module, batch: Batch, told_hz: Tensor) -> Tensor:
        predicted: Tensor = module(self.mel(batch.dull).log_mel, told_hz)
        return predicted

    def _error(self, predicted: Tensor, batch: Batch, told_hz: Tensor, weight: Tensor) -> Tensor:
        target = self.mel(batch.target).log_mel
        mask = self.band.trusted(told_hz, batch.limit_hz) * weight
        return weighted_mean((predicted - target).abs(), mask[:, None, :])


class BandWeights:
    """Which mel bands count, and how much: by the square root of their width in Hz."""

    def __init__(self, config: ModelConfig) -> None:
        edges = torch.from_numpy(mel_band_edges_hz(config.mel)).float()
        self.lower_hz, self.upper_hz = edges[:-2], edges[2:]
        self.weight = (self.upper_hz - self.lower_hz).sqrt()

    def trusted(self, cutoff_hz: Tensor, limit_hz: Tensor) -> Tensor:
        """1.0 for bands not wholly below the cutoff and wholly below the limit: (B,), (B,) -> (B, M)."""
        above = self.upper_hz > cutoff_hz[:, None]
        true = self.upper_hz <= torch.clamp(limit_hz, min=0.0)[:, None] + 1.0
        return (above & true).float()

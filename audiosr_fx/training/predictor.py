"""Train the envelope predictor: L1 on the log-mel above the cutoff, and on what it comes to over time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from audiosr_fx.errors import ParameterError
from audiosr_fx.model.audiosr import AudioSRModel
from audiosr_fx.model.config import ModelConfig
from audiosr_fx.model.mel import mel_band_edges_hz
from audiosr_fx.model.predictor import Predictor
from audiosr_fx.quality.bands import BAND_FLOOR_DB
from audiosr_fx.training.data import SAMPLE_RATE, Clip
from audiosr_fx.training.losses import DB_PER_NEPER, long_term_log_mel, weighted_mean
from audiosr_fx.training.ranges import check_range
from audiosr_fx.training.segments import Batch, misjudge
from audiosr_fx.training.stage import BatchMaker, Example, Stage, TrainSettings
from audiosr_fx.training.validation import SHOWN, figures_per_cutoff, mean_figure, validation_batches

_TOP_HZ = 20_000.0
_LAST_HZ = (3_000.0, 1_000.0)
_LOWEST_LIMIT_HZ = 17_000.0
_TRUE_TOP_HZ = 22_000.0
_FALL_DB_PER_KHZ = 1.3
"""The corpus's recordings at 48 kHz fall by 7.4 dB from the mean of 17 to 19 kHz to 23.6 kHz (median)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictorSettings(TrainSettings):
    """How the predictor is trained.

    Attributes:
        quiet_weight: of frames more than 60 dB below the loudest of their example, where ears hear little and
            measures look away; 1 counts all alike.
        level_weight: of the error of each band's mean power over an example. Without it loud moments come out
            too soft: where it cannot know, L1 on logarithms says the median, whose mean power is some dB low.
        flatness_weight: of the error of the flatness of bands above the cutoff, frame by frame: how far they
            stand apart, whichever is loud.
        top_weight: of bands above 20 kHz in recordings that end below 22, which then fall on as of
            :func:`falling_on`; with 0 they count as far as they are trusted. Few recordings reach so high,
            and most are noise.
        only_above_hz: 0, or where the bands begin that alone learn, by their rows of the last layer: all else
            stays as it is to the bit. It takes a ``weight_decay`` of 0.
    """

    quiet_weight: float = 1.0
    level_weight: float = 0.0
    flatness_weight: float = 0.0
    top_weight: float = 0.0
    only_above_hz: float = 0.0

    def __post_init__(self) -> None:
        TrainSettings.__post_init__(self)
        check_range(self, "quiet_weight", 0.0, 1.0)
        check_range(self, "top_weight", 0.0, 1.0)
        check_range(self, "level_weight", 0.0, 1e3)
        check_range(self, "flatness_weight", 0.0, 1e3)
        check_range(self, "only_above_hz", 0.0, SAMPLE_RATE / 2.0)
        if self.only_above_hz and self.weight_decay:
            raise ParameterError(
                f"weight_decay is {self.weight_decay:g}, and would move what only_above_hz keeps; set it to 0"
            )


class PredictorStage(Stage):
    """Bright log-mel from dull log-mel, judged by the mean absolute error in dB above the cutoff."""

    name = "predictor"

    def __init__(
        self,
        model: AudioSRModel,
        settings: PredictorSettings,
        maker: BatchMaker,
        validation: Sequence[Clip],
        device: torch.device,
    ) -> None:
        super().__init__(maker, device, settings.precision)
        if model.predictor is None:
            raise ParameterError(f"model {model.config.name!r} has no predictor to train")
        self.module: nn.Module = model.predictor.requires_grad_(True)
        self.mel = model.mel
        self.band = BandWeights(model.config, device)
        if settings.only_above_hz:
            learn_only(model.predictor, self.band.centre_hz > settings.only_above_hz)
        self._settings = settings
        self._validation = list(validation_batches(validation))

    def loss(self, batch: Batch, random: np.random.Generator, step: int) -> Mapping[str, Tensor]:
        told_hz = misjudge(random, batch.cutoff_hz).to(self.device)
        batch = self.move(batch)
        with torch.no_grad():
            dull = self.mel(batch.dull).log_mel
        with self.autocast():
            predicted = self.module(dull, told_hz)
        predicted, target = predicted.float(), self.mel(batch.target).log_mel
        trusted = self.band.trusted(told_hz, batch.limit_hz) * self.band.weight
        frames = torch.where(loud_frames(target), 1.0, self._settings.quiet_weight)
        wanted, counted = target, trusted
        if self._settings.top_weight:
            wanted, guessed = falling_on(target, self.band.centre_hz, batch.limit_hz)
            counted = torch.where(guessed, self._settings.top_weight * self.band.weight, trusted)
        error = weighted_mean((predicted - wanted).abs(), counted[:, None, :] * frames[:, :, None])
        parts, total = {"frames": error}, error
        if self._settings.level_weight:
            parts["level"] = level_error(predicted, target, trusted)
            total = total + self._settings.level_weight * parts["level"]
        if self._settings.flatness_weight:
            parts["flatness"] = flatness_error(predicted, target, trusted, frames)
            total = total + self._settings.flatness_weight * parts["flatness"]
        return {"total": total, **parts}

    @classmethod
    def figures(cls, config: ModelConfig) -> tuple[str, ...]:
        return ("error_db", *figures_per_cutoff("error_db", "level_db", "flatness_db"))

    def validate(self, module: nn.Module) -> Mapping[str, float]:
        errors_db: dict[str, float] = {}
        levels_db: dict[str, float] = {}
        flatness_db: dict[str, float] = {}
        for cutoff_hz, batch in self._validation:
            batch = self.move(batch)
            predicted = module(self.mel(batch.dull).log_mel, batch.cutoff_hz)
            target = self.mel(batch.target).log_mel
            trusted = self.band.trusted(batch.cutoff_hz, batch.limit_hz)
            error = weighted_mean((predicted - target).abs(), trusted[:, None, :])
            errors_db[f"error_db_{cutoff_hz:.0f}"] = float(error) * DB_PER_NEPER
            level = level_error(predicted, target, trusted)
            levels_db[f"level_db_{cutoff_hz:.0f}"] = float(level) * DB_PER_NEPER
            flatness = flatness_error(predicted, target, trusted, loud_frames(target).float())
            flatness_db[f"flatness_db_{cutoff_hz:.0f}"] = float(flatness) * DB_PER_NEPER
        return mean_figure(errors_db, "error_db") | levels_db | flatness_db

    def examples(self, module: nn.Module) -> Iterator[Example]:
        for cutoff_hz, batch in self._validation[:1]:
            batch = self.move(Batch(*(tensor[:SHOWN] for tensor in batch)))
            dull, true = self.mel(batch.dull).log_mel, self.mel(batch.target).log_mel
            made = module(dull, batch.cutoff_hz)
            for index in range(len(dull)):
                mels = {"dull": dull[index], "predicted": made[index], "true": true[index]}
                yield Example(name=f"{cutoff_hz:.0f} Hz, clip {index + 1}", mels=mels)


def learn_only(predictor: Predictor, bands: Tensor) -> None:
    """Let no weights learn but those of the last layer that make these bands, (M,) of bools."""
    predictor.requires_grad_(False)
    for parameter in predictor.project_out.requires_grad_(True).parameters():
        rows = bands.view(-1, *(1 for _ in parameter.shape[1:]))
        parameter.register_hook(lambda gradient, rows=rows: gradient * rows)  # type: ignore[no-untyped-call]


def falling_on(log_mel: Tensor, centre_hz: Tensor, limit_hz: Tensor) -> tuple[Tensor, Tensor]:
    """What bands above 20 kHz of a recording that ends below 22 are taken to be: its last, falling evenly.

    There a codec or a converter rolls off, so the last ones are those from 3 to 1 kHz below the limit or
    below 20 kHz. Only where the limit is at 17 kHz or above; from further down a straight line is no guess to
    learn from.

    Args:
        log_mel: (B, L, M)
        centre_hz: (M,), where each band is.
        limit_hz: (B,), up to where ``log_mel`` is true.

    Returns:
        ``log_mel`` with what they are taken to be in place of those bands, and True for these, (B, M).
    """
    limit_hz = limit_hz[:, None]
    first_hz, last_hz = (limit_hz.clamp(max=_TOP_HZ) - below for below in _LAST_HZ)
    last = ((centre_hz > first_hz) & (centre_hz <= last_hz)).float()
    level = (log_mel * last[:, None, :]).sum(dim=2) / last.sum(dim=1).clamp(min=1.0)[:, None]
    above_khz = (centre_hz - 0.5 * (first_hz + last_hz)) / 1000.0
    fallen = level[:, :, None] - above_khz[:, None, :] * (_FALL_DB_PER_KHZ / DB_PER_NEPER)
    there = (centre_hz > _TOP_HZ) & (limit_hz >= _LOWEST_LIMIT_HZ) & (limit_hz < _TRUE_TOP_HZ)
    return torch.where(there[:, None, :], fallen, log_mel), there


def level_error(predicted: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Mean error of each band's mean power over time, in nepers: log-mels (B, L, M), weight (B, M) -> ()."""
    return weighted_mean((long_term_log_mel(predicted) - long_term_log_mel(target)).abs(), weight)


def flatness_error(predicted: Tensor, target: Tensor, bands: Tensor, frames: Tensor) -> Tensor:
    """Mean error of the flatness of mel bands, in nepers, floored as evaluation floors levels.

    Flatness is the mean of the levels over that of the powers, as of ``quality/bands.py``.

    Args:
        predicted: log-mel (B, L, M)
        target: (B, L, M)
        bands: (B, M), above 0 for those that count.
        frames: (B, L), what each counts.
    """
    floor = target.amax(dim=(1, 2), keepdim=True) + BAND_FLOOR_DB / DB_PER_NEPER
    there = (bands > 0).float()[:, None, :]
    number = there.sum(dim=2).clamp(min=1.0)

    def flatness(log_mel: Tensor) -> Tensor:
        level = torch.maximum(log_mel, floor)
        power = ((2.0 * (level - level.detach().amax(dim=2, keepdim=True))).exp() * there).sum(dim=2) / number
        mean = (level * there).sum(dim=2) / number
        return mean - level.detach().amax(dim=2) - 0.5 * power.clamp(min=1e-20).log()

    counted = frames * (there.sum(dim=2) > 1.0).float()
    return weighted_mean((flatness(predicted) - flatness(target)).abs(), counted)


def loud_frames(log_mel: Tensor) -> Tensor:
    """True for frames no more than 60 dB below the loudest of their example: (B, L, M) -> bool (B, L)."""
    level = torch.logsumexp(2.0 * log_mel, dim=-1)
    return level >= level.amax(dim=1, keepdim=True) - 60.0 * 2.0 / DB_PER_NEPER


class BandWeights:
    """Which mel bands count, and how much: by the square root of their width in Hz."""

    def __init__(self, config: ModelConfig, device: torch.device) -> None:
        edges = torch.from_numpy(mel_band_edges_hz(config.mel)).float().to(device)
        self.lower_hz, self.upper_hz = edges[:-2], edges[2:]
        self.centre_hz = edges[1:-1]
        self.weight = (self.upper_hz - self.lower_hz).sqrt()

    def trusted(self, cutoff_hz: Tensor, limit_hz: Tensor) -> Tensor:
        """1.0 for bands not wholly below the cutoff and wholly below the limit: (B,), (B,) -> (B, M)."""
        above = self.upper_hz > cutoff_hz[:, None]
        true = self.upper_hz <= torch.clamp(limit_hz, min=0.0)[:, None] + 1.0
        return (above & true).float()

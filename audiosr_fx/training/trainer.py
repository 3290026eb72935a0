"""The loop every stage shares: warm-up, decay, moving average, checkpoints, log."""

from __future__ import annotations

import copy
import csv
import logging
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from audiosr_fx.errors import CheckpointError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSettings:
    """How long and how fast one stage is trained.

    The learning rate warms up linearly, stays, and falls linearly to zero over the last
    ``decay_fraction`` of the steps. A run can be continued with another number of steps.
    """

    steps: int
    batch_size: int = 16
    learning_rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 1e-2
    warmup_steps: int = 200
    decay_fraction: float = 0.25
    gradient_norm: float = 1.0
    ema_decay: float = 0.999
    validate_every: int = 250
    checkpoint_every: int = 100
    seed: int = 0

    def learning_rate_at(self, step: int) -> float:
        """Learning rate of step ``step`` (counted from 0)."""
        decay_start = self.steps * (1.0 - self.decay_fraction)
        remaining = (self.steps - step) / max(self.steps - decay_start, 1.0)
        return self.learning_rate * min(1.0, (step + 1) / self.warmup_steps, max(remaining, 0.0))


class Stage(Protocol):
    """One trainable stage: a module, how its loss is computed, how it is judged."""

    name: str
    module: nn.Module

    def loss(self, random: np.random.Generator, batch_size: int) -> Mapping[str, Tensor]:
        """Losses of one fresh batch; the key ``total`` is minimised."""

    def validate(self, module: nn.Module) -> Mapping[str, float]:
        """Figures on fixed held-out material, for ``module`` (the moving average)."""


class Trainer:
    """Trains a stage in ``folder``, continuing from its checkpoint when there is one.

    Batches are a function of (seed, step), so a run that was interrupted continues as if it had not been.
    """

    def __init__(self, stage: Stage, settings: TrainSettings, folder: Path) -> None:
        self.stage = stage
        self.settings = settings
        self.folder = folder
        self.step = 0
        folder.mkdir(parents=True, exist_ok=True)
        self.average = copy.deepcopy(stage.module).eval().requires_grad_(False)
        decayed = [p for p in stage.module.parameters() if p.ndim > 1]
        plain = [p for p in stage.module.parameters() if p.ndim <= 1]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": decayed, "weight_decay": settings.weight_decay},
                {"params": plain, "weight_decay": 0.0},
            ],
            lr=settings.learning_rate,
            betas=settings.betas,
        )
        if self.checkpoint_path.exists():
            self._load()

    @property
    def checkpoint_path(self) -> Path:
        return self.folder / f"{self.stage.name}.pt"

    def run(self) -> None:
        """Train until ``settings.steps``; write a checkpoint at regular steps and at the end."""
        for losses, seconds in self._steps():
            if self.step % 25 == 0:
                figures = {key: float(value) for key, value in losses.items()}
                logger.info(
                    "%s step %d  %s  %.2f s/step",
                    self.stage.name,
                    self.step,
                    "  ".join(f"{k} {v:.4f}" for k, v in figures.items()),
                    seconds,
                )
            last = self.step == self.settings.steps
            if self.step % self.settings.checkpoint_every == 0 or last:
                self.save()
            if self.step % self.settings.validate_every == 0 or last:
                self._log({key: float(value) for key, value in losses.items()})

    def _steps(self) -> Iterator[tuple[Mapping[str, Tensor], float]]:
        module = self.stage.module.train()
        while self.step < self.settings.steps:
            started = time.perf_counter()
            random = np.random.default_rng((self.settings.seed, self.step))
            torch.manual_seed(int(random.integers(2**62)))
            for group in self.optimizer.param_groups:
                group["lr"] = self.settings.learning_rate_at(self.step)
            losses = self.stage.loss(random, self.settings.batch_size)
            self.optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(losses["total"])
            norm = nn.utils.clip_grad_norm_(module.parameters(), self.settings.gradient_norm)
            if math.isfinite(float(norm)):
                self.optimizer.step()
            else:
                logger.warning("step %d skipped: its gradient is not finite", self.step)
            self._update_average()
            self.step += 1
            yield {key: value.detach() for key, value in losses.items()}, time.perf_counter() - started

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = min(self.settings.ema_decay, (1 + self.step) / (10 + self.step))
        for average, current in zip(self.average.parameters(), self.stage.module.parameters(), strict=True):
            average.lerp_(current, 1.0 - decay)

    def _log(self, losses: Mapping[str, float]) -> None:
        with torch.inference_mode():
            figures = {"step": self.step, **losses, **self.stage.validate(self.average)}
        logger.info("%s validation %s", self.stage.name, figures)
        path = self.folder / f"{self.stage.name}.csv"
        is_new = not path.exists()
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(figures))
            if is_new:
                writer.writeheader()
            writer.writerow({key: round(value, 5) for key, value in figures.items()})

    def save(self) -> None:
        """Write the checkpoint next to its final name, then rename it."""
        state: dict[str, Any] = {
            "step": self.step,
            "module": self.stage.module.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        temporary = self.checkpoint_path.with_suffix(".tmp")
        torch.save(state, temporary)
        temporary.replace(self.checkpoint_path)

    def _load(self) -> None:
        try:
            state = torch.load(self.checkpoint_path, weights_only=True)
            self.stage.module.load_state_dict(state["module"])
            self.average.load_state_dict(state["average"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step = int(state["step"])
        except (KeyError, ValueError, RuntimeError, EOFError, UnpicklingError) as error:
            raise CheckpointError(
                f"{self.checkpoint_path} does not fit this stage ({error}); move it away to start afresh"
            ) from error
        logger.info("%s continues at step %d", self.stage.name, self.step)

"""The optimisers of a stage, for its weights and its critics: gradients clipped, rates scheduled."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from audiosr_fx.training.compute import Compute
from audiosr_fx.training.stage import Stage, TrainSettings

logger = logging.getLogger(__name__)


class Optimizers:
    """AdamW for the module of a stage, and for its critics if it has an adversary.

    Attributes:
        skipped: steps in a row whose gradient of the module was not finite, and not taken.
    """

    def __init__(self, stage: Stage, settings: TrainSettings, compute: Compute) -> None:
        self.skipped = 0
        self._stage = stage
        self._settings = settings
        self._compute = compute
        self._module = _adamw(stage.module, settings.weight_decay, settings.betas)
        self._critics = None
        if stage.adversary is not None:
            betas = stage.adversary.settings.betas
            self._critics = _adamw(stage.adversary.critics, settings.weight_decay, betas)

    def zero_gradients(self) -> None:
        """Before the first pass of a step."""
        self._module.zero_grad(set_to_none=True)
        if self._critics is not None:
            self._critics.zero_grad(set_to_none=True)

    def step(self, step: int) -> dict[str, float]:
        """Move the weights by the gradients that are there; returns the learning rate and their norm."""
        share = self._settings.learning_rate_share(step)
        rate = self._settings.learning_rate * share
        norm = self._move(self._module, self._stage.module, rate, step)
        self.skipped = 0 if math.isfinite(norm) else self.skipped + 1
        adversary = self._stage.adversary
        if adversary is not None and self._critics is not None and step >= adversary.settings.start_step:
            self._move(self._critics, adversary.critics, adversary.settings.learning_rate * share, step)
        return {"learning_rate": rate, "gradient_norm": norm}

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        state: dict[str, Any] = {"optimizer": self._module.state_dict()}
        if self._critics is not None:
            state["critics_optimizer"] = self._critics.state_dict()
        return state

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint; one without critics leaves theirs as they are.

        Raises:
            KeyError, ValueError: a checkpoint of something else.
        """
        _take_up(self._module, state["optimizer"])
        if self._critics is not None and "critics_optimizer" in state:
            _take_up(self._critics, state["critics_optimizer"])

    def _move(self, optimizer: torch.optim.Optimizer, module: nn.Module, rate: float, step: int) -> float:
        """Step with clipped gradients unless they are not finite; returns their norm."""
        self._compute.average_gradients(module.parameters())
        norm = float(nn.utils.clip_grad_norm_(module.parameters(), self._settings.gradient_norm))
        for group in optimizer.param_groups:
            group["lr"] = rate
        if math.isfinite(norm):
            optimizer.step()
        else:
            logger.warning("step %d skipped: its gradient is not finite", step)
        return norm


def _take_up(optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
    """The moments of another's state; betas and decay stay those of the recipe, like the learning rate."""
    own = [{key: group[key] for key in ("betas", "weight_decay")} for group in optimizer.param_groups]
    optimizer.load_state_dict(dict(state))
    for group, kept in zip(optimizer.param_groups, own, strict=True):
        group.update(kept)


def _adamw(module: nn.Module, weight_decay: float, betas: tuple[float, float]) -> torch.optim.AdamW:
    """An optimiser that decays matrices and kernels, and leaves biases and gains alone.

    The critics' gains, which weight normalisation keeps in as many dimensions as the kernels, decay as well.
    """
    decayed = [p for p in module.parameters() if p.ndim > 1]
    plain = [p for p in module.parameters() if p.ndim <= 1]
    return torch.optim.AdamW(
        [{"params": decayed, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}],
        lr=1e-3,
        betas=betas,
    )

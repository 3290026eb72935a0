"""Early stop: the best validation of a run, and how many have come since."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any

from torch import nn

from audiosr_fx.errors import ParameterError

logger = logging.getLogger(__name__)


class Patience:
    """Keeps the best weights by one figure, and is lost after so many validations without a new best.

    Attributes:
        best: the lowest ``value`` of ``watch``, with the ``step``, ``average`` weights and ``figures`` it was
            seen with.
        waited: validations since.
    """

    def __init__(self, stage: str, watch: str, validations: int) -> None:
        """Begin without a best.

        Args:
            stage: its name.
            watch: the figure to look at; lower is better.
            validations: without a new best; 0 never loses patience, and keeps nothing.
        """
        self.watch = watch
        self._stage = stage
        self.best: dict[str, Any] | None = None
        self.waited = 0
        self._validations = validations

    @property
    def is_lost(self) -> bool:
        return 0 < self._validations <= self.waited

    def lose(self) -> None:
        """Lose it, as the process that validates has."""
        self.waited = max(self.waited, self._validations)

    def take_up(self, best: dict[str, Any] | None, waited: int) -> None:
        """Go on from a checkpoint; a best by another figure, or where none is kept, is let go and told."""
        if best is not None and (not self._validations or best.get("watch", self.watch) != self.watch):
            logger.info("%s: the best so far, of step %s, no longer counts", self._stage, best["step"])
            best, waited = None, 0
        self.best, self.waited = best, waited

    def judge(self, step: int, figures: Mapping[str, float], average: nn.Module) -> None:
        """Look at the figures of a validation; none, where there are no clips for it, say nothing.

        Raises:
            ParameterError: the watched figure is not among them.
        """
        if not self._validations or not figures:
            return
        if self.watch not in figures:
            raise ParameterError(f"watch is {self.watch!r}; stage {self._stage} has {', '.join(figures)}")
        value = figures[self.watch]
        if math.isfinite(value) and (self.best is None or value < self.best["value"]):
            weights = {name: tensor.cpu().clone() for name, tensor in average.state_dict().items()}
            self.best = {
                "watch": self.watch,
                "value": value,
                "step": step,
                "average": weights,
                "figures": dict(figures),
            }
            self.waited = 0
        else:
            self.waited += 1

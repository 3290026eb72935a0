"""When early stop takes a new best, and when it has waited long enough."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from audiosr_fx.errors import ParameterError
from audiosr_fx.training.patience import Patience


def test_the_best_keeps_its_weights_when_those_of_the_run_move_on() -> None:
    patience, average = Patience("vae", "error", 2), nn.Linear(1, 1)
    patience.judge(10, {"error": 3.0, "other": 1.0}, average)
    kept = average.weight.detach().clone()
    nn.init.constant_(average.weight, 7.0)
    patience.judge(20, {"error": 3.0}, average)
    assert patience.best is not None
    assert (patience.best["step"], patience.best["figures"]) == (10, {"error": 3.0, "other": 1.0})
    assert torch.equal(patience.best["average"]["weight"], kept)
    assert (patience.waited, patience.is_lost) == (1, False)
    patience.judge(30, {"error": math.nan}, average)
    assert patience.is_lost
    patience.judge(40, {"error": 2.0}, average)
    assert (patience.best["step"], patience.is_lost) == (40, False)
    patience.lose()
    assert patience.is_lost


@pytest.mark.parametrize(
    ("patience", "figures"),
    [(Patience("vae", "error", 1), {}), (Patience("vae", "", 0), {"error": 1.0})],
    ids=["no clips", "no limit"],
)
def test_without_figures_or_a_limit_nothing_is_judged(patience: Patience, figures: dict[str, float]) -> None:
    patience.judge(10, figures, nn.Linear(1, 1))
    assert (patience.best, patience.waited, patience.is_lost) == (None, 0, False)


def test_a_figure_that_is_not_there_cannot_be_watched() -> None:
    with pytest.raises(ParameterError, match="watch is 'lsd'; stage vae has error, level"):
        Patience("vae", "lsd", 1).judge(10, {"error": 1.0, "level": 1.0}, nn.Linear(1, 1))

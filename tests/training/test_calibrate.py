"""Calibration undoes a level error, and nothing else."""

from __future__ import annotations

import pytest
import torch
from tiny import TINY, WITH_PREDICTOR, tiny_model

from audiosr_fx.errors import AudioFormatError, ParameterError
from audiosr_fx.training.calibrate import calibrate_level
from audiosr_fx.training.data import Clip
from audiosr_fx.training.losses import DB_PER_NEPER


def test_an_output_made_softer_is_raised_by_as_much(clips: list[Clip]) -> None:
    model = tiny_model(config=WITH_PREDICTOR)
    for _ in range(10):  # an untrained model is far off
        if abs(calibrate_level(model, clips[:2])) < 3.0:
            break
    bias = model.vocoder.project_out.bias
    settled = bias.detach().clone()
    as_it_is = calibrate_level(model, clips[:2])
    with torch.no_grad():
        bias.copy_(settled)
        bias[:256] -= 2.0 / DB_PER_NEPER
    softer = calibrate_level(model, clips[:2])
    assert softer == as_it_is + 2.0
    torch.testing.assert_close(bias[:256] - settled[:256], torch.full((256,), as_it_is / DB_PER_NEPER))
    assert torch.equal(bias[256:], settled[256:])


def test_without_clips_nothing_is_moved() -> None:
    with pytest.raises(AudioFormatError, match="no held-out clip to fit the output level by"):
        calibrate_level(tiny_model(config=WITH_PREDICTOR), [])


def test_models_without_a_predictor_are_refused(clips: list[Clip]) -> None:
    with pytest.raises(ParameterError, match="'tiny' has no predictor"):
        calibrate_level(tiny_model(config=TINY), clips)

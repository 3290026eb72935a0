"""A config as JSON: comes back as it was, or is refused."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable

import pytest
from tiny import TINY

from audiosr_fx.errors import CheckpointError
from audiosr_fx.model.config import BASIC, ModelConfig, PredictorConfig
from audiosr_fx.model.config_json import config_from_json, config_to_json


@pytest.mark.parametrize("config", [BASIC, TINY, dataclasses.replace(BASIC, predictor=PredictorConfig())])
def test_a_config_survives_json(config: ModelConfig) -> None:
    assert config_from_json(config_to_json(config)) == config


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.update(surprise=1),
        lambda c: c["vae"].update(surprise=1),
        lambda c: c["vae"].update(base_channels="4"),
        lambda c: c["vae"].update(base_channels=True),
        lambda c: c["vae"].update(base_channels=10**9),
        lambda c: c["vae"].update(blocks_per_level=100_000),
        lambda c: c["vae"].update(multipliers=[1] * 1000),
        lambda c: c["vae"].update(multipliers=4),
        lambda c: c["mel"].update(log_floor=float("nan")),
        lambda c: c["vocoder"].update(kind="os.system"),
        lambda c: c.update(vocoder=3),
        lambda c: c.update(name=3),
        lambda c: c.pop("unet"),
    ],
)
def test_a_config_that_is_not_one_is_refused(change: Callable[[dict[str, object]], None]) -> None:
    values = json.loads(config_to_json(TINY))
    change(values)
    with pytest.raises(CheckpointError, match="config cannot be read"):
        config_from_json(json.dumps(values))


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "[" * 5000, "{}" + " " * 100_000])
def test_text_that_is_no_config_is_refused(text: str) -> None:
    with pytest.raises(CheckpointError, match="config cannot be read"):
        config_from_json(text)

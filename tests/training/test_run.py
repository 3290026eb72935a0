"""How a run parts its data, and what it says of data that teaches little."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tiny import TINY, WITH_PREDICTOR, tiny_model

from audiosr_fx.training.data import Clip
from audiosr_fx.training.recipes import DataSettings, load_recipe
from audiosr_fx.training.run import split_data, warn_of_noise_that_stays


def clip(source: str, limit_hz: float) -> Clip:
    samples = np.zeros(480, np.int16)
    return Clip(name=f"{source}.wav", kind="k", source=source, limit_hz=limit_hz, samples=samples)


def test_only_clips_that_reach_above_a_cutoff_are_validated_on(caplog: pytest.LogCaptureFixture) -> None:
    settings = DataSettings(held_out=("telephone", "studio"))
    clips = [clip("telephone", 3_990.0), clip("studio", 24_000.0), clip("other", 24_000.0)]
    _, validation = split_data(
        [replace(one, name=f"{n}{one.name}") for n in range(9) for one in clips], settings
    )
    assert {one.source for one in validation} == {"studio"}
    assert not caplog.records
    training, validation = split_data([clips[0], clips[2]], replace(settings, held_out=("telephone",)))
    assert [one.source for one in training] == ["other"]
    assert not validation
    assert "no held-out clip reaches above 4000 Hz" in caplog.text


def test_a_cleaning_variant_of_a_model_that_cannot_clean_is_warned_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    restore, finetune = (load_recipe(name).settings("ldm") for name in ("restore", "finetune"))
    warn_of_noise_that_stays(tiny_model(config=TINY), restore)
    warn_of_noise_that_stays(tiny_model(config=WITH_PREDICTOR), finetune)
    assert not caplog.records
    warn_of_noise_that_stays(tiny_model(config=WITH_PREDICTOR), restore)
    assert "never makes the low band, so this cleans nothing" in caplog.text

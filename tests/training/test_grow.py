"""Weights go on with longer kernels: at first they say what they said, and what is trained is exported."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny import TINY, WITH_PREDICTOR, tiny_model
from tiny_training import recipe_of

from audiosr_fx.errors import CheckpointError, ParameterError
from audiosr_fx.model.audiosr import AudioSRModel
from audiosr_fx.model.checkpoint import load_model, save_model
from audiosr_fx.model.config import CleanerConfig, ModelConfig, PredictorConfig
from audiosr_fx.model.config_json import config_to_json
from audiosr_fx.training.assemble import build_stage, starting_model, trained_model
from audiosr_fx.training.data import Clip
from audiosr_fx.training.grow import grown
from audiosr_fx.training.trainer import Trainer

SHORT = replace(WITH_PREDICTOR, predictor=PredictorConfig(width=16, depth=2))
LONG = replace(SHORT, predictor=PredictorConfig(width=16, depth=2, kernel_size=21))


def test_a_wider_predictor_says_what_it_said() -> None:
    model = tiny_model(config=SHORT)
    wide = grown(model, LONG)
    assert wide.config == LONG
    assert not wide.training
    mel, cutoff_hz = torch.randn(2, 64, 256) - 6.0, torch.tensor([4000.0, 9000.0])
    assert torch.allclose(_predicted(wide, mel, cutoff_hz), _predicted(model, mel, cutoff_hz), atol=1e-5)
    for name, weight in model.state_dict().items():
        if "depthwise.weight" not in name or not name.startswith("predictor"):
            assert torch.equal(wide.state_dict()[name], weight), name


@pytest.mark.parametrize(
    "config",
    [
        TINY,
        SHORT,
        replace(SHORT, predictor=PredictorConfig(width=16, depth=2, kernel_size=5)),
        replace(SHORT, predictor=PredictorConfig(width=16, depth=2, kernel_size=10)),
        replace(SHORT, predictor=PredictorConfig(width=16, depth=3, kernel_size=21)),
    ],
    ids=["no predictor", "the same", "shorter", "not in the middle", "deeper"],
)
def test_nothing_else_is_changed(config: ModelConfig) -> None:
    model = tiny_model(config=SHORT)
    assert grown(model, config) is model


def test_a_run_goes_on_wider_and_is_exported_so(clips: list[Clip], tmp_path: Path) -> None:
    init = str(save_model(tiny_model(config=SHORT), tmp_path / "short.safetensors"))
    recipe = recipe_of(LONG, steps=3)
    model = starting_model(recipe, init)
    stage = build_stage("predictor", model, recipe, clips[:4], clips[4:])
    record = {"config": config_to_json(LONG), "init": init}
    assert Trainer(stage, recipe.settings("predictor"), tmp_path / "run", record=record).run()
    made, _ = trained_model(tmp_path / "run")
    assert made.config == LONG
    kernel = made.state_dict()["predictor.blocks.0.depthwise.weight"]
    assert kernel[..., :7].abs().amax() > 0.0  # what lies beyond the old kernel was learned
    with pytest.raises(ParameterError, match="is made otherwise"):
        starting_model(recipe_of(SHORT), str(save_model(made, tmp_path / "long.safetensors")))


def _predicted(model: AudioSRModel, mel: torch.Tensor, cutoff_hz: torch.Tensor) -> torch.Tensor:
    assert model.predictor is not None
    with torch.inference_mode():
        predicted: torch.Tensor = model.predictor(mel, cutoff_hz)
    return predicted


def test_a_model_gets_a_cleaner_that_leaves_all_as_it_is_and_keeps_one_it_has() -> None:
    model = tiny_model(config=replace(SHORT, cleaner=None))
    cleaning = grown(model, SHORT)
    assert cleaning.config == SHORT
    assert cleaning.cleaner is not None
    assert not cleaning.cleaner.project_out.weight.any(), "all bands are open"
    for name, weight in model.state_dict().items():
        assert torch.equal(cleaning.state_dict()[name], weight), name
    assert grown(cleaning, replace(SHORT, cleaner=None)) is cleaning
    assert grown(cleaning, replace(SHORT, cleaner=CleanerConfig(width=24))) is cleaning


def test_stages_of_before_and_after_a_model_had_a_cleaner_add_up(clips: list[Clip], tmp_path: Path) -> None:
    without = replace(SHORT, cleaner=None)
    init = str(save_model(tiny_model(config=without), tmp_path / "old.safetensors"))
    of_old = json.loads(config_to_json(without))
    del of_old["cleaner"]
    recipe, run = recipe_of(SHORT, steps=2), tmp_path / "run"
    for name, config in (
        ("vae", json.dumps(of_old)),
        ("vocoder", config_to_json(without)),
        ("cleaner", config_to_json(SHORT)),
    ):
        stage = build_stage(name, starting_model(recipe, init), recipe, clips[:4], clips[4:])
        record = {"config": config, "init": init}
        assert Trainer(stage, recipe.settings(name), run, record=record).run()
    made, records = trained_model(run)
    assert made.config == SHORT
    assert set(records) == {"vae", "vocoder", "cleaner"}
    loaded = load_model(save_model(made, tmp_path / "new.safetensors"))
    assert loaded.cleaner is not None
    assert loaded.cleaner.project_out.weight.any(), "it has learned"


def test_two_cleaners_do_not_add_up(clips: list[Clip], tmp_path: Path) -> None:
    recipe = recipe_of(SHORT, steps=1)
    other = replace(SHORT, cleaner=CleanerConfig(width=24))
    for name, config in (("vae", SHORT), ("cleaner", other)):
        stage = build_stage(name, tiny_model(config=config), recipe, clips[:4], clips[4:])
        record = {"config": config_to_json(config)}
        assert Trainer(stage, recipe.settings(name), tmp_path, record=record).run()
    with pytest.raises(CheckpointError, match="are of different models"):
        trained_model(tmp_path)


def test_a_recipes_own_cleaner_is_not_taken_for_another(tmp_path: Path) -> None:
    init = str(save_model(tiny_model(config=SHORT), tmp_path / "short.safetensors"))
    assert starting_model(recipe_of(replace(SHORT, cleaner=None)), init).config == SHORT
    with pytest.raises(ParameterError, match="is made otherwise"):
        starting_model(recipe_of(replace(SHORT, cleaner=CleanerConfig(width=24))), init)

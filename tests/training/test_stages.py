"""Every stage learns, and a run that is interrupted continues as if it had not been."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import WITH_PREDICTOR

from audiosr_fx.errors import CheckpointError, ParameterError
from audiosr_fx.model.audiosr import AudioSRModel
from audiosr_fx.model.checkpoint import load_model, save_model
from audiosr_fx.training.data import Clip
from audiosr_fx.training.recipes import RECIPES, StageRecipe, build_stage, load_stages, trained_model
from audiosr_fx.training.segments import AugmentSettings, SegmentMaker
from audiosr_fx.training.trainer import Stage, Trainer, TrainSettings

SETTINGS = TrainSettings(
    steps=12, batch_size=2, learning_rate=3e-3, warmup_steps=2, validate_every=12, checkpoint_every=4
)


@pytest.fixture
def model() -> AudioSRModel:
    torch.manual_seed(0)
    return AudioSRModel(WITH_PREDICTOR)


@pytest.fixture
def make_stage(
    clips: list[Clip], model: AudioSRModel, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Stage]:
    def maker(recipe: StageRecipe, training: list[Clip]) -> SegmentMaker:
        return SegmentMaker(training, AugmentSettings(seconds=0.64))

    monkeypatch.setattr(StageRecipe, "maker", maker)
    return lambda name: build_stage(name, model, clips[:4], clips[4:])


@pytest.mark.parametrize("name", list(RECIPES))
def test_a_stage_learns_and_is_logged(name: str, make_stage: Callable[[str], Stage], tmp_path: Path) -> None:
    stage = make_stage(name)
    if name == "vocoder":  # it starts out with the right envelope: put it 9 dB off
        stage.module.project_out.bias.data += 1.0
    before = _loss_on_a_fixed_batch(stage)
    Trainer(stage, replace(SETTINGS, steps=30, validate_every=30), tmp_path).run()
    assert _loss_on_a_fixed_batch(stage) < before
    header, row = (tmp_path / f"{name}.csv").read_text().splitlines()
    logged = dict(zip(header.split(","), map(float, row.split(",")), strict=True))
    assert logged["step"] == 30
    assert all(np.isfinite(value) for value in logged.values())


def _loss_on_a_fixed_batch(stage: Stage) -> float:
    torch.manual_seed(0)
    with torch.no_grad():
        return float(stage.loss(np.random.default_rng(0), 8)["total"])


def test_an_interrupted_run_continues_as_if_it_had_not_been(
    make_stage: Callable[[str], Stage], tmp_path: Path
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    Trainer(make_stage("predictor"), SETTINGS, whole).run()
    first = Trainer(make_stage("predictor"), SETTINGS, parts)
    for _ in zip(first._steps(), range(5), strict=False):
        pass
    first.save()
    Trainer(make_stage("predictor"), SETTINGS, parts).run()
    weights = [torch.load(folder / "predictor.pt", weights_only=True)["module"] for folder in (whole, parts)]
    for key, value in weights[0].items():
        assert torch.equal(value, weights[1][key]), key


def test_a_checkpoint_of_another_shape_is_refused(make_stage: Callable[[str], Stage], tmp_path: Path) -> None:
    torch.save({"module": {}, "average": {}, "optimizer": {}, "step": 1}, tmp_path / "vae.pt")
    with pytest.raises(CheckpointError, match="does not fit this stage"):
        Trainer(make_stage("vae"), SETTINGS, tmp_path)
    (tmp_path / "vae.pt").write_bytes(b"cut short")
    with pytest.raises(CheckpointError, match="does not fit this stage"):
        Trainer(make_stage("vae"), SETTINGS, tmp_path)


@pytest.mark.parametrize("name", list(RECIPES))
def test_an_average_that_is_not_the_whole_stage_is_refused(
    name: str, model: AudioSRModel, tmp_path: Path
) -> None:
    torch.save({"average": {}}, tmp_path / f"{name}.pt")
    with pytest.raises(CheckpointError, match="does not fit model 'tiny'"):
        load_stages(model, tmp_path, [name])


def test_trained_stages_add_up_to_a_model_that_exports(
    make_stage: Callable[[str], Stage], model: AudioSRModel, tmp_path: Path
) -> None:
    for name in RECIPES:
        Trainer(make_stage(name), replace(SETTINGS, steps=2, validate_every=100), tmp_path).run()
    trained = trained_model(model.config, tmp_path)
    path = save_model(trained, tmp_path / "model.safetensors", "a card")
    loaded = load_model(path)
    assert loaded.config == model.config
    assert float(loaded.scale_factor) == pytest.approx(float(trained.scale_factor))
    torch.testing.assert_close(
        loaded.predictor.project_out.weight, trained.predictor.project_out.weight, rtol=1e-3, atol=1e-4
    )


def test_a_trained_model_keeps_its_latent_scales(
    make_stage: Callable[[str], Stage], model: AudioSRModel
) -> None:
    make_stage("ldm")
    measured = float(model.scale_factor)
    assert measured != 1.0
    with torch.no_grad():
        model.scale_factor.mul_(1.5)
        model.condition_scale.mul_(0.5)
    kept = float(model.condition_scale)
    make_stage("ldm")
    assert float(model.scale_factor) == pytest.approx(1.5 * measured)
    assert float(model.condition_scale) == kept


def test_a_stage_that_is_missing_is_named(model: AudioSRModel, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="train stage 'predictor' first"):
        load_stages(model, tmp_path, ["predictor"])
    with pytest.raises(ParameterError, match="expected one of predictor, vae, vocoder, ldm"):
        build_stage("unet", model, [], [])

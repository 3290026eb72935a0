"""A run that could not come to its end is refused before its first step."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from tiny import TINY, WITH_PREDICTOR
from tiny_training import recipe_of

from audiosr_fx.errors import CheckpointError, ParameterError
from audiosr_fx.model.config import ModelConfig, PredictorConfig
from audiosr_fx.training.assemble import build_stage, fresh_model, module_of
from audiosr_fx.training.data import Clip
from audiosr_fx.training.preflight import check_run
from audiosr_fx.training.recipes import STAGES, Recipe, load_recipe, recipe_names
from audiosr_fx.training.request import TrainRequest

NOISE = Clip(
    name="noise",
    kind="fx",
    source="noise",
    limit_hz=24_000.0,
    samples=np.random.default_rng(0).integers(-9_000, 9_000, 48_000).astype(np.int16),
)

Check = Callable[..., None]


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Checks phases that train these recipes, all stages of each if no others are said."""

    def check(*recipes: Recipe, stages: tuple[str, ...] = (), init: str | None = None) -> None:
        runs = tmp_path / "runs"
        phases = [
            TrainRequest(
                stages=stages or recipe.stages,
                data=[],
                runs=runs if number == 0 else runs / "second",
                recipe=recipe,
                init=init if number == 0 else str(runs),
            )
            for number, recipe in enumerate(recipes)
        ]
        assert recipes[0].model is not None
        check_run(phases, fresh_model(recipes[0].model))

    return check


def with_stage(recipe: Recipe, name: str, **changes: Any) -> Recipe:
    changed: Any = {name: replace(recipe.settings(name), **changes)}
    return replace(recipe, **changed)


def test_a_figure_that_the_last_stage_does_not_have_is_refused_before_the_first(check: Check) -> None:
    recipe = recipe_of(WITH_PREDICTOR)
    check(with_stage(recipe, "ldm", watch="error_db_8_steps_4000", patience=2))
    with pytest.raises(ParameterError) as caught:
        check(with_stage(recipe, "vocoder", watch="lds", patience=2))
    assert str(caught.value) == (
        "recipe 'quick': vocoder.watch is 'lds'; expected one of lsd, lsd_true_4000, lsd_true_8000,"
        " lsd_true_12000, lsd_predicted_4000, lsd_predicted_8000, lsd_predicted_12000 (did you mean lsd?)"
    )
    with pytest.raises(ParameterError, match=r"vae\.watch is 'lsd'; expected one of error_db$"):
        check(recipe, with_stage(recipe, "vae", watch="lsd"))


@pytest.mark.parametrize(
    ("config", "name", "is_adversarial", "shortest_s"),
    [
        (WITH_PREDICTOR, "ldm", False, 0.64),
        (TINY, "ldm", False, 0.64),
        (WITH_PREDICTOR, "vae", True, 0.24),
        (WITH_PREDICTOR, "vae", False, 0.08),
    ],
)
def test_examples_too_short_for_a_network_are_refused(
    config: ModelConfig, name: str, is_adversarial: bool, shortest_s: float, check: Check
) -> None:
    def recipe(seconds: float) -> Recipe:
        quick = recipe_of(config, adversarial=is_adversarial)
        augment = replace(quick.settings(name).augment, seconds=seconds)
        return with_stage(quick, name, segment_s=seconds, augment=augment)

    check(recipe(shortest_s))
    stage = build_stage(name, fresh_model(config), recipe(shortest_s), [NOISE], [])
    random = np.random.default_rng(0)
    assert torch.isfinite(stage.loss(stage.maker.make_batch(random, 2), random, 9)["total"])
    if shortest_s > 0.08:  # below that the settings themselves refuse it
        told = rf"{name}\.segment_s is 0\.\d+; expected {shortest_s} or more with"
        with pytest.raises(ParameterError, match=told):
            check(recipe(round(shortest_s - 0.01, 2)))


@pytest.mark.parametrize("name", recipe_names())
def test_the_recipes_of_the_package_watch_figures_that_there_are(name: str, check: Check) -> None:
    recipe = load_recipe(name)
    is_published = recipe.model is not None and recipe.model.predictor is None
    config = TINY if is_published else WITH_PREDICTOR
    check(replace(recipe, model=config), init="mini")


def test_what_a_stage_builds_on_is_there_or_comes_before_it(check: Check, tmp_path: Path) -> None:
    recipe = recipe_of(WITH_PREDICTOR)
    with pytest.raises(CheckpointError, match=r"vae\.pt does not exist, and stage 'ldm' builds on it; train"):
        check(recipe, stages=("predictor", "ldm"))
    check(recipe, stages=("predictor", "ldm"), init="mini")
    (tmp_path / "runs" / "vae.pt").touch()
    check(recipe, stages=("predictor", "ldm"))
    with pytest.raises(ParameterError, match="has no predictor to train"):
        check(recipe_of(TINY), stages=("predictor",))


def test_a_later_recipe_must_fit_the_model_and_the_device(check: Check) -> None:
    recipe = recipe_of(WITH_PREDICTOR)
    with pytest.raises(ParameterError, match="is made otherwise than"):
        check(recipe, recipe_of(TINY))
    on_device = replace(recipe, data=replace(recipe.data, on_device=True))
    with pytest.raises(ParameterError, match=r"expected 0 with data\.on_device"):
        check(recipe, on_device)


def test_a_later_recipe_may_look_further(check: Check) -> None:
    near, far = (
        replace(WITH_PREDICTOR, predictor=PredictorConfig(width=16, depth=1, kernel_size=size))
        for size in (7, 21)
    )
    check(recipe_of(near), recipe_of(far))
    with pytest.raises(ParameterError, match="is made otherwise than"):
        check(recipe_of(far), recipe_of(near))


def test_a_folder_that_cannot_be_written_is_named_with_a_way_out(check: Check, tmp_path: Path) -> None:
    (tmp_path / "runs").touch()
    with pytest.raises(
        OSError, match=r"runs cannot be written \(File exists\); choose another --runs folder"
    ):
        check(recipe_of(WITH_PREDICTOR))


def test_a_disk_must_hold_all_checkpoints_and_one_more(
    check: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recipe_of(WITH_PREDICTOR)
    model = fresh_model(WITH_PREDICTOR)
    sizes = [sum(16 * p.numel() for p in module_of(model, name).parameters()) for name in STAGES]
    free = sum(sizes) + max(sizes)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=free))
    check(recipe)
    free -= 1
    with pytest.raises(
        OSError, match=r"runs: checkpoints take \d+ MB, and the disk has \d+ MB left; make room"
    ):
        check(recipe)
    (tmp_path / "runs" / "vae.pt").touch()
    check(recipe)

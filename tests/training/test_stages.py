"""Every stage learns, and its parts add up to a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import TINY, WITH_PREDICTOR, tiny_model
from tiny_training import CASES, recipe_of

from audiosr_fx.errors import CheckpointError, ParameterError
from audiosr_fx.model.audiosr import AudioSRModel
from audiosr_fx.model.checkpoint import load_model, save_model
from audiosr_fx.model.config import ModelConfig
from audiosr_fx.model.config_json import config_to_json
from audiosr_fx.model.mel import mel_band_edges_hz
from audiosr_fx.training.adversarial import AdversarialSettings, Adversary, band_between
from audiosr_fx.training.assemble import (
    build_stage,
    fresh_model,
    load_stages,
    load_start,
    module_of,
    needed_stages,
    read_stage,
    stages_of,
    starting_model,
    trained_model,
)
from audiosr_fx.training.batches import Batches
from audiosr_fx.training.data import Clip
from audiosr_fx.training.recipes import STAGES, Recipe
from audiosr_fx.training.stage import Stage, usable_precision
from audiosr_fx.training.trainer import Trainer


@pytest.fixture
def make_stage(clips: list[Clip]) -> Callable[..., Stage]:
    def make(name: str, recipe: Recipe, model: AudioSRModel | None = None) -> Stage:
        assert recipe.model is not None
        return build_stage(name, model or fresh_model(recipe.model), recipe, clips[:4], clips[4:])

    return make


@pytest.mark.parametrize("case", CASES)
def test_a_stage_learns_and_is_logged(case: str, make_stage: Callable[..., Stage], tmp_path: Path) -> None:
    config, name, adversarial = CASES[case]
    recipe = recipe_of(config, adversarial=adversarial, steps=16, validate_every=16)
    stage = make_stage(name, recipe)
    if case.startswith("mini vocoder"):  # it starts out with the right envelope: put it 9 dB off
        stage.module.project_out.bias.data += 1.0
    if case == "mini cleaner":  # it starts out with all bands open: half close them
        stage.module.project_out.bias.data += 7.0
    before = _loss_on_a_fixed_batch(stage)
    assert Trainer(stage, recipe.settings(name), tmp_path).run()
    after = _loss_on_a_fixed_batch(stage)
    assert after["total"] < before["total"]
    assert ("critics" in after) == adversarial
    header, row = (tmp_path / f"{name}.csv").read_text().splitlines()
    logged = dict(zip(header.split(","), map(float, row.split(",")), strict=True))
    assert logged["step"] == 16
    assert all(np.isfinite(value) for value in logged.values())
    with torch.inference_mode():
        found = stage.validate(stage.module)
    assert set(found) < set(logged)
    assert set(found) == set(stage.figures(config)), "those are what a recipe may watch"


@pytest.mark.parametrize(
    ("name", "part"), [("predictor", "level"), ("predictor", "flatness"), ("vocoder", "level")]
)
def test_what_else_is_judged_counts_where_a_recipe_says_so(
    name: str, part: str, make_stage: Callable[..., Stage]
) -> None:
    model = fresh_model(WITH_PREDICTOR)
    totals = {}
    for weight in (0.0, 0.5):
        recipe = recipe_of(WITH_PREDICTOR)
        settings = replace(recipe.settings(name), **{f"{part}_weight": weight})
        stage = make_stage(name, replace(recipe, **{name: settings}), model)
        totals[weight] = _loss_on_a_fixed_batch(stage)
    assert part not in totals[0.0]
    assert totals[0.5][part] > 0.0
    assert totals[0.5]["total"] == pytest.approx(totals[0.0]["total"] + 0.5 * totals[0.5][part], rel=1e-5)


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_recordings_that_end_below_the_top_say_what_is_there_where_a_recipe_says_so(
    weight: float, make_stage: Callable[..., Stage]
) -> None:
    recipe = recipe_of(WITH_PREDICTOR)
    settings = replace(recipe.predictor, top_weight=weight)
    stage = make_stage("predictor", replace(recipe, predictor=settings))
    _, batch = next(Batches(stage.maker, batch_size=4, parts=1, seed=9, rank=0).between(0, 1, 0))
    batch = batch._replace(limit_hz=torch.full((4,), 18_000.0))
    stage.loss(batch, np.random.default_rng(1), 0)["total"].backward()
    pull = stage.module.project_out.bias.grad.abs()
    centre_hz = mel_band_edges_hz(WITH_PREDICTOR.mel)[1:-1]
    assert (pull[centre_hz < 17_000.0][-20:] > 0.0).all()
    assert (pull[(centre_hz > 18_000.0) & (centre_hz < 20_000.0)] == 0.0).all()
    assert ((pull[centre_hz > 20_000.0] > 0.0) == (weight > 0.0)).all()


def test_only_what_is_above_a_frequency_learns_where_a_recipe_says_so(
    make_stage: Callable[..., Stage], tmp_path: Path
) -> None:
    recipe = recipe_of(WITH_PREDICTOR, steps=4, validate_every=4)
    settings = replace(recipe.predictor, only_above_hz=10_000.0, weight_decay=0.0)
    stage = make_stage("predictor", replace(recipe, predictor=settings))
    before = {name: value.clone() for name, value in stage.module.state_dict().items()}
    assert Trainer(stage, settings, tmp_path).run()
    learned = torch.from_numpy(mel_band_edges_hz(WITH_PREDICTOR.mel)[1:-1] > 10_000.0)
    for weights in (stage.module.state_dict(), read_stage(tmp_path, "predictor")["average"]):
        moved = {name for name, value in weights.items() if not torch.equal(value, before[name])}
        assert moved == {"project_out.weight", "project_out.bias"}
        for name in moved:
            rows = (weights[name] != before[name]).reshape(len(learned), -1).any(dim=1)
            assert not rows[~learned].any()
            assert rows[learned].sum() > 0.5 * learned.sum()
    with pytest.raises(ParameterError, match=r"weight_decay is 0\.01, .* set it to 0"):
        replace(recipe.predictor, only_above_hz=10_000.0, weight_decay=0.01)


def _loss_on_a_fixed_batch(stage: Stage) -> dict[str, float]:
    place, batch = next(Batches(stage.maker, batch_size=4, parts=1, seed=9, rank=0).between(0, 1, 0))
    torch.manual_seed(0)
    with torch.no_grad():
        losses = stage.loss(batch, place.random(9, 1), 100)
    figures = {key: float(value) for key, value in losses.items()}
    figures["total"] -= figures.get("adversarial", 0.0)  # critics learn too, and say worse of the same
    return figures


def test_critics_learn_to_tell_and_are_not_moved_by_the_stage() -> None:
    torch.manual_seed(0)
    critic = torch.nn.Conv1d(1, 1, 9)
    adversary = Adversary([_Wrapped(critic)], AdversarialSettings(feature_weight=0.0))
    made = torch.zeros(2, 100, requires_grad=True)
    losses = adversary.losses(torch.randn(2, 100), made, 0)
    losses["adversarial"].backward(retain_graph=True)
    assert critic.weight.grad is None
    assert made.grad is not None
    made.grad = None
    losses["critics"].backward()
    assert critic.weight.grad is not None
    assert made.grad is None


class _Wrapped(torch.nn.Module):
    def __init__(self, layer: torch.nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, waveform: torch.Tensor) -> list[tuple[torch.Tensor, list[torch.Tensor]]]:
        return [(self.layer(waveform[:, None]), [])]


def test_critics_are_silent_before_their_first_step() -> None:
    adversary = Adversary([torch.nn.Identity()], AdversarialSettings(start_step=5))
    assert adversary.losses(torch.ones(1, 10), torch.ones(1, 10), 4) == {}


def test_a_band_is_what_lies_between_and_nothing_else() -> None:
    time = torch.arange(4_800, dtype=torch.float64) / 48_000
    low, high = (torch.sin(2 * torch.pi * hz * time) for hz in (1_000.0, 9_000.0))
    band = band_between((low + high)[None], torch.tensor([5_000.0]), torch.tensor([20_000.0]), 48_000)
    torch.testing.assert_close(band[0], high, atol=1e-9, rtol=0)


def test_gradients_of_accumulated_passes_are_those_of_one_large_batch(
    make_stage: Callable[..., Stage], tmp_path: Path
) -> None:
    recipe = recipe_of(WITH_PREDICTOR, accumulate=3, precision="float32")
    trainer = Trainer(make_stage("vae", recipe), recipe.settings("vae"), tmp_path)
    batches = list(Batches(trainer.stage.maker, batch_size=2, parts=3, seed=0, rank=0).between(0, 1, 0))
    trainer._gradients(iter(batches))
    accumulated = [p.grad.clone() for p in trainer.stage.module.parameters() if p.grad is not None]
    expected = [torch.zeros_like(gradient) for gradient in accumulated]
    for place, batch in batches:
        random = place.random(0, 1)
        torch.manual_seed(int(random.integers(2**62)))
        trainer.optimizers.zero_gradients()
        trainer.stage.loss(batch, random, 0)["total"].backward()
        for total, p in zip(expected, trainer.stage.module.parameters(), strict=True):
            total += p.grad / 3
    for ours, theirs in zip(accumulated, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("config", [WITH_PREDICTOR, TINY], ids=["mini", "published"])
def test_trained_stages_add_up_to_a_model_that_exports(
    config: ModelConfig, make_stage: Callable[..., Stage], tmp_path: Path
) -> None:
    recipe = recipe_of(config, steps=2, validate_every=100)
    for name in stages_of(config):
        model = fresh_model(config)
        load_stages(model, tmp_path, needed_stages(name, config))
        Trainer(make_stage(name, recipe, model), recipe.settings(name), tmp_path).run()
    trained, records = trained_model(tmp_path, recipe)
    assert all(record["step"] == 2 for record in records.values())
    loaded = load_model(save_model(trained, tmp_path / "model.safetensors", "a card"))
    assert loaded.config == config
    assert float(loaded.scale_factor) == pytest.approx(float(trained.scale_factor))
    assert float(loaded.scale_factor) != 1.0
    torch.testing.assert_close(
        loaded.vae.decoder.conv_out.weight, trained.vae.decoder.conv_out.weight, rtol=1e-3, atol=1e-4
    )


def test_a_trained_model_keeps_its_latent_scales(make_stage: Callable[..., Stage]) -> None:
    recipe = recipe_of(WITH_PREDICTOR)
    model = fresh_model(WITH_PREDICTOR)
    make_stage("ldm", recipe, model)
    measured = float(model.scale_factor)
    assert measured != 1.0
    with torch.no_grad():
        model.scale_factor.mul_(1.5)
        model.condition_scale.mul_(0.5)
    kept = float(model.condition_scale)
    make_stage("ldm", recipe, model)
    assert float(model.scale_factor) == pytest.approx(1.5 * measured)
    assert float(model.condition_scale) == kept


def test_sampled_posteriors_are_wider_than_their_modes(make_stage: Callable[..., Stage]) -> None:
    recipe = recipe_of(TINY)
    stages = []
    for sampled in (False, True):
        assert recipe.ldm is not None
        changed = replace(recipe, ldm=replace(recipe.ldm, sample_posterior=sampled))
        model = tiny_model()
        with torch.no_grad():  # a posterior of unit variance
            model.vae.quant_conv.weight[model.latent_channels :] = 0.0
            model.vae.quant_conv.bias[model.latent_channels :] = 0.0
        make_stage("ldm", changed, model)
        stages.append(float(model.scale_factor))
    assert stages[1] < stages[0]


@pytest.mark.parametrize("name", STAGES)
def test_an_average_that_is_not_the_whole_stage_is_refused(name: str, tmp_path: Path) -> None:
    torch.save({"average": {}}, tmp_path / f"{name}.pt")
    with pytest.raises(CheckpointError, match="does not fit model 'tiny'"):
        load_stages(fresh_model(WITH_PREDICTOR), tmp_path, [name])


def test_a_stage_that_is_missing_is_named(make_stage: Callable[..., Stage], tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="train stage 'predictor' first"):
        load_stages(fresh_model(WITH_PREDICTOR), tmp_path, ["predictor"])
    with pytest.raises(ParameterError, match="expected one of predictor, vae, vocoder, ldm"):
        make_stage("unet", recipe_of(WITH_PREDICTOR))
    with pytest.raises(ParameterError, match="model 'tiny' has no predictor"):
        make_stage("predictor", recipe_of(TINY))
    with pytest.raises(CheckpointError, match="holds no trained stage"):
        trained_model(tmp_path, recipe_of(TINY))


def test_a_run_far_down_a_line_of_runs_reads_each_of_them_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = save_model(tiny_model(config=WITH_PREDICTOR), tmp_path / "start.safetensors")
    for number in range(4):
        average = {
            key: value + 1.0
            for key, value in module_of(load_start(str(start)), "predictor").state_dict().items()
        }
        start, init = tmp_path / f"run{number}", start
        start.mkdir()
        row = {"origin": f"o{number}", "licence": "", "author": "", "kinds": [], "clips": 1, "seconds": 1.0}
        record = {"init": str(init), "config": config_to_json(WITH_PREDICTOR), "data": [row]}
        torch.save({"step": number, "average": average, "record": record}, start / "predictor.pt")
    read: list[Path] = []

    def counted(folder: Path, name: str) -> dict[str, Any]:
        read.append(folder)
        return read_stage(folder, name)

    monkeypatch.setattr("audiosr_fx.training.assemble.read_stage", counted)
    _, records = trained_model(start)
    assert {row["origin"] for row in records["predictor"]["data"]} == {"o0", "o1", "o2", "o3"}
    assert max(Counter(read).values()) <= 2, "for its record, and for its weights"


def test_stages_of_two_models_in_one_folder_are_told_apart(
    make_stage: Callable[..., Stage], tmp_path: Path
) -> None:
    for name, config in (("vae", TINY), ("ldm", replace(TINY, guidance_scale=1.0))):
        record = {"config": config_to_json(config)}
        torch.save({"average": {}, "step": 1, "record": record}, tmp_path / f"{name}.pt")
    with pytest.raises(CheckpointError, match="are of different models"):
        trained_model(tmp_path, recipe_of(TINY))


def test_stages_that_began_from_two_files_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for name, sha256 in (("vae", "a1"), ("predictor", "b2")):
        record = {"config": config_to_json(WITH_PREDICTOR), "init": "mini", "init_sha256": sha256}
        torch.save({"average": {}, "step": 1, "record": record}, tmp_path / f"{name}.pt")
    with pytest.raises(CheckpointError, match="are of different models"):
        trained_model(tmp_path)


def test_a_recipe_and_the_weights_it_starts_from_must_be_of_one_make(tmp_path: Path) -> None:
    path = str(save_model(tiny_model(), tmp_path / "tiny.safetensors"))
    with pytest.raises(ParameterError, match="is made otherwise"):
        starting_model(recipe_of(WITH_PREDICTOR), path)
    without_model = replace(recipe_of(TINY), model=None)
    assert starting_model(without_model, path).config == TINY
    with pytest.raises(ParameterError, match="say from which with --init"):
        starting_model(without_model, None)


def test_a_model_that_cannot_be_built_is_the_recipes_fault() -> None:
    odd = replace(TINY, vae=replace(TINY.vae, norm_groups=3))
    with pytest.raises(ParameterError, match="no model can be built"):
        fresh_model(odd)


@pytest.mark.parametrize(("is_native", "precision"), [(False, "float32"), (True, "bfloat16")])
def test_bfloat16_is_left_to_gpus_that_compute_it(
    is_native: bool, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: is_native)
    assert usable_precision("bfloat16", torch.device("cuda")) == precision


@pytest.mark.parametrize(("capability", "precision"), [("AVX2", "float32"), ("AVX512", "bfloat16")])
def test_bfloat16_is_left_to_machines_that_compute_it(
    capability: str, precision: str, make_stage: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    stage = make_stage("predictor", recipe_of(WITH_PREDICTOR, precision="bfloat16"))
    assert stage.precision == precision
    with stage.autocast():
        assert torch.is_autocast_enabled("cpu") == (precision == "bfloat16")

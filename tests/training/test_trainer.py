"""A run that is interrupted, on whatever stage, goes on as if it had not been; and it ends when it should."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from nightly import IS_NIGHT
from tiny import WITH_PREDICTOR
from tiny_training import CASES, recipe_of
from torch import Tensor, nn

from audiosr_fx.errors import CheckpointError, ParameterError
from audiosr_fx.model.config import ModelConfig
from audiosr_fx.training.assemble import build_stage, fresh_model, load_stages, read_stage
from audiosr_fx.training.data import Clip
from audiosr_fx.training.figures import append_figures, read_figures
from audiosr_fx.training.segments import AugmentSettings, Batch, SegmentMaker
from audiosr_fx.training.stage import Stage, TrainSettings
from audiosr_fx.training.trainer import Trainer


@pytest.mark.parametrize("case", [case for case in CASES if case.startswith("mini") or IS_NIGHT])
def test_an_interrupted_run_continues_as_if_it_had_not_been(
    case: str, clips: list[Clip], tmp_path: Path
) -> None:
    config, name, adversarial = CASES[case]
    recipe = recipe_of(config, adversarial=adversarial, steps=4, accumulate=2, batch_size=1, validate_every=4)
    settings = recipe.settings(name)

    def trainer(folder: str, stop_at: int = -1) -> Trainer:
        validation = [] if name == "ldm" else clips[4:]  # sampling takes its time
        stage = build_stage(name, fresh_model(config), recipe, clips[:4], validation)
        made = Trainer(stage, settings, tmp_path / folder, should_stop=lambda: made.step == stop_at)
        return made

    whole = trainer("whole")
    assert whole.run()
    assert not trainer("parts", stop_at=1).run()
    resumed = trainer("parts", stop_at=3)
    assert resumed.step == 1
    assert not resumed.run()
    assert trainer("parts").run()
    logs = [read_figures(tmp_path / folder / f"{name}.csv") for folder in ("whole", "parts")]
    assert logs[0] == logs[1]
    assert [row["step"] for row in logs[0]] == [4]
    ours, theirs = (read_stage(tmp_path / folder, name) for folder in ("whole", "parts"))
    assert ("critics" in ours) == adversarial
    for part in ("module", "average", *(["critics"] if adversarial else [])):
        for key, value in ours[part].items():
            assert torch.equal(value, theirs[part][key]), (part, key)


def _raise(error: Exception) -> None:
    raise error


class Slope(Stage):
    """One number that is pulled to 1, and validation figures as a test writes them."""

    name = "slope"

    def __init__(self, clips: list[Clip], figures: Sequence[float] = ()) -> None:
        maker = SegmentMaker(clips, AugmentSettings(seconds=0.08, layer_weights=(1.0,)))
        super().__init__(maker, torch.device("cpu"), "float32")
        self.module: nn.Module = nn.Linear(1, 1)
        self.errors = iter(figures)

    def loss(self, batch: Batch, random: np.random.Generator, step: int) -> Mapping[str, Tensor]:
        return {"total": (self.module(torch.ones(1, 1)) - 1.0).square().mean()}

    @classmethod
    def figures(cls, config: ModelConfig) -> tuple[str, ...]:
        return ("error",)

    def validate(self, module: nn.Module) -> Mapping[str, float]:
        return {"error": next(self.errors, 9.0)}


QUICK = TrainSettings(
    steps=20, segment_s=0.08, batch_size=1, warmup_steps=1, validate_every=2, precision="float32"
)


def test_a_run_ends_when_validation_gains_no_more_and_keeps_the_best(
    clips: list[Clip], tmp_path: Path
) -> None:
    settings = replace(QUICK, watch="error", patience=3)
    stage = Slope(clips, [5.0, 3.0, 4.0, 3.5, 3.0, 1.0])
    trainer = Trainer(stage, settings, tmp_path)
    assert trainer.run()
    assert trainer.step == 10
    best = read_stage(tmp_path, "slope")["best"]
    assert (best["step"], best["value"], best["figures"]) == (4, 3.0, {"error": 3.0})
    again = Trainer(Slope(clips), settings, tmp_path)
    assert again.run()
    assert again.step == 10, "it has ended already"
    longer = Trainer(Slope(clips, [1.0]), replace(settings, patience=4, steps=12), tmp_path)
    assert longer.run()
    assert longer.step == 12
    assert read_stage(tmp_path, "slope")["best"]["step"] == 12


@pytest.mark.parametrize(("patience", "watch", "taken"), [(0, "", 4), (9, "other", 4), (9, "error", 2)])
def test_a_best_that_is_no_longer_looked_for_is_not_what_a_run_ends_with(
    patience: int, watch: str, taken: int, clips: list[Clip], tmp_path: Path
) -> None:
    settings = replace(QUICK, watch="error", patience=1, steps=2)
    Trainer(Slope(clips, [0.5]), settings, tmp_path).run()
    stage = Slope(clips)
    stage.validate = lambda module: {"error": 9.0, "other": 7.0}  # type: ignore[method-assign]
    Trainer(stage, replace(settings, steps=4, patience=patience, watch=watch), tmp_path).run()
    state = read_stage(tmp_path, "slope")
    assert (state["best"] or state)["step"] == taken


def test_the_best_average_is_what_a_model_is_made_of(clips: list[Clip], tmp_path: Path) -> None:
    recipe = recipe_of(
        WITH_PREDICTOR, steps=4, validate_every=1, watch="error_db", patience=2, learning_rate=0.5
    )
    stage = build_stage("vae", fresh_model(WITH_PREDICTOR), recipe, clips[:4], clips[4:])
    Trainer(stage, recipe.settings("vae"), tmp_path).run()
    state = read_stage(tmp_path, "vae")
    model = fresh_model(WITH_PREDICTOR)
    load_stages(model, tmp_path, ["vae"])
    for key, value in model.vae.state_dict().items():
        assert torch.equal(value, state["best"]["average"][key])


def test_without_validation_clips_a_run_goes_to_its_end(clips: list[Clip], tmp_path: Path) -> None:
    stage = Slope(clips)
    stage.validate = lambda module: {}  # type: ignore[method-assign]
    trainer = Trainer(stage, replace(QUICK, watch="error", patience=1, steps=6), tmp_path)
    assert trainer.run()
    assert read_stage(tmp_path, "slope")["step"] == 6
    assert not trainer.has_lost_patience


def test_a_run_that_is_over_says_so(
    clips: list[Clip], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    Trainer(Slope(clips), replace(QUICK, steps=2), tmp_path).run()
    assert "was trained already" not in caplog.text
    Trainer(Slope(clips), replace(QUICK, steps=2), tmp_path).run()
    assert "slope was trained already" in caplog.text
    assert "go on with more --steps" in caplog.text


def test_more_steps_move_the_fall_of_the_learning_rate_and_it_is_said(
    clips: list[Clip], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    settings = replace(QUICK, steps=4, learning_rate=0.1)
    Trainer(Slope(clips), settings, tmp_path).run()
    for steps in (4, 8, 8):
        Trainer(Slope(clips), replace(settings, steps=steps), tmp_path).run()
    assert [line for line in caplog.messages if "move the learning rate" in line] == [
        "slope: 8 steps in place of 4 move the learning rate: it is 0.1 here, not 0, and falls from step 6 on"
    ]


def test_a_run_goes_on_with_the_betas_and_the_decay_it_is_now_told(clips: list[Clip], tmp_path: Path) -> None:
    Trainer(Slope(clips), replace(QUICK, steps=2, weight_decay=0.5), tmp_path).run()
    moments = read_stage(tmp_path, "slope")["optimizer"]["state"]
    told = replace(QUICK, steps=2, weight_decay=0.1, betas=(0.5, 0.6))
    gone_on = Trainer(Slope(clips), told, tmp_path).optimizers.state()["optimizer"]
    found = [(group["weight_decay"], group["betas"]) for group in gone_on["param_groups"]]
    assert found == [(0.1, (0.5, 0.6)), (0.0, (0.5, 0.6))]
    assert all(torch.equal(gone_on["state"][i]["exp_avg"], moments[i]["exp_avg"]) for i in moments)


def test_a_run_that_lost_patience_is_not_told_to_go_on(
    clips: list[Clip], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        Trainer(Slope(clips, [5.0]), replace(QUICK, watch="error", patience=1), tmp_path).run()
        caplog.set_level(logging.INFO)
    assert "until validation gained no more" in caplog.text
    assert "more --steps" not in caplog.text


def test_a_run_without_a_finite_gradient_comes_to_an_end(clips: list[Clip], tmp_path: Path) -> None:
    stage = Slope(clips)
    stage.loss = lambda batch, random, step: {  # type: ignore[method-assign]
        "total": stage.module(torch.full((1, 1), 1.0 if step == 40 else torch.nan)).sum()
    }
    settings = replace(QUICK, steps=1000, validate_every=1000)
    trainer = Trainer(stage, settings, tmp_path)
    with pytest.raises(ParameterError, match="50 steps in a row had no finite gradient; begin anew"):
        trainer.run()
    assert trainer.step == 90
    with pytest.raises(ParameterError, match=r"; move .*slope\.pt away and begin anew"):
        Trainer(stage, replace(settings, checkpoint_every=30), tmp_path).run()


@pytest.mark.parametrize(
    "fault",
    [
        lambda: torch.empty(2**58),
        lambda: np.zeros(2**60, np.uint8),
        lambda: _raise(torch.OutOfMemoryError("CUDA out of memory")),
    ],
)
def test_too_little_memory_is_one_line_with_a_way_out(
    fault: Callable[[], object], clips: list[Clip], tmp_path: Path
) -> None:
    def full(batch: Batch, random: np.random.Generator, step: int) -> Mapping[str, Tensor]:
        fault()
        raise AssertionError

    stage = Slope(clips)
    stage.loss = full  # type: ignore[method-assign]
    with pytest.raises(ParameterError, match="cpu has too little memory for batch_size 1; take a smaller"):
        Trainer(stage, QUICK, tmp_path).run()


def test_a_gradient_that_is_not_finite_is_not_taken(
    clips: list[Clip], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stage = Slope(clips)
    before = stage.module.state_dict()["weight"].clone()
    stage.loss = lambda batch, random, step: {"total": stage.module(torch.full((1, 1), torch.inf)).sum()}  # type: ignore[method-assign]
    Trainer(stage, replace(QUICK, steps=1), tmp_path).run()
    assert torch.equal(stage.module.state_dict()["weight"], before)
    assert "step 0 skipped: its gradient is not finite" in caplog.text


def test_a_checkpoint_of_another_shape_is_refused(clips: list[Clip], tmp_path: Path) -> None:
    path = tmp_path / "slope.pt"
    torch.save({"module": {}, "average": {}, "optimizer": {}, "step": 1}, path)
    for content in (path.read_bytes(), b"cut short", b"\x80\x02a."):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match="does not fit this stage"):
            Trainer(Slope(clips), QUICK, tmp_path)
    many = {f"layer.{number}.weight": torch.zeros(3) for number in range(100)}
    torch.save({"module": many, "average": {}, "optimizer": {}, "step": 1}, path)
    with pytest.raises(CheckpointError, match="move it away to start afresh") as caught:
        Trainer(Slope(clips), QUICK, tmp_path)
    assert len(str(caught.value).replace(str(path), "")) < 300


def test_a_run_goes_on_from_where_it_began_and_nowhere_else(clips: list[Clip], tmp_path: Path) -> None:
    def trainer(init: str | None) -> Trainer:
        return Trainer(Slope(clips), replace(QUICK, steps=1), tmp_path, record={"init": init})

    trainer("mini").run()
    assert trainer("mini").step == 1
    assert trainer(None).record["init"] == "mini"
    with pytest.raises(CheckpointError, match="began from mini; to begin from speech choose another --runs"):
        trainer("speech")
    (tmp_path / "slope.pt").unlink()
    trainer(None).run()
    with pytest.raises(CheckpointError, match="began from random weights; to begin from mini choose"):
        trainer("mini")


def test_a_full_disk_ends_no_run_before_its_end(
    clips: list[Clip], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    written = torch.save

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    def stop_being_full() -> bool:
        if trainer.step == 4:
            monkeypatch.setattr(torch, "save", written)
            monkeypatch.setattr("audiosr_fx.training.trainer.append_figures", append_figures)
        return False

    monkeypatch.setattr(torch, "save", full)
    monkeypatch.setattr("audiosr_fx.training.trainer.append_figures", full)
    settings = replace(QUICK, steps=6, checkpoint_every=2)
    trainer = Trainer(Slope(clips), settings, tmp_path, should_stop=stop_being_full)
    assert trainer.run()
    assert read_stage(tmp_path, "slope")["step"] == 6
    assert [row["step"] for row in read_figures(tmp_path / "slope.csv")] == [4, 6]
    assert "cannot be written" in caplog.text
    assert "slope.csv lacks step 2: No space left on device" in caplog.text
    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="cannot be written"):
        Trainer(Slope(clips), replace(settings, steps=7), tmp_path).run()
    assert read_stage(tmp_path, "slope")["step"] == 6


def test_the_log_takes_new_columns_and_forgets_what_was_set_back(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    append_figures(path, {"step": 1, "total": 0.123456789})
    append_figures(path, {"step": 2, "total": 0.5})
    append_figures(path, {"step": 3, "total": 0.4, "critics": 2.0})
    append_figures(path, {"step": 2, "total": 0.7, "critics": 3.0})
    assert read_figures(path) == [{"step": 1, "total": 0.12346}, {"step": 2, "total": 0.7, "critics": 3.0}]
    assert path.read_text().splitlines()[0] == "step,total,critics"


def test_the_learning_rate_warms_up_stays_and_falls() -> None:
    settings = replace(QUICK, steps=100, warmup_steps=10, decay_fraction=0.2)
    shares = [settings.learning_rate_share(step) for step in range(100)]
    assert shares[0] == pytest.approx(0.1)
    assert shares[9:80] == [1.0] * 71
    assert shares[90] == pytest.approx(0.5)
    assert 0.0 < shares[99] < 0.1

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from tiny import TINY, tiny_model
from typer.testing import CliRunner

from audiosr_fx import bench
from audiosr_fx.engine import Engine

STAGES = {"front end", "VAE encode", "VAE decode", "U-Net, one step", "sampler, all steps", "vocoder"}


def test_every_stage_and_the_whole_are_timed() -> None:
    engine = Engine(tiny_model(), "cpu")
    rows = list(bench.bench_engine(engine, "draft", 1.0, bench.Clock(engine.device, 1)))
    assert {row.stage for row in rows} == STAGES | {"whole render"}
    assert all(row.work_s > 0 and row.column == "tiny draft" for row in rows)
    assert [row.audio_s for row in rows if row.stage == "whole render"] == [1.0]


def test_the_reference_schedule_calls_the_unet_twice_a_step_and_adds_its_stages_up() -> None:
    model = tiny_model()
    batches: list[int] = []
    model.unet.register_forward_hook(lambda module, inputs, output: batches.append(len(output)))
    rows = list(bench.bench_reference(model, torch.device("cpu"), bench.Clock(torch.device("cpu"), 1)))
    assert batches == [1] * 2 * (1 + bench.REFERENCE_STEPS)
    work_s = {row.stage: row.work_s for row in rows}
    assert set(work_s) == STAGES | {"whole render"}
    twice = work_s["front end"] + work_s["VAE encode"]
    once = sum(work_s[stage] for stage in STAGES - {"U-Net, one step"})
    assert work_s["whole render"] == pytest.approx(once + twice)


def test_the_program_prints_a_table_or_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "REFERENCE_STEPS", 2)
    monkeypatch.setattr(
        bench,
        "model_or_made_up",
        lambda name: (tiny_model(config=replace(TINY, name=name)), "made-up weights"),
    )
    flags = [
        "--models",
        "basic",
        "--qualities",
        "draft",
        "--seconds",
        "1",
        "--repeats",
        "1",
        "--device",
        "cpu",
    ]
    shown = CliRunner().invoke(bench.app, flags)
    assert shown.exit_code == 0, shown.output
    for words in ("whole render", "basic reference", "basic draft", "made-up weights", "torch"):
        assert words in shown.stdout
    rows = [
        json.loads(line) for line in CliRunner().invoke(bench.app, [*flags, "--json"]).stdout.splitlines()
    ]
    assert {row["column"] for row in rows} == {"basic reference", "basic draft"}
    for row in rows:
        assert row["real_time_factor"] == pytest.approx(row["work_s"] / row["audio_s"])


def test_an_absent_device_is_refused_in_words() -> None:
    result = CliRunner().invoke(bench.app, ["--models", "mini", "--device", "abacus"])
    assert result.exit_code == 2
    assert "device is 'abacus'" in result.stderr


def test_an_unknown_model_is_refused_in_words() -> None:
    result = CliRunner().invoke(bench.app, ["--models", "huge"])
    assert result.exit_code == 2
    assert result.stderr.startswith("error: model is 'huge'; expected one of")

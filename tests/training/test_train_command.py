"""``audiosr-fx train`` as a person uses it: train, stop, go on, export, list, render, and the mistakes."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from typer.testing import CliRunner, Result

import audiosr_fx
from audiosr_fx.cli import app
from audiosr_fx.commands.terminal import say_note
from audiosr_fx.errors import CheckpointError
from audiosr_fx.model.catalogue import read_card
from audiosr_fx.model.checkpoint import load_model, save_model, verify
from audiosr_fx.training.assemble import fresh_model, load_start
from audiosr_fx.training.cli import interrupts_noted
from audiosr_fx.training.data import load_corpus
from audiosr_fx.training.figures import read_figures
from audiosr_fx.training.recipes import load_recipe
from audiosr_fx.training.trained_on import TrainedOn

ROOT = Path(audiosr_fx.__file__).parent.parent
RECIPE = """
description = "a toy"
[model]
name = "toy"
vae = { base_channels = 4, multipliers = [1, 2, 2, 4], latent_channels = 4, norm_groups = 2 }
predictor = { width = 16, depth = 1 }
[model.unet]
in_channels = 8
out_channels = 4
base_channels = 8
multipliers = [1, 2, 2, 2]
attention_downsampling = [8]
head_channels = 8
norm_groups = 4
[model.vocoder]
width = 16
depth = 1
[model.cleaner]
width = 4
depth = 1
[augment]
layer_weights = [1.0]
degrade = { codec_share = 0.0, resampler_share = 0.0, saturation_probability = 0.0 }
[data]
held_out = ["sms"]
"""
STAGES = ("predictor", "vae", "vocoder", "ldm", "cleaner")
RECIPE += "".join(f"[{s}]\nsteps = 2\nsegment_s = 0.64\nbatch_size = 1\nvalidate_every = 2\n" for s in STAGES)

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command line in a folder with a toy recipe, and a models folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUDIOSR_FX_MODELS", str(tmp_path / "models"))
    Path("toy.toml").write_text(RECIPE)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


def train(run: Run, stage: str, data: Path, *more: object) -> Result:
    return run("train", stage, "--data", data, "--recipe", "toy.toml", "--device", "cpu", *more)


def test_from_a_folder_of_audio_to_a_model_that_renders(run: Run, corpus_folder: Path) -> None:
    trained = train(run, "all", corpus_folder)
    assert trained.exit_code == 0, trained.stderr
    assert trained.stderr.startswith(f"train all: recipe toy.toml, data {corpus_folder}\n")
    assert "audiosr-fx train export NAME --runs runs" in trained.stderr
    assert all(read_figures(Path("runs") / f"{stage}.csv")[-1]["step"] == 2 for stage in STAGES)
    assert list(Path("runs/board/ldm").iterdir())
    exported = run("train", "export", "mine", "--licence", "CC0-1.0", "--description", "bells and whistles")
    assert exported.exit_code == 0, exported.stderr
    path = Path("models/mine.safetensors").absolute()
    assert exported.stdout.strip() == str(path)
    listed = {
        row["name"]: row for row in map(json.loads, run("models", "list", "--json").stdout.splitlines())
    }
    assert set(listed) == {"mini", "basic", "speech", "mine"}
    assert listed["mine"]["description"] == "bells and whistles"
    assert listed["mine"]["licence"] == "CC0-1.0"
    assert f"mine    bells and whistles (licence: CC0-1.0)\n        {path}" in run("models", "list").stdout
    card = run("models", "show", "mine").stdout
    for words in (
        "# mine",
        "| ldm | toy |",
        "- predictor: error_db",
        "| drums, mix, speech | 5 |",
        "5 clips",
    ):
        assert words in card
    assert read_card(path).recipe_sha256 in card
    assert run("models", "verify", "mine").stdout.startswith("mine: whole, as it was saved")
    told = TrainedOn.from_text(read_card(path).trained_on, "mine")
    assert not told.unknown
    assert [told.has(clip) for clip in load_corpus(corpus_folder)] == [True, True, True, True, False]
    sine = 0.3 * np.sin(2 * np.pi * 440 * np.arange(24_000) / 48_000)
    soundfile.write("dull.wav", sine, 48_000)
    rendered = run(
        "render", "dull.wav", "-o", "bright.wav", "--model", "mine", "--cutoff", "6000", "--steps", "1"
    )
    assert rendered.exit_code == 0, rendered.stderr
    assert soundfile.info("bright.wav").frames == 24_000


def test_a_recipe_goes_on_with_another(run: Run, corpus_folder: Path) -> None:
    text = Path("toy.toml").read_text()
    Path("toy.toml").write_text(f'then = "second.toml"\n{text}')
    settings = "segment_s = 0.64\nbatch_size = 1\nlearning_rate = 0.1\nwarmup_steps = 1\n"
    Path("second.toml").write_text(
        f'stages = ["predictor"]\n[predictor]\nsteps = 3\nblend = 0.25\n{settings}'
    )
    trained = train(run, "all", corpus_folder, "--no-board")
    assert trained.exit_code == 0, trained.stderr
    assert f"train export NAME --runs {Path('runs/second')}" in trained.stderr
    assert [path.name for path in Path("runs/second").glob("*.pt")] == ["predictor.pt"]
    assert run("train", "export", "first.safetensors", "--runs", "runs").exit_code == 0
    assert run("train", "export", "both.safetensors", "--runs", "runs/second").exit_code == 0
    first, both = load_model("first.safetensors"), load_model("both.safetensors")
    changed = {
        name.split(".")[0]
        for name, weight in first.state_dict().items()
        if not bool((weight == both.state_dict()[name]).all())
    }
    assert changed == {"predictor"}
    trained = torch.load("runs/second/predictor.pt", weights_only=True)["average"]["project_out.bias"]
    start, blended = (model.predictor.project_out.bias for model in (first, both) if model.predictor)
    assert torch.allclose(blended, start + 0.25 * (trained - start), atol=1e-3)
    assert not torch.allclose(blended, start, atol=1e-3)
    card = read_card("both.safetensors").card
    assert "| predictor | second |" in card
    assert "| ldm | toy |" in card
    assert "Started from" not in card


def test_a_recipe_that_goes_on_with_itself_is_refused(run: Run, corpus_folder: Path) -> None:
    text = Path("toy.toml").read_text()
    Path("toy.toml").write_text(f'then = "toy.toml"\n{text}')
    refused = train(run, "all", corpus_folder)
    assert refused.exit_code == 2
    assert "recipe 'toy' goes on with itself" in refused.stderr
    assert not list(Path().glob("runs/*.pt"))


def test_an_export_replaces_nothing_unless_asked(run: Run, corpus_folder: Path) -> None:
    assert train(run, "all", corpus_folder, "--steps", "1").exit_code == 0
    Path("mine.safetensors").write_bytes(b"precious")
    refused = run("train", "export", "mine.safetensors")
    assert refused.exit_code == 5
    assert "exists already; choose another name, or add --overwrite" in refused.stderr
    assert Path("mine.safetensors").read_bytes() == b"precious"
    Path("words.txt").write_text("Thanks to everybody.")
    allowed = run(
        "train", "export", "mine.safetensors", "--overwrite", "--card", "words.txt", "--data", corpus_folder
    )
    assert allowed.exit_code == 0, allowed.stderr
    assert "output level changed by" in allowed.stderr
    assert verify("mine.safetensors").card.endswith("## Notes\n\nThanks to everybody.\n")
    Path("words.txt").write_bytes(b"Gr\xfc\xdfe")
    refused = run("train", "export", "other.safetensors", "--card", "words.txt")
    assert refused.exit_code == 2
    assert "words.txt: is not UTF-8 text at byte 2" in refused.stderr
    Path("words.txt").write_text("a\tb \x1b[31mred\n")
    words = ("--description", "two\nlines \x1b[31mred", "--licence", "MIT\nfor all", "--card", "words.txt")
    assert run("train", "export", "odd", *words).exit_code == 0
    assert "odd     two lines \\x1b[31mred (licence: MIT for all)\n" in run("models", "list").stdout
    assert run("models", "show", "odd").stdout.endswith("\na       b \\x1b[31mred\n")


def test_one_stage_goes_on_from_a_model_and_takes_the_others_from_it(run: Run, corpus_folder: Path) -> None:
    assert train(run, "all", corpus_folder, "--runs", "first", "--no-board").exit_code == 0
    assert not Path("first/board").exists()
    assert run("train", "export", "parent.safetensors", "--runs", "first", "--licence", "MIT").exit_code == 0
    tuned = run(
        *(
            "train",
            "vocoder",
            "--recipe",
            "finetune",
            "--init",
            "parent.safetensors",
            "--data",
            corpus_folder,
        ),
        *(
            "--steps",
            "1",
            "--batch-size",
            "1",
            "--learning-rate",
            "0.01",
            "--threads",
            "1",
            "--device",
            "cpu",
        ),
    )
    assert tuned.exit_code == 0, tuned.stderr
    assert [path.name for path in Path("runs").glob("*.pt")] == ["vocoder.pt"]
    other = run("train", "export", "other.safetensors", "--licence", "CC0-1.0")
    assert "warning: licence is CC0-1.0, but these weights went on from parent, which is MIT" in other.stderr
    exported = run("train", "export", "child.safetensors")
    assert exported.exit_code == 0
    assert "licence: MIT, that of parent" in exported.stderr
    assert read_card("child.safetensors").licence == "MIT"
    parent, child = load_model("parent.safetensors"), load_model("child.safetensors")
    for name, weight in parent.state_dict().items():
        same = bool((weight == child.state_dict()[name]).all())
        assert same or name.startswith("vocoder."), name
    assert not bool((parent.vocoder.project_out.bias == child.vocoder.project_out.bias).all())
    assert "## Started from parent, whose card says\n\n# parent" in read_card("child.safetensors").card
    state = torch.load("runs/vocoder.pt", weights_only=True)
    del state["record"]  # as older runs have it
    torch.save(state, "runs/vocoder.pt")
    assert (
        "train stage 'predictor' first"
        in run("train", "export", "old.safetensors", "--recipe", "toy.toml").stderr
    )
    assert run("train", "export", "old.safetensors", "--init", "parent.safetensors").exit_code == 0
    assert load_model("old.safetensors").state_dict().keys() == child.state_dict().keys()


def test_a_stage_goes_on_without_init_and_its_parent_is_still_known(
    run: Run, corpus_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = load_recipe("toy.toml").model
    assert parent is not None
    save_model(fresh_model(parent), "parent.safetensors", notes={"licence": "MIT"})
    more = ("--runs", "child", "--no-board")
    assert (
        train(run, "vae", corpus_folder, *more, "--steps", 1, "--init", "parent.safetensors").exit_code == 0
    )
    assert train(run, "vae", corpus_folder, *more).exit_code == 0
    elsewhere = Path("elsewhere")
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    exported = run("train", "export", "child.safetensors", "--runs", "../child")
    assert exported.exit_code == 0, exported.stderr
    assert "licence: MIT, that of parent" in exported.stderr


def test_a_stage_that_begins_from_other_weights_than_those_in_its_folder_is_refused_at_once(
    run: Run, corpus_folder: Path
) -> None:
    config = load_recipe("toy.toml").model
    assert config is not None
    for seed, name in enumerate(("first", "second")):
        save_model(fresh_model(config, seed), f"{name}.safetensors")
    Path("copy.safetensors").write_bytes(Path("first.safetensors").read_bytes())
    more = ("--steps", 1, "--no-board")
    assert train(run, "vae", corpus_folder, *more, "--init", "first.safetensors").exit_code == 0
    refused = train(run, "predictor", corpus_folder, *more, "--init", "second.safetensors")
    assert refused.exit_code == 4
    assert f"{Path('runs/vae.pt')} is of a run that began from {Path('first').absolute()}" in refused.stderr
    assert "reading the files" not in refused.stderr
    assert not Path("runs/predictor.pt").exists()
    assert train(run, "predictor", corpus_folder, *more, "--init", "copy.safetensors").exit_code == 0
    Path("first.safetensors").unlink()
    exported = run("train", "export", "both.safetensors")
    assert exported.exit_code == 0, exported.stderr
    Path("second.safetensors").replace("copy.safetensors")
    changed = train(run, "predictor", corpus_folder, "--steps", 2, "--init", "copy.safetensors")
    assert changed.exit_code == 4
    assert "copy.safetensors as it was then; to begin from" in changed.stderr
    mixed = run("train", "export", "mixed.safetensors")
    assert mixed.exit_code == 4
    copy = Path("copy.safetensors").absolute()
    assert mixed.stderr == (
        f"error: stage 'predictor' began from {copy} as it was then, and it has changed;"
        " restore it, or say with --init what to take in its place\n"
    )
    assert not Path("mixed.safetensors").exists()
    assert run("train", "export", "mixed.safetensors", "--init", "copy.safetensors").exit_code == 0


def test_a_folder_that_is_called_like_a_model_does_not_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mini").mkdir()
    Path("speech").mkdir()
    assert load_start("mini").config.name == "mini"
    with pytest.raises(CheckpointError, match="models pull speech"):
        load_start("speech")
    with pytest.raises(CheckpointError, match="holds no trained stage"):
        load_start("./mini")


def test_ctrl_c_saves_and_says_how_to_go_on(run: Run, corpus_folder: Path, tmp_path: Path) -> None:
    arguments = [
        "train",
        "predictor",
        "--data",
        str(corpus_folder),
        "--recipe",
        "toy.toml",
        "--device",
        "cpu",
    ]
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "audiosr_fx", *arguments, "--steps", "100000", "--no-board"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background job starts without
    )
    lines = []
    with process:
        assert process.stderr is not None
        try:
            for line in process.stderr:
                lines.append(line)
                if "predictor step 25 " in line:
                    process.send_signal(signal.SIGINT)
                    break
            rest = process.stderr.read()
        finally:
            process.kill()  # nothing if it has ended; else this test would wait for ever
    assert process.returncode == 130
    assert "stopping after this step" in rest
    stopped = rest.strip().splitlines()[-1]
    assert stopped.startswith("predictor stopped at step ")
    assert stopped.endswith(" of 100000, saved in runs/predictor.pt; the same command goes on from there")
    assert "Traceback" not in "".join(lines) + rest
    step = int(stopped.split()[4])
    assert train(run, "predictor", corpus_folder, "--steps", step + 1).exit_code == 0
    assert read_figures(Path("runs/predictor.csv"))[-1]["step"] == step + 1


def test_ctrl_c_amid_a_line_is_noted_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    presses = [signal.SIGINT]

    class Interrupted(io.FileIO):
        """A terminal that Ctrl-C is pressed at while the first line is being printed."""

        def write(self, data: Any) -> int:
            if presses:
                signal.raise_signal(presses.pop())
            return super().write(data) or 0

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job starts without
    terminal = io.TextIOWrapper(io.BufferedWriter(Interrupted(tmp_path / "said", "w")))
    monkeypatch.setattr(sys, "stderr", terminal)
    try:
        with terminal, interrupts_noted() as should_stop:
            say_note("predictor step 25")
            assert should_stop()
    finally:
        signal.signal(signal.SIGINT, before)
    lines = (tmp_path / "said").read_text("utf-8").splitlines()
    assert lines == [
        "stopping after this step; once more to stop at once, without saving",
        "predictor step 25",
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["vae", "--data", "gone"], 3, "gone: no such folder"),
        (["vae", "--data", "empty"], 3, "empty: holds no audio that can be used"),
        (["vae", "--data", "empty:-2"], 2, "expected a number above 0"),
        (["vae", "--data", "CORPUS", "--recipe", "maxi"], 2, "recipe is 'maxi'; expected one of basic"),
        (["vae", "--data", "CORPUS", "--recipe", "finetune"], 2, "say from which with --init"),
        (["vae", "--data", "CORPUS", "--init", "nobody"], 4, "model is 'nobody'; expected one of mini"),
        (["vae", "--data", "CORPUS", "--precision", "half"], 2, "precision is 'half'"),
        (["vae", "--data", "CORPUS", "--learning-rate", "-1"], 2, "learning_rate is -1.0"),
        (["vae", "--data", "CORPUS", "--batch-size", "1000000000"], 2, "is 1000000000; expected 1 to 4096"),
        (["vae", "--data", "CORPUS", "--device", "tpu"], 2, "device is 'tpu'"),
        (["vocoder", "--data", "CORPUS", "--recipe", "toy.toml"], 4, "train stage 'predictor' first"),
        (
            ["all", "--data", "CORPUS", "--recipe", "watch.toml"],
            2,
            "vae.watch is 'lsd'; expected one of error",
        ),
        (["all", "--data", "CORPUS", "--recipe", "toy.toml", "--runs", "toy.toml"], 5, "another --runs"),
        (
            ["predictor", "--data", "CORPUS", "--recipe", "sharpen", "--init", "mini"],
            2,
            "no table [predictor]",
        ),
        (["export", "mine"], 4, "holds no trained stage"),
        (["export", "mini"], 2, "the model's name is 'mini'"),
        (["export", "../mine"], 2, "the model's name is '../mine'"),
        (["recipes", "maxi"], 2, "recipe is 'maxi'"),
    ],
)
def test_a_mistake_is_one_line_and_an_exit_code(
    arguments: list[str], code: int, message: str, run: Run, corpus_folder: Path
) -> None:
    Path("empty").mkdir()
    Path("watch.toml").write_text(RECIPE.replace("[vae]", '[vae]\nwatch = "lsd"'))
    result = run("train", *(str(corpus_folder) if word == "CORPUS" else word for word in arguments))
    assert result.exit_code == code, result.stderr
    (error,) = [line for line in result.stderr.splitlines() if line.startswith("error:")]
    assert message in error


def test_recipes_are_listed_and_shown(run: Run) -> None:
    listed = run("train", "recipes").stdout
    assert {"basic", "finetune", "mini", "restore", "sharpen"} <= {
        line.split()[0] for line in listed.splitlines()
    }
    shown = run("train", "recipes", "mini").stdout
    assert "[predictor.augment.degrade]" in shown
    assert shown.startswith("# SHA-256 ")


@pytest.mark.parametrize("command", ["", "vae", "all", "export", "recipes"])
def test_help_can_be_read_and_comes_without_torch(command: str) -> None:
    code = (
        "import sys; from audiosr_fx.training.cli import app\n"
        f"try: app(args={[*command.split(), '--help']!r}, prog_name='audiosr-fx train')\n"
        "except SystemExit as end: assert not end.code\n"
        "assert 'torch' not in sys.modules"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "110"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "Usage" in shown
    if command in ("vae", "all"):
        assert "FOLDER[:WEIGHT]" in shown
        assert "Instead of the recipe's value" in shown

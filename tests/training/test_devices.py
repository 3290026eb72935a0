"""Stages compute where they are told to: nothing in them is bound to the CPU."""

from __future__ import annotations

import mmap
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny_training import CASES, recipe_of

import audiosr_fx
from audiosr_fx.errors import ParameterError
from audiosr_fx.training.assemble import build_stage, fresh_model, read_stage
from audiosr_fx.training.batches import Batches
from audiosr_fx.training.compute import Compute
from audiosr_fx.training.data import Clip

ROOT = Path(audiosr_fx.__file__).parent.parent
TRAINING = ROOT / "audiosr_fx" / "training"


@pytest.mark.parametrize("case", CASES)
def test_losses_arise_on_the_device_of_the_model(
    case: str, clips: list[Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    """``meta`` stands for a GPU: it holds no numbers, and refuses to mix with tensors of the CPU."""
    config, name, adversarial = CASES[case]
    real = torch.Tensor.__float__
    monkeypatch.setattr(torch.Tensor, "__float__", lambda x: 46.875 if x.is_meta else real(x))
    recipe = recipe_of(config, adversarial=adversarial, precision="float32")
    stage = build_stage(name, fresh_model(config), recipe, clips[:4], [], "meta")
    place, batch = next(Batches(stage.maker, batch_size=2, parts=1, seed=0, rank=0).between(0, 1, 0))
    losses = stage.loss(batch, place.random(0, 1), 100)
    assert {loss.device.type for loss in losses.values()} == {"meta"}
    losses["total"].backward()
    assert any(p.grad is not None for p in stage.module.parameters())


def test_tensors_of_two_devices_do_mix_up_here() -> None:
    with pytest.raises(RuntimeError):
        torch.ones(3) + torch.ones(3, device="meta")


@pytest.mark.parametrize("name", ["predictor", "vae", "vocoder", "hifigan", "ldm", "adversarial", "losses"])
def test_no_stage_names_a_device(name: str) -> None:
    text = (TRAINING / f"{name}.py").read_text("utf-8")
    assert not re.search(r"""["'](cpu|cuda|mps)["':]|\.cuda\(""", text)


def test_a_device_that_is_not_here_is_named() -> None:
    with pytest.raises(ParameterError, match="device is 'tpu'; expected one of auto, cpu, cuda, mps"):
        Compute("tpu")
    if not torch.cuda.is_available():
        with pytest.raises(ParameterError, match=r"device is .cuda.; this machine has"):
            Compute("cuda")


def test_without_accelerate_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(ParameterError, match=r"pip install 'audiosr-fx\[train\]'"):
        Compute("cpu")


def test_alone_there_is_nothing_to_agree_on() -> None:
    compute = Compute("cpu")
    assert compute.is_main
    assert compute.any(True)
    assert not compute.any(False)
    weight = torch.nn.Parameter(torch.ones(2))
    compute.backward(weight.sum() * 3)
    compute.average_gradients([weight])
    assert weight.grad is not None
    assert weight.grad.tolist() == [3.0, 3.0]


def test_gradients_are_of_the_loss_whatever_a_launcher_asks_of_accelerate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "4")
    weight = torch.nn.Parameter(torch.ones(2))
    Compute("cpu").backward(weight.sum() * 3)
    assert weight.grad is not None
    assert weight.grad.tolist() == [3.0, 3.0]


@pytest.mark.slow
def test_two_processes_keep_the_same_weights_and_one_of_them_writes(
    corpus_folder: Path, tmp_path: Path
) -> None:
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(
        '[model]\nbase = "mini"\nname = "small"\npredictor = { width = 16, depth = 1 }\n'
        "[predictor]\nsteps = 3\nsegment_s = 0.32\nbatch_size = 2\nvalidate_every = 3\n"
    )
    arguments = ["train", "predictor", "--data", corpus_folder, "--recipe", recipe, "--device", "cpu"]
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
    found = []
    for runs, prefix in (("one", []), ("two", [*launcher, "2"])):
        command = [sys.executable, *prefix, "-m", "audiosr_fx", *arguments, "--runs", tmp_path / runs]
        finished = subprocess.run(
            [str(word) for word in command],
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert finished.returncode == 0, finished.stderr
        assert (tmp_path / runs / "predictor.csv").read_text().count("\n") == 2
        found.append(read_stage(tmp_path / runs, "predictor")["module"]["project_out.weight"])
    assert not torch.equal(*found), "the second process had batches of its own"


@pytest.mark.gpu
def test_a_stage_trains_on_cuda(clips: list[Clip], tmp_path: Path) -> None:
    from audiosr_fx.training.trainer import Trainer

    for case in CASES:
        config, name, adversarial = CASES[case]
        recipe = recipe_of(config, adversarial=adversarial, steps=3)
        compute = Compute("cuda")
        stage = build_stage(name, fresh_model(config), recipe, clips[:4], clips[4:], compute.device)
        assert Trainer(stage, recipe.settings(name), tmp_path / case, compute=compute).run()


_PASSES = """
import resource, sys, torch
from audiosr_fx.training.compute import keep_freed_memory
if sys.argv[1] == "keep" and not keep_freed_memory():
    print("refused")
    raise SystemExit
for _ in range(10):
    kept = [torch.ones(10_000_000) for _ in range(2)]
    del kept
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc gives memory back at once")
def test_passes_on_a_cpu_take_their_memory_from_the_kernel_once() -> None:
    faults = {
        how: int(subprocess.run([sys.executable, "-c", _PASSES, how], capture_output=True, check=True).stdout)
        for how in ("keep", "give back")
    }
    pages = 20 * 40_000_000 / mmap.PAGESIZE
    assert faults["give back"] - faults["keep"] > 0.5 * pages

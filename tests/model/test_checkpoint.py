"""Model files: loaded strictly, saved whole, verified; anything else is one clear line."""

from __future__ import annotations

import dataclasses
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tiny import TINY, WITH_PREDICTOR, tiny_model
from torch import Tensor

from audiosr_fx.errors import CheckpointError
from audiosr_fx.model.card import FORMAT
from audiosr_fx.model.catalogue import read_card
from audiosr_fx.model.checkpoint import load_model, save_model, verify
from audiosr_fx.model.config import ExciterConfig, PredictorConfig


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty models folder."""
    monkeypatch.setenv("AUDIOSR_FX_MODELS", str(tmp_path))
    return tmp_path


def tampered(path: Path, change: Callable[[dict[str, Tensor], dict[str, str]], None]) -> Path:
    """A saved model file with its tensors and metadata changed."""
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    tensors = load_file(path)
    change(tensors, metadata)
    save_file(tensors, path, metadata)
    return path


def test_a_saved_model_loads_as_it_was(folder: Path) -> None:
    model = tiny_model()
    save_model(model, folder / "toy.safetensors", "who made it", dtype=torch.float32)
    loaded = load_model("toy")
    assert loaded.config == model.config
    assert not loaded.training
    tensors = loaded.state_dict()
    assert tensors.keys() == model.state_dict().keys()
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensors[name], tensor), name
    assert read_card("toy").card == "who made it"


def test_weights_stored_in_half_come_back_in_single_precision(folder: Path) -> None:
    model = tiny_model()
    model.scale_factor.fill_(0.3342401385307312)
    save_model(model, folder / "toy.safetensors")
    loaded = load_model(folder / "toy.safetensors")
    tensors = loaded.state_dict()
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float32}
    assert loaded.scale_factor == model.scale_factor
    for name, tensor in model.state_dict().items():
        assert torch.allclose(tensors[name], tensor, rtol=1e-3, atol=1e-6), name


def test_a_dtype_is_for_the_unet_and_the_vocoder(folder: Path) -> None:
    save_model(tiny_model(), folder / "toy.safetensors")
    loaded = load_model("toy", dtype=torch.bfloat16)
    assert {p.dtype for p in loaded.unet.parameters()} == {torch.bfloat16}
    assert {p.dtype for p in loaded.vocoder.parameters()} == {torch.bfloat16}
    assert {p.dtype for p in loaded.vae.parameters()} == {torch.float32}
    assert loaded.mel.window.dtype == torch.float32


def test_a_model_with_predictor_and_exciter_survives(folder: Path) -> None:
    config = dataclasses.replace(
        TINY,
        predictor=PredictorConfig(width=8, depth=1),
        vocoder=ExciterConfig(width=8, depth=1),
        shared_encoder=False,
    )
    save_model(tiny_model(config=config), folder / "toy.safetensors")
    assert load_model("toy").config == config


def test_a_config_no_model_can_be_built_from_is_refused(folder: Path) -> None:
    path = save_model(tiny_model(), folder / "toy.safetensors")

    def odd_groups(_tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
        values = json.loads(metadata["config"])
        values["vae"]["norm_groups"] = 3
        metadata["config"] = json.dumps(values)

    with pytest.raises(CheckpointError, match="no model can be built"):
        load_model(tampered(path, odd_groups))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t, m: t.pop("scale_factor"), "lacks tensors: scale_factor"),
        (lambda t, m: t.update(surprise=torch.zeros(1)), "unknown tensors: surprise"),
        (lambda t, m: t.update(scale_factor=torch.zeros(2)), "scale_factor has shape"),
        (lambda t, m: t.update(scale_factor=torch.zeros((), dtype=torch.int64)), "scale_factor is I64"),
        (lambda t, m: m.pop("config"), "not a model file of this project"),
        (lambda t, m: m.update(format="else"), "models import"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(
    folder: Path, change: Callable[[dict[str, Tensor], dict[str, str]], None], message: str
) -> None:
    path = tampered(save_model(tiny_model(), folder / "toy.safetensors"), change)
    with pytest.raises(CheckpointError, match=message) as caught:
        load_model("toy")
    assert "\n" not in str(caught.value)
    with pytest.raises(CheckpointError, match=message):
        verify(path)


@pytest.mark.parametrize("size", [0, 7, 100, -1])
def test_a_damaged_file_is_refused(folder: Path, size: int) -> None:
    path = save_model(tiny_model(), folder / "toy.safetensors")
    path.write_bytes(path.read_bytes()[:size])
    for use in (load_model, verify, read_card):
        with pytest.raises(CheckpointError, match="no readable safetensors"):
            use("toy")


def test_verify_sees_a_single_changed_bit(folder: Path) -> None:
    path = save_model(tiny_model(), folder / "toy.safetensors")
    assert verify("toy").tensors_sha256
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="SHA-256 differs"):
        verify("toy")


def test_verify_sees_values_that_are_not_finite(folder: Path) -> None:
    path = save_model(tiny_model(), folder / "toy.safetensors")
    tampered(path, lambda tensors, _: tensors["scale_factor"].fill_(float("nan")))
    with pytest.raises(CheckpointError, match="scale_factor holds values that are not finite"):
        verify("toy")


def test_a_value_too_large_for_half_precision_is_not_saved(folder: Path) -> None:
    model = tiny_model()
    with torch.no_grad():
        model.unet.out[2].bias.fill_(1e6)
    with pytest.raises(CheckpointError, match=r"unet\.out\.2\.bias .* not finite"):
        save_model(model, folder / "toy.safetensors")
    assert list(folder.iterdir()) == []


def test_a_failed_save_leaves_the_old_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_model(tiny_model(), folder / "toy.safetensors")
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("audiosr_fx.model.checkpoint.save_file", full)
    with pytest.raises(CheckpointError, match="No space left"):
        save_model(tiny_model(1), path)
    assert path.read_bytes() == before
    assert list(folder.iterdir()) == [path]


def test_a_model_file_ends_in_safetensors(folder: Path) -> None:
    with pytest.raises(CheckpointError, match=r"ending in \.safetensors"):
        save_model(tiny_model(), folder / "toy.bin")


@pytest.mark.skipif(os.name == "nt", reason="no such permissions")
def test_a_saved_model_can_be_read_by_others(folder: Path) -> None:
    path = save_model(tiny_model(), folder / "toy.safetensors")
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_metadata_names_the_format(folder: Path) -> None:
    with safe_open(save_model(tiny_model(), folder / "toy.safetensors"), framework="pt") as file:
        assert file.metadata()["format"] == FORMAT


def test_a_model_with_a_predictor_can_be_verified(tmp_path: Path) -> None:
    path = save_model(tiny_model(config=WITH_PREDICTOR), tmp_path / "small.safetensors", "a card")
    assert verify(path).card == "a card"

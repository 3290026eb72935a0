"""Models by name: found, listed, and a way out where there is none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tiny import tiny_model

from audiosr_fx.errors import CheckpointError
from audiosr_fx.model.catalogue import find_model, list_models
from audiosr_fx.model.checkpoint import save_model
from audiosr_fx.model.places import models_folder


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty models folder."""
    monkeypatch.setenv("AUDIOSR_FX_MODELS", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("name", "way_out"),
    [
        ("basic", "audiosr-fx models pull basic"),
        ("speech", "models import FILE --name speech"),
        ("nothing", "expected one of mini, basic, speech"),
        ("../secret", "expected a model's name or a path"),
        ("", "expected a model's name or a path"),
        ("/nowhere/x.safetensors", "no model file at"),
    ],
)
def test_a_model_that_is_not_there_has_a_way_out(name: str, way_out: str) -> None:
    with pytest.raises(CheckpointError, match=way_out) as caught:
        find_model(name)
    assert "\n" not in str(caught.value)


def test_the_list_shows_known_and_imported_models(folder: Path) -> None:
    save_model(tiny_model(), folder / "toy.safetensors")
    entries = {entry.name: entry for entry in list_models()}
    assert list(entries) == ["mini", "basic", "speech", "toy"]
    assert entries["basic"].path is None
    assert entries["toy"].path == folder / "toy.safetensors"
    assert entries["toy"].size_bytes > 0
    assert "not stated" in entries["speech"].licence


def test_the_models_folder_is_the_users_without_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUDIOSR_FX_MODELS")
    assert models_folder().parts[-2:] == ("audiosr-fx", "models")


def test_a_model_is_looked_up_without_loading_what_opens_one(folder: Path) -> None:
    code = "import sys; from audiosr_fx.model.catalogue import find_model; find_model('mini')"
    subprocess.run([sys.executable, "-c", f"{code}; assert 'torch' not in sys.modules"], check=True)

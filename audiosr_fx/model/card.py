"""What a model file says of itself, read without its tensors."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from audiosr_fx.errors import CheckpointError
from audiosr_fx.model.config import ModelConfig
from audiosr_fx.model.config_json import config_from_json

FORMAT = "audiosr-fx 1"

NOTES = ("description", "licence", "attribution", "recipe_sha256", "trained_on")
"""What a trained model's file says of itself beside its card."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """What a model file says of itself, from its metadata alone."""

    config: ModelConfig
    card: str
    source_sha256: str | None
    tensors_sha256: str | None
    description: str = ""
    licence: str = ""
    attribution: str = ""
    recipe_sha256: str = ""
    trained_on: str = ""


@contextlib.contextmanager
def opened_model(path: Path) -> Iterator[Any]:
    """The file as safetensors, its faults turned into a CheckpointError of one line."""
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is no readable safetensors file ({error})") from error


def card_in(path: Path, metadata: Mapping[str, str] | None) -> ModelCard:
    """The card that the metadata of a file holds.

    Raises:
        CheckpointError: it is not one of this project's model files.
    """
    if not metadata or metadata.get("format") != FORMAT or "config" not in metadata:
        raise CheckpointError(
            f"{path} is not a model file of this project; to use published weights run:"
            f" audiosr-fx models import {path}"
        )
    return ModelCard(
        config=config_from_json(metadata["config"]),
        card=metadata.get("card", ""),
        source_sha256=metadata.get("source_sha256"),
        tensors_sha256=metadata.get("tensors_sha256"),
        **{name: metadata.get(name, "") for name in NOTES},
    )


def read_card_of(path: Path) -> ModelCard:
    """What the model file at a path says of itself.

    Raises:
        CheckpointError: it cannot be read, or as ``card_in``.
    """
    with opened_model(path) as file:
        return card_in(path, file.metadata())

"""Models by name: those the project knows, and those that are here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from audiosr_fx.errors import CheckpointError
from audiosr_fx.model.card import ModelCard, read_card_of
from audiosr_fx.model.config import BASIC, SPEECH, ModelConfig
from audiosr_fx.model.places import PACKAGED, models_folder, place_of


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownModel:
    """A model that has a name; ``repository`` is where ``pull`` gets it, None for the embedded one."""

    name: str
    description: str
    licence: str
    config: ModelConfig | None = None
    repository: str | None = None


KNOWN_MODELS: Mapping[str, KnownModel] = {
    model.name: model
    for model in (
        KnownModel(
            name="mini",
            description="small model trained by this project, ships with the package",
            licence="GPL-3.0-or-later",
        ),
        KnownModel(
            name="basic",
            description="published AudioSR checkpoint for all kinds of sound",
            licence="Apache-2.0, as tagged on Hugging Face",
            config=BASIC,
            repository="haoheliu/audiosr_basic",
        ),
        KnownModel(
            name="speech",
            description="published AudioSR checkpoint for speech",
            licence="not stated by its publisher",
            config=SPEECH,
            repository="haoheliu/audiosr_speech",
        ),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEntry:
    """One line of the list of models; ``path`` is None for a known one that is not here yet."""

    name: str
    description: str
    licence: str
    path: Path | None
    size_bytes: int


def find_model(name_or_path: str | Path) -> Path:
    """The file of a model.

    Args:
        name_or_path: ``mini``, ``basic``, ``speech``, the name of an imported model, or a path
            that ends in ``.safetensors``.

    Raises:
        CheckpointError: there is none; the message says how to get one.
    """
    name = str(name_or_path)
    path = place_of(name)
    if path is not None:
        return path
    if name.endswith(".safetensors"):
        raise CheckpointError(f"no model file at {Path(name).expanduser()}")
    if not name or name != Path(name).name:
        raise CheckpointError(f"model is {name!r}; expected a model's name or a path ending in .safetensors")
    raise CheckpointError(_way_out(name))


def check_name(name: str) -> None:
    """Hold a name against the models that are known, here or not; a path is left to whoever opens it.

    Raises:
        CheckpointError: no model is called that.
    """
    if name not in KNOWN_MODELS and not name.endswith(".safetensors"):
        find_model(name)


def list_models() -> list[ModelEntry]:
    """Known models, present or not, then others found in the models folder; by name within each."""
    found = {path.stem: path for folder in (PACKAGED, models_folder()) for path in _model_files(folder)}
    names = [*KNOWN_MODELS, *sorted(set(found) - set(KNOWN_MODELS))]
    return [_entry(name, found.get(name)) for name in names]


def read_card(name_or_path: str | Path) -> ModelCard:
    """What a model file says of itself; its tensors are not read.

    Raises:
        CheckpointError: no such model, or not one of this project's model files.
    """
    return read_card_of(find_model(name_or_path))


def _model_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.safetensors") if not path.name.startswith("."))


def _entry(name: str, path: Path | None) -> ModelEntry:
    known = KNOWN_MODELS.get(name)
    description, licence = (known.description, known.licence) if known else _own_words(path)
    return ModelEntry(
        name=name,
        description=description,
        licence=licence,
        path=path,
        size_bytes=path.stat().st_size if path else 0,
    )


def _own_words(path: Path | None) -> tuple[str, str]:
    """Description and licence as a user's model file gives them."""
    try:
        card = read_card(str(path))
    except CheckpointError:
        return "cannot be read; audiosr-fx models verify says why", "unknown"
    return card.description or "imported", card.licence or "not stated"


def _way_out(name: str) -> str:
    known = KNOWN_MODELS.get(name)
    if known is None:
        there = ", ".join(entry.name for entry in list_models())
        return f"model is {name!r}; expected one of {there}, or a path ending in .safetensors"
    if known.repository is None:
        return f"model {name!r} belongs to the package but its file is missing; install the package again"
    return (
        f"model {name!r} is not here; download it with: audiosr-fx models pull {name},"
        f" or import a file you have with: audiosr-fx models import FILE --name {name}"
    )

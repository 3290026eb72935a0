"""Model files: find, list, load, save and verify safetensors. Published pickles are turned into these by
``importing.py``; nothing here ever opens one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.overrides import TorchFunctionMode

from audiosr_fx.errors import AudioSRError, CheckpointError
from audiosr_fx.model.audiosr import AudioSRModel
from audiosr_fx.model.config import (
    BASIC,
    SPEECH,
    DiffusionConfig,
    ExciterConfig,
    HiFiGANConfig,
    MelConfig,
    ModelConfig,
    PredictorConfig,
    UNetConfig,
    VAEConfig,
)
from audiosr_fx.model.places import PACKAGED, place_of
from audiosr_fx.model.places import models_folder as models_folder

FORMAT = "audiosr-fx 1"

NOTES = ("description", "licence", "attribution", "recipe_sha256")
"""What a trained model's file says of itself beside its card."""

_STORED_TYPES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}
_LARGEST_CONFIG = 1 << 16  # characters
_LARGEST_NUMBER = 1_000_000  # in a config: more is damage, not a model
_LARGEST_COUNT = 64  # of layers
_COUNTS = ("blocks_per_level", "depth")


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
            licence="see its card",
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


def list_models() -> list[ModelEntry]:
    """Known models, present or not, then others found in the models folder; by name within each."""
    found = {path.stem: path for folder in (PACKAGED, models_folder()) for path in _model_files(folder)}
    names = [*KNOWN_MODELS, *sorted(set(found) - set(KNOWN_MODELS))]
    return [_entry(name, found.get(name)) for name in names]


def load_model(
    name_or_path: str | Path,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
) -> AudioSRModel:
    """Load a model for inference.

    Args:
        name_or_path: as for :func:`find_model`.
        device: where to put it.
        dtype: of the U-Net and a HiFi-GAN vocoder; everything else stays float32.

    Returns:
        The model in evaluation mode, without gradients.

    Raises:
        CheckpointError: no such model, a damaged file, or tensors that do not fit its config.
    """
    path = find_model(name_or_path)
    with _open(path) as file:
        config = _card(path, file.metadata()).config
        try:
            with SkipInitialisation():
                model = AudioSRModel(config)
        except (AudioSRError, RuntimeError, ValueError, ArithmeticError, MemoryError) as error:
            raise CheckpointError(f"{path}: no model can be built from its config ({error})") from error
        expected = model.state_dict()
        _check_header(path, file, expected)
        with torch.no_grad():
            for name, tensor in expected.items():
                tensor.copy_(file.get_tensor(name))
    return model.eval().requires_grad_(False).set_precision(dtype).to(device)


def read_card(name_or_path: str | Path) -> ModelCard:
    """What a model file says of itself; its tensors are not read.

    Raises:
        CheckpointError: no such model, or not one of this project's model files.
    """
    path = find_model(name_or_path)
    with _open(path) as file:
        return _card(path, file.metadata())


def save_model(
    model: AudioSRModel,
    path: str | Path,
    card: str = "",
    dtype: torch.dtype = torch.float16,
    *,
    source_sha256: str | None = None,
    notes: Mapping[str, str] | None = None,
) -> Path:
    """Write a model file, whole or not at all.

    Args:
        model: what to save.
        path: must end in ``.safetensors``; an existing file is replaced.
        card: free text about training, licence and attribution.
        dtype: of all stored tensors but single numbers, which stay float32.
        source_sha256: of the file the weights came from, if they were imported.
        notes: the card's shorter parts by name, of ``NOTES``.

    Returns:
        The path.

    Raises:
        CheckpointError: a weight is not finite in ``dtype``, or the file cannot be written.
    """
    tensors = {
        name: tensor.detach().to("cpu", dtype if tensor.ndim else torch.float32).contiguous()
        for name, tensor in model.state_dict().items()
    }
    return save_tensors(tensors, model.config, path, card=card, source_sha256=source_sha256, notes=notes)


def save_tensors(
    tensors: Mapping[str, Tensor],
    config: ModelConfig,
    path: str | Path,
    *,
    card: str = "",
    source_sha256: str | None = None,
    notes: Mapping[str, str] | None = None,
) -> Path:
    """As :func:`save_model`, from a state dict whose tensors are on the CPU and contiguous."""
    path = Path(path)
    if path.suffix != ".safetensors":
        raise CheckpointError(f"model file is {path}; expected a name ending in .safetensors")
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise CheckpointError(f"{name} holds values that are not finite as {tensor.dtype}")
    assert set(notes or {}) <= set(NOTES)
    metadata = {
        **(notes or {}),
        "format": FORMAT,
        "config": config_to_json(config),
        "card": card,
        "tensors_sha256": _digest(tensors),
    }
    if source_sha256 is not None:
        metadata["source_sha256"] = source_sha256
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _replacing(path) as temporary:
            save_file(dict(tensors), temporary, metadata)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"cannot write {path}: {error}") from error
    return path


def verify(name_or_path: str | Path) -> ModelCard:
    """Read a whole model file and hold it against its config and its recorded hash.

    Raises:
        CheckpointError: missing, damaged, not finite, or not what was saved.
    """
    path = find_model(name_or_path)
    with _open(path) as file:
        card = _card(path, file.metadata())
        with SkipInitialisation():
            expected = AudioSRModel(card.config).state_dict()
        _check_header(path, file, expected)
        tensors = {name: file.get_tensor(name) for name in expected}
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise CheckpointError(f"{path}: {name} holds values that are not finite")
    if card.tensors_sha256 is not None and card.tensors_sha256 != _digest(tensors):
        raise CheckpointError(f"{path}: the weights are not those that were saved (SHA-256 differs)")
    return card


def config_to_json(config: ModelConfig) -> str:
    """The config as JSON; the vocoder's kind stands in ``vocoder.kind``."""
    values = asdict(config)
    values["vocoder"]["kind"] = "hifigan" if isinstance(config.vocoder, HiFiGANConfig) else "exciter"
    return json.dumps(values)


def config_from_json(text: str) -> ModelConfig:
    """Read :func:`config_to_json` back.

    Raises:
        CheckpointError: not JSON, unknown or missing keys, or values of the wrong kind.
    """
    try:
        if len(text) > _LARGEST_CONFIG:
            raise ValueError(f"{len(text)} characters")
        values = json.loads(text)
        vocoder = dict(values["vocoder"])
        vocoder_class = {"hifigan": HiFiGANConfig, "exciter": ExciterConfig}[vocoder.pop("kind")]
        predictor = values["predictor"]
        if not isinstance(values["name"], str) or not isinstance(values["shared_encoder"], bool):
            raise ValueError("name or shared_encoder of the wrong kind")
        return ModelConfig(
            **{
                **values,
                "guidance_scale": _number("guidance_scale", values["guidance_scale"], float),
                "mel": _stage(MelConfig, values["mel"]),
                "vae": _stage(VAEConfig, values["vae"]),
                "unet": _stage(UNetConfig, values["unet"]),
                "diffusion": _stage(DiffusionConfig, values["diffusion"]),
                "vocoder": _stage(vocoder_class, vocoder),
                "predictor": None if predictor is None else _stage(PredictorConfig, predictor),
            }
        )
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"the model's config cannot be read: {error!r}") from error


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside ``path`` that takes its place if the block ends well, and is gone if not."""
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


class SkipInitialisation(TorchFunctionMode):
    """Skips random initial weights that a load would overwrite at once: seconds for the published models."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in (Tensor.uniform_, Tensor.normal_):
            return args[0]
        return func(*args, **(kwargs or {}))


@contextlib.contextmanager
def _open(path: Path) -> Iterator[Any]:
    """The file as safetensors, its faults turned into one line."""
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is no readable safetensors file ({error})") from error


def _card(path: Path, metadata: Mapping[str, str] | None) -> ModelCard:
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


def _check_header(path: Path, file: Any, expected: Mapping[str, Tensor]) -> None:
    """Strict: the same names, the same shapes, types we store."""
    names = set(file.keys())
    check_names(str(path), names, set(expected))
    for name, tensor in expected.items():
        stored = file.get_slice(name)
        if list(stored.get_shape()) != list(tensor.shape):
            raise CheckpointError(
                f"{path}: {name} has shape {list(stored.get_shape())}; expected {list(tensor.shape)}"
            )
        if stored.get_dtype() not in _STORED_TYPES.values():
            allowed = ", ".join(_STORED_TYPES.values())
            raise CheckpointError(f"{path}: {name} is {stored.get_dtype()}; expected one of {allowed}")


def check_names(path: str, names: set[str], expected: set[str]) -> None:
    """Raise a CheckpointError that names some of the differences between two sets of tensor names."""
    for fault, keys in (("lacks", expected - names), ("has unknown", names - expected)):
        if keys:
            more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
            raise CheckpointError(f"{path} {fault} tensors: {', '.join(sorted(keys)[:3])}{more}")


def _stage(kind: Any, values: Mapping[str, Any]) -> Any:
    """A config dataclass from JSON: lists become tuples; anything but plain numbers is an error."""
    default = kind()
    checked = {}
    for name, value in values.items():
        expected = getattr(default, name)
        if isinstance(expected, tuple):
            if not isinstance(value, list) or not 0 < len(value) <= _LARGEST_COUNT:
                raise ValueError(f"{name} is {value!r}")
            checked[name] = tuple(_number(name, item, int) for item in value)
        else:
            checked[name] = _number(name, value, type(expected))
    return kind(**checked)


def _number(name: str, value: Any, kind: type) -> Any:
    fits = isinstance(value, (int, float) if kind is float else kind) and not isinstance(value, bool)
    if not fits or not abs(value) <= (_LARGEST_COUNT if name in _COUNTS else _LARGEST_NUMBER):
        raise ValueError(f"{name} is {value!r}; expected {kind.__name__}")
    return kind(value)


def _digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over names and bytes, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


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

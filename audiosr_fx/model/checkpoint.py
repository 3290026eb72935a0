"""Model files: safetensors loaded, saved and verified. Published pickles are turned into these by
``importing.py``; nothing here ever opens one.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor
from torch.overrides import TorchFunctionMode

from audiosr_fx.errors import AudioSRError, CheckpointError
from audiosr_fx.model.audiosr import AudioSRModel
from audiosr_fx.model.card import FORMAT, NOTES, ModelCard, card_in, opened_model
from audiosr_fx.model.catalogue import find_model
from audiosr_fx.model.config import ModelConfig
from audiosr_fx.model.config_json import config_to_json
from audiosr_fx.wording import first_few

_STORED_TYPES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}


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
    with opened_model(path) as file:
        config = card_in(path, file.metadata()).config
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


def save_model(
    model: AudioSRModel,
    path: str | Path,
    card: str = "",
    dtype: torch.dtype = torch.float16,
    *,
    notes: Mapping[str, str] | None = None,
) -> Path:
    """Write a model file, whole or not at all.

    Args:
        model: what to save.
        path: must end in ``.safetensors``; an existing file is replaced.
        card: free text about training, licence and attribution.
        dtype: of all stored tensors but single numbers, which stay float32.
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
    return save_tensors(tensors, model.config, path, card=card, notes=notes)


def save_tensors(
    tensors: Mapping[str, Tensor],
    config: ModelConfig,
    path: str | Path,
    *,
    card: str,
    source_sha256: str | None = None,
    notes: Mapping[str, str] | None = None,
) -> Path:
    """As :func:`save_model`, from a state dict whose tensors are on the CPU and contiguous.

    ``source_sha256`` is of the file that the weights were imported from.
    """
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
    with opened_model(path) as file:
        card = card_in(path, file.metadata())
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
            raise CheckpointError(f"{path} {fault} tensors: {first_few(sorted(keys), 3)}")


def _digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over names and bytes, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()

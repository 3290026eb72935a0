"""Published AudioSR checkpoints to model files: downloaded or given, checked first, read in a child process.

A published checkpoint is a pickle, and a pickle can run code. So it is never unpickled here: its size and its
zip directory are checked, the names it refers to are listed without running it and held against an allow
list, and a child process with a time limit reads it with ``torch.load(weights_only=True)``, keeps the
tensors that inference needs, holds their shapes and values against the config and writes safetensors.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import pickletools
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from audiosr_fx.child_process import command_line
from audiosr_fx.errors import AudioSRError, CheckpointError
from audiosr_fx.model.audiosr import AudioSRModel
from audiosr_fx.model.catalogue import KNOWN_MODELS
from audiosr_fx.model.checkpoint import check_names, save_tensors, verify
from audiosr_fx.model.config import ModelConfig
from audiosr_fx.model.config_json import config_from_json, config_to_json
from audiosr_fx.model.diffusion import Schedule
from audiosr_fx.model.places import models_folder

MAX_SOURCE_BYTES = 12 << 30
"""Twice the published file."""

TIME_LIMIT_S = 1800.0

RENAMED: Mapping[str, str] = {
    "model.diffusion_model.": "unet.",
    "first_stage_model.vocoder.": "vocoder.",
    "first_stage_model.": "vae.",
    "cond_stage_models.0.vae.encoder.": "conditioner.encoder.",
    "cond_stage_models.0.vae.quant_conv.": "conditioner.quant_conv.",
    "scale_factor": "scale_factor",
}
"""Published prefixes and ours; the first that fits is taken."""

LEFT_OVER: tuple[str, ...] = (
    "clap.",  # scores text against audio in training
    "model_ema.",  # averaged U-Net weights, which the published code never uses for inference
    "cond_stage_models.0.vae.decoder.",  # the condition is only ever encoded
    "cond_stage_models.0.vae.post_quant_conv.",
    "cond_stage_models.0.vae.vocoder.",
    "logvar",
    "betas",  # from here: the schedule, which is computed
    "alphas_cumprod",
    "alphas_cumprod_prev",
    "sqrt_alphas_cumprod",
    "sqrt_one_minus_alphas_cumprod",
    "log_one_minus_alphas_cumprod",
    "sqrt_recip_alphas_cumprod",
    "sqrt_recipm1_alphas_cumprod",
    "posterior_variance",
    "posterior_log_variance_clipped",
    "posterior_mean_coef1",
    "posterior_mean_coef2",
    "lvlb_weights",
)
"""What inference does not need: whole names, or prefixes where they end in a dot."""

ALLOWED_GLOBALS = frozenset(
    {
        "collections OrderedDict",
        "torch._utils _rebuild_tensor_v2",
        "torch._utils _rebuild_parameter",
        *(
            f"torch {kind}Storage"
            for kind in (
                "Float",
                "Half",
                "BFloat16",
                "Double",
                "Long",
                "Int",
                "Short",
                "Char",
                "Byte",
                "Bool",
            )
        ),
    }
)
"""Every name a checkpoint of plain tensors refers to, as ``module name``."""

_FORBIDDEN_OPCODES = frozenset(
    {"STACK_GLOBAL", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4", "PERSID"}
)
_MAX_PICKLE_BYTES = 64 << 20
_MAX_ENTRIES = 50_000
_FIRST_STAGE_ENCODER = ("vae.encoder.", "vae.quant_conv.")


def import_checkpoint(source: str | Path, config: ModelConfig, *, time_limit_s: float = TIME_LIMIT_S) -> Path:
    """Turn a published checkpoint into a model file, ``<name>.safetensors`` in the models folder.

    Args:
        source: a PyTorch zip file (``.bin``, ``.ckpt``, ``.pth``) or flat safetensors with published names.
        config: what the checkpoint is expected to hold; its name becomes the model's.
        time_limit_s: for the child process that reads the source.

    Returns:
        The path of the model file, verified.

    Raises:
        CheckpointError: anything wrong with the source; nothing in it has been run and nothing written.
    """
    source = Path(source).expanduser()
    target = models_folder() / f"{config.name}.safetensors"
    inspect_source(source)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.stem}-", dir=target.parent) as folder:
            made = Path(folder) / target.name  # whatever a child that is killed leaves lies in there, too
            _convert_in_child(source, made, config, time_limit_s)
            verify(made)
            made.replace(target)
    except OSError as error:
        raise CheckpointError(f"cannot write {target}: {error}") from error
    return target


def pull(name: str) -> Path:
    """Download a published checkpoint from Hugging Face (about 6 GB) and import it.

    Raises:
        CheckpointError: an unknown name, the hub cannot be reached, or the file is not what it should be.
    """
    known = KNOWN_MODELS.get(name)
    if known is None or known.repository is None or known.config is None:
        names = ", ".join(model.name for model in KNOWN_MODELS.values() if model.repository)
        raise CheckpointError(f"model is {name!r}; expected one of {names}")
    import huggingface_hub

    logging.getLogger("huggingface_hub").setLevel(
        logging.ERROR
    )  # it would tell of every attempt, in its own words
    try:
        source = huggingface_hub.hf_hub_download(known.repository, "pytorch_model.bin")
    except Exception as error:  # the hub's client raises errors of several libraries
        reason = str(error).strip().partition("\n")[0].partition(". ")[0]
        raise CheckpointError(
            f"cannot download {known.repository} from Hugging Face (offline?); if you have the file, run:"
            f" audiosr-fx models import FILE --name {name} ({type(error).__name__}: {reason[:160]})"
        ) from error
    return import_checkpoint(source, known.config)


def inspect_source(source: Path) -> None:
    """Hold a file against everything that can be checked without reading its tensors.

    Raises:
        CheckpointError: missing, empty, too large, of another format, damaged, or naming what it must not.
    """
    try:
        size = source.stat().st_size
        if not source.is_file():
            raise CheckpointError(f"{source} is not a file")
        with source.open("rb") as file:
            start = file.read(9)
    except OSError as error:
        raise CheckpointError(f"cannot read {source}: {error.strerror}") from error
    if size == 0:
        raise CheckpointError(f"{source} is empty; download it again")
    if size > MAX_SOURCE_BYTES:
        raise CheckpointError(f"{source} has {size} bytes; expected at most {MAX_SOURCE_BYTES}")
    if _is_zip(start):
        _check_globals(source, pickle_globals(source, _checked_pickle(source)))
    elif not _is_safetensors(start, size):
        raise CheckpointError(f"{source} is neither a PyTorch zip file nor safetensors; nothing was loaded")


def pickle_globals(source: Path, pickle: bytes) -> frozenset[str]:
    """The names a pickle refers to, as ``module name``, found without running it.

    Raises:
        CheckpointError: no readable pickle, or one that can refer to names in ways that cannot be listed.
    """
    names = set()
    try:
        for opcode, argument, _ in pickletools.genops(pickle):
            if opcode.name in _FORBIDDEN_OPCODES or (opcode.name == "PROTO" and argument != 2):
                raise CheckpointError(
                    f"{source} is not a plain checkpoint (pickle opcode {opcode.name}); nothing was loaded"
                )
            if opcode.name == "GLOBAL":
                names.add(str(argument))
    except (ValueError, IndexError, UnicodeDecodeError, OverflowError) as error:
        raise CheckpointError(f"{source} holds a damaged pickle; nothing was loaded") from error
    return frozenset(names)


def convert(state: Mapping[str, Any], config: ModelConfig) -> tuple[dict[str, Tensor], ModelConfig]:
    """Published tensors to ours, strictly.

    Args:
        state: the published state dict.
        config: what it is expected to hold.

    Returns:
        Our state dict, and the config with ``shared_encoder`` as found: the condition encoder is stored
        once where it equals the first stage's, or where the file has no first-stage encoder.

    Raises:
        CheckpointError: a tensor missing, unknown, of the wrong shape or type, or not finite; or a
            schedule other than the config's.
    """
    for name, value in state.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise CheckpointError(f"entry {name!r} is a {type(value).__name__}; expected only named tensors")
    _check_schedule(state, config)
    renamed = {ours: tensor for key, tensor in state.items() if (ours := our_name(key)) is not None}
    shared = _share_encoder(renamed)
    config = replace(config, shared_encoder=shared)
    with torch.device("meta"):
        expected = AudioSRModel(config).state_dict()
    check_names("the checkpoint", set(renamed), set(expected))
    for name, tensor in renamed.items():
        shape = expected[name].shape
        if tensor.shape != shape:
            raise CheckpointError(f"{name} has shape {list(tensor.shape)}; expected {list(shape)}")
        if tensor.dtype not in (torch.float32, torch.float16, torch.bfloat16):
            raise CheckpointError(f"{name} is {tensor.dtype}; expected a floating-point type")
        if not torch.isfinite(tensor).all():
            raise CheckpointError(f"{name} holds values that are not finite")
    return {name: tensor.contiguous() for name, tensor in renamed.items()}, config


def our_name(published: str) -> str | None:
    """What a published tensor is called here; None for a left-over, unknown names unchanged."""
    if any(published.startswith(entry) if entry.endswith(".") else published == entry for entry in LEFT_OVER):
        return None
    for theirs, ours in RENAMED.items():
        if published.startswith(theirs) and (theirs.endswith(".") or published == theirs):
            return ours + published[len(theirs) :]
    return published


def _share_encoder(renamed: dict[str, Tensor]) -> bool:
    """Keep one encoder in ``renamed`` if that is all there is to keep; whether it did."""
    condition = {name: tensor for name, tensor in renamed.items() if name.startswith("conditioner.")}
    first = {name: tensor for name, tensor in renamed.items() if name.startswith(_FIRST_STAGE_ENCODER)}
    renamed_condition = {name.replace("conditioner.", "vae.", 1): value for name, value in condition.items()}
    if first and not (
        first.keys() == renamed_condition.keys()
        and all(torch.equal(tensor, renamed_condition[name]) for name, tensor in first.items())
    ):
        return False
    for name in condition:
        del renamed[name]
    renamed.update(renamed_condition)
    return True


def _check_schedule(state: Mapping[str, Tensor], config: ModelConfig) -> None:
    stored = state.get("alphas_cumprod")
    if stored is None:
        return
    ours = Schedule.cosine(config.diffusion).alpha_bar
    if stored.shape != ours.shape or not torch.allclose(stored.double(), ours, rtol=0.0, atol=1e-6):
        raise CheckpointError("alphas_cumprod is not the cosine schedule of the config")


def _is_zip(start: bytes) -> bool:
    return start[:4] == b"PK\x03\x04"


def _is_safetensors(start: bytes, size: int) -> bool:
    return len(start) == 9 and start[8:9] == b"{" and int.from_bytes(start[:8], "little") <= size - 8


def _checked_pickle(source: Path) -> bytes:
    """The one pickle of a PyTorch zip file whose directory holds nothing unusual."""
    try:
        with zipfile.ZipFile(source) as archive:
            entries = archive.infolist()
            names = [entry.filename for entry in entries]
            pickles = [entry for entry in entries if entry.filename.endswith(".pkl")]
            if len(entries) > _MAX_ENTRIES or len(set(names)) != len(names):
                raise CheckpointError(f"{source} holds too many or repeated entries; nothing was loaded")
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
                raise CheckpointError(f"{source} holds compressed entries, which PyTorch never writes")
            if sum(entry.file_size for entry in entries) > source.stat().st_size:
                raise CheckpointError(f"{source} says it holds more than the file has; nothing was loaded")
            if len(pickles) != 1 or Path(pickles[0].filename).name != "data.pkl":
                raise CheckpointError(f"{source} is a zip file but not a PyTorch checkpoint")
            if pickles[0].file_size > _MAX_PICKLE_BYTES:
                raise CheckpointError(f"{source} has a pickle of {pickles[0].file_size} bytes; too many")
            return archive.read(pickles[0])
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{source} is damaged or cut short ({error}); download it again") from error


def _check_globals(source: Path, names: frozenset[str]) -> None:
    foreign = sorted(names - ALLOWED_GLOBALS)
    if foreign:
        shown = ", ".join(name.replace(" ", ".") for name in foreign[:3])
        raise CheckpointError(
            f"{source} refers to code that no checkpoint needs: {shown}; nothing was loaded"
        )


def _convert_in_child(source: Path, target: Path, config: ModelConfig, time_limit_s: float) -> None:
    job = json.dumps({"source": str(source), "target": str(target), "config": config_to_json(config)})
    try:
        child = subprocess.run(
            command_line("audiosr_fx.model.importing"),
            input=job,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=time_limit_s,
            env={**os.environ, "PYTHONIOENCODING": "utf-8"},
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise CheckpointError(f"{source} was not read within {time_limit_s:g} s; nothing was kept") from error
    if child.returncode != 0:
        lines = child.stderr.strip().splitlines()
        reason = lines[-1] if lines else f"the reading process ended with {child.returncode}"
        raise CheckpointError(f"{source}: {reason}")


def _child(job: Mapping[str, str]) -> None:
    """What the child process does."""
    source = Path(job["source"])
    inspect_source(source)
    try:
        with source.open("rb") as file:
            is_zip = _is_zip(file.read(4))
            file.seek(0)
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        content: Any = (
            torch.load(source, map_location="cpu", weights_only=True, mmap=True)
            if is_zip
            else load_file(source)
        )
    except Exception as error:  # torch raises errors of many kinds on damaged files
        reason = (str(error).strip().splitlines() or [""])[0][:160]
        raise CheckpointError(f"cannot be read ({type(error).__name__}: {reason})") from error
    state = content.get("state_dict", content) if isinstance(content, Mapping) else content
    if not isinstance(state, Mapping):
        raise CheckpointError(f"holds a {type(state).__name__}; expected a state dict")
    tensors, config = convert(state, config_from_json(job["config"]))
    known = KNOWN_MODELS.get(config.name)
    card = f"Imported from {source.name}. Licence: {known.licence if known else 'not known'}."
    save_tensors(tensors, config, job["target"], card=card, source_sha256=sha256)


if __name__ == "__main__":
    try:
        _child(json.loads(sys.stdin.read()))
    except (AudioSRError, SafetensorError, MemoryError) as error:
        sys.stderr.write(f"{str(error) or type(error).__name__}\n")
        sys.exit(1)

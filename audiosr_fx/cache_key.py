"""What a piece of a render was made from, as one hash: the key of the render cache.

Equal keys mean equal samples, bit for bit on a CPU. So all that moves a bit is in them: the audio, what was
decided for the file, the settings of the sampler, the weights, the code, and what runs it.
"""

from __future__ import annotations

import functools
import hashlib
import platform
from importlib import resources
from typing import TYPE_CHECKING, Final

import numpy as np
import scipy
import torch

from audiosr_fx import __version__

if TYPE_CHECKING:
    from audiosr_fx.model.audiosr import AudioSRModel

_MODULES: Final = (
    "bandwidth.py",
    "cleaning.py",
    "engine.py",
    "highband.py",
    "meltrack.py",
    "width.py",
    "cache_key.py",
)


def digest(*ingredients: object) -> str:
    """The hash of some ingredients in their order: arrays by their bytes, all else by its repr."""
    hashed = hashlib.blake2b(digest_size=32)
    for ingredient in ingredients:
        if isinstance(ingredient, np.ndarray):
            hashed.update(f"{ingredient.dtype.str}{ingredient.shape}:".encode())
            hashed.update(np.ascontiguousarray(ingredient).data)
        else:
            text = repr(ingredient).encode()
            hashed.update(b"%d:" % len(text))
            hashed.update(text)
    return hashed.hexdigest()


def machine(device: torch.device) -> tuple[object, ...]:
    """What computes: the same model gives other last bits elsewhere."""
    there: tuple[object, ...] = (platform.machine(), device.type)
    if device.type == "cuda":
        there += (torch.cuda.get_device_name(device), torch.version.cuda)
    else:
        there += (torch.backends.cpu.get_cpu_capability(), torch.get_num_threads())
    return (*there, torch.__version__, torch.get_float32_matmul_precision())


def weights_digest(model: AudioSRModel) -> str:
    """The hash of every weight of a model as it runs."""
    hashed = hashlib.blake2b(digest_size=32)
    for name, tensor in sorted(model.state_dict().items()):
        hashed.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}:".encode())
        flat = tensor.detach().cpu().contiguous().flatten().view(torch.uint8)
        hashed.update(flat.numpy().data)
    return hashed.hexdigest()


@functools.cache
def code_digest() -> str:
    """The hash of the code between audio and new band, so that a change to it makes everything anew."""
    package = resources.files("audiosr_fx")
    files = [package / name for name in _MODULES]
    files += sorted((package / "model").iterdir(), key=lambda file: file.name)
    sources = [file.read_bytes() for file in files if file.name.endswith(".py") and file.is_file()]
    hashes = [hashlib.sha256(source).hexdigest() for source in sources]
    return digest(__version__, hashes, np.__version__, scipy.__version__)

"""Made-up weights that are a pure function of a tensor's published name and its shape.

The frozen reference outputs in ``tests/data/goldens`` were made with these, so every stage can be checked at
full width without the published weights. SHA-256 of the name seeds PCG64; its raw bits become uniform numbers
in [-1, 1), scaled so that signals keep their size on the way through the networks.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np
import torch

from audiosr_fx.model.audiosr import AudioSRModel
from audiosr_fx.model.importing import RENAMED

SCALE_FACTOR = 0.4


def weight(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The float32 tensor that belongs to a published name."""
    if name == "scale_factor":
        return np.full(shape, SCALE_FACTOR, dtype=np.float32)
    values = uniform(name, math.prod(shape))
    if len(shape) >= 2:
        fan_in = 2 * shape[0] if ".vocoder.ups." in name else math.prod(shape[1:])
        values *= _gain(name) * math.sqrt(3.0 / fan_in)
    elif name.endswith(".weight"):
        values = 1.0 + 0.2 * values
    else:
        values = 0.1 * values - (5.0 if name.endswith("decoder.conv_out.bias") else 0.0)
    return values.astype(np.float32).reshape(shape)


def noise(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """Bell-shaped float32 noise of zero mean and unit variance: half the sum of twelve uniform numbers."""
    rows = uniform(f"noise:{name}", 12 * math.prod(shape)).reshape(12, -1)
    return torch.from_numpy((0.5 * rows.sum(axis=0)).astype(np.float32).reshape(shape))


def uniform(name: str, count: int) -> np.ndarray:
    """``count`` float64 numbers in [-1, 1)."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:16], "little")
    bits = np.random.PCG64(seed).random_raw(count)
    return (bits >> np.uint64(11)) * 2.0**-52 - 1.0


def published_name(name: str) -> str:
    """The published name of one of our tensors."""
    for published, ours in RENAMED.items():
        if name.startswith(ours):
            return published + name[len(ours) :]
    raise KeyError(name)


def fill(model: AudioSRModel) -> AudioSRModel:
    """Give every tensor of a published architecture its made-up weights, in place."""
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            tensor.copy_(torch.from_numpy(weight(published_name(name), tuple(tensor.shape))))
    return model.eval().requires_grad_(False)


def published_state(model: AudioSRModel) -> dict[str, torch.Tensor]:
    """A model's tensors under their published names, the shared encoder twice as in the published files."""
    state = {published_name(name): tensor for name, tensor in model.state_dict().items()}
    for name, tensor in list(state.items()):
        copy = name.replace("first_stage_model.", "cond_stage_models.0.vae.", 1)
        if name != copy:
            state.setdefault(copy, tensor)
    return state


def _gain(name: str) -> float:
    parts = name.split(".")
    if "vocoder" in parts:
        return 0.25 if "conv_pre" in parts else 0.5 if "convs2" in parts else 1.0
    if name.startswith("model.diffusion_model."):
        return 0.5 if name.endswith(("out_layers.3.weight", "proj_out.weight")) else 1.0
    if parts[-2] == "quant_conv":
        return 0.7
    if name.endswith("decoder.conv_out.weight"):
        return 2.0
    return 0.5 if name.endswith(("conv2.weight", "proj_out.weight")) else 1.0

"""Noise that belongs to a place in time: Gaussian values as a pure function of seed, stream and frame."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

CONDITION_STREAM = 0
START_STREAM = 1
VOCODER_STREAM = 2
STEP_STREAM = 16

_WORD = 1 << 64


@dataclass(frozen=True, slots=True)
class NoiseField:
    """Standard normal noise laid out along absolute frames, from minus to plus infinity.

    Whoever asks for frames 100 to 164 gets the same numbers whatever was drawn before, on which machine,
    and in how many pieces. Every frame owns a block of the counter of a Philox generator keyed by seed and
    stream. The raw bits of that generator are promised not to change between numpy versions (its normal
    distribution is not, so the step from bits to normals is ours: Box and Muller's).

    Args:
        seed: any integer, taken modulo 2**64.

    Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"; Box and Muller 1958.
    """

    seed: int

    def draw(self, stream: int, start: int, frames: int, shape: tuple[int, ...]) -> Tensor:
        """Draw the noise of some frames.

        Args:
            stream: which of the independent fields, 0 or above (one per purpose and sampler step).
            start: first absolute frame; may be negative.
            frames: how many, 0 or above.
            shape: of the noise at one frame.

        Returns:
            float32 (frames, *shape) on the CPU.
        """
        count = math.prod(shape)
        pairs = (count + 1) // 2
        key = np.array([self.seed % _WORD, stream % _WORD], dtype=np.uint64)
        bits = np.empty((frames, pairs), dtype=np.uint64)
        for i in range(frames):
            counter = np.array([0, (start + i) % _WORD, 0, 0], dtype=np.uint64)
            bits[i] = np.random.Philox(key=key, counter=counter).random_raw(pairs)
        normals = _normals_from_bits(bits)[:, :count].astype(np.float32)
        return torch.from_numpy(normals.reshape(frames, *shape))


def _normals_from_bits(bits: np.ndarray) -> np.ndarray:
    """Two normals from every 64 random bits: (frames, n) -> (frames, 2 n)."""
    radius = np.sqrt(-2.0 * np.log(((bits >> np.uint64(32)).astype(np.float64) + 0.5) * 2.0**-32))
    angle = (bits & np.uint64(0xFFFFFFFF)).astype(np.float64) * (2.0 * np.pi * 2.0**-32)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1).reshape(
        len(bits), 2 * bits.shape[1]
    )

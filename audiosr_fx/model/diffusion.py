"""The diffusion process: cosine schedule, v-prediction, and the guided denoiser that samplers call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from audiosr_fx.model.config import DiffusionConfig

Denoiser = Callable[[Tensor, int], Tensor]
"""Noisy latent (B, Z, L8, F) and whole timestep to v of the same shape."""

Velocity = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Noisy latent (B, Z, L8, F), timesteps (B,) and condition (B, Z, L8, F) to v of the latent's shape."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How much of the signal and how much noise each timestep holds.

    ``alpha_bar`` is float64 (timesteps,), falling from almost 1 to exactly 0: the last step is pure noise.
    """

    alpha_bar: Tensor
    sqrt_alpha_bar: Tensor
    sqrt_one_minus_alpha_bar: Tensor

    @classmethod
    def cosine(cls, config: DiffusionConfig) -> Schedule:
        """The schedule of Nichol and Dhariwal 2021, equation 17, with no limit on the last beta.

        The square roots are taken in float64 and then rounded to float32.
        """
        offset = config.cosine_offset
        position = np.arange(config.timesteps + 1, dtype=np.float64) / config.timesteps
        signal = np.cos((position + offset) / (1.0 + offset) * np.pi / 2.0) ** 2
        betas = 1.0 - signal[1:] / signal[:-1]
        alpha_bar = torch.from_numpy(np.cumprod(1.0 - betas))
        return cls(
            alpha_bar=alpha_bar,
            sqrt_alpha_bar=alpha_bar.sqrt().float(),
            sqrt_one_minus_alpha_bar=(1.0 - alpha_bar).sqrt().float(),
        )

    @property
    def timesteps(self) -> int:
        """How many timesteps the model was trained with."""
        return int(self.alpha_bar.numel())

    def coefficients(self, timestep: int | Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """Signal and noise amplitude at one timestep, or one per item (B,), shaped to multiply ``like``."""
        index = torch.as_tensor(timestep, device="cpu")
        shape = (-1,) + (1,) * (like.ndim - 1) if index.ndim else ()
        signal, noise = (
            table[index].reshape(shape).to(like.device)
            for table in (self.sqrt_alpha_bar, self.sqrt_one_minus_alpha_bar)
        )
        return signal, noise

    def add_noise(self, clean: Tensor, noise: Tensor, timestep: int | Tensor) -> Tensor:
        """The noisy latent x_t = sqrt(alpha_bar) x_0 + sqrt(1 - alpha_bar) noise."""
        a, b = self.coefficients(timestep, clean)
        return a * clean + b * noise

    def velocity(self, clean: Tensor, noise: Tensor, timestep: int | Tensor) -> Tensor:
        """The training target v = sqrt(alpha_bar) noise - sqrt(1 - alpha_bar) x_0.

        Source: Salimans and Ho 2022, section 4.
        """
        a, b = self.coefficients(timestep, clean)
        return a * noise - b * clean

    def clean_from_velocity(self, x: Tensor, velocity: Tensor, timestep: int | Tensor) -> Tensor:
        """The clean latent x_0 that a noisy latent and its v stand for."""
        a, b = self.coefficients(timestep, x)
        return a * x - b * velocity

    def noise_from_velocity(self, x: Tensor, velocity: Tensor, timestep: int | Tensor) -> Tensor:
        """The noise that a noisy latent and its v stand for."""
        a, b = self.coefficients(timestep, x)
        return a * velocity + b * x


def guided_denoiser(
    velocity: Velocity, condition: Tensor, *, guidance_scale: float, unconditional_value: float
) -> Denoiser:
    """A denoiser with classifier-free guidance, v = v_u + g (v_c - v_u).

    Args:
        velocity: the conditional model.
        condition: (B, Z, L8, F).
        guidance_scale: g; at exactly 1.0 the unconditional half is not computed.
        unconditional_value: the constant that stands in for an absent condition.

    Returns:
        A denoiser for batches of B; both halves go through the model as one batch of 2 B.

    Source: Ho and Salimans 2022.
    """
    batch = condition.shape[0]
    if guidance_scale == 1.0:
        return lambda x, timestep: velocity(x, _every_item(timestep, batch, x), condition)

    both = torch.cat([condition, torch.full_like(condition, unconditional_value)])

    def denoise(x: Tensor, timestep: int) -> Tensor:
        conditional, unconditional = velocity(
            torch.cat([x, x]), _every_item(timestep, 2 * batch, x), both
        ).chunk(2)
        return unconditional + guidance_scale * (conditional - unconditional)

    return denoise


def _every_item(timestep: int, batch: int, x: Tensor) -> Tensor:
    return torch.full((batch,), timestep, dtype=torch.int64, device=x.device)

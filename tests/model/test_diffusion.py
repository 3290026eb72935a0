"""The schedule against frozen values, the identities of v, and guidance."""

from __future__ import annotations

import pytest
import torch
from goldens import agree, golden
from torch import Tensor

from audiosr_fx.model.config import DiffusionConfig
from audiosr_fx.model.diffusion import Schedule, guided_denoiser

SCHEDULE = Schedule.cosine(DiffusionConfig())


def test_schedule_matches() -> None:
    frozen = golden("e_schedule")
    agree("e alpha_bar", SCHEDULE.alpha_bar, frozen["alphas_cumprod"])
    agree("e sqrt(alpha_bar)", SCHEDULE.sqrt_alpha_bar, frozen["sqrt_alphas_cumprod"])
    agree("e sqrt(1 - alpha_bar)", SCHEDULE.sqrt_one_minus_alpha_bar, frozen["sqrt_one_minus_alphas_cumprod"])


def test_schedule_ends_in_pure_noise() -> None:
    assert SCHEDULE.timesteps == 1000
    assert SCHEDULE.alpha_bar[-1] == 0.0
    assert (SCHEDULE.alpha_bar.diff() < 0).all()


@pytest.mark.parametrize("timestep", [0, 500, 999, torch.tensor([3, 999])])
def test_velocity_gives_back_clean_and_noise(timestep: int | Tensor) -> None:
    clean, noise = torch.randn(2, 2, 3, 8, 4, generator=torch.Generator().manual_seed(0))
    x = SCHEDULE.add_noise(clean, noise, timestep)
    velocity = SCHEDULE.velocity(clean, noise, timestep)
    torch.testing.assert_close(SCHEDULE.clean_from_velocity(x, velocity, timestep), clean)
    torch.testing.assert_close(SCHEDULE.noise_from_velocity(x, velocity, timestep), noise)


def test_guidance_weighs_conditional_against_unconditional() -> None:
    seen: list[Tensor] = []

    def velocity(x: Tensor, timestep: Tensor, condition: Tensor) -> Tensor:
        seen.append(condition)
        return x * timestep.reshape(-1, 1, 1, 1) + condition

    x, condition = torch.randn(2, 2, 4, 8, 4, generator=torch.Generator().manual_seed(0))
    denoise = guided_denoiser(velocity, condition, guidance_scale=3.5, unconditional_value=-11.0)
    expected = (x * 7 - 11.0) + 3.5 * (condition + 11.0)
    torch.testing.assert_close(denoise(x, 7), expected)
    assert [len(call) for call in seen] == [4]  # both halves in one batch


def test_guidance_of_one_asks_once() -> None:
    seen: list[Tensor] = []

    def velocity(x: Tensor, timestep: Tensor, condition: Tensor) -> Tensor:
        seen.append(condition)
        return condition

    condition = torch.ones(2, 4, 8, 4)
    denoise = guided_denoiser(velocity, condition, guidance_scale=1.0, unconditional_value=-11.0)
    assert torch.equal(denoise(torch.zeros_like(condition), 7), condition)
    assert [len(call) for call in seen] == [2]

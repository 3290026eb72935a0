"""Samplers against frozen step lists, an independent implementation, and an exactly solvable problem."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from goldens import agree, golden
from torch import Tensor

from audiosr_fx.errors import ParameterError
from audiosr_fx.model.config import DiffusionConfig
from audiosr_fx.model.diffusion import Schedule
from audiosr_fx.model.samplers import (
    SAMPLERS,
    Sampler,
    ddim,
    ddim_variance,
    dpmpp_2m,
    reference_step_counts,
    timesteps,
)

SCHEDULE = Schedule.cosine(DiffusionConfig())
MEAN, DEVIATION = 0.7, 0.3


def exact_velocity(x: Tensor, timestep: int) -> Tensor:
    """v of the best possible denoiser when clean data are normal with ``MEAN`` and ``DEVIATION``."""
    alpha_bar = float(SCHEDULE.alpha_bar[timestep])
    a, b = math.sqrt(alpha_bar), math.sqrt(1.0 - alpha_bar)
    variance = a**2 * DEVIATION**2 + b**2
    clean = MEAN + a * DEVIATION**2 / variance * (x - a * MEAN)
    noise = b / variance * (x - a * MEAN)
    return a * noise - b * clean


def start() -> Tensor:
    return torch.randn(2, 4, 8, 4, generator=torch.Generator().manual_seed(0)).double()


@pytest.mark.parametrize("steps", [1, 2, 4, 5, 10, 20, 25, 50, 100, 200])
def test_reference_spacing_matches(steps: int) -> None:
    frozen = golden("e_schedule")
    visited = timesteps(SCHEDULE, steps, "reference")
    assert visited[::-1] == frozen[f"S{steps}_ddim_timesteps"].tolist()
    alpha_bar = SCHEDULE.alpha_bar[visited[::-1]]
    alpha_bar_next = torch.cat([SCHEDULE.alpha_bar[:1], alpha_bar[:-1]])
    deviations = [
        math.sqrt(ddim_variance(float(a), float(p), 1.0))
        for a, p in zip(alpha_bar, alpha_bar_next, strict=True)
    ]
    agree(f"e alpha_bar of {steps} steps", alpha_bar, frozen[f"S{steps}_ddim_alphas"])
    agree(f"e previous alpha_bar of {steps} steps", alpha_bar_next, frozen[f"S{steps}_ddim_alphas_prev"])
    agree(f"e sigma of {steps} steps", deviations, frozen[f"S{steps}_ddim_sigmas"])


def test_reference_spacing_runs_as_many_steps_as_the_published_one() -> None:
    frozen = golden("e_schedule")["S_actual_steps"]
    counts = reference_step_counts()
    assert [len(timesteps(SCHEDULE, steps, "reference")) for steps in counts] == [
        frozen[s - 1] for s in counts
    ]
    refused = set(range(1, 1001)) - set(counts)
    reaching_pure_noise = set(range(334, 501))  # not a number there
    assert refused == set(golden("e_schedule")["S_index_error"].tolist()) | reaching_pure_noise


@pytest.mark.parametrize("steps", [0, -1, 3, 27, 105, 251, 400, 1000])
def test_a_step_count_that_cannot_be_names_those_that_can(steps: int) -> None:
    with pytest.raises(ParameterError, match=rf"steps is {steps}; .* 1 to 2, 4 to 8, .* 112 to 250"):
        timesteps(SCHEDULE, steps, "reference")


@pytest.mark.parametrize("steps", [0, 1001])
def test_trailing_spacing_names_its_range(steps: int) -> None:
    with pytest.raises(ParameterError, match="1 to 1000"):
        timesteps(SCHEDULE, steps, "trailing")


def test_an_unknown_spacing_is_refused() -> None:
    with pytest.raises(ParameterError, match="spacing is 'karras'"):
        timesteps(SCHEDULE, 10, "karras")  # type: ignore[arg-type]


@pytest.mark.parametrize("steps", [1, 2, 3, 7, 50, 999, 1000])
def test_trailing_spacing_starts_at_pure_noise(steps: int) -> None:
    visited = timesteps(SCHEDULE, steps, "trailing")
    assert len(visited) == steps
    assert visited[0] == 999
    assert (np.diff(visited) < 0).all()


@pytest.mark.parametrize("sampler", SAMPLERS.values())
def test_more_steps_come_closer_to_the_thousand_step_solution(sampler: Sampler) -> None:
    fine = ddim(exact_velocity, SCHEDULE, start(), steps=1000, spacing="trailing")
    errors = [
        (sampler(exact_velocity, SCHEDULE, start(), steps=steps, spacing="trailing") - fine).norm()
        for steps in (5, 10, 20, 40)
    ]
    assert errors == sorted(errors, reverse=True)


def order_of_convergence(sampler: Sampler, counts: tuple[int, int]) -> float:
    """p in error ~ steps ** -p, against the exact solution.

    Measured from where both samplers start alike to the first timestep, with the reference spacing.
    """

    def error(steps: int) -> float:
        visited = timesteps(SCHEDULE, steps, "reference")
        x = sampler(exact_velocity, SCHEDULE, start(), steps=steps, spacing="reference")
        return float((x - exact_flow(start(), visited[0], 0)).norm())

    return math.log(error(counts[0]) / error(counts[1])) / math.log(counts[1] / counts[0])


def exact_flow(x: Tensor, begin: int, end: int) -> Tensor:
    """Where the probability flow carries ``x`` between two timesteps."""

    def moments(timestep: int) -> tuple[float, float]:
        alpha_bar = float(SCHEDULE.alpha_bar[timestep])
        return math.sqrt(alpha_bar) * MEAN, math.sqrt(alpha_bar * DEVIATION**2 + 1.0 - alpha_bar)

    (mean_begin, deviation_begin), (mean_end, deviation_end) = moments(begin), moments(end)
    return mean_end + deviation_end / deviation_begin * (x - mean_begin)


def test_ddim_converges_in_first_order() -> None:
    assert order_of_convergence(ddim, (50, 200)) == pytest.approx(1.0, abs=0.15)


def test_dpmpp_2m_converges_in_second_order() -> None:
    assert order_of_convergence(dpmpp_2m, (50, 200)) == pytest.approx(2.0, abs=0.3)


@pytest.mark.parametrize(("steps", "factor"), [(10, 0.7), (20, 0.3), (40, 0.1)])
def test_dpmpp_2m_is_closer_than_ddim(steps: int, factor: float) -> None:
    fine = ddim(exact_velocity, SCHEDULE, start(), steps=1000)
    first, second = (
        (sampler(exact_velocity, SCHEDULE, start(), steps=steps) - fine).norm()
        for sampler in (ddim, dpmpp_2m)
    )
    assert second < factor * first


@pytest.mark.parametrize("sampler", SAMPLERS.values())
@pytest.mark.parametrize("steps", [1, 2, 3, 1000])
def test_pure_noise_never_gives_a_value_that_is_not_finite(sampler: Sampler, steps: int) -> None:
    if sampler is dpmpp_2m:
        steps = min(steps, 990)
    assert sampler(exact_velocity, SCHEDULE, start(), steps=steps).isfinite().all()


def test_ancestral_sampling_at_the_pure_noise_end_is_finite_and_uses_every_noise_once() -> None:
    asked: list[int] = []

    def noise(index: int) -> Tensor:
        asked.append(index)
        return torch.ones(2, 4, 8, 4).double()

    result = ddim(exact_velocity, SCHEDULE, start(), steps=10, eta=1.0, noise=noise)
    assert result.isfinite().all()
    assert asked == list(range(9))  # the last step ends on a clean latent and adds none


def test_eta_needs_noise_and_a_range() -> None:
    with pytest.raises(ParameterError, match="no step noise"):
        ddim(exact_velocity, SCHEDULE, start(), steps=10, eta=0.5)
    with pytest.raises(ParameterError, match=r"eta is 1\.5"):
        ddim(exact_velocity, SCHEDULE, start(), steps=10, eta=1.5)
    with pytest.raises(ParameterError, match="deterministic"):
        dpmpp_2m(exact_velocity, SCHEDULE, start(), steps=10, eta=0.5)


@pytest.fixture(scope="module")
def independent() -> Callable[..., Tensor]:
    """The schedulers of diffusers on our schedule: (class name, timesteps or count, options) to a latent."""
    diffusers = pytest.importorskip("diffusers")
    ratio = torch.cat([torch.ones(1, dtype=torch.float64), SCHEDULE.alpha_bar])
    betas = (1.0 - ratio[1:] / ratio[:-1]).numpy()

    def sample(
        kind: str, steps: int | list[int], noise: list[Tensor] | None = None, **options: object
    ) -> Tensor:
        scheduler = getattr(diffusers, kind)(trained_betas=betas, prediction_type="v_prediction", **options)
        if isinstance(steps, int):
            scheduler.set_timesteps(steps)
        else:
            scheduler.set_timesteps(timesteps=steps)
        x = start().float()
        for index, timestep in enumerate(scheduler.timesteps.tolist()):
            extra = {} if noise is None else {"eta": 1.0, "variance_noise": noise[index]}
            x = scheduler.step(exact_velocity(x, timestep), timestep, x, **extra).prev_sample
        return x

    return sample


@pytest.mark.parametrize("steps", [1, 5, 20, 50])
def test_trailing_ddim_agrees_with_diffusers(independent: Callable[..., Tensor], steps: int) -> None:
    theirs = independent("DDIMScheduler", steps, clip_sample=False, timestep_spacing="trailing")
    agree(
        f"diffusers DDIM trailing, {steps} steps",
        ddim(exact_velocity, SCHEDULE, start(), steps=steps),
        theirs,
    )


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_reference_ddim_agrees_with_diffusers(independent: Callable[..., Tensor], eta: float) -> None:
    generator = torch.Generator().manual_seed(1)
    noise = [torch.randn(2, 4, 8, 4, generator=generator) for _ in range(20)]
    theirs = independent(
        "DDIMScheduler",
        20,
        noise if eta else None,
        clip_sample=False,
        timestep_spacing="leading",
        steps_offset=1,
        set_alpha_to_one=False,
    )
    ours = ddim(
        exact_velocity, SCHEDULE, start(), steps=20, spacing="reference", eta=eta, noise=noise.__getitem__
    )
    agree(f"diffusers DDIM reference, eta {eta:g}", ours, theirs)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of diffusers
@pytest.mark.parametrize("steps", [5, 10, 20])
def test_trailing_dpmpp_2m_agrees_with_diffusers(independent: Callable[..., Tensor], steps: int) -> None:
    visited = timesteps(SCHEDULE, steps, "trailing", last=995)  # log signal-to-noise ratio -5.1
    theirs = independent(
        "DPMSolverMultistepScheduler", visited, algorithm_type="dpmsolver++", final_sigmas_type="zero"
    )
    ours = dpmpp_2m(exact_velocity, SCHEDULE, start(), steps=steps)
    agree(f"diffusers DPM-Solver++(2M) trailing, {steps} steps", ours, theirs)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of diffusers
def test_reference_dpmpp_2m_agrees_with_diffusers(independent: Callable[..., Tensor]) -> None:
    theirs = independent(
        "DPMSolverMultistepScheduler",
        timesteps(SCHEDULE, 10, "reference"),
        algorithm_type="dpmsolver++",
        final_sigmas_type="sigma_min",
    )
    ours = dpmpp_2m(exact_velocity, SCHEDULE, start(), steps=10, spacing="reference")
    agree("diffusers DPM-Solver++(2M) reference", ours, theirs)

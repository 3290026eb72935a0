"""Samplers: from noise to a latent in a few calls of the denoiser; plain functions that share a signature."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Literal, Protocol

from torch import Tensor

from audiosr_fx.errors import ParameterError
from audiosr_fx.model.diffusion import Denoiser, Schedule

Spacing = Literal["reference", "trailing"]
"""``reference`` starts a little short of pure noise, as published; ``trailing`` starts at pure noise."""

StepNoise = Callable[[int], Tensor]
"""Number of the step, from 0, to the standard normal noise it adds, shaped like the latent."""

LAMBDA_MIN = -5.1
"""Lowest log signal-to-noise ratio a solver in lambda starts from; at pure noise lambda has no value."""


class Sampler(Protocol):
    """What every sampler answers to."""

    def __call__(
        self,
        denoise: Denoiser,
        schedule: Schedule,
        x: Tensor,
        *,
        steps: int,
        eta: float = 0.0,
        spacing: Spacing = "trailing",
        noise: StepNoise | None = None,
    ) -> Tensor: ...


def ddim(
    denoise: Denoiser,
    schedule: Schedule,
    x: Tensor,
    *,
    steps: int,
    eta: float = 0.0,
    spacing: Spacing = "trailing",
    noise: StepNoise | None = None,
) -> Tensor:
    """Denoising diffusion implicit model, first order.

    Args:
        denoise: noisy latent and timestep to v.
        schedule: the noise schedule of the model.
        x: starting latent (B, Z, L8, F), standard normal.
        steps: calls of ``denoise``; with ``spacing="reference"`` a count that does not divide the
            schedule makes a few more, as published.
        eta: 0 is deterministic, 1 is ancestral sampling.
        spacing: where the timesteps stand. ``reference`` ends on the noisy latent of the first timestep,
            ``trailing`` on a clean latent.
        noise: what each step adds; needed when ``eta`` is above 0.

    Returns:
        The latent, shaped like ``x``.

    Raises:
        ParameterError: a step count that the spacing cannot do, eta outside 0 to 1, or noise missing.

    Source: Song et al. 2021, equations 12 and 16; trailing spacing: Lin et al. 2024, section 3.3.
    """
    _check_eta(eta, noise)
    levels = _noise_levels(schedule, timesteps(schedule, steps, spacing), spacing)
    for index, (timestep, alpha_bar, alpha_bar_next) in enumerate(levels):
        velocity = denoise(x, timestep)
        clean = schedule.clean_from_velocity(x, velocity, timestep)
        direction = schedule.noise_from_velocity(x, velocity, timestep)
        variance = ddim_variance(alpha_bar, alpha_bar_next, eta)
        x = math.sqrt(alpha_bar_next) * clean
        x = x + math.sqrt(max(0.0, 1.0 - alpha_bar_next - variance)) * direction
        if noise is not None and variance > 0.0:
            x = x + math.sqrt(variance) * noise(index).to(x)
    return x


def ddim_variance(alpha_bar: float, alpha_bar_next: float, eta: float) -> float:
    """Variance of the fresh noise in a step to ``alpha_bar_next``. Source: Song et al. 2021, equation 16."""
    return eta**2 * (1.0 - alpha_bar_next) / (1.0 - alpha_bar) * (1.0 - alpha_bar / alpha_bar_next)


def dpmpp_2m(
    denoise: Denoiser,
    schedule: Schedule,
    x: Tensor,
    *,
    steps: int,
    eta: float = 0.0,
    spacing: Spacing = "trailing",
    noise: StepNoise | None = None,
) -> Tensor:
    """DPM-Solver++(2M): second-order multistep in the log signal-to-noise ratio, on clean predictions.

    Takes the arguments of :func:`ddim` and returns the same; it is deterministic, so ``eta`` must be 0.
    With ``trailing`` spacing the steps start where lambda reaches ``LAMBDA_MIN``, since it has no value
    at pure noise. The first and the last step are of first order.

    Raises:
        ParameterError: a step count that the spacing cannot do, or eta other than 0.

    Source: Lu et al. 2022, "DPM-Solver++", algorithm 2.
    """
    if eta != 0.0:
        raise ParameterError(f"eta is {eta}; dpmpp_2m is deterministic and takes only 0.0, ddim takes 0 to 1")
    last = None if spacing == "reference" else _last_timestep_above(schedule, LAMBDA_MIN)
    levels = _noise_levels(schedule, timesteps(schedule, steps, spacing, last=last), spacing)
    previous_clean: Tensor | None = None
    previous_step = 0.0
    for timestep, alpha_bar, alpha_bar_next in levels:
        clean = schedule.clean_from_velocity(x, denoise(x, timestep), timestep)
        if alpha_bar_next == 1.0:
            return clean
        step = _lambda(alpha_bar_next) - _lambda(alpha_bar)
        estimate = clean
        if previous_clean is not None and timestep != levels[-1][0]:
            ratio = previous_step / step
            estimate = clean + (clean - previous_clean) / (2.0 * ratio)
        x = (
            math.sqrt((1.0 - alpha_bar_next) / (1.0 - alpha_bar)) * x
            - math.sqrt(alpha_bar_next) * math.expm1(-step) * estimate
        )
        previous_clean, previous_step = clean, step
    return x


SAMPLERS: Mapping[str, Sampler] = {"ddim": ddim, "dpmpp_2m": dpmpp_2m}


def timesteps(
    schedule: Schedule, steps: int, spacing: Spacing = "trailing", *, last: int | None = None
) -> list[int]:
    """The timesteps that a sampler visits, from noise to clean.

    Args:
        schedule: the noise schedule of the model.
        steps: how many are asked for.
        spacing: ``reference``: 1, 1 + c, 1 + 2 c, ... with c = timesteps // steps, which can be a few
            more than asked for; ``trailing``: evenly down from ``last``, exactly as many as asked for.
        last: the noisiest timestep that ``trailing`` may visit; default the last of the schedule.

    Raises:
        ParameterError: a count the spacing cannot do; the message names what it can.
    """
    total = schedule.timesteps
    if spacing == "trailing":
        noisiest = total if last is None else last + 1
        if not 1 <= steps <= noisiest:
            raise ParameterError(f"steps is {steps}; trailing spacing takes 1 to {noisiest}")
        return [round(noisiest * (steps - index) / steps) - 1 for index in range(steps)]
    if spacing == "reference":
        if not _reference_can_do(steps, total):
            raise ParameterError(
                f"steps is {steps}; reference spacing takes {_ranges(reference_step_counts(total))}"
                f" (trailing spacing takes 1 to {total})"
            )
        return [start + 1 for start in reversed(range(0, total, total // steps))]
    raise ParameterError(f"spacing is {spacing!r}; expected 'reference' or 'trailing'")


def reference_step_counts(total: int = 1000) -> list[int]:
    """Step counts for which the reference spacing stays inside the schedule and off its pure-noise end."""
    return [steps for steps in range(1, total + 1) if _reference_can_do(steps, total)]


def _reference_can_do(steps: int, total: int) -> bool:
    if not 1 <= steps <= total:
        return False
    stride = total // steps
    return (total - 1) // stride * stride + 1 < total - 1


def _noise_levels(schedule: Schedule, visited: list[int], spacing: Spacing) -> list[tuple[int, float, float]]:
    """Timestep, alpha_bar there, and the alpha_bar its step arrives at."""
    alpha_bar = [float(schedule.alpha_bar[timestep]) for timestep in visited]
    end = 1.0 if spacing == "trailing" else float(schedule.alpha_bar[0])
    return list(zip(visited, alpha_bar, [*alpha_bar[1:], end], strict=True))


def _last_timestep_above(schedule: Schedule, lambda_min: float) -> int:
    threshold = 1.0 / (1.0 + math.exp(-2.0 * lambda_min))
    return int((schedule.alpha_bar >= threshold).sum()) - 1


def _lambda(alpha_bar: float) -> float:
    return 0.5 * math.log(alpha_bar / (1.0 - alpha_bar))


def _check_eta(eta: float, noise: StepNoise | None) -> None:
    if not 0.0 <= eta <= 1.0:
        raise ParameterError(f"eta is {eta}; expected 0 to 1")
    if eta > 0.0 and noise is None:
        raise ParameterError(f"eta is {eta} but no step noise was given; expected noise, or eta 0")


def _ranges(values: list[int]) -> str:
    """Whole numbers in words: 1 to 2, 4 to 8."""
    runs: list[list[int]] = []
    for value in values:
        if runs and value == runs[-1][1] + 1:
            runs[-1][1] = value
        else:
            runs.append([value, value])
    return ", ".join(f"{first} to {last}" if last > first else f"{first}" for first, last in runs)

"""What the numbers among the settings of a training run may be."""

from __future__ import annotations

import math

from audiosr_fx.errors import ParameterError


def check_range(settings: object, name: str, lowest: float, highest: float) -> None:
    """Raise a ParameterError unless an attribute lies between two numbers, both allowed."""
    value = getattr(settings, name)
    if not (math.isfinite(value) and lowest <= value <= highest):
        raise ParameterError(f"{name} is {value}; expected {lowest:g} to {highest:g}")


def check_betas(betas: tuple[float, float]) -> None:
    """Raise a ParameterError unless an optimiser can take these."""
    if not all(0.0 <= beta < 1.0 for beta in betas):
        raise ParameterError(f"betas is {betas}; expected two numbers from 0 to below 1")

"""What the numbers among the settings of a training run may be."""

from __future__ import annotations

import math

from audiosr_fx.errors import ParameterError


def check_range(settings: object, name: str, lowest: float, highest: float) -> None:
    """Raise a ParameterError unless an attribute lies between two numbers, both allowed."""
    value = getattr(settings, name)
    if not (math.isfinite(value) and lowest <= value <= highest):
        raise ParameterError(f"{name} is {value}; expected {lowest:g} to {highest:g}")

"""Values as JSON has them."""

from __future__ import annotations

import math
from typing import Any


def finite(told: Any) -> Any:
    """The same for JSON, at any depth: infinities and NaN, which it cannot say, become null."""
    if isinstance(told, dict):
        return {str(key): finite(value) for key, value in told.items()}
    if isinstance(told, (list, tuple)):
        return [finite(value) for value in told]
    return None if isinstance(told, float) and not math.isfinite(told) else told

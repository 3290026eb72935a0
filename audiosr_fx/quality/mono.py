"""The mono check: what is left of a stereo recording where both channels go to one loudspeaker."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

CANCELS_DB: Final = -6.0
"""A mono sum lower than that is cancelled more than kept: a correlation of -0.5 between equal channels."""

_SILENT_POWER: Final = 1e-10  # -100 dBFS


@dataclass(frozen=True, slots=True, kw_only=True)
class MonoSum:
    """How two channels add up.

    Attributes:
        level_db: power of (L + R) / 2 relative to the mean of both channels': 0 for mono, -3 where the
            channels have nothing in common, -inf where they cancel.
        correlation: of the channels, -1 to 1; 0 where one of them is silent.
    """

    level_db: float
    correlation: float

    @property
    def cancels(self) -> bool:
        """Whether more is lost than kept."""
        return self.level_db < CANCELS_DB


class MonoMeter:
    """Takes the two channels of a recording, block by block."""

    def __init__(self) -> None:
        self._left = self._right = self._both = 0.0
        self._count = 0

    def write(self, audio: NDArray[np.floating]) -> None:
        """Take a stretch, (2, samples)."""
        left, right = audio.astype(np.float64)
        self._left += float(np.vdot(left, left))
        self._right += float(np.vdot(right, right))
        self._both += float(np.vdot(left, right))
        self._count += left.size

    def mono_sum(self) -> MonoSum | None:
        """What all blocks so far give; None below -100 dBFS."""
        total = self._left + self._right
        if total <= 2.0 * _SILENT_POWER * self._count:
            return None
        share = max(total + 2.0 * self._both, 0.0) / (2.0 * total)
        scale = math.sqrt(self._left * self._right)
        return MonoSum(
            level_db=10.0 * math.log10(share) if share > 0.0 else -math.inf,
            correlation=min(1.0, max(-1.0, self._both / scale)) if scale > 0.0 else 0.0,
        )

"""Mix, the parallel section: every effect in it hears the same input, and their outputs are summed."""

from __future__ import annotations

from typing import ClassVar

from audiosr_fx.rack import Rack


class Mix(Rack):
    """Effects side by side; what pedalboard's ``Mix`` is, for any effect, and latency-aligned in streams too.

    A branch of several effects is a ``Board``, the dry signal an empty one. Nothing in it is silence out.

    >>> Board([Mix([Board(), Board([HighpassFilter(5000), Distortion(12), Gain(-18)])]), Limiter()])
    """

    is_parallel: ClassVar[bool] = True

"""A clock for tests of what hangs: whoever waits for a child gives up at once, and only when a test says so.

So a child may be given a patience that no busy machine uses up, and nobody waits for that to be over.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from audiosr_fx import child_process

HOUR_S = 3600.0


def hurry(monkeypatch: pytest.MonkeyPatch, when: Callable[[], bool]) -> None:
    """Let an hour go by between any two looks at the clock, while ``when`` holds."""

    class Clock:
        gone_s = 0.0

        def monotonic(self) -> float:
            self.gone_s += HOUR_S if when() else 0.0
            return time.monotonic() + self.gone_s

    monkeypatch.setattr(child_process, "time", Clock())

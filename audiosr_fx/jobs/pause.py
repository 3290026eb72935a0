"""A queue at rest: why, until when, and for how much longer the next time."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from audiosr_fx.errors import StorageError

FIRST_S: Final = 0.5
LONGEST_S: Final = {"disk": 5.0, "database": 5.0, "device": 60.0}
"""By what is missing."""
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Pause:
    """Waits that grow from half a second, by a monotonic clock, until something works again."""

    clock: Callable[[], float]
    reason: str = ""
    until: float = 0.0
    wait_s: float = 0.0
    rests: int = 0
    told: set[str] = field(default_factory=set)

    @property
    def is_on(self) -> bool:
        """Whether the queue rests, be it that its time is over or not."""
        return bool(self.reason)

    @property
    def is_over(self) -> bool:
        """Whether it is time to try again."""
        return self.clock() >= self.until

    @property
    def is_in_vain(self) -> bool:
        """Whether nothing has worked since it first rested, be it that it rests now or tries."""
        return self.wait_s > 0.0

    def rest_after(self, error: Exception) -> None:
        """Rest for a disk that takes no more, or does not answer; everything is kept, and tried again."""
        self.rest(str(error), "database" if isinstance(error, StorageError) else "disk")

    def rest(self, reason: str, kind: str, *, is_news: bool = False) -> None:
        """Rest, and say so once: it may try again every few seconds for days."""
        is_first = self.begin(reason, kind, is_news=is_news)
        _log.log(logging.WARNING if is_first else logging.DEBUG, "the queue rests: %s", reason)

    def begin(self, reason: str, kind: str, *, is_news: bool = False) -> bool:
        """Rest, longer each time in a row; a rest that has begun is not made longer.

        Args:
            reason: what is missing, for people.
            kind: of that, as in ``LONGEST_S``.
            is_news: whether what was tried had not been tried before: a new row begins with it.

        Returns:
            Whether it is the first of its kind in a row, which people want to hear of.
        """
        is_first = kind not in self.told
        self.told.add(kind)
        if self.is_on and not self.is_over:
            return is_first
        if is_news:
            self.wait_s, self.rests = 0.0, 0
        self.wait_s = min(LONGEST_S[kind], 2 * self.wait_s or FIRST_S)
        self.rests += 1
        self.reason = reason
        self.until = self.clock() + self.wait_s
        return is_first

    def end(self) -> None:
        """Try again; the next rest is longer still unless something worked."""
        self.reason = ""

    def forget(self) -> bool:
        """Something worked: the next rest begins short; whether there was one before."""
        was_long = self.is_in_vain
        self.wait_s = 0.0
        self.rests = 0
        self.told.clear()
        return was_long

"""How much is listened to: a bucket of tokens for each sender, and one for all together."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final, TypeAlias

Clock: TypeAlias = Callable[[], float]

MAX_SOURCES: Final = 4096
"""Senders that are remembered; beyond, the one that has been silent longest is forgotten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Messages a second, and how many may come at once."""

    per_source: float = 50.0
    burst: float = 100.0
    total: float = 1000.0
    total_burst: float = 2000.0


class TokenBucket:
    """``rate`` tokens a second, of which ``burst`` can wait."""

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate, self._burst = rate, burst
        self._tokens, self._at = burst, now

    def take(self, now: float) -> bool:
        """Take a token, if there is one."""
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


class Limiter:
    """Whether a message is listened to.

    A sender's own bucket is asked before its packet is read, the bucket of all only for what turned out to be
    a message: garbage, from however many senders, takes nothing from those who are understood.
    """

    def __init__(self, rates: Rates | None = None, clock: Clock = time.monotonic) -> None:
        self._rates = rates or Rates()
        self._clock = clock
        self._sources: OrderedDict[Hashable, TokenBucket] = OrderedDict()
        self._all = TokenBucket(self._rates.total, self._rates.total_burst, clock())

    def admits_source(self, source: Hashable) -> bool:
        """Take from a sender's bucket."""
        now = self._clock()
        bucket = self._sources.get(source)
        if bucket is None:
            bucket = self._sources[source] = TokenBucket(self._rates.per_source, self._rates.burst, now)
            if len(self._sources) > MAX_SOURCES:
                self._sources.popitem(last=False)
        self._sources.move_to_end(source)
        return bucket.take(now)

    def admits_message(self) -> bool:
        """Take from the bucket of all."""
        return self._all.take(self._clock())

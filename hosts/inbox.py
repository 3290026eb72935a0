"""What waits to be handled: one thing at a time, in the order it came, until one is stuck.

Who sends a control and then a render wants both in this order, from whichever port each comes. But a file on
a dead network mount holds whoever looks at it, and that is no reason to keep other senders waiting.
"""

from __future__ import annotations

import math
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Final, Generic, TypeVar

STUCK_S: Final = 0.1
_LONGEST_S: Final = 3600.0
T = TypeVar("T")


class Inbox(Generic[T]):
    """Holds things by sender; for any number of threads, of which one works unless its thing is stuck."""

    def __init__(
        self, most: int, *, stuck_s: float = STUCK_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """It is empty.

        Args:
            most: that may wait.
            stuck_s: after which a thing that is handled keeps only its own sender's others waiting.
            clock: monotonic, in seconds.
        """
        self._most, self._stuck_s, self._clock = most, stuck_s, clock
        self._waiting: deque[tuple[Hashable, T]] = deque()
        self._handled_since: dict[Hashable, float] = {}
        self._is_closed = False
        self._changed = threading.Condition()

    def put(self, sender: Hashable, thing: T) -> None:
        """Add a thing.

        Raises:
            queue.Full: so many wait.
        """
        with self._changed:
            if len(self._waiting) >= self._most:
                raise queue.Full
            self._waiting.append((sender, thing))
            self._changed.notify()

    def close(self) -> None:
        """Give out nothing more, and let nobody wait."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    @contextmanager
    def next(self, timeout_s: float | None = None) -> Iterator[T | None]:
        """The next thing, for a block that handles it; None where there was none in time, or at the end."""
        taken = self._take(timeout_s)
        if taken is None:
            yield None
            return
        sender, thing = taken
        try:
            yield thing
        finally:
            with self._changed:
                del self._handled_since[sender]
                if self._waiting:
                    self._changed.notify()

    def _take(self, timeout_s: float | None) -> tuple[Hashable, T] | None:
        until = math.inf if timeout_s is None else self._clock() + timeout_s
        with self._changed:
            while not self._is_closed:
                now = self._clock()
                place = self._place()
                free_at = max(self._handled_since.values(), default=now - self._stuck_s) + self._stuck_s
                if place is not None and free_at <= now:
                    taken = self._waiting[place]
                    del self._waiting[place]
                    self._handled_since[taken[0]] = now
                    return taken
                wait_s = until - now if place is None else min(until, free_at) - now
                if wait_s <= 0:
                    return None
                self._changed.wait(min(wait_s, _LONGEST_S))
            return None

    def _place(self) -> int | None:
        """Where the oldest thing is of which none of the same sender is being handled."""
        for place, (sender, _) in enumerate(self._waiting):
            if sender not in self._handled_since:
                return place
        return None

"""Signals that a daemon listens to."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from watchfolder.daemon import Daemon


@contextmanager
def signals_heard(daemon: Daemon) -> Iterator[None]:
    """Let SIGTERM and SIGINT stop a daemon and SIGHUP reload it, while inside; for the main thread."""
    acts: dict[int, Callable[[], None]] = {
        signal.SIGTERM: daemon.stop,
        signal.SIGINT: daemon.stop,
        signal.SIGHUP: daemon.reload,
    }
    before: dict[int, Any] = {
        number: signal.signal(number, lambda number, frame: acts[number]()) for number in acts
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

"""Signals that a daemon listens to."""

from __future__ import annotations

import queue
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from watchfolder.daemon import Daemon


@contextmanager
def signals_heard(daemon: Daemon) -> Iterator[None]:
    """Let SIGTERM and SIGINT stop a daemon and SIGHUP reload it, while inside; for the main thread.

    A handler interrupts that thread anywhere, also where it holds the lock of what the handler would change,
    and would wait for it for ever. So it only says which signal came, and another thread acts on it.
    """
    acts: dict[int, Callable[[], None]] = {
        signal.SIGTERM: daemon.stop,
        signal.SIGINT: daemon.stop,
        signal.SIGHUP: daemon.reload,
    }
    heard: queue.SimpleQueue[int | None] = queue.SimpleQueue()  # the one queue that a handler may put into

    def act() -> None:
        while (number := heard.get()) is not None:
            acts[number]()

    actor = threading.Thread(target=act, name="signals", daemon=True)
    actor.start()
    before: dict[int, Any] = {
        number: signal.signal(number, lambda number, frame: heard.put(number)) for number in acts
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        heard.put(None)
        actor.join()

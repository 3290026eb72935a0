from __future__ import annotations

import signal
import threading
from types import SimpleNamespace
from typing import Any

from watchfolder.signals import signals_heard

NUMBERS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def test_signals_are_acted_on_though_they_find_the_main_thread_amid_a_lock() -> None:
    """As that of an event is, which the daemon waits for and its stop sets."""
    guard = threading.Lock()
    done: list[str] = []

    def note(what: str) -> None:
        assert threading.current_thread() is not threading.main_thread(), "it would wait for itself"
        with guard:
            done.append(what)

    daemon: Any = SimpleNamespace(stop=lambda: note("stop"), reload=lambda: note("reload"))
    before = [signal.getsignal(number) for number in NUMBERS]
    with signals_heard(daemon), guard:
        for number in NUMBERS:
            signal.raise_signal(number)
    assert done == ["stop", "stop", "reload"]
    assert [signal.getsignal(number) for number in NUMBERS] == before

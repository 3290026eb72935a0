"""Processes that make batches ahead: deaf to whoever asks all of a group to end, and gone with their run.

A terminal that is closed and a supervisor ask every process at once, while the run still needs a batch or two
to come to the end of its step. So the processes, and the server that forks them, are started with such
requests held back. What ends them is a pipe that nothing is ever written to: its end in the run's process is
closed when they are needed no more, when the interpreter exits, and by the system when the process is killed.
"""

from __future__ import annotations

import atexit
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from threading import Thread

import torch

_REQUESTS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]  # Windows has not all of them


def start_method() -> str:
    """How they are started: a forked child would share the parent's threads' locks and its device."""
    return "forkserver" if "forkserver" in torch.multiprocessing.get_all_start_methods() else "spawn"


@contextmanager
def lifeline(context: BaseContext) -> Iterator[Callable[[int], None]]:
    """What each process calls first, with its number, to end when the context is left."""
    held, kept = context.Pipe(duplex=False)
    atexit.register(kept.close)  # called before multiprocessing waits for its children
    try:
        yield partial(_hold_on, held)
    finally:
        atexit.unregister(kept.close)
        kept.close()
        held.close()


@contextmanager
def requests_held() -> Iterator[None]:
    """Keep requests to end from processes that are started inside; this one gets them afterwards."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # starting it, Python below 3.13 lets all signals in again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _REQUESTS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _hold_on(line: Connection, number: int) -> None:
    for request in _REQUESTS:  # where they could not be held
        signal.signal(request, signal.SIG_IGN)
    Thread(target=_end_with, args=(line,), daemon=True).start()


def _end_with(line: Connection) -> None:
    """At once: whatever is being made, nobody takes it."""
    wait([line])
    os._exit(0)

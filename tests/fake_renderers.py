"""Renderers for the job tests, named by import path: quick, and of every kind of misfortune.

What one does stands in the source file itself, as text: ``words`` that are looked for below. The result is a
file that can be told whole from half by itself: a head with the length and the hash of what follows.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from audiosr_fx.errors import AudioFormatError, RenderCancelled
from audiosr_fx.jobs.task import DeviceMissing, Task

BODY_BYTES = 20_000
BLOCKS = 4


def expected_content(source: bytes) -> bytes:
    """What the fake makes of a source."""
    body = (hashlib.sha256(source).hexdigest().encode() * (BODY_BYTES // 64 + 1))[:BODY_BYTES]
    return b"FAKE %08d %s\n" % (len(body), hashlib.sha256(body).hexdigest().encode()) + body


def is_whole(content: bytes) -> bool:
    """Whether a file that the fake made is whole."""
    head, newline, body = content.partition(b"\n")
    words = head.split(b" ")
    return (
        bool(newline)
        and len(words) == 3
        and words[0] == b"FAKE"
        and int(words[1]) == len(body)
        and words[2] == hashlib.sha256(body).hexdigest().encode()
    )


def render(
    task: Task, on_progress: Callable[[float], None], should_cancel: Callable[[], bool]
) -> dict[str, Any]:
    """Write what is expected of the source, in blocks; do what else the source says."""
    source = task.order.request.source.read_bytes()
    words = source.split()
    _mishap(words, task)
    content = expected_content(source)
    size = -(-len(content) // BLOCKS)
    with task.destination.open("wb") as stream:
        for block in range(BLOCKS):
            if should_cancel():
                raise RenderCancelled("the render was cancelled")
            stream.write(content[block * size : (block + 1) * size])
            stream.flush()
            on_progress((block + 1) / BLOCKS)
            if b"brief" in words:
                time.sleep(0.02)
            if b"slow" in words:
                _sleep(should_cancel)
    return {"small": task.is_small, "device": task.device, "pid": os.getpid()}


def _sleep(should_cancel: Callable[[], bool]) -> None:
    end = time.monotonic() + 30.0
    while time.monotonic() < end:
        if should_cancel():
            raise RenderCancelled("the render was cancelled")
        time.sleep(0.01)


def _mishap(words: list[bytes], task: Task) -> None:
    """Whatever can go wrong in a renderer."""
    counter = Path(os.fsdecode(words[1])) if len(words) > 1 and b"once" in words else None
    if counter is not None:
        if counter.exists():
            return
        counter.write_bytes(b"")
    if b"bad-audio" in words:
        raise AudioFormatError("the file is damaged: copy or export it again")
    if b"fault" in words:
        raise ZeroDivisionError("division by zero")
    if b"odd-text" in words:
        raise ValueError("\udcff\n\x1b[2J is no name")
    if b"memory" in words and not task.is_small:
        raise MemoryError
    if b"always-memory" in words:
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
    if b"device" in words:
        raise DeviceMissing("device is 'cuda:7'; this machine has cpu, or say auto")
    if b"full" in words:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if b"segfault" in words:
        ctypes.string_at(0)
    if b"abort" in words:
        os.abort()
    if b"kill" in words:
        os.kill(os.getpid(), signal.SIGKILL)
    if b"exit" in words:
        os._exit(3)
    if b"hang" in words:
        threading.Event().wait()
    if b"deaf" in words:  # works on, and never asks whether to stop
        time.sleep(60.0)


def dies_once(
    task: Task, on_progress: Callable[[float], None], should_cancel: Callable[[], bool]
) -> dict[str, Any]:
    """The real renderer, which is killed as soon as it is past the first part, but only the first time."""
    from audiosr_fx.jobs import rendering  # here: the fakes need nothing of audio, and start without it

    marker = Path(task.order.request.tag)

    def tell(progress: float) -> None:
        on_progress(progress)
        if progress > 0 and not marker.exists():
            marker.write_bytes(b"")
            os.kill(os.getpid(), signal.SIGKILL)

    return rendering.render(task, tell, should_cancel)

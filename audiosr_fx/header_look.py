"""A look at a file's header at arm's length, for services that live on: a decoder is not to end them.

A look goes to a child process, which stays for the next: it takes milliseconds, and a file that crashes or
hangs the decoder ends that child alone. What it may use is bounded anew for each look.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Final

from audiosr_fx.child_voice import Message
from audiosr_fx.errors import AudioFormatError, PluginError
from audiosr_fx.files import AudioInfo, FilePath, read_info
from audiosr_fx.process_limits import bind
from audiosr_fx.wording import shown
from audiosr_fx.worker import Child, Report

LOOK_S: Final = 5.0
"""How long a look may take; a header is read in milliseconds, from a disk that must spin up in seconds."""
MEMORY_BYTES: Final = 2 << 30
CPU_S: Final = 10.0
_FILE_BYTES: Final = 0
"""Of any file that a look writes; what decoders print on their way goes through a pipe."""
_KEPT: Final = 2
_idle: Final[list[Child]] = []
_guard: Final = threading.Lock()


def read_info_apart(path: FilePath) -> AudioInfo:
    """As ``read_info``, with the decoder in a process of its own; a look that hangs holds up no other.

    Raises:
        AudioFormatError: as ``read_info``, or the file crashed or hung the decoder.
    """
    what = f"{shown(Path(path))}: its decoder"
    try:
        with _borrowed() as child:
            told = child.run(_look, str(path), (MEMORY_BYTES, CPU_S), what=what, timeout_s=LOOK_S)
    except PluginError as cause:
        raise AudioFormatError(
            f"{cause}; the file is damaged, or its disk does not answer: copy or export it again"
        ) from cause
    return AudioInfo(**{**told, "path": Path(path)})


def get_ready_to_look() -> None:
    """Start a child, so that the first look need not wait for it.

    Raises:
        PluginError: none can be started.
    """
    with _borrowed() as child:
        child.run(_nothing, what="the decoder of headers", timeout_s=LOOK_S)


@contextmanager
def _borrowed() -> Iterator[Child]:
    """A child that nobody else uses meanwhile: the last that was used, where one is idle."""
    with _guard:
        child = _idle.pop() if _idle else Child({"OMP_NUM_THREADS": "1"})
    try:
        yield child
    finally:
        with _guard:
            is_kept = len(_idle) < _KEPT
            if is_kept:
                _idle.append(child)
        if not is_kept:
            child.close()


@atexit.register
def _close_all() -> None:
    for child in _idle:
        child.close()


def _nothing(report: Report) -> Message:
    """The child's side, which has loaded all it needs by now."""
    del report
    return {}


def _look(path: str, bounds: tuple[int, float], report: Report) -> Message:
    """The child's side."""
    del report
    bind(memory_bytes=bounds[0], cpu_s=bounds[1], file_bytes=_FILE_BYTES)
    return asdict(read_info(path)) | {"path": ""}

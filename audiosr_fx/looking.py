"""A look at a file's header at arm's length, for services that live on: a decoder is not to end them.

The looks go to one child process, which stays for the next: a look takes milliseconds, and a file that
crashes or hangs the decoder ends the child alone. What it may use is bounded anew for each look.
"""

from __future__ import annotations

import atexit
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Final

from audiosr_fx.child_voice import Message
from audiosr_fx.errors import AudioFormatError, PluginError
from audiosr_fx.files import AudioInfo, FilePath, read_info
from audiosr_fx.process_limits import bind
from audiosr_fx.wording import shown
from audiosr_fx.worker import Child, Report

LOOK_S: Final = 20.0
"""How long a look may take; a header is read in milliseconds."""
MEMORY_BYTES: Final = 2 << 30
CPU_S: Final = 10.0
_FILE_BYTES: Final = 0
"""Of any file that a look writes; what decoders print on their way goes through a pipe."""
_child: Final = Child({"OMP_NUM_THREADS": "1"})
_guard: Final = threading.Lock()
atexit.register(_child.close)


def read_info_apart(path: FilePath) -> AudioInfo:
    """As ``read_info``, with the decoder in a process of its own.

    Raises:
        AudioFormatError: as ``read_info``, or the file crashed or hung the decoder.
    """
    try:
        with _guard:
            bounds = (MEMORY_BYTES, CPU_S)
            told = _child.run(
                _look, str(path), bounds, what=f"{shown(Path(path))}: its decoder", timeout_s=LOOK_S
            )
    except PluginError as cause:
        raise AudioFormatError(f"{cause}; the file is damaged: copy or export it again") from cause
    return AudioInfo(**{**told, "path": Path(path)})


def _look(path: str, bounds: tuple[int, float], report: Report) -> Message:
    """The child's side."""
    del report
    bind(memory_bytes=bounds[0], cpu_s=bounds[1], file_bytes=_FILE_BYTES)
    return asdict(read_info(path)) | {"path": ""}

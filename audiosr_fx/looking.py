"""A look at a file's header at arm's length, for services that live on: a decoder is not to end them.

The looks go to one child process, which stays for the next: a look takes milliseconds, and a file that
crashes or hangs the decoder ends the child alone.
"""

from __future__ import annotations

import atexit
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Final

from audiosr_fx.errors import AudioFormatError, PluginError
from audiosr_fx.files import AudioInfo, FilePath, read_info, shown
from audiosr_fx.worker import Child, Message, Report

LOOK_S: Final = 20.0
"""How long a look may take; a header is read in milliseconds."""
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
            told = _child.run(_look, str(path), what=f"{shown(Path(path))}: its decoder", timeout_s=LOOK_S)
    except PluginError as cause:
        raise AudioFormatError(f"{cause}; the file is damaged: copy or export it again") from cause
    return AudioInfo(**{**told, "path": Path(path)})


def _look(path: str, report: Report) -> Message:
    """The child's side."""
    del report
    return asdict(read_info(path)) | {"path": ""}

"""Looks at headers that cost little: none where a file has not changed, and none where it has just hung."""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

from audiosr_fx.errors import AudioFormatError, PluginError
from audiosr_fx.files import AudioInfo
from audiosr_fx.header_look import read_info_apart
from audiosr_fx.wording import shown

KEPT: Final = 1000
AVOIDED_S: Final = 15.0
"""A file that hung or crashed the decoder is refused at once for so long: its sender repeats itself."""
_State: TypeAlias = tuple[Path, int, int, int, int]
T = TypeVar("T")


class Looks:
    """Reads headers, for any thread; looks at different files go on side by side."""

    def __init__(
        self,
        read: Callable[[Path], AudioInfo] = read_info_apart,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is known yet.

        Args:
            read: looks at a header, as ``read_info_apart``.
            clock: monotonic, in seconds.
        """
        self._read, self._clock = read, clock
        self._known: dict[_State, AudioInfo] = {}
        self._avoided: dict[_State, tuple[float, str]] = {}
        self._guard = threading.Lock()

    def read(self, path: Path) -> AudioInfo:
        """What a file's header says.

        Raises:
            AudioFormatError: it is no file, no audio, or hung or crashed the decoder, now or just before.
        """
        state = _state_of(path)
        with self._guard:
            known, avoided = self._known.get(state), self._avoided.get(state)
        if known is not None:
            return known
        if avoided is not None and self._clock() < avoided[0]:
            raise AudioFormatError(avoided[1])
        try:
            info = self._read(path)
        except AudioFormatError as error:
            if isinstance(error.__cause__, PluginError):  # the decoder's end, as opposed to its word
                self._keep(self._avoided, state, (self._clock() + AVOIDED_S, str(error)))
            raise
        self._keep(self._known, state, info)
        return info

    def _keep(self, where: dict[_State, T], state: _State, what: T) -> None:
        with self._guard:
            where[state] = what
            if len(where) > KEPT:
                del where[next(iter(where))]


def stat_file(path: Path) -> os.stat_result:
    """What a file is, without a look into it.

    Raises:
        AudioFormatError: it is gone, or a pipe or the like, which would be waited for.
    """
    try:
        found = path.stat()
    except OSError as cause:
        raise AudioFormatError(f"{shown(path)}: cannot be read ({cause.strerror or cause})") from cause
    if not stat.S_ISREG(found.st_mode):
        raise AudioFormatError(f"{shown(path)}: not a file; expected one audio file")
    return found


def _state_of(path: Path) -> _State:
    """Differs whenever a file's content does; raises as ``stat_file``."""
    found = stat_file(path)
    return path, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino

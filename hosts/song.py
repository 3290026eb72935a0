"""The song that a server was started with: its tempo map, read again whenever its file has changed."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import TypeAlias

from audiosr_fx.errors import MessageError
from audiosr_fx.wording import shown
from hosts.tempo import TempoMap, read_tempo_map

_Stamp: TypeAlias = tuple[int, int, int]
_log = logging.getLogger(__name__)


class Song:
    """A MIDI file that a DAW exports, now and then anew; for any thread."""

    def __init__(self, path: Path) -> None:
        """Read it.

        Raises:
            MessageError: it is no tempo map.
        """
        self._path = path
        self._guard = threading.Lock()
        self._stamp = _stamp_of(path)  # before it is read: what changes just then is read again
        self._tempo_map = read_tempo_map(path)

    @property
    def tempo_map(self) -> TempoMap:
        """As the file says now; while it is gone, half written or no map, as it said before."""
        with self._guard:
            stamp = _stamp_of(self._path)
            if stamp is not None and stamp != self._stamp:
                self._stamp = stamp
                self._read_again()
            return self._tempo_map

    def _read_again(self) -> None:
        try:
            self._tempo_map = read_tempo_map(self._path)
        except MessageError as error:
            _log.warning("%s; bars count as they did before", error)
        else:
            _log.info("%s has changed; bars count by what it is now", shown(self._path))


def _stamp_of(path: Path) -> _Stamp | None:
    """Another one for another content; None where there is no file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns

"""The folders that outputs went to, in a plain file beside the database, for rebuilds and sweeps."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

from audiosr_fx.atomic import naming, sync


class FolderList:
    """Folders, one JSON text a line; only ever added to, so that a damaged database takes none with it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._known: dict[str, None] = {}
        if path.exists():
            for line in path.read_bytes().splitlines():
                try:
                    folder = json.loads(line)
                except ValueError:  # half a line, from a moment without power
                    continue
                if isinstance(folder, str):
                    self._known[folder] = None

    def add(self, folder: Path) -> None:
        """Remember a folder; on the disk when this returns.

        Raises:
            OSError: it cannot be written.
        """
        with self._lock:
            if str(folder) in self._known:
                return
            line = f"\n{json.dumps(str(folder))}\n".encode("ascii")
            descriptor = os.open(self._path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
            try:
                with naming(self._path):
                    written = os.write(descriptor, line)
                if written != len(line):
                    raise OSError(f"{self._path}: only part of a line could be written")
            finally:
                os.close(descriptor)
            sync(self._path)
            self._known[str(folder)] = None

    def all(self) -> list[Path]:
        """Every folder, oldest first."""
        with self._lock:
            return [Path(folder) for folder in self._known]

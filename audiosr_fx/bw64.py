"""BW64 files (ITU-R BS.2088) for a decoder that knows only RF64: the two differ in their first four bytes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Final

import soundfile

_MARK: Final = b"RF64"


class Bw64File(soundfile.SoundFile):  # type: ignore[misc] # soundfile ships no types
    """A BW64 file opened for reading, as ``soundfile.SoundFile`` opens other files."""

    def __init__(self, path: Path) -> None:
        """Raises OSError or soundfile.LibsndfileError for what cannot be read."""
        self._bytes = _AsRf64(path)
        try:
            super().__init__(self._bytes)
        except BaseException:
            self._bytes.close()
            raise

    def close(self) -> None:
        """Let go of the file."""
        super().close()
        self._bytes.close()


def is_bw64(head: bytes) -> bool:
    """Whether a file that begins so is a BW64."""
    return head[:4] == b"BW64"


class _AsRf64(io.FileIO):
    """A file whose first four bytes read as RF64."""

    def readinto(self, buffer: Any) -> int:
        position = self.tell()
        count = super().readinto(buffer) or 0
        for at in range(position, min(position + count, len(_MARK))):
            memoryview(buffer).cast("B")[at - position : at - position + 1] = _MARK[at : at + 1]
        return count

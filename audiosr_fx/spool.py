"""A source on disk: blocks of any length go in once, samples by position come out."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np

from audiosr_fx.errors import NO_ROOM, AudioFormatError, NoRoom
from audiosr_fx.sources import Audio


class SpoolSource:
    """A source on disk, filled once from blocks: float32 in a file without a name, gone with the object."""

    def __init__(
        self,
        sample_rate: int,
        channels: int,
        folder: Path | None,
        *,
        speakers: int | None = None,
        native_rate: int | None = None,
    ) -> None:
        """``folder``: where there is room for it; None is the system's temporary folder.

        Raises:
            AudioFormatError: there can be no file; NoRoom on a full disk.
        """
        self.sample_rate = sample_rate
        self.native_rate = native_rate or sample_rate
        self.channels = channels
        self.frames = 0
        self.speakers = speakers
        self._lock = threading.Lock()
        with _told():
            self._file = TemporaryFile(dir=folder)  # noqa: SIM115 - closed with the object

    def append(self, block: Audio) -> None:
        """Add (channels, n) samples.

        Raises:
            AudioFormatError: the disk failed; NoRoom where it takes no more.
        """
        with _told():
            self._file.write(np.ascontiguousarray(block.T).tobytes())
            self._file.flush()
        self.frames += block.shape[1]

    def read(self, start: int, stop: int) -> Audio:
        """See ``Source.read``."""
        out = np.zeros((self.channels, max(0, stop - start)), np.float32)
        low, high = max(start, 0), min(stop, self.frames)
        if low < high:
            with self._lock:
                self._file.seek(4 * self.channels * low)
                samples = np.frombuffer(self._file.read(4 * self.channels * (high - low)), np.float32)
            out[:, low - start : high - start] = samples.reshape(-1, self.channels).T
        return out

    def __del__(self) -> None:
        with suppress(AttributeError):  # where the file could not be made
            self._file.close()


@contextmanager
def _told() -> Iterator[None]:
    """What goes wrong with the disk, as our error."""
    try:
        yield
    except OSError as cause:
        kind = NoRoom if cause.errno in NO_ROOM else AudioFormatError
        raise kind(
            f"a temporary file cannot be written ({cause.strerror or cause}); make room beside the result"
        ) from cause

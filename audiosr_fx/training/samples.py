"""Files as arrays that are not there: any stretch of one channel at 48 kHz, decoded when it is asked for."""

from __future__ import annotations

import logging
from collections import OrderedDict
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from audiosr_fx.files import FileSource
from audiosr_fx.sources import ResampledSource, check_finite, position_at_rate
from audiosr_fx.wording import shown

logger = logging.getLogger(__name__)

SAMPLE_RATE = 48_000
FULL_SCALE = 32_768

_KEPT_WHOLE_S = 30.0
_KEPT_BYTES = 512 * 1024**2


class Samples(Protocol):
    """One channel at 48 kHz whose full scale is 32768: an int16 array, or a file behind the same face."""

    def __len__(self) -> int: ...

    def __getitem__(self, where: slice, /) -> NDArray[Any]: ...

    def astype(self, dtype: Any, /) -> Any:
        """All of it as a new array."""


class FileSamples:
    """One channel of an audio file of any rate, at 48 kHz: int16, or float32 where that is not exact.

    Of a file of up to 30 s the decoded samples are kept while half a gigabyte holds them; of longer ones only
    the stretch is read that is asked for. No file stays open. What cannot be decoded is silence, so that one
    damaged file does not end a long run; a warning names the file, once in each process.
    """

    def __init__(self, path: Path, *, channel: int, sample_rate: int, frames: int) -> None:
        """``sample_rate`` and ``frames`` are the file's own, as its header says."""
        self.path = path
        self.channel = channel
        self.key = (path.absolute(), channel)  # a name alone means another file in another folder
        self._length = position_at_rate(frames, sample_rate, SAMPLE_RATE)

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, where: slice, /) -> NDArray[Any]:
        start, stop, step = where.indices(self._length)
        if step != 1:
            raise ValueError(f"step is {step}; expected 1")
        stop = max(start, stop)
        if self._length > _KEPT_WHOLE_S * SAMPLE_RATE:
            return self._read(start, stop)
        return _kept.get(self)[start:stop]

    def astype(self, dtype: Any, /) -> Any:
        """All of it as a new array."""
        return np.array(self[:], dtype)

    def intact(self, start: int, stop: int) -> NDArray[np.float32]:
        """A stretch straight from the file, as it has to be where it is measured.

        Raises:
            AudioFormatError: it cannot be decoded, or holds NaN or Inf.
        """
        with FileSource(self.path, warns=False) as source:
            samples = ResampledSource(source, SAMPLE_RATE).read(start, stop)[self.channel]
        check_finite(samples[None], f"{shown(self.path)}: holds", start)
        return np.asarray(samples * np.float32(FULL_SCALE), np.float32)

    def _read(self, start: int, stop: int) -> NDArray[np.float32]:
        # opening takes a fifth of the time that reading takes
        with FileSource(self.path, allow_truncated=True, warns=False) as source:
            samples = ResampledSource(source, SAMPLE_RATE).read(start, stop)[self.channel]
            missing = source.missing
        if missing is not None and self.path not in _told:
            _told.add(self.path)
            logger.warning("%s; until then silence stands for what is missing", missing)
        # one sample that is no number spoils all it is mixed into
        finite = np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)
        return np.asarray(finite * np.float32(FULL_SCALE), np.float32)


def intact(samples: Samples, start: int, stop: int) -> NDArray[Any]:
    """A stretch whose full scale is 32768.

    Raises:
        AudioFormatError: it is of a file, and that cannot be decoded there or holds NaN or Inf.
    """
    return samples.intact(start, stop) if isinstance(samples, FileSamples) else samples[start:stop]


class _Kept:
    """The files used last, decoded, up to a number of bytes."""

    def __init__(self, bytes_kept: int) -> None:
        self._bytes_kept = bytes_kept
        self._arrays: OrderedDict[tuple[Path, int], NDArray[Any]] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def get(self, samples: FileSamples) -> NDArray[Any]:
        key = samples.key
        with self._lock:
            if key in self._arrays:
                self._arrays.move_to_end(key)
                return self._arrays[key]
            decoded = _smallest(samples._read(0, len(samples)))
            decoded.flags.writeable = False
            self._arrays[key] = decoded
            self._bytes += decoded.nbytes
            while self._bytes > self._bytes_kept:
                self._bytes -= self._arrays.popitem(last=False)[1].nbytes
        return decoded


def _smallest(samples: NDArray[np.float32]) -> NDArray[Any]:
    """The same values as int16 where they are whole numbers: half the memory."""
    whole = np.clip(samples, -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
    return whole if np.array_equal(whole, samples) else samples


_kept = _Kept(_KEPT_BYTES)
_told: set[Path] = set()

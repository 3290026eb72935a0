"""WAV, RF64, BW64 and AIFF files without their other chunks, for a decoder that stumbles over those.

libsndfile does not know BW64, takes no odd-sized chunk before the samples of an RF64, and gives up on a
malformed one before the samples of a WAV or AIFF, or loses its place. It is shown a file of format and
samples alone instead.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import soundfile

from audiosr_fx.chunks import Chunk

_LARGEST_FORMAT: Final = 4096
_LARGEST_RIFF: Final = 0xFFFFFFFF - 4096
_IN_DS64: Final = 0xFFFFFFFF


def open_plain_file(path: Path, places: Iterable[Chunk]) -> soundfile.SoundFile:
    """Open the samples of a file whose chunks are known.

    Raises:
        OSError: it cannot be read.
        ValueError: it has no format or no samples.
        soundfile.LibsndfileError: the format is not one that is known.
    """
    plain = _Plain(path, places)
    try:
        return _PlainFile(plain)
    except BaseException:
        plain.close()
        raise


class _PlainFile(soundfile.SoundFile):  # type: ignore[misc] # soundfile ships no types
    def __init__(self, plain: _Plain) -> None:
        self._plain = plain
        super().__init__(plain)

    def close(self) -> None:
        super().close()
        self._plain.close()


class _Plain(io.RawIOBase):
    """The bytes of a file with nothing but format and samples: a header made here, the rest from the file."""

    def __init__(self, path: Path, places: Iterable[Chunk]) -> None:
        self._file = path.open("rb")
        try:
            kind = self._file.read(12)
            format, samples = _format_and_samples(places)
            self._file.seek(format.start)
            payload = self._file.read(min(format.size, _LARGEST_FORMAT))
            self._start = samples.start
            present = self._file.seek(0, os.SEEK_END) - self._start
        except BaseException:
            self._file.close()
            raise
        size = min(samples.size, present) or present  # 0 is a length that was left open
        is_aiff = kind[:4] == b"FORM"
        self._header = _aiff_header(kind[8:], payload, size) if is_aiff else _wav_header(payload, size)
        self._size = len(self._header) + size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(0, origin + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        piece = self._header[self._position : self._position + len(view)]
        if not piece:
            self._file.seek(self._start + self._position - len(self._header))
            piece = self._file.read(max(0, min(len(view), self._size - self._position)))
        elif len(piece) < len(view):
            self._file.seek(self._start)
            piece += self._file.read(min(len(view) - len(piece), self._size - len(self._header)))
        view[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)

    def close(self) -> None:
        self._file.close()
        super().close()


def _format_and_samples(places: Iterable[Chunk]) -> tuple[Chunk, Chunk]:
    format = None
    for place in places:
        if place.name in (b"fmt ", b"COMM"):
            format = format or place
        elif place.name in (b"data", b"SSND") and format is not None:
            return format, place
    raise ValueError("there is no format, or there are no samples")


def _aiff_header(form: bytes, format: bytes, size: int) -> bytes:
    body = b"COMM" + struct.pack(">I", len(format)) + format + bytes(len(format) % 2)
    return (
        b"FORM"
        + struct.pack(">I", 4 + len(body) + 8 + size)
        + form
        + body
        + b"SSND"
        + struct.pack(">I", size)
    )


def _wav_header(format: bytes, size: int) -> bytes:
    body = b"fmt " + struct.pack("<I", len(format)) + format + bytes(len(format) % 2)
    if size <= _LARGEST_RIFF:
        riff = b"RIFF" + struct.pack("<I", 4 + len(body) + 8 + size) + b"WAVE"
        return riff + body + b"data" + struct.pack("<I", size)
    long_sizes = struct.pack("<QQQI", 4 + 36 + len(body) + 8 + size, size, 0, 0)
    marked = struct.pack("<I", _IN_DS64)
    ds64 = b"ds64" + struct.pack("<I", len(long_sizes)) + long_sizes
    return b"RF64" + marked + b"WAVE" + ds64 + body + b"data" + marked

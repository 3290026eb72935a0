"""WAV files laid out by hand: chunks before and after the samples, RF64 beyond 4 GB, no clock in the header.

libsndfile writes WAV too, but no chunks and no speakers of our choosing; else the bytes here are its own.
Sources: RIFF (Microsoft, 1991), WAVEFORMATEXTENSIBLE, EBU Tech 3306 (RF64).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from audiosr_fx.files import BYTES_PER_SAMPLE
from audiosr_fx.speakers import default_speakers

ChunkData: TypeAlias = tuple[bytes, bytes]
"""A chunk's name and payload."""

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_GUID_TAIL: Final = bytes.fromhex("0000000010008000 00aa00389b71")
_IN_DS64: Final = 0xFFFFFFFF


class WavFile:
    """A WAV being written: header, chunks, samples; ``close`` appends the other chunks and sets all sizes."""

    def __init__(
        self,
        path: Path,
        sample_rate: int,
        channels: int,
        subtype: str,
        *,
        speakers: int | None = None,
        is_rf64: bool = False,
        before: Sequence[ChunkData] = (),
    ) -> None:
        """Open a file that exists and write its header.

        Args:
            path: the file, which is emptied.
            sample_rate: in Hz.
            channels: more than two make it extensible, as do speakers other than one or two in front.
            subtype: PCM_16, PCM_24, PCM_32 or FLOAT.
            speakers: the mask of who plays them; None takes ``default_speakers``.
            is_rf64: write an RF64.
            before: chunks in front of the samples, of even lengths because libsndfile's RF64 reader knows no
                padding. The attribute may be changed until ``close``, but for the lengths.
        """
        assert not any(len(payload) % 2 for _, payload in before)
        self.before = list(before)
        self.after: list[ChunkData] = []
        usual = default_speakers(channels)
        is_extensible = is_rf64 or channels > 2 or speakers not in (None, 0, usual)
        mask = (usual if speakers is None else speakers) if is_extensible else None
        self._format = _format_chunk(sample_rate, channels, subtype, mask)
        self._channels, self._subtype, self._is_rf64 = channels, subtype, is_rf64
        self._frames = 0
        self._peaks = np.zeros(channels, np.float32)
        self._peak_frames = np.zeros(channels, np.int64)
        self._file: BinaryIO = path.open("wb")
        try:
            self._file.write(self._header())
        except BaseException:
            self.drop()
            raise

    def write(self, samples: NDArray[Any]) -> None:
        """Append (samples, channels): int16, left-aligned int32, or float32 for FLOAT."""
        if len(samples) == 0:
            return
        if self._subtype == "FLOAT":
            self._note_peaks(samples)
        if self._subtype == "PCM_24":
            packed = np.ascontiguousarray(samples, "<i4").view(np.uint8).reshape(-1, 4)[:, 1:].tobytes()
        else:
            packed = np.ascontiguousarray(samples, samples.dtype.newbyteorder("<")).tobytes()
        self._file.write(packed)
        self._frames += len(samples)

    def close(self) -> None:
        """Finish the file; ``after`` comes behind the samples, or before them where there are none.

        Raises:
            OSError: the disk takes no more.
        """
        if self._frames == 0:  # readers take what follows samples of size 0 for samples
            self.before, self.after = [*self.before, *self.after], []
            self._is_rf64 = False
        else:
            self._file.write(bytes(self._data_bytes % 2))
            self._file.write(_joined(self.after))
        self._file.seek(0)
        self._file.write(self._header())
        if self._frames == 0:
            self._file.truncate()
        self._file.close()

    def drop(self) -> None:
        """Let go of the file as it is."""
        with suppress(OSError):
            self._file.close()

    @property
    def _data_bytes(self) -> int:
        return self._frames * self._channels * BYTES_PER_SAMPLE[self._subtype]

    def _note_peaks(self, samples: NDArray[Any]) -> None:
        magnitudes = np.abs(samples)
        places = magnitudes.argmax(axis=0)
        peaks = magnitudes[places, np.arange(self._channels)]
        higher = peaks > self._peaks
        self._peaks = np.where(higher, peaks, self._peaks)
        self._peak_frames = np.where(higher, self._frames + places, self._peak_frames)

    def _header(self) -> bytes:
        """Everything in front of the samples, with the sizes as they are now."""
        chunks = [(b"fmt ", self._format)]
        if not self._is_rf64 and (self._subtype == "FLOAT" or len(self._format) > 16):
            chunks.append((b"fact", struct.pack("<I", min(self._frames, _IN_DS64))))
        if not self._is_rf64 and self._subtype == "FLOAT":
            chunks.append((b"PEAK", self._peak_chunk()))
        body = _joined([*chunks, *self.before])
        long_sizes_bytes = 36 if self._is_rf64 else 0
        data = self._data_bytes
        size = 4 + long_sizes_bytes + len(body) + 8 + data + data % 2 + len(_joined(self.after))
        if not self._is_rf64:
            return b"RIFF" + struct.pack("<I", size) + b"WAVE" + body + b"data" + struct.pack("<I", data)
        long_sizes = struct.pack("<QQQI", size, data, self._frames, 0)
        marked = struct.pack("<I", _IN_DS64)
        return b"RF64" + marked + b"WAVE" + _joined([(b"ds64", long_sizes)]) + body + b"data" + marked

    def _peak_chunk(self) -> bytes:
        """The PEAK chunk with a time stamp of 0."""
        peaks = zip(self._peaks.tolist(), self._peak_frames.tolist(), strict=True)
        return struct.pack("<II", 1, 0) + b"".join(
            struct.pack("<fI", peak, min(frame, _IN_DS64)) for peak, frame in peaks
        )


def append_aiff_chunks(path: Path, chunks: Iterable[ChunkData]) -> None:
    """Add chunks to the end of an AIFF file and set its size.

    Raises:
        OSError: the disk takes no more.
    """
    with path.open("r+b") as file:
        end = file.seek(0, os.SEEK_END)
        file.write(bytes(end % 2))
        file.write(_joined(chunks, ">I"))
        size = file.tell() - 8
        file.seek(4)
        file.write(struct.pack(">I", size))


def chunks_size(chunks: Iterable[ChunkData]) -> int:
    """Bytes that chunks take up, headers and padding included."""
    return sum(8 + len(payload) + len(payload) % 2 for _, payload in chunks)


def _joined(chunks: Iterable[ChunkData], size_format: str = "<I") -> bytes:
    """Chunks one after the other, each padded to an even length."""
    return b"".join(
        name + struct.pack(size_format, len(payload)) + payload + bytes(len(payload) % 2)
        for name, payload in chunks
    )


def _format_chunk(sample_rate: int, channels: int, subtype: str, mask: int | None) -> bytes:
    """The ``fmt`` chunk, extensible where there is a mask."""
    width = BYTES_PER_SAMPLE[subtype]
    tag = _FLOAT if subtype == "FLOAT" else _PCM
    rates = struct.pack("<IIHH", sample_rate, sample_rate * channels * width, channels * width, 8 * width)
    if mask is None:
        return struct.pack("<HH", tag, channels) + rates
    extension = struct.pack("<HHIH", 22, 8 * width, mask, tag)
    return struct.pack("<HH", _EXTENSIBLE, channels) + rates + extension + _GUID_TAIL

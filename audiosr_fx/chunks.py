"""The chunks of RIFF, RF64, BW64 and AIFF files: where each is, and how much it claims."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

OPEN_LENGTHS: Final = {
    0xFFFFFFFF,
    0x7FFFFFFF,
    0x7FFFF000,
    0,
}  # what writers to a pipe put where the length belongs
_SIZE_IS_IN_DS64: Final = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class DataClaim:
    """Bytes of audio the header promises, and bytes that follow it in the file."""

    claimed: int
    present: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """One chunk of a RIFF or AIFF file: its name, where its payload starts, and its size in bytes."""

    name: bytes
    start: int
    size: int


def claimed_data(stream: BinaryIO) -> DataClaim | None:
    """Compare a WAV's, RF64's or AIFF's data size with the file's; None for other formats."""
    file_size = stream.seek(0, os.SEEK_END)
    for chunk in chunks(stream):
        if chunk.name == b"data":
            return DataClaim(chunk.size, file_size - chunk.start)
        if chunk.name == b"SSND":
            return DataClaim(max(chunk.size - 8, 0), max(file_size - chunk.start - 8, 0))
    return None


def chunks(stream: BinaryIO) -> Iterator[Chunk]:
    """Walk the chunks of a RIFF, RIFX, RF64, BW64 or AIFF file; ``data`` has the size that ``ds64`` says."""
    file_size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    head = stream.read(12)
    if len(head) < 12 or head[:4] not in (b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM"):
        return
    size_format = ">I" if head[:4] in (b"RIFX", b"FORM") else "<I"
    position = 12
    long_size: int | None = None
    while position + 8 <= file_size:
        stream.seek(position)
        header = stream.read(8)
        size = struct.unpack(size_format, header[4:])[0]
        if header[:4] == b"ds64" and len(payload := stream.read(16)) == 16:
            long_size = struct.unpack("<QQ", payload)[1]
        if header[:4] == b"data" and size == _SIZE_IS_IN_DS64 and long_size is not None:
            size = long_size
        yield Chunk(header[:4], position + 8, size)
        position += 8 + size + size % 2

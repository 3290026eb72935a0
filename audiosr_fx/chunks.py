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
MAX_CHUNKS: Final = 4096
"""Of one file, to look at."""


@dataclass(frozen=True, slots=True)
class DataClaim:
    """Bytes of audio the header promises, and bytes that may be audio and follow it in the file."""

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
    return next((claim_of(stream, c) for c in chunks(stream) if c.name in (b"data", b"SSND")), None)


def claim_of(stream: BinaryIO, chunk: Chunk) -> DataClaim:
    """What a ``data`` or ``SSND`` chunk promises, held against the file."""
    file_size = stream.seek(0, os.SEEK_END)
    start, claimed = chunk.start, chunk.size
    if chunk.name == b"SSND":  # two numbers stand before its samples
        start += 8
        claimed = claimed if claimed in OPEN_LENGTHS else max(claimed - 8, 0)
    if claimed == 0 and _are_chunks(stream, chunk.start + chunk.size, file_size):
        return DataClaim(0, 0)
    return DataClaim(claimed, max(file_size - start, 0))


def _are_chunks(stream: BinaryIO, position: int, file_size: int) -> bool:
    """Whether a file is nothing but whole chunks from there on, which then are no audio."""
    stream.seek(0)
    size_format = _size_format(stream.read(4))
    for _ in range(MAX_CHUNKS):
        if position + 8 > file_size:
            break
        stream.seek(position)
        header = stream.read(8)
        if not header[:4].isascii() or not header[:4].decode("ascii").isprintable():
            return False
        size = struct.unpack(size_format, header[4:])[0]
        position += 8 + size + size % 2
    return position in (file_size, file_size + 1)  # the last may lack its padding


def chunks(stream: BinaryIO) -> Iterator[Chunk]:
    """Walk the chunks of a RIFF, RIFX, RF64, BW64 or AIFF file; ``data`` has the size that ``ds64`` says."""
    file_size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    head = stream.read(12)
    if len(head) < 12 or head[:4] not in (b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM"):
        return
    size_format = _size_format(head[:4])
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


def _size_format(form: bytes) -> str:
    return ">I" if form in (b"RIFX", b"FORM") else "<I"

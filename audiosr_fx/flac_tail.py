"""Whether the last sample that a FLAC file promises is there: its last frame, found from the end of the file.

A FLAC file says how many samples it has, not how many bytes, so the end is sought: a frame header whose check
sum is right and whose samples end where the stream does, of a frame whose check sum holds up to the end.
Source: RFC 9639, sections 8.2 (STREAMINFO), 9.1 (frame header) and 9.3 (frame footer).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import BinaryIO, Final

from audiosr_fx.checksums import crc8, crc16

_STREAM_INFO_BYTES: Final = 34
_MAX_BLOCKS: Final = 1024
_LONGEST_HEADER: Final = 16
_ID3V1_BYTES: Final = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class FlacEnd:
    """What was found: ``frames`` the header promises (None: there is no header yet, 0: left open)."""

    frames: int | None
    is_found: bool = False
    is_without_audio: bool = False


@dataclass(frozen=True, slots=True)
class _StreamInfo:
    block_samples: int
    longest_frame: int
    frames: int


def find_flac_end(stream: BinaryIO, start: int, size: int) -> FlacEnd:
    """Look for the last frame of the FLAC stream that begins at a position of a file of a size.

    Raises:
        OSError: it cannot be read.
    """
    info, audio = _metadata(stream, start, size)
    if info is None:
        return FlacEnd(frames=None)
    if audio is None:
        return FlacEnd(frames=info.frames or 1)
    if audio == size:
        return FlacEnd(frames=info.frames, is_without_audio=info.frames == 0)
    if info.frames == 0:
        return FlacEnd(frames=0)
    stream.seek(max(audio, size - info.longest_frame - _ID3V1_BYTES))
    tail = stream.read(info.longest_frame + _ID3V1_BYTES)
    if tail[-_ID3V1_BYTES:].startswith(b"TAG"):
        tail = tail[:-_ID3V1_BYTES]
    return FlacEnd(frames=info.frames, is_found=_ends_with_last_frame(tail, info))


def _metadata(stream: BinaryIO, start: int, size: int) -> tuple[_StreamInfo | None, int | None]:
    """The stream info, and where the audio begins; None where the file ends before."""
    stream.seek(start + 4)
    info = None
    for _ in range(_MAX_BLOCKS):
        header = stream.read(4)
        if len(header) < 4:
            return info, None
        length = int.from_bytes(header[1:], "big")
        if info is None:
            payload = stream.read(_STREAM_INFO_BYTES)
            if header[0] & 0x7F or len(payload) < _STREAM_INFO_BYTES:
                return None, None
            info = _stream_info(payload)
            length -= _STREAM_INFO_BYTES
        at = stream.seek(max(length, 0), os.SEEK_CUR)
        if header[0] & 0x80:
            return info, at if at <= size else None
    return info, None


def _stream_info(payload: bytes) -> _StreamInfo:
    block = int.from_bytes(payload[2:4], "big")
    packed = int.from_bytes(payload[10:18], "big")
    channels, bits = (packed >> 41 & 7) + 1, (packed >> 36 & 31) + 1
    bound = 64 + channels * (block * (bits + 1) // 8 + 8)  # a frame of samples as they are
    stated = int.from_bytes(payload[7:10], "big")
    return _StreamInfo(block, min(stated or bound, bound) + _LONGEST_HEADER, packed & (1 << 36) - 1)


def _ends_with_last_frame(tail: bytes, info: _StreamInfo) -> bool:
    at = len(tail)
    while (at := tail.rfind(b"\xff", 0, at)) >= 0:
        if _frame_end(tail, at, info) == info.frames and crc16(tail[at:]) == 0:
            return True
    return False


def _frame_end(tail: bytes, at: int, info: _StreamInfo) -> int | None:
    """Samples up to the end of the frame whose header stands at a position; None where no header does."""
    if len(tail) < at + _LONGEST_HEADER // 2 or tail[at + 1] & 0xFE != 0xF8:
        return None
    number, length = _coded_number(tail, at + 4)
    if number is None:
        return None
    place = at + 4 + length
    block_code, rate_code = tail[at + 2] >> 4, tail[at + 2] & 15
    block_bytes = {6: 1, 7: 2}.get(block_code, 0)
    after = place + block_bytes + {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
    if after >= len(tail) or crc8(tail[at : after + 1]) != 0:
        return None
    samples = _block_samples(block_code, tail[place : place + block_bytes])
    first = number if tail[at + 1] & 1 else number * info.block_samples
    return None if samples is None else first + samples


def _block_samples(code: int, extra: bytes) -> int | None:
    if code in (6, 7):
        return int.from_bytes(extra, "big") + 1
    if code == 0:
        return None
    if code == 1:
        return 192
    return 576 << code - 2 if code < 6 else 256 << code - 8


def _coded_number(tail: bytes, at: int) -> tuple[int | None, int]:
    """A number coded as UTF-8 codes letters, up to 36 bits; and the bytes that it takes."""
    first = tail[at]
    if first < 0x80:
        return first, 1
    length = 8 - (first ^ 0xFF).bit_length()  # the ones in front
    if not 2 <= length <= 7:
        return None, 1
    number = first & 0x7F >> length
    for byte in tail[at + 1 : at + length]:
        if byte & 0xC0 != 0x80:
            return None, 1
        number = number << 6 | byte & 0x3F
    return number, length

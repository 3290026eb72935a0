"""What the header of an audio file claims, held against the bytes that are there; nothing is decoded.

libsndfile opens more formats than we take, and quietly clips a header that lies. So the kind, the codec and
the length of a file are read here first, from a few hundred bytes at its ends.
Sources: RIFF (Microsoft, 1991), EBU Tech 3306 (RF64), Sony Wave64 1.0, AIFF-C (Apple, 1991), RFC 9639 (FLAC),
RFC 3533 (Ogg).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import BinaryIO, Final

from audiosr_fx.checksums import crc32
from audiosr_fx.chunks import MAX_CHUNKS, OPEN_LENGTHS, Chunk, DataClaim, chunks, claim_of
from audiosr_fx.flac_tail import find_flac_end

_TAIL_BYTES: Final = 65_536 + 282  # the longest Ogg page is 65,307 bytes
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_LINEAR_AIFC: Final = {
    b"NONE",
    b"none",
    b"twos",
    b"sowt",
    b"raw ",
    b"in24",
    b"in32",
    b"23ni",
    b"fl32",
    b"FL32",
    b"fl64",
    b"FL64",
}
_NOTHING_YET: Final = "it holds no samples yet"
_SLACK_BYTES: Final = 8  # some writers count the first eight bytes of a RIFF, or its padding, wrongly


class Wholeness(StrEnum):
    """How a header and its file agree.

    ``WHOLE``: what is promised is there. ``EMPTY``: no samples are promised, or their number is left open,
    and none are there, as before a recording. ``OPEN``: the header leaves the length open, as a recording in
    progress does, or is wrong where it does no harm. ``SHORT``: promised bytes are missing. ``FOREIGN``: no
    audio of a kind or codec that we take.
    """

    WHOLE = "whole"
    EMPTY = "empty"
    OPEN = "open"
    SHORT = "short"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What was found: ``kind`` is wav, rf64, w64, aiff, flac, ogg, mp3 or empty; ``reason`` is for people."""

    kind: str
    wholeness: Wholeness
    reason: str = ""


def read_header(stream: BinaryIO) -> Header:
    """Look at both ends of a file.

    Args:
        stream: the file, seekable; it may be of any bytes.

    Raises:
        OSError: it cannot be read.
    """
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    head = stream.read(40)
    match head[:4]:
        case b"RIFF" | b"RIFX" | b"RF64" | b"BW64" if head[8:12] == b"WAVE":
            return _with_holes(stream, size, _riff(stream, head, size))
        case b"FORM" if head[8:12] in (b"AIFF", b"AIFC"):
            return _with_holes(stream, size, _aiff(stream, head, size))
        case b"riff" if head[:16] == _W64_RIFF and head[24:40] == _W64_WAVE:
            return _with_holes(stream, size, _w64(stream, head, size))
        case b"fLaC":
            return _flac(stream, size)
        case b"OggS":
            return _ogg(stream, size)
        case _ if head[:3] == b"ID3":
            return _after_id3(stream, head, size)
        case _ if _is_mpeg(head):
            return Header(kind="mp3", wholeness=Wholeness.WHOLE)
    if not size:
        return _foreign("", "it is empty yet (0 bytes)")
    if not head.strip(b"\0"):
        return _foreign("", "it begins with zeros, as a copy does whose first bytes are still to come")
    return _foreign("", "it does not begin as WAV, W64, AIFF, FLAC, Ogg or MP3 do")


def _riff(stream: BinaryIO, head: bytes, size: int) -> Header:
    kind = "rf64" if head[:4] in (b"RF64", b"BW64") else "wav"
    order = ">" if head[:4] == b"RIFX" else "<"
    codec: str | None = None
    for chunk in islice(chunks(stream), MAX_CHUNKS):
        if chunk.name == b"fmt ":
            codec = _wav_codec(_payload(stream, chunk, 40), order)
        if chunk.name == b"data":
            if codec is None:
                return _foreign(kind, "no fmt chunk stands before its samples")
            if codec:
                return _foreign(kind, codec)
            claimed = struct.unpack(f"{order}I", head[4:8])[0]
            return _held_against(kind, claim_of(stream, chunk), size, claimed)
    if codec:
        return _foreign(kind, codec)
    return _short(kind, "its samples have not begun yet")


def _held_against(kind: str, data: DataClaim, size: int, form_size: int) -> Header:
    """Hold the size of the samples, then that of the whole form, against the file."""
    if data.claimed in OPEN_LENGTHS and data.present == 0:
        return Header(kind=kind, wholeness=Wholeness.EMPTY, reason=_NOTHING_YET)
    if data.claimed in OPEN_LENGTHS and data.claimed != data.present:
        return Header(kind=kind, wholeness=Wholeness.OPEN, reason="the header leaves the length open")
    if data.claimed > data.present:
        return _short(kind, f"the header promises {data.claimed} bytes of audio, {data.present} are there")
    if form_size not in OPEN_LENGTHS and form_size + 8 > size + _SLACK_BYTES:
        reason = f"the header promises {form_size + 8} bytes in all, {size} are there"
        return Header(kind=kind, wholeness=Wholeness.OPEN, reason=reason)
    return Header(kind=kind, wholeness=Wholeness.WHOLE)


def _wav_codec(format: bytes, order: str) -> str:
    """Why a fmt chunk is not taken; nothing where it is."""
    if len(format) < 16:
        return "its fmt chunk is too short"
    tag, bits = struct.unpack_from(f"{order}H", format)[0], struct.unpack_from(f"{order}H", format, 14)[0]
    if tag == _EXTENSIBLE and len(format) >= 26:
        tag = struct.unpack_from(f"{order}H", format, 24)[0]
    widths = {_PCM: range(1, 33), _FLOAT: (32, 64)}
    if tag not in widths:
        return f"its codec is number {tag:#x}; expected linear PCM or float samples"
    return "" if bits in widths[tag] else f"its samples have {bits} bits; expected 8 to 32, or 64 of float"


def _aiff(stream: BinaryIO, head: bytes, size: int) -> Header:
    codec: str | None = None
    for chunk in islice(chunks(stream), MAX_CHUNKS):
        if chunk.name == b"COMM":
            payload = _payload(stream, chunk, 22)
            is_linear = head[8:12] == b"AIFF" or payload[18:22] in _LINEAR_AIFC
            shown = payload[18:22].decode("ascii", "replace")
            codec = "" if is_linear else f"its codec is {shown!r}; expected linear PCM or float samples"
        if chunk.name == b"SSND":
            claimed = struct.unpack(">I", head[4:8])[0]
            verdict = _held_against("aiff", claim_of(stream, chunk), size, claimed)
            return _foreign("aiff", codec) if codec else verdict
    if codec:
        return _foreign("aiff", codec)
    return _short("aiff", "its samples have not begun yet")


_W64_TAIL: Final = bytes.fromhex("f3acd3118cd100c04f8edb8a")
_W64_RIFF: Final = b"riff" + bytes.fromhex("2e91cf11a5d628db04c10000")
_W64_WAVE: Final = b"wave" + _W64_TAIL


def _w64(stream: BinaryIO, head: bytes, size: int) -> Header:
    codec: str | None = None
    for chunk in islice(w64_chunks(stream, size), MAX_CHUNKS):
        if chunk.name == b"fmt ":
            codec = _wav_codec(_payload(stream, chunk, 40), "<")
        if chunk.name == b"data":
            if codec is None:
                return _foreign("w64", "no fmt chunk stands before its samples")
            if codec:
                return _foreign("w64", codec)
            claim = DataClaim(chunk.size, max(size - chunk.start, 0))
            return _held_against("w64", claim, size, struct.unpack("<Q", head[16:24])[0] - 8)
    return _foreign("w64", codec) if codec else _short("w64", "its samples have not begun yet")


def w64_chunks(stream: BinaryIO, size: int) -> Iterator[Chunk]:
    """The chunks of a Wave64: names of 16 bytes, sizes of 8 that count their own header, aligned to 8."""
    at = 40
    while at + 24 <= size:
        stream.seek(at)
        head = stream.read(24)
        length = struct.unpack("<Q", head[16:])[0]
        if length < 24:
            return
        yield Chunk(head[:4], at + 24, length - 24)
        at += (length + 7) // 8 * 8


def _flac(stream: BinaryIO, size: int, start: int = 0) -> Header:
    end = find_flac_end(stream, start, size)
    if end.frames is None:
        return _short("flac", "its first block is not there yet")
    if end.is_without_audio:
        return Header(kind="flac", wholeness=Wholeness.EMPTY, reason=_NOTHING_YET)
    if end.frames == 0:
        return Header(kind="flac", wholeness=Wholeness.OPEN, reason="the header leaves the length open")
    if end.is_found:
        return Header(kind="flac", wholeness=Wholeness.WHOLE)
    return _short("flac", f"the header promises {end.frames} samples and the last of them is missing")


def _ogg(stream: BinaryIO, size: int) -> Header:
    """An Ogg file is whole where its last page is marked as that, and the page's check sum is right."""
    stream.seek(max(0, size - _TAIL_BYTES))
    tail = stream.read(_TAIL_BYTES)
    page = bytearray(tail[max(0, tail.rfind(b"OggS")) :])
    if len(page) >= 27 and page[5] & 4:
        page = page[: 27 + page[26] + sum(page[27 : 27 + page[26]])]
        stated, page[22:26] = int.from_bytes(page[22:26], "little"), bytes(4)
        if crc32(bytes(page)) == stated:
            return Header(kind="ogg", wholeness=Wholeness.WHOLE)
    return _short("ogg", "its last page is missing")


def id3_size(head: bytes) -> int:
    """Bytes of the ID3v2 tag that a file begins with, header and footer included; 0 where none begins.

    Args:
        head: the file's first ten bytes, or more.

    Source: id3.org, ID3v2.4.0 main structure, section 3.1; sizes have seven bits a byte.
    """
    if len(head) < 10 or head[:3] != b"ID3" or head[3] not in (2, 3, 4) or max(head[6:10]) > 127:
        return 0
    length = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
    return 10 + length + (10 if head[3] == 4 and head[5] & 0x10 else 0)


def _after_id3(stream: BinaryIO, head: bytes, size: int) -> Header:
    """An ID3 tag stands before MP3, and now and then before FLAC."""
    start = id3_size(head)
    if len(head) < 10 or start >= size:
        return _short("mp3", "nothing follows its ID3 tag yet")
    stream.seek(start)
    if stream.read(4) == b"fLaC":
        return _flac(stream, size, start)
    return Header(kind="mp3", wholeness=Wholeness.WHOLE)


def _is_mpeg(head: bytes) -> bool:
    """Whether a frame header of MPEG audio stands first: its sync, and no field with a reserved value."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return False
    version, layer, bit_rate, rate = head[1] >> 3 & 3, head[1] >> 1 & 3, head[2] >> 4, head[2] >> 2 & 3
    return version != 1 and layer != 0 and bit_rate != 15 and rate != 3


def _with_holes(stream: BinaryIO, size: int, found: Header) -> Header:
    """A file with holes may be one whose room was set aside before its bytes arrived."""
    if found.wholeness is not Wholeness.WHOLE or not hasattr(os, "SEEK_HOLE"):
        return found
    with suppress(OSError, ValueError):
        if os.lseek(stream.fileno(), 0, os.SEEK_HOLE) < size:
            reason = "parts of the file have never been written"
            return Header(kind=found.kind, wholeness=Wholeness.OPEN, reason=reason)
    return found


def _payload(stream: BinaryIO, chunk: Chunk, size: int) -> bytes:
    stream.seek(chunk.start)
    return stream.read(min(chunk.size, size))


def _short(kind: str, reason: str) -> Header:
    return Header(kind=kind, wholeness=Wholeness.SHORT, reason=reason)


def _foreign(kind: str, reason: str) -> Header:
    return Header(kind=kind, wholeness=Wholeness.FOREIGN, reason=reason)

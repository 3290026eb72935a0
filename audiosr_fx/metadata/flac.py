"""Metadata blocks of FLAC files: comments, pictures, cue sheets, and the chunks of a WAV for samplers.

Sources: RFC 9639, section 8; the application ``riff`` of ``flac --keep-foreign-metadata``, whose blocks are
chunks with their headers.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Final

from audiosr_fx.metadata.comments import (
    build_comments,
    build_picture,
    comments_of,
    parse_comments,
    parse_picture,
    pictures_in,
)
from audiosr_fx.metadata.findings import MAX_CHUNKS, Findings
from audiosr_fx.metadata.parts import CueSheet, CueTrack, Metadata, Tag
from audiosr_fx.metadata.sampler import build_inst, build_smpl, read_instrument
from audiosr_fx.metadata.tags import merged
from audiosr_fx.speakers import speaker_comments

_STREAM_INFO, _PADDING, _APPLICATION, _SEEK_TABLE, _COMMENTS, _CUE_SHEET, _PICTURE = range(7)
_NAMES: Final = {
    _APPLICATION: "a chunk of a WAV",
    _COMMENTS: "the comment block",
    _CUE_SHEET: "the cue sheet",
    _PICTURE: "a picture",
}
_LARGEST_BLOCK: Final = (1 << 24) - 1
_LEAD_OUT, _LEAD_OUT_CD = 255, 170
_SHEET: Final = struct.Struct(">128sQB258sB")
_TRACK: Final = struct.Struct(">QB12sB13sB")
_INDEX: Final = struct.Struct(">QB3s")
_COPY_BYTES: Final = 1 << 20
_RIFF: Final = b"riff"


def read_flac(stream: BinaryIO, start: int, metadata: Metadata, findings: Findings) -> Metadata:
    """Add what the blocks of a FLAC stream say that begins at a position of a file."""
    found: dict[bytes, list[bytes]] = {}
    for kind, at, size in _blocks(stream, start, findings):
        if kind not in _NAMES or (kind == _APPLICATION and not _is_for_samplers(stream, at)):
            continue
        payload = findings.take(stream, at, size, _NAMES[kind])
        if payload is not None:
            if kind == _APPLICATION:
                length = int.from_bytes(payload[8:12], "little")
                found.setdefault(payload[4:8], []).append(payload[12 : 12 + length])
                continue
            with findings.dropping(_NAMES[kind]):
                metadata = _with_block(metadata, kind, payload, findings)
    return replace(metadata, instrument=read_instrument(found, findings))


def blocks_of(
    metadata: Metadata, frames: int, findings: Findings, speakers: int | None = None
) -> list[bytes]:
    """The blocks of a file of so many samples, with their headers; none is marked as the last."""
    made = [(_COMMENTS, build_comments([*comments_of(metadata), *speaker_comments(speakers)]))]
    if metadata.cue_sheet is not None and metadata.cue_sheet.tracks:
        made.append((_CUE_SHEET, _cue_sheet_payload(metadata.cue_sheet, frames)))
    if metadata.instrument is not None and metadata.instrument.has_note:
        made.append((_APPLICATION, _chunk(b"smpl", build_smpl(metadata.instrument, metadata.sample_rate))))
        if metadata.instrument.has_range:
            made.append((_APPLICATION, _chunk(b"inst", build_inst(metadata.instrument))))
    made += [(_PICTURE, build_picture(picture)) for picture in metadata.pictures]
    blocks = []
    for kind, payload in made:
        if len(payload) > _LARGEST_BLOCK:
            findings.drop(_NAMES[kind], f"{len(payload)} bytes; a FLAC block ends at {_LARGEST_BLOCK}")
        else:
            blocks.append(_block(kind, payload))
    return blocks


def comment_block(tags: Iterable[Tag]) -> bytes:
    """A block of nothing but these comments, with its header."""
    return _block(_COMMENTS, build_comments(tags))


def insert_blocks(path: Path, blocks: list[bytes]) -> None:
    """Put blocks into a FLAC file, in place of its own comments, pictures, cue sheets and padding.

    The audio is moved within the file, so this is for a file that nobody reads yet.
    """
    with path.open("r+b") as file:
        kept, audio = _own_blocks(file)
        head = b"".join([b"fLaC", *kept, *blocks])
        room = audio - len(head)
        if room > 0:
            head += _block(_PADDING, bytes(max(0, room - 4)))
        _move_tail(file, audio, len(head))
        file.seek(0)
        file.write(_with_last_flag(head))


def _own_blocks(file: BinaryIO) -> tuple[list[bytes], int]:
    """Stream info and seek table with their headers, and where the audio begins."""
    kept = []
    findings = Findings()
    at, size = 0, 0
    for kind, at, size in _blocks(file, 0, findings):
        if kind in (_STREAM_INFO, _SEEK_TABLE):
            file.seek(at)
            kept.append(_block(kind, file.read(size)))
    return kept, at + size


def _move_tail(file: BinaryIO, start: int, target: int) -> None:
    """Move all from a position to the end of a file to a later position."""
    if target <= start:
        return
    position = file.seek(0, os.SEEK_END)
    while position > start:
        take = min(_COPY_BYTES, position - start)
        position -= take
        file.seek(position)
        piece = file.read(take)
        file.seek(position + target - start)
        file.write(piece)


def _with_last_flag(head: bytes) -> bytes:
    """The head of a file with the last of its blocks marked so."""
    changed, at = bytearray(head), 4
    while True:
        size = int.from_bytes(changed[at + 1 : at + 4], "big")
        is_last = at + 4 + size == len(changed)
        changed[at] = changed[at] & 0x7F | (0x80 if is_last else 0)
        if is_last:
            return bytes(changed)
        at += 4 + size


def _block(kind: int, payload: bytes) -> bytes:
    return struct.pack(">I", kind << 24 | len(payload)) + payload


def _blocks(stream: BinaryIO, start: int, findings: Findings) -> list[tuple[int, int, int]]:
    """(kind, position, size) of the blocks, payloads only."""
    found: list[tuple[int, int, int]] = []
    stream.seek(start + 4)
    while len(found) < MAX_CHUNKS:
        header = stream.read(4)
        if len(header) < 4:
            break
        size = int.from_bytes(header[1:], "big")
        found.append((header[0] & 0x7F, stream.tell(), size))
        if header[0] & 0x80:
            return found
        stream.seek(size, os.SEEK_CUR)
    findings.drop("the rest of the FLAC blocks", "none of them is marked as the last")
    return found


def _chunk(name: bytes, payload: bytes) -> bytes:
    """A chunk of a WAV as the payload of an application block."""
    return _RIFF + name + struct.pack("<I", len(payload)) + payload + bytes(len(payload) % 2)


def _is_for_samplers(stream: BinaryIO, start: int) -> bool:
    """Whether an application block holds a chunk that is read; of others there may be many and long ones."""
    stream.seek(start)
    return stream.read(8) in (_RIFF + b"smpl", _RIFF + b"inst")


def _with_block(metadata: Metadata, kind: int, payload: bytes, findings: Findings) -> Metadata:
    if kind == _PICTURE:
        return replace(metadata, pictures=(*metadata.pictures, parse_picture(payload)))
    if kind == _CUE_SHEET:
        return replace(metadata, cue_sheet=_cue_sheet(payload))
    tags, pictures = pictures_in(parse_comments(payload), findings)
    return replace(metadata, tags=merged(tags, metadata.tags), pictures=(*metadata.pictures, *pictures))


def _cue_sheet(payload: bytes) -> CueSheet:
    catalog, lead_in, flags, _, count = _SHEET.unpack_from(payload)
    at, tracks = _SHEET.size, []
    for _ in range(count):
        position, number, isrc, track_flags, _, points = _TRACK.unpack_from(payload, at)
        at += _TRACK.size
        indexes = []
        for _ in range(points):
            offset, index, _ = _INDEX.unpack_from(payload, at)
            at += _INDEX.size
            indexes.append((offset, index))
        if number not in (_LEAD_OUT, _LEAD_OUT_CD) and number > 0:
            tracks.append(
                CueTrack(
                    position=position,
                    number=number,
                    isrc=isrc.rstrip(b"\0").decode("ascii", "replace"),
                    flags=track_flags & 0xC0,
                    indexes=tuple(indexes),
                )
            )
    return CueSheet(
        catalog=catalog.rstrip(b"\0").decode("ascii", "replace"),
        lead_in=lead_in,
        is_cd=bool(flags & 0x80),
        tracks=tuple(tracks),
    )


def _cue_sheet_payload(sheet: CueSheet, frames: int) -> bytes:
    parts = [
        _SHEET.pack(
            sheet.catalog.encode("ascii", "replace"),
            sheet.lead_in,
            0x80 if sheet.is_cd else 0,
            b"",
            len(sheet.tracks) + 1,
        )
    ]
    for track in sheet.tracks:
        isrc = track.isrc.encode("ascii", "replace")
        parts.append(_TRACK.pack(track.position, track.number, isrc, track.flags, b"", len(track.indexes)))
        parts += [_INDEX.pack(offset, number, b"") for offset, number in track.indexes]
    lead_out = _LEAD_OUT_CD if sheet.is_cd else _LEAD_OUT
    parts.append(_TRACK.pack(frames, lead_out, b"", 0, b"", 0))
    return b"".join(parts)

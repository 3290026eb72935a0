"""The comments of Ogg files: Vorbis, Opus and FLAC in Ogg. Source: RFC 3533 (pages), RFC 7845 (Opus)."""

from __future__ import annotations

from dataclasses import replace
from typing import BinaryIO, Final

from audiosr_fx.metadata.comments import parse_comments, pictures_in
from audiosr_fx.metadata.findings import Findings
from audiosr_fx.metadata.parts import Metadata
from audiosr_fx.metadata.tags import merged

_HEADERS: Final = (b"\x03vorbis", b"OpusTags")
_MOST_PAGES: Final = 2_000
_FLAC_IN_OGG: Final = b"\x7fFLAC"
_FLAC_COMMENTS: Final = 4


def read_ogg(stream: BinaryIO, metadata: Metadata, findings: Findings) -> Metadata:
    """Add the comments of the first stream in an Ogg file."""
    packets = _first_packets(stream, findings)
    if len(packets) < 2:
        return metadata
    payload = next((packets[1][len(name) :] for name in _HEADERS if packets[1].startswith(name)), None)
    if packets[0].startswith(_FLAC_IN_OGG) and packets[1][:1] and packets[1][0] & 0x7F == _FLAC_COMMENTS:
        payload = packets[1][4:]
    if payload is None:
        return metadata
    with findings.dropping("the comments"):
        tags, pictures = pictures_in(parse_comments(payload), findings)
        metadata = replace(
            metadata, tags=merged(metadata.tags, tags), pictures=(*metadata.pictures, *pictures)
        )
    return metadata


def _first_packets(stream: BinaryIO, findings: Findings) -> list[bytes]:
    """The first two packets of the first stream."""
    stream.seek(0)
    packets: list[bytes] = []
    parts: list[bytes] = []
    serial = None
    for _ in range(_MOST_PAGES):
        header = stream.read(27)
        if len(header) < 27 or header[:4] != b"OggS":
            break
        lacing = stream.read(header[26])
        serial = header[14:18] if serial is None else serial
        payload = findings.take(stream, stream.tell(), sum(lacing), "the comments")
        if payload is None:
            break
        if header[14:18] != serial:
            continue
        at = 0
        for size in lacing:
            parts.append(payload[at : at + size])
            at += size
            if size < 255:
                packets.append(b"".join(parts))
                parts = []
                if len(packets) == 2:
                    return packets
    return packets

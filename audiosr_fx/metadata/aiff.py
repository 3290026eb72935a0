"""Chunks of AIFF and AIFF-C files: markers, instrument, texts, comments and ID3.

Source: Audio Interchange File Format 1.3, Apple, 1989. Texts are UTF-8, or else Mac Roman.
"""

from __future__ import annotations

import math
import struct
from contextlib import suppress
from dataclasses import replace
from typing import BinaryIO, Final

from audiosr_fx.chunks import chunks
from audiosr_fx.metadata.comments import PROVENANCE_FIELD, extra_comments
from audiosr_fx.metadata.findings import MAX_CHUNKS, MAX_MARKERS, Findings
from audiosr_fx.metadata.id3 import build_id3, parse_id3
from audiosr_fx.metadata.parts import Instrument, Loop, Marker, Metadata, Tag
from audiosr_fx.metadata.tags import AIFF, AIFF_OF_TAG, check_tag, grouped, has_place, merged, still_true

_READ: Final = {b"MARK", b"INST", b"COMT", b"ID3 ", *AIFF}
_INSTRUMENT: Final = struct.Struct(">6bh6h")
_FORWARD, _BOTH_WAYS = 1, 2


def read_aiff(stream: BinaryIO, metadata: Metadata, findings: Findings) -> Metadata:
    """Add what an AIFF or AIFF-C says of itself."""
    tags: list[Tag] = []
    found: dict[bytes, bytes] = {}
    for count, chunk in enumerate(chunks(stream)):
        if count >= MAX_CHUNKS:
            findings.drop("the rest of the chunks", f"there are more than {MAX_CHUNKS}")
            break
        if chunk.name not in _READ:
            continue
        name = chunk.name.decode("ascii").strip()
        payload = findings.take(stream, chunk.start, chunk.size, f"the {name} chunk")
        if payload is not None and chunk.name in AIFF:
            tag = check_tag(AIFF[chunk.name], _text(payload))
            tags += [tag] if tag else []
        elif payload is not None:
            found.setdefault(chunk.name, payload)
    markers = findings.parsed("the MARK chunk", _markers, found.get(b"MARK", bytes(2))) or {}
    with findings.dropping("the rest of the COMT chunk"):
        _read_comments(found.get(b"COMT", bytes(2)), markers, tags)
    if b"INST" in found:
        with findings.dropping("the INST chunk"):
            metadata = replace(metadata, instrument=_instrument(found[b"INST"], markers))
    ordered = sorted(markers.values(), key=lambda marker: marker.position)
    metadata = replace(metadata, tags=merged(metadata.tags, tags), markers=tuple(ordered))
    if b"ID3 " in found:
        with findings.dropping("the ID3 chunk"):
            tag3 = parse_id3(found[b"ID3 "], findings)
            metadata = replace(
                metadata,
                tags=merged(tag3.tags, metadata.tags),
                pictures=tag3.pictures,
                markers=metadata.markers or tag3.markers(metadata.sample_rate),
                id3_frames=tag3.frames,
            )
    return metadata


def chunks_of(metadata: Metadata) -> list[tuple[bytes, bytes]]:
    """All chunks as (name, payload). What has no chunk of its own stands in the ID3 tag."""
    tags = still_true(metadata.tags)
    made = []
    for name, texts in grouped(tags).items():
        if name in AIFF_OF_TAG and name != "COMMENT":
            made.append((AIFF_OF_TAG[name], _encoded("; ".join(texts))))
    remarks = [text for name, text in tags if name == "COMMENT"]
    steps = [str(step) for step in metadata.provenance]
    made += [(b"ANNO", _encoded(text)) for text in (*remarks, *steps)]
    markers = [replace(marker, number=number) for number, marker in enumerate(metadata.markers, 1)]
    instrument, ends = _instrument_payload(metadata.instrument, len(markers) + 1)
    if markers or ends:
        made.append((b"MARK", _marker_payload([*markers, *ends])))
    if any(marker.note for marker in markers):
        made.append((b"COMT", _comment_payload(markers)))
    if instrument:
        made.append((b"INST", instrument))
    extra = extra_comments(metadata)
    if len(remarks) > 1:  # ANNO chunks keep them apart, an ID3 tag does not
        tags = tuple(tag for tag in tags if tag[0] != "COMMENT")
    if not has_place(tags, AIFF_OF_TAG.get) or extra or metadata.pictures or metadata.id3_frames:
        extra += [(PROVENANCE_FIELD, step) for step in steps]
        made.append((b"ID3 ", build_id3([*tags, *extra], metadata.pictures, metadata.id3_frames)))
    return made


def _text(payload: bytes) -> str:
    payload = payload.partition(b"\0")[0]
    try:
        return payload.decode("utf-8").strip()
    except UnicodeDecodeError:
        return payload.decode("mac_roman").strip()


def _encoded(text: str, size: int | None = None) -> bytes:
    """Mac Roman where that holds the text and is not taken for UTF-8, otherwise UTF-8; cut where it ends."""
    with suppress(UnicodeEncodeError):
        encoded = text.encode("mac_roman")[:size]
        if _text(encoded) == text[:size].partition("\0")[0].strip():
            return encoded
    return text.encode("utf-8", "replace")[:size].decode("utf-8", "ignore").encode("utf-8")


def _markers(payload: bytes) -> dict[int, Marker]:
    count = struct.unpack_from(">H", payload)[0]
    if count > MAX_MARKERS:
        raise ValueError(f"it says {count} markers; at most {MAX_MARKERS} are taken")
    at, found = 2, {}
    for _ in range(count):
        number, position, length = struct.unpack_from(">hIB", payload, at)
        label = payload[at + 7 : at + 7 + length]
        if len(label) < length:
            raise ValueError("a name passes the end")
        found[number] = Marker(position=position, label=_text(label), number=number)
        at += 7 + length + (length + 1) % 2
    return found


def _marker_payload(markers: list[Marker]) -> bytes:
    parts = [struct.pack(">H", len(markers))]
    for marker in markers:
        label = _encoded(marker.label, 255)
        parts.append(struct.pack(">hIB", marker.number, marker.position, len(label)) + label)
        parts.append(bytes((len(label) + 1) % 2))
    return b"".join(parts)


def _read_comments(payload: bytes, markers: dict[int, Marker], tags: list[Tag]) -> None:
    count, at = struct.unpack_from(">H", payload)[0], 2
    for _ in range(min(count, MAX_MARKERS)):
        _, number, length = struct.unpack_from(">IhH", payload, at)
        text = payload[at + 8 : at + 8 + length]
        if len(text) < length:
            raise ValueError("a comment passes the end")
        at += 8 + length + length % 2
        if number in markers:
            markers[number] = replace(markers[number], note=_text(text))
        elif number == 0 and (tag := check_tag("COMMENT", _text(text))):
            tags.append(tag)


def _comment_payload(markers: list[Marker]) -> bytes:
    """Notes of markers; their time stamps are 0, because no clock goes into a file."""
    noted = [(marker.number, _encoded(marker.note, 65_534)) for marker in markers if marker.note]
    parts = [struct.pack(">H", len(noted))]
    for number, text in noted:
        parts.append(struct.pack(">IhH", 0, number, len(text)) + text + bytes(len(text) % 2))
    return b"".join(parts)


def _instrument(payload: bytes, markers: dict[int, Marker]) -> Instrument:
    """The instrument; the markers that its loops go by are taken out of the others."""
    base, detune, low, high, softest, loudest, gain, *plays = _INSTRUMENT.unpack_from(payload)
    loops: list[Loop] = []
    ends: set[int] = set()
    for mode, first, last in (plays[:3], plays[3:]):
        if mode in (_FORWARD, _BOTH_WAYS) and first in markers and last in markers:
            start, stop = markers[first].position, markers[last].position
            ends |= {first, last}
            if start < stop:
                loops.append(Loop(start=start, stop=stop, kind=mode - 1, number=len(loops)))
    for number in ends:
        del markers[number]
    return Instrument(
        base_note=base & 127,
        fine_tune_cents=float(-detune),
        has_range=True,
        gain_db=gain,
        low_note=low & 127,
        high_note=high & 127,
        low_velocity=softest & 127,
        high_velocity=loudest & 127,
        loops=tuple(loops),
    )


def _instrument_payload(instrument: Instrument | None, number: int) -> tuple[bytes, list[Marker]]:
    """The INST chunk and the markers its loops go by: sustain and release, forward or there and back."""
    if instrument is None:
        return b"", []
    semitones = math.floor(instrument.fine_tune_cents / 100.0 + 0.5)
    ends: list[Marker] = []
    plays: list[int] = []
    for loop in [loop for loop in instrument.loops if loop.kind in (0, 1)][:2]:
        plays += [loop.kind + 1, number + len(ends), number + len(ends) + 1]
        ends.append(Marker(position=loop.start, label="beg loop", number=number + len(ends)))
        ends.append(Marker(position=loop.stop, label="end loop", number=number + len(ends)))
    payload = _INSTRUMENT.pack(
        max(0, min(127, instrument.base_note + semitones)),
        round(100 * semitones - instrument.fine_tune_cents),
        instrument.low_note & 127,
        instrument.high_note & 127,
        instrument.low_velocity & 127,
        instrument.high_velocity & 127,
        max(-32768, min(32767, instrument.gain_db)),
        *(plays + [0] * 6)[:6],
    )
    return payload, ends

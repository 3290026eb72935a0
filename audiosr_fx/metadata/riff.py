"""Chunks of WAV, RF64 and BW64 files: cue points and labels, ``LIST/INFO``, and the rest.

Sources: Multimedia Programming Interface and Data Specifications 1.0 (IBM and Microsoft, 1991); what programs
agree on where that is silent (texts are UTF-8, or else Windows-1252).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO, Final

from audiosr_fx.chunks import chunks
from audiosr_fx.metadata.bext import build_bext, parse_bext
from audiosr_fx.metadata.findings import MAX_CHUNKS, MAX_MARKERS, Findings
from audiosr_fx.metadata.id3 import build_id3, parse_id3
from audiosr_fx.metadata.ixml import check_ixml
from audiosr_fx.metadata.parts import Broadcast, Marker, Metadata, Tag
from audiosr_fx.metadata.provenance import SOFTWARE
from audiosr_fx.metadata.sampler import build_inst, build_smpl, read_instrument
from audiosr_fx.metadata.tags import INFO, check_tag, grouped, has_place, info_key, merged, still_true

CARRIED: Final = (b"acid", b"_PMX", b"axml", b"chna")
"""Chunks that come through as they are, from WAV to WAV. What is not named in this file is left out."""

_READ: Final = {b"bext", b"iXML", b"cue ", b"LIST", b"smpl", b"inst", b"id3 ", b"ID3 ", *CARRIED}
_ACID_BYTES: Final = 24
_MAX_PARTS: Final = 3 * MAX_MARKERS  # of a LIST: a label, a note and a length for each
_MARKER: Final = struct.Struct("<II4sIII")
_LABELLED: Final = struct.Struct("<II4sHHHH")
_LARGEST: Final = 0xFFFFFFFF


def read_riff(stream: BinaryIO, metadata: Metadata, findings: Findings) -> Metadata:
    """Add what a WAV, RF64 or BW64 says of itself."""
    found = _payloads(stream, findings)
    labels: dict[int, Marker] = {}
    info: list[Tag] = []
    for payload in found.get(b"LIST", []):
        if payload[:4] == b"INFO":
            info += _info(payload, findings)
        elif payload[:4] == b"adtl":
            _read_labels(payload, labels, findings)
    metadata = replace(metadata, tags=merged(metadata.tags, info))
    for payload in found.get(b"bext", [])[:1]:
        metadata = replace(metadata, broadcast=findings.parsed("the bext chunk", parse_bext, payload))
    for payload in found.get(b"iXML", [])[:1]:
        metadata = replace(metadata, ixml=findings.parsed("the iXML chunk", check_ixml, payload) or "")
    for payload in found.get(b"cue ", [])[:1]:
        with findings.dropping("the cue chunk"):
            metadata = replace(metadata, markers=_markers(payload, labels, findings))
    metadata = replace(metadata, instrument=read_instrument(found, findings))
    for payload in [*found.get(b"id3 ", []), *found.get(b"ID3 ", [])][:1]:
        with findings.dropping("the id3 chunk"):
            metadata = _with_id3(metadata, payload, findings)
    carried = [(name, payload) for name in CARRIED for payload in found.get(name, [])[:1]]
    if any(name == b"acid" and len(payload) != _ACID_BYTES for name, payload in carried):
        findings.drop("the acid chunk", f"it has not {_ACID_BYTES} bytes")
        carried = [chunk for chunk in carried if chunk[0] != b"acid"]
    return replace(metadata, chunks=tuple(carried))


def chunks_of(metadata: Metadata) -> list[tuple[bytes, bytes]]:
    """All chunks but ``bext``, as (name, payload)."""
    tags = still_true(metadata.tags)
    made = [(b"LIST", _info_payload(tags, metadata))]
    markers = _numbered(list(metadata.markers))
    if markers:
        made += [(b"cue ", _cue_payload(markers)), (b"LIST", _label_payload(markers))]
    if metadata.instrument is not None:
        made.append((b"smpl", build_smpl(metadata.instrument, metadata.sample_rate)))
        if metadata.instrument.has_range:
            made.append((b"inst", build_inst(metadata.instrument)))
    made += metadata.chunks
    if metadata.ixml:
        made.append((b"iXML", metadata.ixml.encode("utf-8", "replace")))
    if not has_place(tags, info_key) or metadata.pictures or metadata.id3_frames:
        made.append((b"id3 ", build_id3(tags, metadata.pictures, metadata.id3_frames)))
    return made


def bext_of(broadcast: Broadcast) -> bytes:
    """The payload of a ``bext`` chunk, of an even length."""
    payload = build_bext(broadcast)
    return payload + bytes(len(payload) % 2)


def _payloads(stream: BinaryIO, findings: Findings) -> dict[bytes, list[bytes]]:
    found: dict[bytes, list[bytes]] = {}
    for count, chunk in enumerate(chunks(stream)):
        if not chunk.name.isascii() or not chunk.name.decode("ascii").isprintable():
            break  # what follows audio of an open length is audio
        if count >= MAX_CHUNKS:
            findings.drop("the rest of the chunks", f"there are more than {MAX_CHUNKS}")
            break
        if chunk.name not in _READ:
            continue
        payload = findings.take(stream, chunk.start, chunk.size, f"the {_shown(chunk.name)} chunk")
        if payload is not None:
            found.setdefault(chunk.name, []).append(payload)
    return found


def _shown(name: bytes) -> str:
    return name.decode("ascii", "replace").strip()


def _with_id3(metadata: Metadata, payload: bytes, findings: Findings) -> Metadata:
    tag = parse_id3(payload, findings)
    return replace(
        metadata,
        tags=merged(tag.tags, metadata.tags),
        pictures=(*metadata.pictures, *tag.pictures),
        markers=metadata.markers or tag.markers(metadata.sample_rate),
        id3_frames=tag.frames,
    )


def _inner(payload: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The chunks inside a LIST.

    Raises:
        ValueError: one passes the end, or there are too many.
    """
    at = 4
    for _ in range(_MAX_PARTS):
        if at + 8 > len(payload):
            return
        name, size = struct.unpack_from("<4sI", payload, at)
        if at + 8 + size > len(payload):
            raise ValueError(f"its part {name!r} of {size} bytes passes the end")
        yield name, payload[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
    raise ValueError(f"it has more than {_MAX_PARTS} parts")


def _text(payload: bytes) -> str:
    payload = payload.partition(b"\0")[0]
    try:
        return payload.decode("utf-8").strip()
    except UnicodeDecodeError:
        return payload.decode("cp1252", "replace").strip()


def _info(payload: bytes, findings: Findings) -> list[Tag]:
    tags: list[Tag] = []
    with findings.dropping("the rest of LIST/INFO"):
        for key, value in _inner(payload):
            name = INFO.get(key, f"INFO_{key.decode('latin-1')}")
            if name.startswith("INFO_") and info_key(name) is None:
                findings.drop("a field of LIST/INFO", f"its name is {key!r}")
                continue
            tag = check_tag(name, _text(value))
            if tag is not None:
                tags.append(tag)
    return tags


def _info_payload(tags: tuple[Tag, ...], metadata: Metadata) -> bytes:
    fields = {info_key(name) or b"": texts for name, texts in grouped(tags).items()}
    fields.pop(b"", None)
    remarks = [*fields.pop(b"ICMT", []), *(str(made) for made in metadata.provenance)]
    texts = {key: "; ".join(values) for key, values in fields.items()}
    texts |= {b"ICMT": "\n".join(remarks)} if remarks else {}
    texts[b"ISFT"] = SOFTWARE
    return b"INFO" + b"".join(
        _part(key, text.encode("utf-8", "replace") + b"\0") for key, text in texts.items()
    )


def _part(name: bytes, payload: bytes) -> bytes:
    return name + struct.pack("<I", len(payload)) + payload + bytes(len(payload) % 2)


def _read_labels(payload: bytes, labels: dict[int, Marker], findings: Findings) -> None:
    """Collect label, note and length by the number of the cue point they belong to."""
    with findings.dropping("the rest of LIST/adtl"):
        for kind, data in _inner(payload):
            if kind not in (b"labl", b"note", b"ltxt"):
                continue
            number = struct.unpack_from("<I", data)[0]
            marker = labels.get(number, Marker(position=0))
            if kind == b"labl":
                marker = replace(marker, label=_text(data[4:]))
            elif kind == b"note":
                marker = replace(marker, note=_text(data[4:]))
            else:
                _, length, purpose, *_ = _LABELLED.unpack_from(data)
                text = _text(data[_LABELLED.size :])
                marker = replace(marker, length=length, purpose=purpose, label=marker.label or text)
            if number in labels or len(labels) < MAX_MARKERS:
                labels[number] = marker


def _markers(payload: bytes, labels: dict[int, Marker], findings: Findings) -> tuple[Marker, ...]:
    count = struct.unpack_from("<I", payload)[0]
    if 4 + count * _MARKER.size > len(payload):
        raise ValueError(f"it says {count} cue points and has room for {(len(payload) - 4) // _MARKER.size}")
    if count > MAX_MARKERS:
        findings.drop("the rest of the cue points", f"there are {count}; at most {MAX_MARKERS} are taken")
    markers = []
    for number, _, chunk, _, _, position in _MARKER.iter_unpack(
        payload[4 : 4 + min(count, MAX_MARKERS) * _MARKER.size]
    ):
        if chunk != b"data":
            findings.drop("a cue point", f"it points into the chunk {chunk!r}; expected 'data'")
            continue
        markers.append(replace(labels.get(number, Marker(position=0)), position=position, number=number))
    return tuple(markers)


def _numbered(markers: list[Marker]) -> list[Marker]:
    """Markers with a number each, those of the source where they are good for that."""
    numbers = {marker.number for marker in markers}
    if len(numbers) == len(markers) and all(0 <= number <= _LARGEST for number in numbers):
        return markers
    return [replace(marker, number=number) for number, marker in enumerate(markers, 1)]


def _cue_payload(markers: list[Marker]) -> bytes:
    points = (_MARKER.pack(m.number, m.position, b"data", 0, 0, m.position) for m in markers)
    return struct.pack("<I", len(markers)) + b"".join(points)


def _label_payload(markers: list[Marker]) -> bytes:
    parts = []
    for marker in markers:
        for kind, text in ((b"labl", marker.label), (b"note", marker.note)):
            if text:
                number = struct.pack("<I", marker.number)
                parts.append(_part(kind, number + text.encode("utf-8", "replace") + b"\0"))
        if marker.length:
            fields = (marker.number, marker.length, marker.purpose[:4].ljust(4), 0, 0, 0, 0)
            parts.append(_part(b"ltxt", _LABELLED.pack(*fields)))
    return b"adtl" + b"".join(parts)

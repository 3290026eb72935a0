"""Vorbis comments, and everything that has no place of its own as such: chapters, loops, broadcast fields.

Sources: the Vorbis I specification, section 5; xiph.org's chapter extension; FLAC pictures in base64; the
names that FFmpeg gives to fields of ``bext``; LOOPSTART and LOOPLENGTH of games.
"""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

from audiosr_fx.metadata.findings import MAX_CHUNKS, MAX_MARKERS, Findings
from audiosr_fx.metadata.parts import Broadcast, Instrument, Loop, Marker, Metadata, Picture, Tag
from audiosr_fx.metadata.provenance import (
    SOFTWARE,
    find_provenance,
    parse_provenance,
    provenance_in_history,
    without_provenance,
)
from audiosr_fx.metadata.tags import check_tag, still_true

PROVENANCE_FIELD: Final = "AUDIOSR_FX"
PICTURE_FIELD: Final = "METADATA_BLOCK_PICTURE"

_BROADCAST: Final = {
    "DESCRIPTION": "description",
    "ORIGINATOR": "originator",
    "ORIGINATOR_REFERENCE": "originator_reference",
    "ORIGINATION_DATE": "origination_date",
    "ORIGINATION_TIME": "origination_time",
    "CODING_HISTORY": "coding_history",
}
_ONLY_BROADCAST: Final = {*_BROADCAST, "TIME_REFERENCE", "UMID"} - {"DESCRIPTION"}
_CHAPTER: Final = re.compile(r"CHAPTER(\d{3,5})(NAME)?")
_CHAPTER_TIME: Final = re.compile(r"(\d{1,4}):(\d{2}):(\d{2})\.(\d{3,9})")
_UMID: Final = re.compile(r"(?:0[xX])?([0-9A-Fa-f]{64}(?:[0-9A-Fa-f]{64})?)")


def parse_comments(payload: bytes) -> list[Tag]:
    """The fields of a Vorbis comment block, without those that are malformed.

    Raises:
        ValueError: lengths that do not fit.
    """

    def text(at: int) -> tuple[str, int]:
        length = struct.unpack_from("<I", payload, at)[0]
        end = at + 4 + length
        if end > len(payload):
            raise ValueError(f"a comment of {length} bytes passes the end")
        return payload[at + 4 : end].decode("utf-8", "replace"), end

    _, at = text(0)
    count = struct.unpack_from("<I", payload, at)[0]
    if count > MAX_CHUNKS:
        raise ValueError(f"it says {count} comments; at most {MAX_CHUNKS} are taken")
    at += 4
    tags = []
    for _ in range(count):
        comment, at = text(at)
        tag = check_tag(*comment.split("=", 1)) if "=" in comment else None
        if tag is not None:
            tags.append(tag)
    return tags


def build_comments(tags: Iterable[Tag]) -> bytes:
    """A Vorbis comment block without the framing bit; the vendor is this program."""
    comments = [f"{name}={text}".encode("utf-8", "replace") for name, text in tags]
    vendor = SOFTWARE.encode()
    parts = [struct.pack("<I", len(vendor)), vendor, struct.pack("<I", len(comments))]
    for comment in comments:
        parts += [struct.pack("<I", len(comment)), comment]
    return b"".join(parts)


def understood(metadata: Metadata, findings: Findings) -> Metadata:
    """Take what has a place of its own out of the tags: provenance, chapters, loop, broadcast, iXML."""
    metadata = _with_chapters(metadata, findings)
    metadata = _with_loop(metadata)
    metadata = _with_broadcast(metadata)
    metadata = _with_ixml(metadata, findings)
    return _with_provenance(metadata)


def comments_of(metadata: Metadata) -> list[Tag]:
    """All that Vorbis comments can say of a file, pictures excepted."""
    tags = [*still_true(metadata.tags), ("ENCODER", SOFTWARE)]
    tags += [(PROVENANCE_FIELD, str(made)) for made in metadata.provenance]
    for index, marker in enumerate(sorted(metadata.markers, key=lambda marker: marker.position), 1):
        tags.append((f"CHAPTER{index:03}", _clock(marker.position, metadata.sample_rate)))
        tags.append((f"CHAPTER{index:03}NAME", marker.label or f"Marker {index}"))
    if metadata.instrument and metadata.instrument.loops:
        loop = metadata.instrument.loops[0]
        tags += [("LOOPSTART", str(loop.start)), ("LOOPLENGTH", str(loop.stop - loop.start))]
    return tags + extra_comments(metadata)


def extra_comments(metadata: Metadata) -> list[Tag]:
    """The broadcast fields and the iXML document as comments, for formats that have no chunks for them."""
    tags = []
    if metadata.broadcast is not None:
        values = {name: getattr(metadata.broadcast, field) for name, field in _BROADCAST.items()}
        values["TIME_REFERENCE"] = str(metadata.broadcast.time_reference)
        values["UMID"] = metadata.broadcast.umid.hex().upper()
        present = {name for name, _ in metadata.tags}
        tags = [(name, text.strip()) for name, text in values.items() if text and name not in present]
    return [*tags, ("IXML", metadata.ixml)] if metadata.ixml else tags


def parse_picture(payload: bytes) -> Picture:
    """The fields of a FLAC picture block.

    Raises:
        ValueError: lengths that do not fit.
    """
    kind = struct.unpack_from(">I", payload)[0]
    mime, at = _sized(payload, 4)
    description, at = _sized(payload, at)
    width, height, depth, colours = struct.unpack_from(">4I", payload, at)
    data, _ = _sized(payload, at + 16)
    if not data:
        raise ValueError("it is empty")
    return Picture(
        data=data,
        kind=kind if kind <= 20 else 0,
        mime=mime.decode("ascii", "replace"),
        description=description.decode("utf-8", "replace"),
        width=width,
        height=height,
        depth=depth,
        colours=colours,
    )


def build_picture(picture: Picture) -> bytes:
    """A FLAC picture block's payload."""
    mime, description = (
        picture.mime.encode("ascii", "replace"),
        picture.description.encode("utf-8", "replace"),
    )
    return b"".join(
        [
            struct.pack(">II", picture.kind, len(mime)),
            mime,
            struct.pack(">I", len(description)),
            description,
            struct.pack(">4I", picture.width, picture.height, picture.depth, picture.colours),
            struct.pack(">I", len(picture.data)),
            picture.data,
        ]
    )


def pictures_in(tags: Iterable[Tag], findings: Findings) -> tuple[tuple[Tag, ...], tuple[Picture, ...]]:
    """Tags apart from the pictures that stand among them in base64, as Ogg keeps them."""
    kept, pictures = [], []
    for name, text in tags:
        if name == PICTURE_FIELD:
            with findings.dropping("a picture"):
                pictures.append(parse_picture(base64.b64decode(text, validate=True)))
        else:
            kept.append((name, text))
    return tuple(kept), tuple(pictures)


def _sized(payload: bytes, at: int) -> tuple[bytes, int]:
    """A field that begins with its length, and where it ends."""
    length = struct.unpack_from(">I", payload, at)[0]
    end = at + 4 + length
    if end > len(payload):
        raise ValueError(f"a field of {length} bytes passes the end")
    return payload[at + 4 : end], end


def _with_chapters(metadata: Metadata, findings: Findings) -> Metadata:
    times: dict[str, int] = {}
    names: dict[str, str] = {}
    others = []
    for name, text in metadata.tags:
        match = _CHAPTER.fullmatch(name)
        if match is None:
            others.append((name, text))
        elif match[2]:
            names[match[1]] = text
        elif time := _CHAPTER_TIME.fullmatch(text):
            hours, minutes, seconds, digits = time.groups()
            nanoseconds = int(digits.ljust(9, "0"))
            whole = (int(hours) * 60 + int(minutes)) * 60 + int(seconds)
            rate = metadata.sample_rate
            times[match[1]] = whole * rate + (nanoseconds * rate + 500_000_000) // 1_000_000_000
        else:
            findings.drop(f"the chapter {match[1]}", f"its time is {text[:30]!r}; expected HH:MM:SS.mmm")
    chapters = [
        Marker(position=position, label=names.get(key, ""), number=number)
        for number, (key, position) in enumerate(sorted(times.items(), key=lambda item: item[1]), 1)
    ]
    markers = (*metadata.markers, *chapters)[:MAX_MARKERS]
    return replace(metadata, tags=tuple(others), markers=markers)


def _with_loop(metadata: Metadata) -> Metadata:
    start, length = metadata.tag("LOOPSTART"), metadata.tag("LOOPLENGTH")
    if not all(text.isdecimal() and text.isascii() and len(text) < 16 for text in (start, length)):
        return metadata
    tags = tuple(tag for tag in metadata.tags if tag[0] not in ("LOOPSTART", "LOOPLENGTH"))
    if int(length) == 0 or metadata.instrument is not None:
        return replace(metadata, tags=tags)
    loop = Loop(start=int(start), stop=int(start) + int(length))
    return replace(metadata, tags=tags, instrument=Instrument(has_note=False, loops=(loop,)))


def _with_broadcast(metadata: Metadata) -> Metadata:
    """Broadcast fields, where the tags have one that nothing else would write."""
    if metadata.broadcast is not None or not any(metadata.tag(name) for name in _ONLY_BROADCAST):
        return metadata
    reference = metadata.tag("TIME_REFERENCE")
    is_number = reference.isdecimal() and reference.isascii() and len(reference) <= 20
    umid = _UMID.fullmatch(metadata.tag("UMID"))
    texts: dict[str, Any] = {field: metadata.tag(name) for name, field in _BROADCAST.items()}
    broadcast = Broadcast(
        **texts,
        time_reference=min(int(reference), (1 << 64) - 1) if is_number else 0,
        umid=bytes.fromhex(umid[1]) if umid else b"",
    )
    taken = {*_BROADCAST, "TIME_REFERENCE", "UMID"}
    return replace(
        metadata, broadcast=broadcast, tags=tuple(tag for tag in metadata.tags if tag[0] not in taken)
    )


def _with_ixml(metadata: Metadata, findings: Findings) -> Metadata:
    from audiosr_fx.metadata.ixml import check_ixml

    text = metadata.tag("IXML")
    if not text:
        return metadata
    document = findings.parsed("the iXML document", check_ixml, text.encode("utf-8", "replace"))
    tags = tuple(tag for tag in metadata.tags if tag[0] != "IXML")
    return replace(metadata, tags=tags, ixml=metadata.ixml or document or "")


def _with_provenance(metadata: Metadata) -> Metadata:
    """What this program wrote is taken from the first place that has it, and out of the comments."""
    history = metadata.broadcast.coding_history if metadata.broadcast else ""
    fields = [text for name, text in metadata.tags if name == PROVENANCE_FIELD]
    remarks = [text for name, text in metadata.tags if name == "COMMENT"]
    places = [
        *(find_provenance("\n".join(texts)) for texts in (fields, remarks)),
        provenance_in_history(history),
    ]
    found = max(places, key=len)
    tags = []
    for name, text in metadata.tags:
        if name == "COMMENT":
            text = without_provenance(text).strip()
        if text and not (name == PROVENANCE_FIELD and parse_provenance(text)):
            tags.append((name, text))
    return replace(metadata, tags=tuple(tags), provenance=tuple(found))


def _clock(position: int, sample_rate: int) -> str:
    """HH:MM:SS.mmm; with nine digits where milliseconds do not hit the sample."""
    seconds, rest = divmod(position, sample_rate)
    fraction = f"{(rest * 1_000_000_000 + sample_rate // 2) // sample_rate:09}"
    exact = fraction[:3] if rest * 1000 % sample_rate == 0 else fraction
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{exact}"

"""ID3v2 tags: read from versions 2.2 to 2.4, written as 2.4; version 1 is read where there is no other.

Source: the informal standards of id3.org, ID3v2.4.0 structure and native frames.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from audiosr_fx.headers import id3_size
from audiosr_fx.metadata.findings import MAX_CHUNKS, Findings
from audiosr_fx.metadata.parts import Marker, Picture, Tag
from audiosr_fx.metadata.tags import ID3, ID3_GENRES, ID3_OF_TAG, check_tag, grouped

_FROM_2_2: Final = {
    "TT2": "TIT2", "TP1": "TPE1", "TAL": "TALB", "TP2": "TPE2", "TCM": "TCOM", "TCO": "TCON", "TRK": "TRCK",
    "TPA": "TPOS", "TRC": "TSRC", "TCR": "TCOP", "TPB": "TPUB", "TEN": "TENC", "TBP": "TBPM", "TKE": "TKEY",
    "TLA": "TLAN", "TT1": "TIT1", "TT3": "TIT3", "TXT": "TEXT", "TP3": "TPE3", "TP4": "TPE4", "TYE": "TYER",
    "TXX": "TXXX", "COM": "COMM", "ULT": "USLT", "PIC": "APIC", "TDA": "TDAT", "TOR": "TDOR", "TCP": "TCMP",
    "TSA": "TSOA", "TSP": "TSOP", "TST": "TSOT", "TS2": "TSO2", "TSC": "TSOC",
}  # fmt: skip
_TO_2_4: Final = {"TYER": "TDRC", "TORY": "TDOR", "IPLS": "TIPL"}
_POINT_INTO_THE_STREAM: Final = {
    "ASPI", "CHAP", "CTOC", "EQU2", "EQUA", "ETCO", "MLLT", "POSS", "RGAD", "RVA2", "RVAD", "SEEK", "SYLT",
    "SYTC", "TDLY", "TIME", "TLEN", "TRDA", "TSIZ",
}  # fmt: skip
"""Positions in an encoded stream, measured levels and a time of day: of no use in another file."""
_ENCODINGS: Final = ("latin-1", "utf-16", "utf-16-be", "utf-8")
_PICTURE_FORMATS: Final = {"JPG": "image/jpeg", "PNG": "image/png"}
_GENRE: Final = re.compile(r"\((\d{1,3}|RX|CR)\)")
_GENRES: Final = {**{str(i): name for i, name in enumerate(ID3_GENRES)}, "RX": "Remix", "CR": "Cover"}
_ID3V1_FIELDS: Final = (("TITLE", 3, 33), ("ARTIST", 33, 63), ("ALBUM", 63, 93), ("DATE", 93, 97))


@dataclass(frozen=True, slots=True, kw_only=True)
class Id3:
    """What a tag says. ``frames`` are those with no meaning to us, as (name, payload) of version 2.4."""

    tags: tuple[Tag, ...] = ()
    pictures: tuple[Picture, ...] = ()
    chapters: tuple[tuple[float, float, str], ...] = ()
    frames: tuple[tuple[str, bytes], ...] = ()

    def markers(self, sample_rate: int) -> tuple[Marker, ...]:
        """The chapters, whose times are in seconds, as markers."""
        return tuple(
            Marker(
                position=round(start * sample_rate), label=label, length=round((stop - start) * sample_rate)
            )
            for start, stop, label in sorted(self.chapters)
        )


def parse_id3(payload: bytes, findings: Findings) -> Id3:
    """Read a tag; frames that are malformed are left out, and noted.

    Raises:
        ValueError: no tag of a known version.
    """
    size = id3_size(payload)
    if not 0 < size <= len(payload):
        raise ValueError("it is no ID3v2 tag, or cut short")
    tags: list[Tag] = []
    pictures: list[Picture] = []
    chapters: list[tuple[float, float, str]] = []
    others: list[tuple[str, bytes]] = []
    day_and_month = ""
    for name, data in _whole_frames(payload[:size], findings):
        with findings.dropping(f"an ID3 frame {name}"):
            if name == "CHAP":
                chapters.append(_chapter(data, payload[3]))
            elif name == "APIC":
                pictures.append(_picture(data, is_old=payload[3] == 2))
            elif name == "TDAT":
                day_and_month = _text(data)
            elif name in ID3 or name in ("TXXX", "COMM", "USLT"):
                tags += _texts(name, data)
            elif name not in _POINT_INTO_THE_STREAM:
                others.append((name, data))
    tags = [(name, _date(text, day_and_month) if name == "DATE" else text) for name, text in tags]
    return Id3(tags=tuple(tags), pictures=tuple(pictures), chapters=tuple(chapters), frames=tuple(others))


def parse_id3v1(payload: bytes) -> Id3:
    """Read the 128 bytes that end an old MP3 file.

    Raises:
        ValueError: another beginning than TAG.
    """
    if len(payload) != 128 or payload[:3] != b"TAG":
        raise ValueError("it is no ID3v1 tag")
    found = [
        check_tag(name, payload[start:stop].decode("latin-1").rstrip(" \0"))
        for name, start, stop in _ID3V1_FIELDS
    ]
    remark = check_tag("COMMENT", payload[97:125].partition(b"\0")[0].decode("latin-1"))
    number = check_tag("TRACKNUMBER", str(payload[126])) if payload[125] == 0 and payload[126] > 0 else None
    genre = check_tag("GENRE", ID3_GENRES[payload[127]]) if payload[127] < len(ID3_GENRES) else None
    return Id3(tags=tuple(tag for tag in (*found, remark, number, genre) if tag is not None))


def build_id3(tags: Iterable[Tag], pictures: Iterable[Picture], frames: Iterable[tuple[str, bytes]]) -> bytes:
    """A tag of version 2.4 in UTF-8, without padding; of an even number of bytes."""
    body = b"".join(
        _frame(name, data)
        for name, data in [
            *_text_frames(tags),
            *(("APIC", _picture_payload(picture)) for picture in pictures),
            *frames,
        ]
    )
    body += bytes(len(body) % 2)
    return b"ID3\x04\0\0" + _to_syncsafe(len(body)) + body


def _whole_frames(tag: bytes, findings: Findings) -> Iterator[tuple[str, bytes]]:
    """The frames up to one that does not fit."""
    with findings.dropping("the rest of the ID3 tag"):
        yield from _frames(tag)


def _frames(tag: bytes) -> Iterator[tuple[str, bytes]]:
    """The frames of a tag by their names in version 2.4; compressed and encrypted ones are passed over."""
    version, flags = tag[3], tag[5]
    body = tag[10 : len(tag) - (10 if flags & 0x10 and version == 4 else 0)]
    if flags & 0x80 and version < 4:
        body = body.replace(b"\xff\0", b"\xff")
    at = _extended_header(body, version) if flags & 0x40 and version > 2 else 0
    header_size = 6 if version == 2 else 10
    is_plain = version == 4 and not _ends_well(body, at)
    for _ in range(MAX_CHUNKS):
        if at + header_size > len(body) or body[at] == 0:
            return
        name, size = _frame_header(body, at, version, is_plain=is_plain)
        data = body[at + header_size : at + header_size + size]
        if len(data) < size or not (name.isascii() and name.isalnum() and name.isupper()):
            raise ValueError(f"the frame {name[:4]!r} of {size} bytes does not fit")
        frame_flags = body[at + 9] if version > 2 else 0
        at += header_size + size
        plain = _plain(data, frame_flags, version, unsynchronised=bool(flags & 0x80))
        if version == 2:
            name = _FROM_2_2.get(name, "")
        if plain and name:
            yield _TO_2_4.get(name, name), plain
    raise ValueError(f"it has more than {MAX_CHUNKS} frames")


def _frame_header(body: bytes, at: int, version: int, *, is_plain: bool) -> tuple[str, int]:
    if version == 2:
        return body[at : at + 3].decode("latin-1"), int.from_bytes(body[at + 3 : at + 6], "big")
    size = body[at + 4 : at + 8]
    as_number = version == 3 or is_plain or max(size) > 127
    return body[at : at + 4].decode("latin-1"), int.from_bytes(size, "big") if as_number else _syncsafe(size)


def _ends_well(body: bytes, at: int) -> bool:
    """Whether frames with syncsafe sizes follow each other to the end; some programs write plain sizes."""
    for _ in range(MAX_CHUNKS):
        if at + 10 > len(body) or body[at] == 0:
            return True
        name, size = _frame_header(body, at, 4, is_plain=False)
        if not (name.isascii() and name.isalnum() and name.isupper()):
            return False
        at += 10 + size
    return True


def _plain(data: bytes, flags: int, version: int, *, unsynchronised: bool) -> bytes:
    """A frame's payload without what its flags put in front; empty if it is compressed or encrypted."""
    if version == 3:
        return b"" if flags & 0xC0 else data[1 if flags & 0x20 else 0 :]
    if version == 4:
        if flags & 0x0C:
            return b""
        data = data[(1 if flags & 0x40 else 0) + (4 if flags & 0x01 else 0) :]
        return data.replace(b"\xff\0", b"\xff") if flags & 0x02 or unsynchronised else data
    return data


def _extended_header(body: bytes, version: int) -> int:
    size = body[:4]
    if len(size) < 4:
        raise ValueError("it is cut short")
    return _syncsafe(size) if version == 4 else 4 + int.from_bytes(size, "big")


def _text(data: bytes) -> str:
    return _decoded(data[1:], _encoding(data))


def _encoding(data: bytes) -> str:
    return _ENCODINGS[data[0]] if data[0] < len(_ENCODINGS) else "latin-1"


def _date(text: str, day_and_month: str) -> str:
    """A year with the day and month that version 2.3 has in another frame, as ``DDMM``."""
    if re.fullmatch(r"\d{4}", text) and re.fullmatch(r"[0-3]\d[01]\d", day_and_month):
        return f"{text}-{day_and_month[2:]}-{day_and_month[:2]}"
    return text


def _genres(text: str) -> list[str]:
    """Genres by name: version 2.3 has numbers of version 1 in brackets, with words behind; 2.4 plain ones."""
    found = []
    while match := _GENRE.match(text):
        found.append(_GENRES.get(match[1], match[0]))
        text = text[match.end() :]
    text = text[1:] if text.startswith("((") else text
    return list(dict.fromkeys([*found, _GENRES.get(text, text)]))


def _texts(name: str, data: bytes) -> list[Tag]:
    encoding = _encoding(data)
    if name in ("COMM", "USLT"):
        about, text = _split(data[4:], encoding)
        label = "LYRICS" if name == "USLT" else "COMMENT"
        if about and (name == "COMM"):  # such as iTunNORM: a field of somebody's program
            label = about
        tag = check_tag(label, _decoded(text, encoding))
        return [tag] if tag else []
    if name == "TXXX":
        about, rest = _split(data[1:], encoding)
        found = [check_tag(about, text) for text in _decoded(rest, encoding).split("\0")]
        return [tag for tag in found if tag is not None]
    texts = _text(data).split("\0")
    if name == "TCON":
        texts = [genre for text in texts for genre in _genres(text)]
    if name in ("TRCK", "TPOS") and "/" in texts[0]:
        number, total = texts[0].split("/", 1)
        pair = [
            check_tag(ID3[name], number),
            check_tag("TRACKTOTAL" if name == "TRCK" else "DISCTOTAL", total),
        ]
        return [tag for tag in pair if tag is not None]
    return [tag for text in texts if (tag := check_tag(ID3[name], text)) is not None]


def _split(data: bytes, encoding: str) -> tuple[str, bytes]:
    """A text up to its terminator, and the bytes after it."""
    if not encoding.startswith("utf-16"):
        text, _, rest = data.partition(b"\0")
        return _decoded(text, encoding), rest
    at = data.find(b"\0\0")
    while at % 2 == 1 and at > 0:
        at = data.find(b"\0\0", at + 1)
    return (_decoded(data, encoding), b"") if at < 0 else (_decoded(data[:at], encoding), data[at + 2 :])


def _decoded(data: bytes, encoding: str) -> str:
    text = data.decode(encoding, "replace")
    return text.replace("\ufeff", "").rstrip("\0")


def _picture(data: bytes, *, is_old: bool) -> Picture:
    encoding = _encoding(data)
    if is_old:
        mime, rest = _PICTURE_FORMATS.get(data[1:4].decode("latin-1").upper(), ""), data[4:]
    else:
        mime_bytes, _, rest = data[1:].partition(b"\0")
        mime = mime_bytes.decode("latin-1")
    if not rest:
        raise ValueError("a picture is cut short")
    description, image = _split(rest[1:], encoding)
    if not image:
        raise ValueError("a picture is empty")
    return Picture(data=image, kind=rest[0] if rest[0] <= 20 else 0, mime=mime, description=description)


def _chapter(data: bytes, version: int) -> tuple[float, float, str]:
    """Start, end and title of a CHAP frame, in seconds."""
    _, _, rest = data.partition(b"\0")
    start_ms, stop_ms = struct.unpack_from(">II", rest)
    label = ""
    if len(rest) > 26 and rest[16:20] == b"TIT2":
        _, size = _frame_header(rest, 16, version if version > 2 else 3, is_plain=False)
        label = next((text for _, text in _texts("TIT2", rest[26 : 26 + size] or b"\0")), "")
    return start_ms / 1000.0, max(start_ms, stop_ms) / 1000.0, label


def _text_frames(tags: Iterable[Tag]) -> Iterator[tuple[str, bytes]]:
    fields = grouped(tags)
    for name, total in (("TRACKNUMBER", "TRACKTOTAL"), ("DISCNUMBER", "DISCTOTAL")):
        if name in fields and total in fields and "/" not in fields[name][0]:
            fields[name] = [f"{fields[name][0]}/{fields.pop(total)[0]}"]
    for name, texts in fields.items():
        encoded = "\0".join(texts).encode("utf-8", "replace")
        if name in ID3_OF_TAG:
            yield ID3_OF_TAG[name], b"\x03" + encoded
        elif name in ("COMMENT", "LYRICS"):
            text = "\n".join(texts).encode("utf-8", "replace")
            yield "COMM" if name == "COMMENT" else "USLT", b"\x03XXX\0" + text
        else:
            yield "TXXX", b"\x03" + name.encode("ascii", "replace") + b"\0" + encoded


def _picture_payload(picture: Picture) -> bytes:
    mime = picture.mime.encode("latin-1", "replace").replace(b"\0", b"")
    description = picture.description.replace("\0", "").encode("utf-8", "replace")
    return b"\x03" + mime + b"\0" + bytes([picture.kind & 0xFF]) + description + b"\0" + picture.data


def _frame(name: str, data: bytes) -> bytes:
    return name.encode("ascii") + _to_syncsafe(len(data)) + b"\0\0" + data


def _syncsafe(data: bytes) -> int:
    return data[0] << 21 | data[1] << 14 | data[2] << 7 | data[3]


def _to_syncsafe(value: int) -> bytes:
    return bytes([value >> 21 & 127, value >> 14 & 127, value >> 7 & 127, value & 127])

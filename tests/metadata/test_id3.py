"""ID3 tags, against those that mutagen writes and reads."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from mutagen.id3 import (
    APIC,
    CHAP,
    COMM,
    ID3,
    PRIV,
    RVA2,
    TALB,
    TCON,
    TDRC,
    TIT2,
    TLEN,
    TPE1,
    TRCK,
    TXXX,
    USLT,
    Encoding,
)

from audiosr_fx.headers import id3_size
from audiosr_fx.metadata import Marker, Picture
from audiosr_fx.metadata.findings import Findings
from audiosr_fx.metadata.id3 import Id3, build_id3, parse_id3, parse_id3v1
from audiosr_fx.metadata.tags import ID3_GENRES

TAGS = (
    ("TITLE", "Tëst 試験"),
    ("ARTIST", "One"),
    ("ARTIST", "Two"),
    ("TRACKNUMBER", "3"),
    ("TRACKTOTAL", "12"),
    ("COMMENT", "a comment"),
    ("LYRICS", "la la"),
    ("MOOD", "dull"),
)


def theirs(version: int, encoding: Encoding = Encoding.UTF16, *more: object) -> bytes:
    tag = ID3()
    for frame in (
        TIT2(encoding, ["Tëst"]),
        TPE1(encoding, ["One", "Two"]),
        TALB(encoding, ["Älbum"]),
        TDRC(encoding, ["2019-03-04"]),
        TRCK(encoding, ["3/12"]),
        TXXX(encoding, "Mood", ["dull"]),
        COMM(encoding, "eng", "", ["a comment"]),
        USLT(encoding, "eng", "", "la la"),
        APIC(encoding, "image/png", 3, "Cövér", b"\x89PNG\0\xff\0\xff\xe0" * 50),
        PRIV(owner="me", data=b"\0\1\xff\0"),
        RVA2("x", 1, 1.0, 0.5),
        TLEN(encoding, ["1000"]),
        *more,
    ):
        tag.add(frame)
    if version == 3:
        tag.update_to_v23()
    out = io.BytesIO()
    tag.save(out, v2_version=version, v23_sep=None, padding=lambda _: 100)
    return out.getvalue()


def parsed(payload: bytes) -> tuple[Id3, list[str]]:
    findings = Findings()
    return parse_id3(payload, findings), findings.warnings


@pytest.mark.parametrize("version", [3, 4])
@pytest.mark.parametrize("encoding", [Encoding.LATIN1, Encoding.UTF16])
def test_tags_that_others_wrote_are_read(version: int, encoding: Encoding) -> None:
    tag, warnings = parsed(theirs(version, encoding))
    assert warnings == []
    assert set(tag.tags) == {
        ("TITLE", "Tëst"),
        ("ARTIST", "One"),
        ("ARTIST", "Two"),
        ("ALBUM", "Älbum"),
        ("DATE", "2019-03-04"),
        ("TRACKNUMBER", "3"),
        ("TRACKTOTAL", "12"),
        ("MOOD", "dull"),
        ("COMMENT", "a comment"),
        ("LYRICS", "la la"),
    }
    image = b"\x89PNG\0\xff\0\xff\xe0" * 50
    assert tag.pictures == (Picture(data=image, kind=3, mime="image/png", description="Cövér"),)
    assert tag.frames == (("PRIV", b"me\0\0\1\xff\0"),)  # levels and lengths of old samples are left out


def test_others_read_what_is_written() -> None:
    image = Picture(data=b"\x89PNG\xff\xe0", kind=4, mime="image/png", description="Rückseite")
    payload = build_id3(TAGS, [image], [("PRIV", b"me\0x")])
    assert len(payload) % 2 == 0
    tag = ID3(io.BytesIO(payload), load_v1=False)
    assert tag.version == (2, 4, 0)
    assert tag["TIT2"].text == ["Tëst 試験"]
    assert tag["TPE1"].text == ["One", "Two"]
    assert tag["TRCK"].text == ["3/12"]
    assert tag["TXXX:MOOD"].text == ["dull"]
    assert tag.getall("COMM")[0].text == ["a comment"]
    assert tag.getall("USLT")[0].text == "la la"
    picture = tag.getall("APIC")[0]
    assert (picture.data, picture.type, picture.mime, picture.desc) == (
        image.data,
        4,
        "image/png",
        "Rückseite",
    )
    assert tag.getall("PRIV")[0].data == b"x"
    again, warnings = parsed(payload)
    assert warnings == []
    assert sorted(again.tags) == sorted(TAGS)
    assert again.pictures == (image,)


def test_version_2_2_is_read() -> None:
    def frame(name: bytes, data: bytes) -> bytes:
        return name + len(data).to_bytes(3, "big") + data

    body = (
        frame(b"TT2", b"\0Title")
        + frame(b"TYE", b"\x001999")
        + frame(b"PIC", b"\0PNG\x03front\0data")
        + frame(b"COM", b"\0eng\0words")
        + frame(b"CRM", b"unknown")
    )
    payload = b"ID3\x02\0\0" + bytes([0, 0, len(body) >> 7, len(body) & 127]) + body
    tag, warnings = parsed(payload)
    assert warnings == []
    assert tag.tags == (("TITLE", "Title"), ("DATE", "1999"), ("COMMENT", "words"))
    assert tag.pictures == (Picture(data=b"data", kind=3, mime="image/png", description="front"),)


def frame_4(name: bytes, data: bytes, flags: int = 0, size: int | None = None) -> bytes:
    size = len(data) if size is None else size
    safe = bytes([size >> 21 & 127, size >> 14 & 127, size >> 7 & 127, size & 127])
    return name + safe + bytes([0, flags]) + data


def tag_of(body: bytes, version: int = 4, flags: int = 0) -> bytes:
    size = len(body)
    return (
        b"ID3"
        + bytes([version, 0, flags, size >> 21 & 127, size >> 14 & 127, size >> 7 & 127, size & 127])
        + body
    )


def test_unsynchronised_frames_are_put_right() -> None:
    data = b"\0image/png\0\x03\0\xff\0\xe0\xff\0\0"
    plain = Picture(data=b"\xff\xe0\xff\0", kind=3, mime="image/png")
    assert parsed(tag_of(frame_4(b"APIC", data, 0x02)))[0].pictures == (plain,)
    assert parsed(tag_of(frame_4(b"APIC", data), flags=0x80))[0].pictures == (plain,)
    body = b"APIC" + (len(data) - 2).to_bytes(4, "big") + b"\0\0" + data
    assert parsed(tag_of(body, 3, 0x80))[0].pictures == (plain,)


def test_length_and_group_bytes_are_passed_over() -> None:
    body = frame_4(b"TIT2", b"G\0\0\0\x06\x03Title", 0x41) + frame_4(b"TPE1", b"\x03Me")
    assert parsed(tag_of(body))[0].tags == (("TITLE", "Title"), ("ARTIST", "Me"))


def test_an_extended_header_is_passed_over() -> None:
    assert parsed(tag_of(b"\0\0\0\x06\x01\0" + frame_4(b"TIT2", b"\x03x"), 4, 0x40))[0].tags == (
        ("TITLE", "x"),
    )
    body = b"\0\0\0\x06" + bytes(6) + b"TIT2\0\0\0\x02\0\0\0x"
    assert parsed(tag_of(body, 3, 0x40))[0].tags == (("TITLE", "x"),)


def test_compressed_frames_are_never_blown_up() -> None:
    bomb = zlib.compress(bytes(100_000))
    body = frame_4(b"TIT2", struct.pack(">I", 100_000) + bomb, 0x09) + frame_4(b"TPE1", b"\x03Me")
    assert parsed(tag_of(body))[0].tags == (("ARTIST", "Me"),)


def test_plain_sizes_in_version_2_4_are_understood() -> None:
    text = b"\x03" + b"x" * 199
    body = b"TIT2" + len(text).to_bytes(4, "big") + b"\0\0" + text + frame_4(b"TPE1", b"\x03Me")
    assert parsed(tag_of(body))[0].tags == (("TITLE", "x" * 199), ("ARTIST", "Me"))


def test_chapters_become_markers() -> None:
    chapters = [
        CHAP(element_id="a", start_time=1000, end_time=2500, sub_frames=[TIT2(Encoding.UTF8, ["Intro"])]),
        CHAP(element_id="b", start_time=2500, end_time=2500),
    ]
    tag, warnings = parsed(theirs(4, Encoding.UTF8, *chapters))
    assert warnings == []
    assert tag.markers(48_000) == (
        Marker(position=48_000, label="Intro", length=72_000),
        Marker(position=120_000),
    )


def test_a_broken_frame_costs_only_itself() -> None:
    body = (
        frame_4(b"TIT2", b"\x03Title")
        + frame_4(b"APIC", b"\0image/png\0")
        + frame_4(b"CHAP", b"a\0\0")
        + frame_4(b"TPE1", b"\x03Me")
        + frame_4(b"TALB", b"\x03x", size=5000)
    )
    tag, warnings = parsed(tag_of(body))
    assert tag.tags == (("TITLE", "Title"), ("ARTIST", "Me"))
    assert [line.split(":")[0] for line in warnings] == [
        "an ID3 frame APIC",
        "an ID3 frame CHAP",
        "the rest of the ID3 tag",
    ]


def test_version_1_is_read() -> None:
    payload = (
        b"TAG" + b"Title".ljust(30) + b"Me".ljust(30, b"\0") + bytes(30) + b"1999" + b"words".ljust(28, b"\0")
    )
    payload += b"\0\x07"
    tags = (
        ("TITLE", "Title"),
        ("ARTIST", "Me"),
        ("DATE", "1999"),
        ("COMMENT", "words"),
        ("TRACKNUMBER", "7"),
    )
    assert parse_id3v1(payload + b"\xff").tags == tags
    assert parse_id3v1(payload + b"\x11").tags == (*tags, ("GENRE", "Rock"))


def test_genres_are_those_of_others() -> None:
    assert list(ID3_GENRES) == TCON.GENRES[: len(ID3_GENRES)]


@pytest.mark.parametrize(
    ("text", "genres"),
    [
        ("Rock", ["Rock"]),
        ("(17)", ["Rock"]),
        ("(17)Rock", ["Rock"]),
        ("(4)Eurodisco", ["Disco", "Eurodisco"]),
        ("(51)(39)", ["Techno-Industrial", "Noise"]),
        ("17", ["Rock"]),
        ("(RX)", ["Remix"]),
        ("(240)", ["(240)"]),
        ("((Foot) Work", ["(Foot) Work"]),
        ("(Live)", ["(Live)"]),
    ],
)
def test_genres_that_are_told_by_number_get_their_names(text: str, genres: list[str]) -> None:
    payload = build_id3((), (), [("TCON", b"\x03" + text.encode())])
    assert parsed(payload)[0].tags == tuple(("GENRE", genre) for genre in genres)


def test_what_players_sort_by_is_read_and_written_in_its_own_frame() -> None:
    tags = (("COMPILATION", "1"), ("ARTISTSORT", "Beatles, The"), ("ORIGINALDATE", "1966"))
    payload = build_id3(tags, (), ())
    assert parsed(payload)[0].tags == tags
    theirs = ID3(io.BytesIO(payload), load_v1=False)
    assert [str(theirs[name]) for name in ("TCMP", "TSOP", "TDOR")] == [text for _, text in tags]


def test_the_size_of_a_tag_counts_header_and_footer() -> None:
    assert id3_size(b"ID3\x04\0\0\0\0\x01\0") == 10 + 128
    assert id3_size(b"ID3\x04\0\x10\0\0\x01\0") == 20 + 128
    assert id3_size(b"ID3\x05\0\0\0\0\x01\0") == 0
    assert id3_size(b"ID3\x04\0\0\x80\0\x01\0") == 0
    assert id3_size(b"") == 0

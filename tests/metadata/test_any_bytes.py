"""Hostile metadata: any bytes are read or dropped, and what is read can be written."""

from __future__ import annotations

import io
import struct
import tempfile
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import soundfile
from chunk_files import IXML, aiff, codes, full_wav_chunks, mark, wav
from hypothesis import given, settings
from hypothesis import strategies as st
from mutagen.id3 import APIC, CHAP, COMM, ID3, TIT2, TRCK, TXXX, Encoding
from mutagen.oggvorbis import OggVorbis

from audiosr_fx.audio import AudioWriter, FileSource
from audiosr_fx.errors import AudioFormatError
from audiosr_fx.metadata import CueSheet, CueTrack, Metadata, Picture, moved, read_metadata
from audiosr_fx.metadata.comments import build_comments
from audiosr_fx.metadata.findings import MAX_WARNINGS, Findings
from audiosr_fx.metadata.flac import blocks_of
from audiosr_fx.metadata.reading import parse_metadata

HEADS = [
    *(
        b"RIFF\0\0\0\0WAVE",
        b"RF64\0\0\0\0WAVE",
        b"FORM\0\0\0\0AIFF",
        b"FORM\0\0\0\0AIFC",
        b"fLaC",
        b"OggS",
        b"",
    ),
    *(
        b"ID3\x02\0\0\0\0\0\x40",
        b"ID3\x03\0\0\0\0\0\x40",
        b"ID3\x04\0\0\0\0\0\x40",
        b"ID3\x03\0\x80\0\0\0\x20",
    ),
]
KINDS = ["wav", "rf64", "aiff", "flac", "ogg", "mp3"]


@lru_cache
def sample(kind: str) -> bytes:
    """A small file with as much metadata as its format takes."""
    before, after = full_wav_chunks()
    if kind in ("wav", "rf64"):
        chunks = [*before, (b"id3 ", id3()), *after]
        return wav(codes(50), before=chunks, mark=b"RIFF" if kind == "wav" else b"RF64")
    if kind == "aiff":
        return aiff(
            codes(50),
            [
                (b"NAME", b"Title"),
                (b"MARK", mark((1, 10, b"a"), (2, 20, b"b"))),
                (b"INST", struct.pack(">6bh6h", 61, -20, 10, 90, 2, 120, -3, 1, 1, 2, 0, 0, 0)),
                (b"COMT", struct.pack(">HIhH", 1, 0, 1, 4) + b"note"),
                (b"ID3 ", id3()),
            ],
        )
    if kind == "mp3":
        return id3() + bytes(200)
    if kind == "flac":
        blocks = blocks_of(everything(), 50, Findings())
        return b"fLaC" + struct.pack(">I", 34) + bytes(34) + b"".join(blocks) + b"\x81\0\0\0" + bytes(100)
    return ogg()


def everything() -> Metadata:
    tags = (("TITLE", "T"), ("CHAPTER001", "00:00:00.001"), ("LOOPSTART", "1"), ("LOOPLENGTH", "9"))
    return Metadata(
        sample_rate=48_000,
        tags=(*tags, ("UMID", "0x" + "ab" * 32), ("TIME_REFERENCE", "12"), ("IXML", IXML)),
        pictures=(Picture(data=b"picture", mime="image/png", description="x"),),
        cue_sheet=CueSheet(tracks=(CueTrack(position=3, number=1, indexes=((0, 1),)),)),
    )


def id3() -> bytes:
    tag, out = ID3(), io.BytesIO()
    for frame in (
        TIT2(Encoding.UTF16, ["Title"]),
        TRCK(Encoding.UTF8, ["3/12"]),
        COMM(Encoding.UTF16, "eng", "about", ["text"]),
        TXXX(Encoding.UTF8, "AUDIOSR_FX", ["audiosr_fx 0.1.0; seed=7"]),
        APIC(Encoding.UTF16, "image/png", 3, "Cover", b"data"),
        CHAP(element_id="a", start_time=0, end_time=1, sub_frames=[TIT2(Encoding.UTF16, ["One"])]),
    ):
        tag.add(frame)
    tag.save(out)
    return out.getvalue()


def ogg() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.ogg"
        soundfile.write(str(path), np.zeros((100, 1), np.float32), 48_000, format="OGG", subtype="VORBIS")
        file = OggVorbis(path)
        file["title"] = ["T" * 300]
        file["metadata_block_picture"] = ["AAAA"]
        file.save()
        return path.read_bytes()[:6000]


def parsed(content: bytes) -> tuple[Metadata, Findings]:
    findings = Findings()
    metadata = parse_metadata(io.BytesIO(content), 48_000, 50, findings)
    assert len(findings.warnings) <= MAX_WARNINGS + 1
    assert all("\n" not in line and line.isprintable() for line in findings.warnings)
    return metadata, findings


def test_the_samples_are_full() -> None:
    for kind in KINDS:
        metadata, _ = parsed(sample(kind))
        assert metadata.title, kind
    assert parsed(sample("flac"))[0].ixml
    assert parsed(sample("wav"))[0].pictures


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(deadline=None, max_examples=150)
def test_damage_is_dropped_and_the_rest_can_be_moved(kind: str, data: st.DataObject) -> None:
    content = bytearray(sample(kind))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(content) - 1))
        piece = data.draw(st.binary(max_size=8))
        content[at : at + data.draw(st.sampled_from([0, 1, len(piece)]))] = piece
    content = content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content
    metadata, _ = parsed(bytes(content))
    start, stop = sorted(data.draw(st.tuples(st.integers(0, 49), st.integers(1, 50))))
    part = moved(
        metadata, sample_rate=data.draw(st.sampled_from([44_100, 48_000])), start=start, stop=stop + 1
    )
    assert all(0 <= marker.position <= (part.frames or 0) for marker in part.markers)


@given(
    head=st.sampled_from(HEADS),
    names=st.lists(
        st.tuples(
            st.sampled_from([b"LIST", b"cue ", b"smpl", b"bext", b"iXML", b"id3 ", b"MARK", b"COMT", b"TIT2"])
            | st.binary(min_size=4, max_size=4),
            st.sampled_from(["<I", ">I"]),
            st.integers(0, 40) | st.integers(0, 0xFFFFFFFF),
            st.binary(max_size=60),
        ),
        max_size=5,
    ),
)
@settings(deadline=None, max_examples=300)
def test_any_bytes_give_metadata(head: bytes, names: list[tuple[bytes, str, int, bytes]]) -> None:
    body = b"".join(name + struct.pack(order, size) + payload for name, order, size, payload in names)
    parsed(head + body)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("suffix", ["wav", "flac", "aiff"])
@given(data=st.data())
@settings(deadline=None, max_examples=20)
def test_what_is_read_from_damage_can_be_written(kind: str, suffix: str, data: st.DataObject) -> None:
    content = bytearray(sample(kind))
    for _ in range(data.draw(st.integers(0, 5))):
        at = data.draw(st.integers(12, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    metadata, _ = parsed(bytes(content))
    audio = np.full((1, 55), 0.25, np.float32)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"out.{suffix}"
        try:
            with AudioWriter(path, 48_000, 1, metadata=metadata) as output:
                output.write(audio)
        except AudioFormatError as error:
            pytest.fail(f"a number out of a file does not fit another: {error}")
        after = read_metadata(path)
        assert after.title == metadata.title
        tracks = metadata.cue_sheet.tracks if metadata.cue_sheet and suffix != "flac" else ()
        assert len(after.markers) == len(metadata.markers or tracks)
        with FileSource(path) as file:
            assert np.array_equal(file.read(0, 55), audio)


def test_many_comments_and_frames_are_not_taken() -> None:
    crowded = build_comments([("A", "b")] * 10_001)
    block = struct.pack(">I", 0x84000000 | len(crowded)) + crowded
    metadata, findings = parsed(b"fLaC" + struct.pack(">I", 34) + bytes(34) + block)
    assert metadata.tags == ()
    assert "the comment block: dropped, it says 10001 comments" in findings.warnings[0]
    frames = b"TXXX\0\0\0\x05\0\0\x03a\0b\0" * 10_001
    size = len(frames)
    header = b"ID3\x04\0\0" + bytes([size >> 21 & 127, size >> 14 & 127, size >> 7 & 127, size & 127])
    metadata, findings = parsed(header + frames)
    assert "more than 10000 frames" in findings.warnings[0]


def test_a_file_of_empty_chunks_ends_soon() -> None:
    _, findings = parsed(b"RIFF\0\0\0\0WAVE" + b"junk\0\0\0\0" * 200_000)
    assert "there are more than 10000" in findings.warnings[0]

"""Chunks of AIFF files, read from hand-built ones and written so that mutagen and soundfile agree."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from chunk_files import aiff, codes, mark
from mutagen.aiff import AIFF

from audiosr_fx.audio import AudioWriter, FileSource
from audiosr_fx.files import chunks
from audiosr_fx.metadata import (
    Broadcast,
    Instrument,
    Loop,
    Marker,
    Metadata,
    Picture,
    Provenance,
    read_metadata,
)

MARK = mark((1, 100, b"Verse"), (2, 200, b"beg loop"), (3, 900, b"end loop"), (4, 50, b"odd"))
INST = struct.pack(">6bh6h", 61, -20, 10, 90, 2, 120, -3, 1, 2, 3, 0, 0, 0)
COMT = struct.pack(">HIhH", 2, 0xD0000000, 1, 5) + b"hello\0" + struct.pack(">IhH", 0, 0, 4) + b"tail"


def written(folder: Path, *more: tuple[bytes, bytes]) -> Path:
    path = folder / "in.aiff"
    path.write_bytes(aiff(codes(1000), list(more)))
    return path


@pytest.fixture
def full(tmp_path: Path) -> Path:
    return written(
        tmp_path,
        (b"NAME", b"Title"),
        (b"AUTH", "J\xf6rg".encode("mac_roman")),
        (b"(c) ", b"2019 me"),
        (b"ANNO", b"one"),
        (b"ANNO", b"two"),
        (b"MARK", MARK),
        (b"INST", INST),
        (b"COMT", COMT),
        (b"APPL", b"some program's"),
    )


def test_every_chunk_is_read(full: Path, caplog: pytest.LogCaptureFixture) -> None:
    metadata = read_metadata(full)
    assert caplog.messages == []
    assert metadata.tags == (
        ("TITLE", "Title"),
        ("ARTIST", "Jörg"),
        ("COPYRIGHT", "2019 me"),
        ("COMMENT", "one"),
        ("COMMENT", "two"),
        ("COMMENT", "tail"),
    )
    assert metadata.markers == (
        Marker(position=50, label="odd", number=4),
        Marker(position=100, label="Verse", note="hello", number=1),
    )
    assert metadata.instrument == Instrument(
        base_note=61,
        fine_tune_cents=20.0,
        has_range=True,
        gain_db=-3,
        low_note=10,
        high_note=90,
        low_velocity=2,
        high_velocity=120,
        loops=(Loop(start=200, stop=900),),
    )


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_all_of_it_comes_back_from_a_copy(full: Path, tmp_path: Path, subtype: str) -> None:
    before = read_metadata(full)
    with FileSource(full) as file:
        audio = file.read(0, file.frames)
    for name, metadata in (("with.aiff", before), ("without.aiff", None)):
        with AudioWriter(tmp_path / name, 44_100, 1, subtype=subtype, metadata=metadata) as output:
            output.write(audio)
    after = read_metadata(tmp_path / "with.aiff")
    assert set(after.tags) == set(before.tags)
    assert [(m.position, m.label, m.note) for m in after.markers] == [
        (50, "odd", ""),
        (100, "Verse", "hello"),
    ]
    assert after.instrument == before.instrument
    first, second = (soundfile.read(tmp_path / name)[0] for name in ("with.aiff", "without.aiff"))
    assert np.array_equal(first, second)
    content = (tmp_path / "with.aiff").read_bytes()
    assert struct.unpack_from(">I", content, 4)[0] == len(content) - 8
    assert b"APPL" not in content


def test_what_has_no_chunk_of_its_own_stands_in_the_id3_tag(tmp_path: Path) -> None:
    made = Provenance(model="mini", seed=7)
    metadata = Metadata(
        sample_rate=48_000,
        tags=(("TITLE", "T"), ("ALBUM", "A"), ("COMMENT", "c")),
        pictures=(Picture(data=b"png", mime="image/png"),),
        broadcast=Broadcast(originator="me", time_reference=48_000, origination_date="2019-03-04"),
        provenance=(made,),
    )
    with AudioWriter(tmp_path / "out.aiff", 48_000, 1, metadata=metadata) as output:
        output.write(np.zeros((1, 7), np.float32))
    tags = AIFF(tmp_path / "out.aiff").tags
    assert tags["TALB"].text == ["A"]
    assert tags["TXXX:TIME_REFERENCE"].text == ["48000"]
    assert tags["TXXX:AUDIOSR_FX"].text == [str(made)]
    assert tags.getall("APIC")[0].data == b"png"
    with (tmp_path / "out.aiff").open("rb") as stream:
        names = [chunk.name for chunk in chunks(stream)]
    assert names == [b"COMM", b"SSND", b"NAME", b"ANNO", b"ANNO", b"ID3 "]
    after = read_metadata(tmp_path / "out.aiff")
    assert after.provenance == (made,)
    assert after.tag("COMMENT") == "c"
    assert after.broadcast is not None
    assert after.broadcast.time_reference == 48_000
    assert after.broadcast.origination_date == "2019-03-04"


@pytest.mark.parametrize("frames", [0, 1, 64, 65])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_odd_lengths_stay_whole(tmp_path: Path, frames: int, subtype: str) -> None:
    metadata = Metadata(sample_rate=48_000, tags=(("TITLE", "odd"),))
    audio = np.full((1, frames), 0.25, np.float32)
    path = tmp_path / "out.aiff"
    with AudioWriter(path, 48_000, 1, subtype=subtype, metadata=metadata) as output:
        output.write(audio)
    assert read_metadata(path).title == "odd"
    with FileSource(path) as file:
        assert file.frames == frames
        assert np.allclose(file.read(0, frames), audio, atol=1e-4)


@pytest.mark.parametrize(
    ("chunk", "words"),
    [
        ((b"MARK", MARK[:20]), "the MARK chunk: dropped"),
        ((b"MARK", b"\xff\xff"), "it says 65535 markers"),
        ((b"MARK", mark((1, 5000, b"late"))), "1 of 1 markers: dropped, beyond the end at sample 1000"),
        ((b"COMT", COMT[:12]), "the rest of the COMT chunk: dropped, a comment passes the end"),
        ((b"INST", INST[:10]), "the INST chunk: dropped"),
        ((b"ID3 ", b"nothing"), "the ID3 chunk: dropped, it is no ID3v2 tag"),
    ],
)
def test_what_is_malformed_is_dropped_with_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, chunk: tuple[bytes, bytes], words: str
) -> None:
    metadata = read_metadata(written(tmp_path, chunk, (b"NAME", b"still here")))
    assert metadata == Metadata(sample_rate=44_100, frames=1000, tags=(("TITLE", "still here"),))
    assert len(caplog.messages) == 1
    assert words in caplog.messages[0]


def test_texts_are_mac_roman_where_they_can_be_and_in_the_id3_tag_as_well(tmp_path: Path) -> None:
    for artist, stored in (("Jörg", b"J\x9arg"), ("試験", "試験".encode()), ("Ã\N{PLUS-MINUS SIGN}", None)):
        path = tmp_path / "out.aiff"
        metadata = Metadata(
            sample_rate=48_000, tags=(("ARTIST", artist),), markers=(Marker(position=0, label=artist),)
        )
        with AudioWriter(path, 48_000, 1, metadata=metadata, overwrite=True) as output:
            output.write(np.zeros((1, 7), np.float32))
        assert stored is None or b"AUTH" + struct.pack(">I", len(stored)) + stored in path.read_bytes()
        assert AIFF(path).tags["TPE1"].text == [artist]
        after = read_metadata(path)
        assert after.tags == (("ARTIST", artist),)
        assert after.markers[0].label == artist

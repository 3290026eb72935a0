"""FLAC blocks, Vorbis comments in Ogg and tags of MP3, against what mutagen writes and reads."""

from __future__ import annotations

import base64
import io
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from chunk_files import IXML
from mutagen.flac import FLAC, CueSheetTrack, CueSheetTrackIndex
from mutagen.flac import CueSheet as TheirCueSheet
from mutagen.flac import Picture as TheirPicture
from mutagen.id3 import APIC, ID3, TIT2, TXXX, Encoding
from mutagen.oggopus import OggOpus
from mutagen.oggvorbis import OggVorbis

from audiosr_fx.audio import AudioWriter, FileSource, read_info
from audiosr_fx.metadata import (
    Broadcast,
    CueSheet,
    CueTrack,
    Instrument,
    Loop,
    Marker,
    Metadata,
    Picture,
    Provenance,
    read_metadata,
)

RATE = 44_100
MADE = Provenance(model="mini", seed=7)


def noise(frames: int, channels: int = 2) -> np.ndarray:
    return (0.1 * np.random.default_rng(3).standard_normal((channels, frames))).astype(np.float32)


def sound(path: Path, format: str, subtype: str, frames: int = RATE) -> Path:
    soundfile.write(str(path), noise(frames).T, RATE, format=format, subtype=subtype)
    return path


def their_picture(data: bytes = b"\x89PNG data") -> TheirPicture:
    picture = TheirPicture()
    picture.data, picture.type, picture.mime, picture.desc = data, 3, "image/png", "Cövér"
    picture.width, picture.height, picture.depth = 10, 20, 24
    return picture


OURS = Picture(
    data=b"\x89PNG data", kind=3, mime="image/png", description="Cövér", width=10, height=20, depth=24
)


@pytest.fixture
def full(tmp_path: Path) -> Path:
    """A FLAC file that mutagen filled."""
    path = sound(tmp_path / "in.flac", "FLAC", "PCM_16")
    file = FLAC(path)
    file["title"] = ["Tëst"]
    file["artist"] = ["One", "Two"]
    file["replaygain_track_gain"] = ["-3 dB"]
    file["CHAPTER001"] = ["00:00:00.250"]
    file["CHAPTER001NAME"] = ["Verse"]
    file["CHAPTER002"] = ["00:00:00.5"]
    file["LOOPSTART"] = ["441"]
    file["LOOPLENGTH"] = ["882"]
    file["TIME_REFERENCE"] = ["44100"]
    file["IXML"] = [IXML]
    file.add_picture(their_picture())
    sheet = TheirCueSheet(None)
    sheet.media_catalog_number, sheet.lead_in_samples, sheet.compact_disc = b"1234567890123", 88_200, True
    for number, position in ((1, 0), (2, 588 * 5), (170, RATE)):
        track = CueSheetTrack(number, position, b"DEABC1900001" if number == 2 else b"")
        if number != 170:
            track.indexes.append(CueSheetTrackIndex(1, 0))
        sheet.tracks.append(track)
    file.cuesheet = sheet
    file.metadata_blocks.append(sheet)
    file.save()
    return path


def test_every_block_is_read(full: Path, caplog: pytest.LogCaptureFixture) -> None:
    metadata = read_metadata(full)
    assert len(caplog.messages) == 1
    assert "the chapter 002: dropped, its time is '00:00:00.5'" in caplog.messages[0]
    assert set(metadata.tags) == {
        ("TITLE", "Tëst"),
        ("ARTIST", "One"),
        ("ARTIST", "Two"),
        ("REPLAYGAIN_TRACK_GAIN", "-3 dB"),
    }
    assert metadata.pictures == (OURS,)
    assert metadata.markers == (Marker(position=11_025, label="Verse", number=1),)
    assert metadata.instrument == Instrument(has_note=False, loops=(Loop(start=441, stop=1323),))
    assert metadata.broadcast == Broadcast(time_reference=44_100)
    assert metadata.ixml == IXML.strip()
    assert metadata.cue_sheet == CueSheet(
        catalog="1234567890123",
        lead_in=88_200,
        is_cd=True,
        tracks=(
            CueTrack(position=0, number=1, indexes=((0, 1),)),
            CueTrack(position=2940, number=2, isrc="DEABC1900001", indexes=((0, 1),)),
        ),
    )


@pytest.mark.parametrize("frames", [0, 1, 65, 8193, RATE])
def test_samples_are_the_same_with_and_without(full: Path, tmp_path: Path, frames: int) -> None:
    audio = noise(frames)
    metadata = read_metadata(full).with_provenance(MADE)
    for name, about in (("with.flac", metadata), ("without.flac", None)):
        with AudioWriter(tmp_path / name, RATE, 2, metadata=about) as output:
            output.write(audio)
    assert read_info(tmp_path / "with.flac").frames == frames
    with FileSource(tmp_path / "with.flac") as first, FileSource(tmp_path / "without.flac") as second:
        assert np.array_equal(first.read(0, frames), second.read(0, frames))
    assert FLAC(tmp_path / "with.flac").info.total_samples == frames
    if frames:
        data = soundfile.read(str(tmp_path / "with.flac"), dtype="int32")[0]
        assert np.array_equal(data, soundfile.read(str(tmp_path / "without.flac"), dtype="int32")[0])


def test_mutagen_agrees_and_it_all_comes_back(full: Path, tmp_path: Path) -> None:
    before = read_metadata(full).with_provenance(MADE)
    with AudioWriter(tmp_path / "out.flac", RATE, 2, metadata=before) as output:
        output.write(noise(RATE))
    file = FLAC(tmp_path / "out.flac")
    assert file["title"] == ["Tëst"]
    assert file["artist"] == ["One", "Two"]
    assert "replaygain_track_gain" not in file  # it held for other samples
    assert file["audiosr_fx"] == [str(MADE)]
    assert file["chapter001"] == ["00:00:00.250"]
    assert (file["loopstart"], file["looplength"]) == (["441"], ["882"])
    assert file["time_reference"] == ["44100"]
    picture = file.pictures[0]
    assert (picture.data, picture.desc, picture.width) == (OURS.data, "Cövér", 10)
    assert file.cuesheet.media_catalog_number == b"1234567890123"
    assert [(t.track_number, t.start_offset) for t in file.cuesheet.tracks] == [
        (1, 0),
        (2, 2940),
        (170, RATE),
    ]
    after = read_metadata(tmp_path / "out.flac")
    for name in ("markers", "instrument", "pictures", "cue_sheet", "provenance"):
        assert getattr(after, name) == getattr(before, name), name


def test_what_a_sampler_reads_of_a_wav_goes_through_a_flac(tmp_path: Path) -> None:
    played = Instrument(
        base_note=40,
        fine_tune_cents=12.5,
        has_range=True,
        gain_db=-3,
        low_note=36,
        high_note=43,
        loops=(Loop(start=100, stop=200, kind=1, number=7), Loop(start=300, stop=40_000, number=8)),
    )
    for name in ("there.flac", "back.wav", "again.flac"):
        with AudioWriter(
            tmp_path / name, RATE, 1, metadata=Metadata(sample_rate=RATE, instrument=played)
        ) as out:
            out.write(noise(RATE, 1))
        assert read_metadata(tmp_path / name).instrument == played
        played = read_metadata(tmp_path / name).instrument or Instrument()
    assert FLAC(tmp_path / "there.flac")["loopstart"] == ["100"]
    blocks = FLAC(tmp_path / "there.flac").metadata_blocks
    assert [block.data[:8] for block in blocks if block.code == 2] == [b"riffsmpl", b"riffinst"]


def test_a_loop_alone_makes_up_no_note(tmp_path: Path) -> None:
    looped = Instrument(has_note=False, loops=(Loop(start=441, stop=1323),))
    with AudioWriter(
        tmp_path / "out.flac", RATE, 1, metadata=Metadata(sample_rate=RATE, instrument=looped)
    ) as output:
        output.write(noise(RATE, 1))
    assert b"smpl" not in (tmp_path / "out.flac").read_bytes()[:4096]
    assert read_metadata(tmp_path / "out.flac").instrument == looped


def test_application_blocks_of_others_are_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = sound(tmp_path / "in.flac", "FLAC", "PCM_16", 1000)
    content = path.read_bytes()
    strange = (b"othr" + bytes(5_000_000), b"riffsmpl", b"riffinst\xff\xff\xff\xff\1", b"")
    blocks = [struct.pack(">I", 2 << 24 | len(payload)) + payload for payload in (*strange[:1] * 4, *strange)]
    path.write_bytes(content[:4] + content[4:42] + b"".join(blocks) + content[42:])
    assert read_metadata(path).instrument is None
    assert read_info(path).frames == 1000
    assert not any("a file's metadata may have" in message for message in caplog.messages)


def test_markers_keep_their_sample_at_any_rate(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    positions = sorted(int(p) for p in rng.integers(0, RATE, 50))
    metadata = Metadata(sample_rate=RATE, markers=tuple(Marker(position=p) for p in positions))
    with AudioWriter(tmp_path / "out.flac", RATE, 1, metadata=metadata) as output:
        output.write(noise(RATE, 1))
    assert [m.position for m in read_metadata(tmp_path / "out.flac").markers] == positions


def test_a_picture_too_large_for_a_block_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    metadata = Metadata(
        sample_rate=RATE, tags=(("TITLE", "T"),), pictures=(Picture(data=bytes(17 << 20)), OURS)
    )
    with AudioWriter(tmp_path / "out.flac", RATE, 1, metadata=metadata) as output:
        output.write(noise(100, 1))
    assert "a picture: dropped, 17825824 bytes; a FLAC block ends at 16777215" in caplog.messages[0]
    assert [p.desc for p in FLAC(tmp_path / "out.flac").pictures] == ["Cövér"]


def test_a_large_picture_moves_the_audio(tmp_path: Path) -> None:
    metadata = Metadata(sample_rate=RATE, pictures=(Picture(data=os.urandom(5 << 20)),))
    audio = noise(300_000)
    with AudioWriter(tmp_path / "out.flac", RATE, 2, metadata=metadata) as output:
        output.write(audio)
    with FileSource(tmp_path / "out.flac") as file:
        assert np.abs(file.read(0, 300_000) - audio).max() <= 2.0**-24
    assert FLAC(tmp_path / "out.flac").pictures[0].data == metadata.pictures[0].data


def test_a_flac_behind_an_id3_tag_is_read(tmp_path: Path) -> None:
    path = sound(tmp_path / "in.flac", "FLAC", "PCM_16")
    file = FLAC(path)
    file["title"] = ["Vorbis"]
    file.save()
    tag, out = ID3(), io.BytesIO()
    tag.add(TIT2(Encoding.UTF8, ["ID3"]))
    tag.add(TXXX(Encoding.UTF8, "MOOD", ["dull"]))
    tag.save(out)
    path.write_bytes(out.getvalue() + path.read_bytes())
    assert set(read_metadata(path).tags) == {("TITLE", "Vorbis"), ("MOOD", "dull")}


@pytest.mark.parametrize(("subtype", "kind"), [("VORBIS", OggVorbis), ("OPUS", OggOpus)])
def test_comments_and_pictures_of_ogg_are_read(
    tmp_path: Path, subtype: str, kind: type[OggVorbis] | type[OggOpus]
) -> None:
    path = tmp_path / "in.ogg"
    soundfile.write(str(path), noise(48_000).T, 48_000, format="OGG", subtype=subtype)
    file = kind(path)
    file["title"] = ["Tëst"]
    file["CHAPTER001"] = ["00:00:00.250"]
    large = their_picture(os.urandom(200_000))  # over several pages
    file["metadata_block_picture"] = [base64.b64encode(large.write()).decode(), "not base64!"]
    file.save()
    metadata = read_metadata(path)
    assert metadata.title == "Tëst"
    assert metadata.pictures[0].data == large.data
    assert len(metadata.pictures) == 1
    assert [marker.position for marker in metadata.markers] == [metadata.sample_rate // 4]


def test_tags_of_mp3_are_read_and_go_anywhere(tmp_path: Path) -> None:
    path = sound(tmp_path / "in.mp3", "MP3", "MPEG_LAYER_III")
    tag = ID3()
    tag.add(TIT2(Encoding.UTF16, ["Tëst"]))
    tag.add(APIC(Encoding.UTF8, "image/png", 3, "Cövér", b"\x89PNG data"))
    tag.save(path)
    metadata = read_metadata(path)
    assert metadata.tags == (("TITLE", "Tëst"),)
    for name in ("out.wav", "out.flac", "out.aiff"):
        with AudioWriter(tmp_path / name, RATE, 2, metadata=metadata) as output:
            output.write(noise(100))
        after = read_metadata(tmp_path / name)
        assert after.title == "Tëst"
        assert after.pictures[0].data == b"\x89PNG data"


def test_an_mp3_with_nothing_but_version_1_tags_is_read(tmp_path: Path) -> None:
    path = sound(tmp_path / "in.mp3", "MP3", "MPEG_LAYER_III")
    path.write_bytes(path.read_bytes() + (b"TAG" + b"Old title").ljust(128, b"\0"))
    assert read_metadata(path).title == "Old title"

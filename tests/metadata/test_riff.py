"""Chunks of WAV files: read as the specifications have them, written so that other programs agree."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from chunk_files import acid, bext, codes, cue, full_wav_chunks, info, labels, smpl, wav
from wavinfo import WavInfoReader

from audiosr_fx.audio import AudioWriter, FileSource, ResampledSource
from audiosr_fx.metadata import Loop, Loudness, Marker, Metadata, read_metadata

FRAMES = 22_050


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def copied(source: Path, target: Path, sample_rate: int = 44_100, **options: object) -> Path:
    """The same audio and metadata in another file."""
    with FileSource(source) as file:
        audio = ResampledSource(file, sample_rate).read(0, -(-file.frames * sample_rate // file.sample_rate))
    with AudioWriter(
        target,
        sample_rate,
        len(audio),
        metadata=read_metadata(source),
        **options,  # type: ignore[arg-type]
    ) as output:
        output.write(audio)
    return target


@pytest.fixture(params=[b"RIFF", b"RF64", b"BW64"])
def full(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A file with every chunk that is carried."""
    before, after = full_wav_chunks()
    return written(tmp_path / "full.wav", wav(codes(FRAMES), before=before, after=after, mark=request.param))


def test_every_chunk_is_read(full: Path, caplog: pytest.LogCaptureFixture) -> None:
    metadata = read_metadata(full)
    assert caplog.messages == []
    assert (metadata.sample_rate, metadata.frames) == (44_100, FRAMES)
    assert metadata.tags == (
        ("TITLE", "Title"),
        ("ARTIST", "Jörg"),
        ("COMMENT", "a comment"),
        ("INFO_IXYZ", "unknown"),
    )
    assert metadata.markers == (
        Marker(position=4410, label="Verse", note="louder here", length=8820, number=1),
        Marker(position=0, number=2),
        Marker(position=FRAMES, label="Schluß", number=7),
    )
    assert metadata.broadcast is not None
    assert metadata.broadcast.time_reference == 158_760_000
    assert metadata.broadcast.origination_date == "2019-03-04"
    assert metadata.broadcast.umid == bytes(range(64))
    assert metadata.broadcast.loudness == Loudness(
        integrated_lufs=-23.0,
        range_lu=7.0,
        true_peak_dbtp=-1.0,
        momentary_max_lufs=-20.0,
        short_term_max_lufs=-21.0,
    )
    assert metadata.instrument is not None
    assert metadata.instrument.base_note == 62
    assert metadata.instrument.fine_tune_cents == 25.0
    assert metadata.instrument.loops == (
        Loop(number=0, kind=0, start=441, stop=882, play_count=3),
        Loop(number=1, kind=1, start=10_000, stop=20_000, play_count=3),
    )
    assert (metadata.instrument.low_note, metadata.instrument.high_note) == (20, 80)
    assert metadata.ixml.startswith("<?xml")
    assert metadata.chunks == ((b"acid", acid(1, 120.0)), (b"_PMX", b"<x:xmpmeta/>"))


def test_all_of_it_comes_back_from_a_copy(full: Path, tmp_path: Path) -> None:
    before, after = read_metadata(full), read_metadata(copied(full, tmp_path / "copy.wav"))
    for name in ("markers", "instrument", "chunks", "pictures"):
        assert getattr(after, name) == getattr(before, name), name
    assert set(before.tags) | {("ENCODER", "audiosr_fx 0.1.0")} == set(after.tags)
    assert before.broadcast is not None
    assert after.broadcast is not None
    assert after.broadcast.coding_history == before.broadcast.coding_history
    assert after.broadcast.umid == before.broadcast.umid
    assert after.broadcast.loudness != before.broadcast.loudness  # that was of other samples


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
@pytest.mark.parametrize("is_long", [False, True])
def test_the_samples_are_the_same_with_and_without(
    full: Path, tmp_path: Path, subtype: str, is_long: bool
) -> None:
    expected = 1 << 32 if is_long else FRAMES
    path = copied(full, tmp_path / "with.wav", subtype=subtype, expected_frames=expected)
    with FileSource(full) as file:
        audio = file.read(0, FRAMES)
    with AudioWriter(tmp_path / "without.wav", 44_100, 1, subtype=subtype) as output:
        output.write(audio)
    assert path.read_bytes()[:4] == (b"RF64" if is_long else b"RIFF")
    kind = "float32" if subtype == "FLOAT" else "int32"
    first, second = (soundfile.read(tmp_path / name, dtype=kind)[0] for name in ("with.wav", "without.wav"))
    assert np.array_equal(first, second)
    assert soundfile.info(path).frames == FRAMES


@pytest.mark.parametrize("is_long", [False, True])
def test_wavinfo_agrees(full: Path, tmp_path: Path, is_long: bool) -> None:
    path = copied(full, tmp_path / "copy.wav", 48_000, expected_frames=1 << 32 if is_long else None)
    found = WavInfoReader(str(path), info_encoding="utf-8", bext_encoding="utf-8")
    assert found.data.frame_count == 24_000
    assert found.fmt.sample_rate == 48_000
    assert found.bext.time_reference == 172_800_000
    assert (found.bext.description, found.bext.originator) == ("Scene 12, take 3", "Rundfunk")
    assert (found.bext.originator_date, found.bext.originator_time) == ("2019-03-04", "10:11:12")
    assert found.bext.umid == bytes(range(64))
    assert found.bext.coding_history.startswith("A=ANALOGUE,M=stereo,T=Studer A820\r\nA=PCM,F=44100")
    assert (found.info.title, found.info.artist) == ("Title", "Jörg")
    assert found.cues.to_dict() == {
        1: {"frame": 4800, "label": "Verse", "note": "louder here", "length": 9600},
        2: {"frame": 0},
        7: {"frame": 24_000, "label": "Schluß"},
    }
    loops = [(loop.loop_type, loop.start, loop.end) for loop in found.smpl.sample_loops]
    assert loops == [(0, 480, 959), (1, 10_884, 21_768)]
    assert found.smpl.midi_note == 62
    assert found.ixml.parsed.findtext("SPEED/FILE_SAMPLE_RATE") == "48000"
    assert [track.name for track in found.ixml.track_list][:1] == ["Boom"]


def test_the_loudness_of_a_result_is_measured_and_stands_in_version_2(full: Path, tmp_path: Path) -> None:
    """A 997 Hz sine of -20 dBFS in one channel is -23.01 LUFS (BS.1770-4: one of 0 dBFS is -3.01 LKFS)."""
    sine = 0.1 * np.sin(2 * np.pi * 997.0 * np.arange(5 * 44_100) / 44_100)[None]
    for name in ("out.wav", "out2.wav"):
        with AudioWriter(tmp_path / name, 44_100, 1, metadata=read_metadata(full)) as output:
            for block in np.array_split(sine, [1, 1000, 150_000], axis=1):
                output.write(block)
    found = WavInfoReader(str(tmp_path / "out.wav")).bext
    assert found.version == 2
    assert found.loudness_value == pytest.approx(-23.01, abs=0.05)
    assert found.max_momentary_loudness == pytest.approx(-23.01, abs=0.05)
    assert found.max_shortterm_loudness == pytest.approx(-23.01, abs=0.05)
    assert found.loudness_range == pytest.approx(0.0, abs=0.1)
    assert found.max_true_peak == pytest.approx(-20.0, abs=0.05)
    assert (tmp_path / "out.wav").read_bytes() == (tmp_path / "out2.wav").read_bytes()


def test_a_loudness_that_is_given_counts(full: Path, tmp_path: Path) -> None:
    with AudioWriter(tmp_path / "out.wav", 44_100, 1, metadata=read_metadata(full)) as output:
        output.write(np.zeros((1, 100), np.float32))
        output.loudness = Loudness(integrated_lufs=-14.005, range_lu=5.0, true_peak_dbtp=-1.0)
    found = WavInfoReader(str(tmp_path / "out.wav")).bext
    assert found.version == 2
    assert (found.loudness_value, found.loudness_range, found.max_true_peak) == (-14.01, 5.0, -1.0)
    assert found.max_momentary_loudness == 327.67  # not set


def test_a_result_without_samples_says_nothing_of_loudness(full: Path, tmp_path: Path) -> None:
    with AudioWriter(tmp_path / "out.wav", 44_100, 1, metadata=read_metadata(full)):
        pass
    broadcast = read_metadata(tmp_path / "out.wav").broadcast
    assert broadcast is not None
    assert broadcast.loudness is None
    assert broadcast.time_reference == 158_760_000


def test_silence_and_shortness_leave_the_loudness_unset(full: Path, tmp_path: Path) -> None:
    with AudioWriter(tmp_path / "out.wav", 44_100, 1, metadata=read_metadata(full)) as output:
        output.write(np.zeros((1, 100), np.float32))
    found = WavInfoReader(str(tmp_path / "out.wav")).bext
    assert {found.loudness_value, found.max_true_peak, found.loudness_range} == {327.67}


def test_chunks_that_describe_the_old_samples_are_left_out(full: Path, tmp_path: Path) -> None:
    content = copied(full, tmp_path / "copy.wav").read_bytes()
    assert b"levl" not in content
    assert b"JUNK" not in content


def test_a_silent_file_of_no_samples_keeps_its_tags(tmp_path: Path) -> None:
    source = written(tmp_path / "in.wav", wav(codes(0), before=[(b"LIST", info(INAM=b"Nothing\0"))]))
    path = copied(source, tmp_path / "out.wav")
    assert soundfile.info(path).frames == 0
    assert read_metadata(path).title == "Nothing"


def test_audio_of_an_open_length_is_not_taken_for_chunks(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    content = wav(codes(1000), before=[(b"LIST", info(INAM=b"Streamed\0"))])
    at = content.index(b"data") + 4
    source = written(tmp_path / "in.wav", content[:at] + bytes(4) + content[at + 4 :])
    assert read_metadata(source).title == "Streamed"
    assert [message for message in caplog.messages if "dropped" in message] == []


@pytest.mark.parametrize(
    ("chunk", "words"),
    [
        ((b"bext", bytes(601)), "the bext chunk: dropped, it has 601 bytes"),
        ((b"cue ", struct.pack("<I", 9)), "the cue chunk: dropped, it says 9 cue points"),
        ((b"cue ", cue((1, 40_000))), "1 of 1 markers: dropped, beyond the end"),
        ((b"cue ", cue((1, 5)).replace(b"data", b"slnt")), "points into the chunk b'slnt'"),
        ((b"smpl", smpl()[:20]), "the smpl chunk: dropped"),
        ((b"smpl", smpl(note=200)), "its note is 200"),
        ((b"smpl", smpl((0, 0, 5, 90_000))), "1 of 1 loops: dropped, beyond the end"),
        ((b"inst", b"abc"), "the inst chunk: dropped"),
        ((b"acid", b"short"), "the acid chunk: dropped"),
        ((b"iXML", b"<BWFXML>"), "the iXML chunk: dropped, it is no well-formed XML"),
        ((b"id3 ", b"not a tag"), "the id3 chunk: dropped, it is no ID3v2 tag"),
        ((b"LIST", b"INFOINAM\xff\0\0\0abc"), "the rest of LIST/INFO: dropped"),
        ((b"LIST", labels((b"labl", 1, b"x\0")) + b"notX\xff\xff\0\0"), "the rest of LIST/adtl: dropped"),
        ((b"LIST", b"adtllabl\x02\0\0\0ab"), "the rest of LIST/adtl: dropped"),
    ],
)
def test_what_is_malformed_is_dropped_with_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, chunk: tuple[bytes, bytes], words: str
) -> None:
    title = (b"LIST", info(INAM=b"still here\0"))
    path = written(tmp_path / "in.wav", wav(codes(100), before=[chunk, title]))
    metadata = read_metadata(path)
    assert metadata.title == "still here"
    assert len(caplog.messages) == 1
    assert words in caplog.messages[0]
    assert caplog.messages[0].startswith(f"{path}: ")
    assert metadata == Metadata(
        sample_rate=44_100, frames=100, tags=metadata.tags, instrument=metadata.instrument
    )


def test_more_than_16_mib_is_not_taken(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    chunks = [(b"_PMX", bytes(9 << 20)), (b"axml", bytes(9 << 20)), (b"LIST", info(INAM=b"small\0"))]
    metadata = read_metadata(written(tmp_path / "in.wav", wav(codes(10), after=chunks)))
    assert [name for name, _ in metadata.chunks] == [b"_PMX"]
    assert metadata.title == "small"
    assert "the axml chunk: dropped, 9437184 bytes" in caplog.messages[0]


def test_a_chunk_that_is_cut_short_is_dropped(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    content = wav(codes(10), after=[(b"bext", bext())])
    assert read_metadata(written(tmp_path / "in.wav", content[:-300])).broadcast is None
    assert "the bext chunk: dropped, it says" in caplog.messages[0]


def test_a_flood_of_faults_is_ten_lines(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    points = b"".join(struct.pack("<II4sIII", n, 0, f"x{n:03}".encode(), 0, 0, 0) for n in range(500))
    read_metadata(
        written(tmp_path / "in.wav", wav(codes(10), after=[(b"cue ", struct.pack("<I", 500) + points)]))
    )
    assert len(caplog.messages) == 11
    assert caplog.messages[-1].endswith("more of the metadata: dropped")


@pytest.mark.parametrize(("title", "needs_id3"), [("Title", False), ("Tïtle", True)])
def test_texts_beyond_ascii_stand_in_the_id3_tag_as_well(tmp_path: Path, title: str, needs_id3: bool) -> None:
    metadata = Metadata(sample_rate=44_100, tags=(("TITLE", title),))
    with AudioWriter(tmp_path / "out.wav", 44_100, 1, metadata=metadata) as output:
        output.write(np.zeros((1, 10), np.float32))
    assert (b"id3 " in (tmp_path / "out.wav").read_bytes()) == needs_id3
    assert read_metadata(tmp_path / "out.wav").title == title

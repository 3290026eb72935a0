from __future__ import annotations

import io
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from audio_kinds import KINDS, UNTAKEN, some_audio, write_kind
from hypothesis import given
from hypothesis import strategies as st

from audiosr_fx.headers import Header, Wholeness, read_header

TELLS_ITS_LENGTH = [kind for kind in KINDS if kind != "layer3.mp3"]


def header_of(content: bytes) -> Header:
    return read_header(io.BytesIO(content))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("kinds")
    return {kind: write_kind(folder / kind, kind).read_bytes() for kind in (*KINDS, *UNTAKEN)}


@pytest.mark.parametrize("kind", KINDS)
def test_a_finished_file_of_every_kind_is_whole(kind: str, files: dict[str, bytes]) -> None:
    assert header_of(files[kind]).wholeness is Wholeness.WHOLE


@pytest.mark.parametrize("kind", TELLS_ITS_LENGTH)
def test_no_beginning_of_a_file_is_whole(kind: str, files: dict[str, bytes]) -> None:
    content = files[kind]
    ends = {*range(200), *range(len(content) - 200, len(content)), *range(200, len(content), 997)}
    taken = [end for end in ends if header_of(content[:end]).wholeness is Wholeness.WHOLE]
    trailing_chunks = 32 if kind.endswith((".wav", ".aiff", ".w64")) else 0  # of which the samples are free
    assert all(end > len(content) - trailing_chunks for end in taken)


@pytest.mark.parametrize("kind", ["pcm16.flac", "pcm24.flac", "vorbis.ogg"])
def test_room_set_aside_before_the_bytes_arrive_is_seen(kind: str, files: dict[str, bytes]) -> None:
    content = files[kind]
    for end in (0, 1, 4, 60, len(content) // 2, len(content) - 4):
        assert header_of(content[:end] + bytes(len(content) - end)).wholeness is not Wholeness.WHOLE


def test_holes_in_a_file_are_seen(tmp_path: Path, files: dict[str, bytes]) -> None:
    path = tmp_path / "sparse.wav"
    header = bytearray(files["pcm16.wav"][:44])
    struct.pack_into("<I", header, 40, 1 << 20)
    struct.pack_into("<I", header, 4, (1 << 20) + 36)
    with path.open("wb") as file:
        file.write(header)
        file.truncate(44 + (1 << 20))
    with path.open("rb") as file:
        found = read_header(file)
        if os.lseek(file.fileno(), 0, os.SEEK_HOLE) == 44 + (1 << 20):
            pytest.skip("this file system fills its holes")
    assert found == Header(
        kind="wav", wholeness=Wholeness.OPEN, reason="parts of the file have never been written"
    )


@pytest.mark.parametrize("kind", UNTAKEN)
def test_other_formats_and_codecs_are_foreign(kind: str, files: dict[str, bytes]) -> None:
    found = header_of(files[kind])
    assert found.wholeness is Wholeness.FOREIGN
    assert found.reason.startswith(("its codec is", "it does not begin as"))


@pytest.mark.parametrize("open_length", [0, 0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000])
def test_a_length_left_open_is_no_lie(open_length: int, files: dict[str, bytes]) -> None:
    content = bytearray(files["pcm16.wav"])
    struct.pack_into("<I", content, 40, open_length)
    assert header_of(bytes(content)).wholeness is Wholeness.OPEN


@pytest.mark.parametrize("open_length", [0, 0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000])
def test_a_header_that_came_before_its_recording_is_empty(open_length: int, files: dict[str, bytes]) -> None:
    header = bytearray(files["pcm16.wav"][:44])
    struct.pack_into("<I", header, 40, open_length)
    assert header_of(bytes(header)) == Header(
        kind="wav", wholeness=Wholeness.EMPTY, reason="it holds no samples yet"
    )


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.endswith((".wav", ".w64", ".aiff"))])
def test_a_file_of_no_samples_is_empty(kind: str, tmp_path: Path) -> None:
    content = write_kind(tmp_path / kind, kind, some_audio(0)).read_bytes()
    assert header_of(content).wholeness is Wholeness.EMPTY


def test_a_flac_that_ends_with_its_metadata_is_empty(files: dict[str, bytes]) -> None:
    content = bytearray(files["pcm16.flac"][:42])
    content[4] |= 0x80  # the last block
    content[21:26] = bytes([content[21] & 0xF0, 0, 0, 0, 0])  # the 36 bits of the sample count
    assert header_of(bytes(content)).wholeness is Wholeness.EMPTY


def test_chunks_behind_no_samples_are_no_samples(files: dict[str, bytes]) -> None:
    content = files["pcm16.wav"][:40] + bytes(4) + b"LIST" + struct.pack("<I", 4) + b"INFO"
    odd = b"odd " + struct.pack("<I", 1) + b"x"
    assert header_of(content + odd).wholeness is Wholeness.EMPTY
    assert header_of(content + odd + b"\0").wholeness is Wholeness.EMPTY
    assert header_of(content + odd + b"\0\0").wholeness is Wholeness.OPEN


def test_an_aiff_that_promises_nothing_and_has_samples_leaves_its_length_open(
    files: dict[str, bytes],
) -> None:
    content = bytearray(files["pcm16.aiff"])
    struct.pack_into(">I", content, content.index(b"COMM") + 10, 0)
    struct.pack_into(">I", content, content.index(b"SSND") + 4, 8)
    assert header_of(bytes(content)).wholeness is Wholeness.OPEN


def test_a_header_that_promises_too_much_is_short_and_says_by_how_much(files: dict[str, bytes]) -> None:
    content = bytearray(files["pcm16.wav"][:444])
    struct.pack_into("<I", content, 40, 4_000_000_000)
    assert header_of(bytes(content)) == Header(
        kind="wav",
        wholeness=Wholeness.SHORT,
        reason="the header promises 4000000000 bytes of audio, 400 are there",
    )


def test_a_chunk_after_the_samples_that_is_still_to_come_leaves_the_file_open(
    files: dict[str, bytes],
) -> None:
    content = bytearray(files["pcm16.wav"])
    struct.pack_into("<I", content, 4, len(content) - 8 + 500)
    assert header_of(bytes(content)).wholeness is Wholeness.OPEN


@pytest.mark.parametrize(("channels", "samples"), [(1, 1), (1, 64), (2, 4096), (2, 4097), (8, 12_289)])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
def test_the_last_frame_of_a_flac_is_found(channels: int, samples: int, subtype: str, tmp_path: Path) -> None:
    path = tmp_path / "it.flac"
    for audio in (some_audio(samples, channels), np.zeros((samples, channels))):
        soundfile.write(path, audio, 96_000, subtype)
        content = path.read_bytes()
        assert header_of(content).wholeness is Wholeness.WHOLE
        assert header_of(content + b"TAG".ljust(128, b"\0")).wholeness is Wholeness.WHOLE
        assert header_of(content[:-1]).wholeness is Wholeness.SHORT
        assert header_of(content[:-1] + b"\x55").wholeness is Wholeness.SHORT


def test_an_id3_tag_in_front_hides_nothing(files: dict[str, bytes]) -> None:
    tag = b"ID3\x04\0\0\0\0\x01\x00" + bytes(128)
    assert header_of(tag + files["pcm16.flac"]) == Header(kind="flac", wholeness=Wholeness.WHOLE)
    assert header_of(tag + files["layer3.mp3"]) == Header(kind="mp3", wholeness=Wholeness.WHOLE)
    assert header_of(tag[:-1]).wholeness is Wholeness.SHORT
    assert header_of(tag[:9]).wholeness is Wholeness.SHORT


def test_a_file_without_a_byte_is_empty_yet() -> None:
    assert header_of(b"").reason == "it is empty yet (0 bytes)"


def test_zeros_are_a_copy_that_has_not_begun() -> None:
    found = header_of(bytes(4096))
    assert found.wholeness is Wholeness.FOREIGN
    assert "first bytes are still to come" in found.reason


@given(st.sampled_from(sorted({*KINDS, *UNTAKEN})), st.data())
def test_any_bytes_get_an_answer(kind: str, data: st.DataObject) -> None:
    content = bytearray(CONTENTS.setdefault(kind, _content(kind)))
    for _ in range(data.draw(st.integers(0, 8))):
        content[data.draw(st.integers(0, min(len(content) - 1, 300)))] = data.draw(st.integers(0, 255))
    assert isinstance(header_of(bytes(content[: data.draw(st.integers(0, len(content)))])), Header)


CONTENTS: dict[str, bytes] = {}


def _content(kind: str) -> bytes:
    stream = io.BytesIO()
    format, subtype = {**KINDS, **UNTAKEN}[kind]
    soundfile.write(stream, some_audio(300), 44_100, subtype, format=format)
    return stream.getvalue()

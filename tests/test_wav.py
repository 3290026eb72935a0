"""WAV files laid out by hand: the bytes libsndfile would write, with chunks where they belong."""

from __future__ import annotations

import os
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiosr_fx.files import chunks, read_info
from audiosr_fx.metadata import read_metadata
from audiosr_fx.wav import WavFile, append_aiff_chunks, chunks_size

NUMPY_TYPES = {"PCM_16": np.int16, "PCM_24": np.int32, "PCM_32": np.int32, "FLOAT": np.float32}


def samples_of(subtype: str, frames: int, channels: int) -> np.ndarray:
    generator = np.random.default_rng(frames + channels)
    if subtype == "FLOAT":
        return (0.3 * generator.standard_normal((frames, channels))).astype(np.float32)
    kind = NUMPY_TYPES[subtype]
    drawn = generator.integers(np.iinfo(kind).min, np.iinfo(kind).max, (frames, channels)).astype(kind)
    return drawn << np.int32(8) if subtype == "PCM_24" else drawn


@pytest.mark.parametrize("container", ["WAV", "RF64"])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_32", "FLOAT"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 6, 8])
@pytest.mark.parametrize("frames", [0, 1, 65, 8193])
def test_without_chunks_the_bytes_are_those_of_libsndfile(
    tmp_path: Path, container: str, subtype: str, channels: int, frames: int
) -> None:
    samples = samples_of(subtype, frames, channels)
    theirs = "WAVEX" if container == "WAV" and channels > 2 else container
    soundfile.write(str(tmp_path / "theirs"), samples, 48_000, subtype=subtype, format=theirs)
    speakers = {3: 0, 6: 0x3F, 8: 0xFF}.get(channels)  # what it takes for so many
    is_rf64 = container == "RF64"
    ours = WavFile(tmp_path / "ours", 48_000, channels, subtype, speakers=speakers, is_rf64=is_rf64)
    for piece in np.array_split(samples, 3):
        ours.write(piece)
    ours.close()
    if is_rf64 and frames == 0:
        assert read_info(tmp_path / "ours").frames == 0
        assert (tmp_path / "ours").read_bytes()[:4] == b"RIFF"
        return
    expected = bytearray((tmp_path / "theirs").read_bytes())
    if b"PEAK" in expected:
        at = expected.index(b"PEAK") + 12
        expected[at : at + 4] = bytes(4)  # its time stamp
    assert (tmp_path / "ours").read_bytes() == bytes(expected)


@pytest.mark.parametrize("is_rf64", [False, True])
@pytest.mark.parametrize("frames", [0, 1, 65])
def test_chunks_are_padded_and_all_sizes_agree_with_the_file(
    tmp_path: Path, is_rf64: bool, frames: int
) -> None:
    path = tmp_path / "out.wav"
    samples = samples_of("PCM_24", frames, 1)
    file = WavFile(path, 48_000, 1, "PCM_24", is_rf64=is_rf64, before=[(b"head", b"abcd")])
    file.write(samples)
    file.after = [(b"tail", b"12345"), (b"last", b"")]
    file.close()
    content = path.read_bytes()
    with path.open("rb") as stream:
        found = list(chunks(stream))
    has_fact, is_rf64 = is_rf64 and frames == 0, is_rf64 and frames > 0  # an empty one becomes a WAV
    names = [b"ds64"] * is_rf64 + [b"fmt "] + [b"fact"] * has_fact + [b"head"]
    data = [(b"data", 3 * frames)]
    assert [chunk.name for chunk in found][: len(names)] == names
    tail = [(b"tail", 5), (b"last", 0)]
    assert [(chunk.name, chunk.size) for chunk in found][len(names) :] == (
        [*data, *tail] if frames else [*tail, *data]
    )
    assert all(chunk.start % 2 == 0 for chunk in found)
    if is_rf64:
        size, data_size, count = struct.unpack_from("<QQQ", content, 20)
        assert (data_size, count) == (3 * frames, frames)
    else:
        size = struct.unpack_from("<I", content, 4)[0]
    assert size == len(content) - 8
    assert read_info(path).frames == frames
    assert np.array_equal(soundfile.read(str(path), dtype="int32", always_2d=True)[0], samples)


def test_an_aiff_takes_more_chunks_at_its_end(tmp_path: Path) -> None:
    path = tmp_path / "out.aiff"
    samples = samples_of("PCM_24", 5, 1)
    soundfile.write(str(path), samples, 48_000, subtype="PCM_24", format="AIFF")
    before = path.stat().st_size
    extra = [(b"ANNO", b"odd"), (b"NAME", b"even")]
    append_aiff_chunks(path, extra)
    content = path.read_bytes()
    assert struct.unpack_from(">I", content, 4)[0] == len(content) - 8
    assert len(content) == before + chunks_size(extra)
    with path.open("rb") as stream:
        found = [(chunk.name, chunk.size) for chunk in chunks(stream)]
    assert found[-2:] == [(b"ANNO", 3), (b"NAME", 4)]
    assert np.array_equal(soundfile.read(str(path), dtype="int32", always_2d=True)[0], samples)


def skip(file: WavFile, frames: int) -> None:
    """Leave a hole of so many 24-bit samples."""
    file._file.seek(3 * frames, os.SEEK_CUR)
    file._frames += frames


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file system with holes")
def test_beyond_4_gb_all_sizes_agree_and_the_chunks_behind_are_found(tmp_path: Path) -> None:
    """Most of the samples are a hole in the file, so it takes no room."""
    path = tmp_path / "long.wav"
    count = (1 << 32) // 3 + 12_345
    last = samples_of("PCM_24", 100, 1)
    file = WavFile(path, 48_000, 1, "PCM_24", is_rf64=True, before=[(b"bext", bytes(602))])
    file.write(last)
    skip(file, count - 200)
    file.write(last)
    file.after = [(b"LIST", b"INFOINAM\x05\0\0\0Long\0\0")]
    file.close()
    assert path.stat().st_size > 1 << 32
    info = read_info(path)
    assert (info.frames, info.is_truncated, info.warning) == (count, False, None)
    with soundfile.SoundFile(str(path)) as sound:
        sound.seek(count - 100)
        assert np.array_equal(sound.read(dtype="int32", always_2d=True), last)
    assert read_metadata(path).title == "Long"
    with path.open("rb") as stream:
        size, data_size, frames = struct.unpack_from("<QQQ", stream.read(44), 20)
    assert (size, data_size, frames) == (path.stat().st_size - 8, 3 * count, count)

"""Who plays each channel: masks come through every render, and loudness goes by them."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from pedalboard import Gain
from test_meters import sine
from typer.testing import CliRunner

from audiosr_fx.board import Board
from audiosr_fx.cli import app
from audiosr_fx.files import FileSource, read_info
from audiosr_fx.mastering import MasterTo
from audiosr_fx.meters import measure, measure_loudness
from audiosr_fx.speakers import default_speakers, loudness_weights, read_speakers
from audiosr_fx.writer import AudioWriter

MASKS = {
    "LCR": 0x7,
    "2.1": 0xB,
    "two behind": 0x30,
    "5.0 at the side": 0x607,
    "5.1 behind": 0x3F,
    "5.1 at the side": 0x60F,
    "7.0": 0x637,
    "7.1": 0x63F,
    "7.1 wide": 0xFF,
    "7.1.4": 0x2D63F,
}
FOR_NOBODY = (4, 0)
FOR_TWO_OF_FOUR = (4, 0x3)
LAYOUTS = [*((mask.bit_count(), mask) for mask in MASKS.values()), FOR_NOBODY, FOR_TWO_OF_FOUR]


def write(path: Path, channels: int, mask: int | None, live: int | None = None) -> Path:
    """Two seconds of a sine, in one channel or in all."""
    audio = sine(-20.0, 2.0, channels=channels)
    if live is not None:
        audio[np.arange(channels) != live] = 0.0
    with AudioWriter(path, 48_000, channels, speakers=mask) as file:
        file.write(audio)
    return path


def stated(path: Path) -> int | None:
    """The mask that stands in a WAV's header."""
    content = path.read_bytes()
    at = content.index(b"fmt ") + 8
    tag, mask = struct.unpack_from("<H18xI", content, at)
    return int(mask) if tag == 0xFFFE else None


@pytest.mark.parametrize(("channels", "mask"), LAYOUTS)
def test_a_board_keeps_the_speakers(tmp_path: Path, channels: int, mask: int) -> None:
    source = write(tmp_path / "in.wav", channels, mask)
    assert stated(source) == read_info(source).speakers == mask
    Board([Gain(0.0)]).render_file(source, tmp_path / "out.wav")
    assert stated(tmp_path / "out.wav") == mask


@pytest.mark.parametrize(("channels", "mask"), [each for each in LAYOUTS if each[0] <= 8])
@pytest.mark.parametrize("keep_metadata", [False, True])
def test_flac_carries_the_speakers_in_a_comment(
    tmp_path: Path, channels: int, mask: int, keep_metadata: bool
) -> None:
    source = write(tmp_path / "in.wav", channels, mask)
    board = Board([Gain(0.0)])
    board.render_file(source, tmp_path / "there.flac", keep_metadata=keep_metadata)
    board.render_file(tmp_path / "there.flac", tmp_path / "back.wav", keep_metadata=keep_metadata)
    assert read_info(tmp_path / "there.flac").speakers == stated(tmp_path / "back.wav") == mask
    assert soundfile.info(tmp_path / "there.flac").frames == 96_000


def test_flac_behind_an_id3_tag_carries_them_too(tmp_path: Path) -> None:
    Board([Gain(0.0)]).render_file(write(tmp_path / "in.wav", 6, 0x3F), tmp_path / "plain.flac")
    frame = b"TIT2\0\0\0\x05\0\0\x03Four"
    tag = b"ID3\x04\0\0\0\0\x02\x00" + frame.ljust(256, b"\0")
    (tmp_path / "tagged.flac").write_bytes(tag + (tmp_path / "plain.flac").read_bytes())
    assert read_info(tmp_path / "tagged.flac").speakers == 0x3F
    Board([Gain(0.0)]).render_file(tmp_path / "tagged.flac", tmp_path / "out.wav")
    assert stated(tmp_path / "out.wav") == 0x3F
    (tmp_path / "tagged.flac").write_bytes(tag)
    assert read_speakers(tmp_path / "tagged.flac", 6) is None


def test_the_plain_render_keeps_the_speakers(tmp_path: Path) -> None:
    source = write(tmp_path / "in.wav", 3, 0xB)
    result = CliRunner().invoke(app, ["render", str(source), "-o", str(tmp_path / "out.wav"), "--mix", "0"])
    assert result.exit_code == 0, result.output
    assert stated(tmp_path / "out.wav") == 0xB


def test_wave64_states_its_speakers(tmp_path: Path) -> None:
    content = write(tmp_path / "in.wav", 6, 0x60F).read_bytes()
    tail = bytes.fromhex("f3acd3118cd100c04f8edb8a")
    at, data = content.index(b"fmt ") + 8, content.index(b"data") + 8
    body = b"wave" + tail
    for name, payload in ((b"fmt ", content[at : at + 40]), (b"data", content[data:])):
        body += name + tail + struct.pack("<Q", 24 + len(payload)) + payload
    head = b"riff" + bytes.fromhex("2e91cf11a5d628db04c10000")
    path = tmp_path / "in.w64"
    path.write_bytes(head + struct.pack("<Q", 24 + len(body)) + body)
    info = read_info(path)
    assert (info.format, info.frames, info.speakers) == ("W64", 96_000, 0x60F)


@pytest.mark.parametrize(
    ("channels", "mask"),
    [(1, None), (2, None), (3, 0x7), (4, 0x33), (5, 0x607), (6, 0x60F), (7, 0x70F), (8, 0x63F), (9, 0)],
)
def test_what_says_nothing_gets_the_usual_speakers(tmp_path: Path, channels: int, mask: int | None) -> None:
    source = tmp_path / "in.aiff"
    soundfile.write(source, np.zeros((1000, channels)), 48_000, format="AIFF")
    assert read_info(source).speakers is None
    Board([Gain(0.0)]).render_file(source, tmp_path / "out.wav")
    assert stated(tmp_path / "out.wav") == mask
    assert default_speakers(channels).bit_count() in (channels, 0)


def test_a_mask_of_more_speakers_than_channels_is_none(tmp_path: Path) -> None:
    path = write(tmp_path / "in.wav", 3, 0xB)
    content = bytearray(path.read_bytes())
    struct.pack_into("<I", content, content.index(b"fmt ") + 28, 0x63F)
    path.write_bytes(content)
    assert read_info(path).speakers is None


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("2.1", [1, 1, 0]),
        ("two behind", [1.41, 1.41]),
        ("5.1 behind", [1, 1, 1, 0, 1.41, 1.41]),
        ("7.0", [1, 1, 1, 1, 1, 1.41, 1.41]),
        ("7.1", [1, 1, 1, 0, 1, 1, 1.41, 1.41]),
        ("7.1 wide", [1, 1, 1, 0, 1.41, 1.41, 1, 1]),
        ("7.1.4", [1, 1, 1, 0, 1, 1, 1.41, 1.41, 1, 1, 1, 1]),
    ],
)
def test_loudness_goes_by_the_mask(tmp_path: Path, name: str, weights: list[float]) -> None:
    mask = MASKS[name]
    assert loudness_weights(len(weights), mask) == tuple(weights)
    lone = measure_loudness(sine(-20.0, 2.0, channels=1), 48_000)
    for channel, weight in enumerate(weights):
        path = write(tmp_path / f"{channel}.wav", len(weights), mask, live=channel)
        wanted = lone + 10 * math.log10(weight) if weight else -math.inf
        with FileSource(path) as source:
            assert measure(source).integrated_lufs == pytest.approx(wanted, abs=1e-3)


@pytest.mark.parametrize("effects", [[], [Gain(0.0)]], ids=["from the file", "from a stage before"])
def test_mastering_hears_the_channel_beside_the_bass_and_not_the_bass(
    tmp_path: Path, effects: list[Gain]
) -> None:
    board = Board([*effects, MasterTo(-23.0)])
    behind = write(tmp_path / "behind.wav", 7, 0x637, live=3)
    done = board.render_file(behind, tmp_path / "behind_out.wav")
    assert done.levels is not None
    assert done.levels.integrated_lufs == pytest.approx(-23.0, abs=0.1)
    bass = write(tmp_path / "bass.wav", 3, 0xB, live=2)
    done = board.render_file(bass, tmp_path / "bass_out.wav")
    assert done.decisions == ("below the gate of -70 LUFS, left alone",)

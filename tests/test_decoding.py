from __future__ import annotations

import json
import os
import re
import struct
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import gettempdir
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from audio_kinds import KINDS, UNTAKEN, some_audio, write_kind

from audiosr_fx.decode_limits import ALL_KINDS, DecodeLimits
from audiosr_fx.decoding import decode_apart
from audiosr_fx.errors import AudioFormatError, NoRoom, ParameterError, RenderCancelled
from audiosr_fx.files import AudioInfo, FileSource, read_info
from audiosr_fx.headers import Header, Wholeness
from audiosr_fx.jobs.database import is_disk_full

ALL = DecodeLimits(kinds=ALL_KINDS)


@pytest.mark.parametrize("kind", ["pcm24.flac", "rf64.wav", "layer3.mp3", "vorbis.ogg"])
def test_samples_come_back_bit_for_bit_as_a_decoder_here_gives_them(kind: str, tmp_path: Path) -> None:
    path = write_kind(tmp_path / kind, kind, some_audio(70_001, 2))
    before = (path.lstat(), path.read_bytes())
    with decode_apart(path, ALL, folder=tmp_path) as decoded, FileSource(path) as here:
        assert replace(decoded.info, path=path) == here.info
        assert (decoded.sample_rate, decoded.channels) == (44_100, 2)
        np.testing.assert_array_equal(decoded.read(-7, here.frames + 65), here.read(-7, here.frames + 65))
        np.testing.assert_array_equal(decoded.read(65_530, 65_600), here.read(65_530, 65_600))
        assert decoded.read(5, 5).shape == (2, 0)
    after = path.lstat()
    assert (after.st_mtime_ns, after.st_ino, path.read_bytes()) == (
        before[0].st_mtime_ns,
        before[0].st_ino,
        before[1],
    )
    assert [found.name for found in tmp_path.iterdir()] == [kind]


def test_nan_and_infinity_are_told_with_their_place(tmp_path: Path) -> None:
    audio = some_audio(70_000, 2)
    audio[66_000, 1] = np.inf
    soundfile.write(tmp_path / "a.wav", audio, 48_000, "FLOAT")
    with pytest.raises(
        AudioFormatError, match=r"a\.wav: holds inf at sample 66000 of channel 1; expected finite"
    ):
        decode_apart(tmp_path / "a.wav")


def test_a_file_may_be_refused_before_a_sample_of_it_is_decoded(tmp_path: Path) -> None:
    audio = some_audio(70_000, 2)
    audio[1, 1] = np.nan  # who decodes it is told
    soundfile.write(tmp_path / "a.wav", audio, 48_000, "FLOAT")
    heard: list[AudioInfo] = []

    def refuse(info: AudioInfo) -> None:
        heard.append(info)
        raise NoRoom("not today")

    with pytest.raises(NoRoom, match="not today"):
        decode_apart(tmp_path / "a.wav", check_info=refuse)
    assert heard == [read_info(tmp_path / "a.wav")]


def test_a_file_of_a_strange_name_is_decoded_and_told_on_one_line(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/new\nline \xff -.wav"))
    soundfile.write(os.fsencode(path), some_audio(), 44_100)
    with decode_apart(path) as decoded:
        assert decoded.frames == 8193
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(AudioFormatError, match=r"new\\nline .*promises 16386 bytes of audio") as caught:
        decode_apart(path)
    assert "\n" not in str(caught.value)
    assert "/proc/" not in str(caught.value)


BAD = {
    "SIGSEGV": r"its decoder crashed \(killed by SIGSEGV\); the file is damaged",
    "SIGABRT": r"its decoder crashed \(killed by SIGABRT\)",
    "SIGKILL": "its decoder was killed 3 times; close programs, and try again",
    "leaves": r"its decoder crashed \(exit code 3\)",
    "fails": r"its decoder crashed \(exit code 1\)",
    "hangs": r"its decoder hangs \(nothing for 0.1 s\) and was ended",
    "swells": "needs too much memory to decode",
    "writes": "File too large",
    "computes": "takes too much computing to decode",
    "babbles": "babbled",
}


@pytest.mark.parametrize("what", BAD)
def test_a_decoder_that_goes_wrong_is_one_line(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audiosr_fx.decoding._START_S", 20.0 if what != "hangs" else 0.5)
    path = write_kind(tmp_path / f"{what}.wav", "pcm16.wav")
    limits = DecodeLimits(
        memory_bytes=256 << 20, cpu_s=1, max_bytes=1 << 20, silence_s=0.1 if what == "hangs" else 60.0
    )
    with pytest.raises(AudioFormatError, match=BAD[what]) as caught:
        decode_apart(path, limits, program="bad_decoder")
    assert "\n" not in str(caught.value)


def test_a_cancelled_decoder_is_gone(tmp_path: Path) -> None:
    path = write_kind(tmp_path / "hangs.wav", "pcm16.wav")
    with pytest.raises(RenderCancelled):
        decode_apart(path, should_cancel=lambda: True, program="bad_decoder")


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(AudioFormatError, match="no such file"):
        decode_apart(tmp_path / "a.wav")
    (tmp_path / "empty.wav").touch()
    with pytest.raises(AudioFormatError, match="the file is empty"):
        decode_apart(tmp_path / "empty.wav")
    os.mkfifo(tmp_path / "pipe.wav")
    with pytest.raises(AudioFormatError, match="not a file"):
        decode_apart(tmp_path / "pipe.wav")


def test_a_disk_without_room_is_told_before_it_is_full(tmp_path: Path) -> None:
    from audiosr_fx.decode_task import _check_room

    with (
        (tmp_path / "spool").open("wb") as spool,
        pytest.raises(
            NoRoom,
            match=r"No space left on device: its samples take 1125899906\.8 MB for a while, and [\d.]+ \w+"
            r" are free; make room in /out$",
        ),
    ):
        _check_room(spool.fileno(), 1 << 50, "a.wav", "/out")


def test_room_is_asked_for_in_the_folder_of_the_result(tmp_path: Path) -> None:
    aside = tmp_path / ".audiosr_fx-1-1.part"
    aside.mkdir()
    path = write_kind(tmp_path / "asks.wav", "pcm16.wav")
    for folder, told in ((aside, tmp_path), (tmp_path, tmp_path), (None, Path(gettempdir()))):
        with pytest.raises(NoRoom) as caught:
            decode_apart(path, folder=folder, program="bad_decoder")
        assert str(caught.value) == f"there is no room in {told}"


@pytest.mark.parametrize(
    ("size", "free", "words"),
    [
        (92_000, 4096, "take 92000 bytes for a while, and 4096 bytes are free"),
        (9_600_000, 0, "take 9.6 MB for a while, and 0 bytes are free"),
    ],
)
def test_little_that_has_no_room_is_not_called_nothing(
    monkeypatch: pytest.MonkeyPatch, size: int, free: int, words: str
) -> None:
    from audiosr_fx.decode_task import _check_room

    disk = SimpleNamespace(f_bavail=free, f_frsize=1)
    monkeypatch.setattr("audiosr_fx.decode_task.os.fstatvfs", lambda descriptor: disk)
    with pytest.raises(NoRoom, match=words):
        _check_room(0, size, "a.wav", "/out")


def test_a_decoder_without_room_says_so_in_a_type_of_its_own(tmp_path: Path) -> None:
    from audiosr_fx.decode_task import decode_into

    path = write_kind(tmp_path / "full.wav", "pcm16.wav")
    with path.open("rb") as source, open("/dev/full", "wb") as spool:
        request = {"path": str(path), "shown": "full.wav", "limits": asdict(DecodeLimits())}
        request |= {"source": source.fileno(), "spool": spool.fileno(), "folder": "/out"}
        told = decode_into(request, lambda message: None)
        assert told["no_room"] is True
        assert told["error"].endswith("(No space left on device); make room in /out")
    with pytest.raises(NoRoom, match="there is no room"):
        decode_apart(path, program="bad_decoder")


def test_a_file_named_like_a_full_disk_is_only_a_file(tmp_path: Path) -> None:
    path = tmp_path / "No space left on device.wav"
    path.touch()
    with pytest.raises(AudioFormatError, match="the file is empty") as caught:
        decode_apart(path)
    assert not is_disk_full(caught.value)


def info(**changes: int) -> AudioInfo:
    values = {"sample_rate": 48_000, "channels": 2, "frames": 48_000, **changes}
    return AudioInfo(path=Path("a.wav"), format="WAV", subtype="PCM_16", **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"channels": 33}, "has 33 channels; expected 1 to 32"),
        ({"sample_rate": 3_999}, "sample_rate is 3999; expected 4000 to 384000 Hz"),
        ({"sample_rate": 2_147_483_647}, "sample_rate is 2147483647"),
        ({"frames": 48_000 * 3600 * 7}, "is 7.0 hours long; expected up to 6"),
        ({"frames": 48_000 * 3600 * 5, "channels": 32}, r"decodes to 103\.0 GiB; expected up to 8"),
    ],
)
def test_what_is_outside_the_limits_is_told(changes: dict[str, int], message: str) -> None:
    DecodeLimits().check_info(info(), "a.wav")
    with pytest.raises(AudioFormatError, match=f"^a.wav: {message}"):
        DecodeLimits().check_info(info(**changes), "a.wav")


def test_only_kinds_that_are_allowed_reach_a_decoder() -> None:
    whole = Header(kind="ogg", wholeness=Wholeness.WHOLE)
    ALL.check_header(whole, "a.ogg")
    with pytest.raises(AudioFormatError, match=r"^a\.ogg: is ogg; expected wav, rf64, w64, aiff, flac: "):
        DecodeLimits().check_header(whole, "a.ogg")
    with pytest.raises(ParameterError, match="kinds holds 'caf'"):
        DecodeLimits(kinds=("caf",))


def answer(path: Path, limits: DecodeLimits = ALL) -> dict[str, object]:
    """What the decoding process would say, said here: only for files whose decoder is known to be safe."""
    from dataclasses import asdict

    from audiosr_fx.decode_task import decode_into

    with path.open("rb") as source, (path.parent / "spool").open("wb") as spool:
        request = {
            "path": str(path),
            "shown": path.name,
            "source": source.fileno(),
            "spool": spool.fileno(),
            "folder": "/out",
            "limits": asdict(limits),
        }
        return decode_into(request, lambda message: None)


@pytest.mark.parametrize("kind", UNTAKEN)
def test_formats_and_codecs_that_are_not_taken_never_reach_a_decoder(kind: str, tmp_path: Path) -> None:
    path = write_kind(tmp_path / kind, kind)
    assert re.match(rf"{re.escape(kind)}: cannot be taken: .*; convert it to", str(answer(path)["error"]))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "layer3.mp3"])
def test_half_a_file_of_any_kind_is_refused(kind: str, tmp_path: Path) -> None:
    path = write_kind(tmp_path / kind, kind)
    assert "info" in answer(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert re.match(rf"{kind}: .* is truncated or still being written", str(answer(path)["error"]))


def test_bombs_are_refused_by_what_they_would_become(tmp_path: Path) -> None:
    minute = np.zeros((60 * 48_000, 1))
    soundfile.write(tmp_path / "bomb.flac", minute, 48_000)
    content = bytearray((tmp_path / "bomb.flac").read_bytes())
    assert len(content) < 60_000  # 11 MB when decoded
    limits = DecodeLimits(max_bytes=8 << 20)
    assert "decodes to 0.0 GiB; expected up to 0.00781" in str(
        answer(tmp_path / "bomb.flac", limits)["error"]
    )
    packed = int.from_bytes(content[18:26], "big")
    content[18:26] = ((packed >> 36 << 36) | (1 << 36) - 1).to_bytes(8, "big")  # as many as can be said
    (tmp_path / "lie.flac").write_bytes(content)
    assert "the last of them is missing" in str(answer(tmp_path / "lie.flac")["error"])


def test_a_wav_of_an_absurd_rate_is_refused(tmp_path: Path) -> None:
    path = write_kind(tmp_path / "pcm16.wav", "pcm16.wav")
    content = bytearray(path.read_bytes())
    struct.pack_into("<I", content, 24, 2_147_483_647)
    path.write_bytes(content)
    assert "sample_rate is 2147483647; expected whole Hz from 4000 to 384000" in str(answer(path)["error"])


@pytest.mark.parametrize(
    "count", [200, pytest.param(2000, marks=[pytest.mark.slow, pytest.mark.timeout(300)])]
)
def test_mutated_files_of_every_kind_are_decoded_or_refused_and_harm_nobody(
    count: int, tmp_path: Path
) -> None:
    for kind in (*KINDS, *UNTAKEN):
        write_kind(tmp_path / kind, kind, some_audio(2_049))
    run = subprocess.run(
        [sys.executable, "-m", "fuzz_decoder", str(tmp_path), str(count), str(count)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    found = json.loads(run.stdout)
    assert found["refused"] + found["decoded"] == count
    assert found["refused"] > count // 4
    assert found["decoded"] > count // 20


def test_a_board_renders_what_came_decoded_as_it_renders_the_file_itself(tmp_path: Path) -> None:
    from pedalboard import Gain

    from audiosr_fx.board import Board

    path = write_kind(tmp_path / "a.flac", "pcm24.flac", some_audio(70_001, 2))
    board = Board([Gain(-6.0)])
    board.render_file(path, tmp_path / "here.wav")
    with decode_apart(path) as decoded:
        done = board.render_file(path, tmp_path / "apart.wav", decoded=decoded)
    assert done.frames == -(-70_001 * 48_000 // 44_100)
    assert (tmp_path / "apart.wav").read_bytes() == (tmp_path / "here.wav").read_bytes()

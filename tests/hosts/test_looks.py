"""Looks: a file that has not changed is known, one that has just hung is avoided for a while."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from audio_kinds import write_kind

from audiosr_fx.errors import AudioFormatError, PluginError
from audiosr_fx.files import AudioInfo, read_info
from hosts import looks as module
from hosts.looks import AVOIDED_S, Looks


class Decoder:
    """Reads headers, counts them, and hangs where it is told to."""

    def __init__(self) -> None:
        self.read: list[str] = []
        self.hangs = False

    def __call__(self, path: Path) -> AudioInfo:
        self.read.append(path.name)
        if self.hangs:
            raise AudioFormatError(f"{path.name} hangs") from PluginError("it hangs")
        return read_info(path)


def test_a_file_is_looked_at_again_only_when_it_has_changed(tmp_path: Path) -> None:
    decoder = Decoder()
    looks = Looks(decoder)
    path = write_kind(tmp_path / "a.wav", "pcm16.wav")
    assert looks.read(path) == looks.read(path) == read_info(path)
    os.utime(path, ns=(1, 1))
    looks.read(path)
    assert decoder.read == ["a.wav", "a.wav"]


def test_a_file_that_hung_is_refused_at_once_until_it_changes_or_time_has_passed(tmp_path: Path) -> None:
    decoder, now = Decoder(), [0.0]
    looks = Looks(decoder, clock=lambda: now[0])
    path = write_kind(tmp_path / "a.wav", "pcm16.wav")
    decoder.hangs = True
    for _ in range(3):
        with pytest.raises(AudioFormatError, match="hangs"):
            looks.read(path)
    assert len(decoder.read) == 1
    os.utime(path, ns=(1, 1))
    with pytest.raises(AudioFormatError, match="hangs"):
        looks.read(path)
    decoder.hangs = False
    now[0] += AVOIDED_S
    assert looks.read(path).channels == 1
    assert len(decoder.read) == 3


def test_what_the_decoder_refuses_is_not_remembered(tmp_path: Path) -> None:
    decoder = Decoder()
    path = tmp_path / "noise.wav"
    path.write_bytes(b"RIFF")
    looks = Looks(decoder)
    for _ in range(2):
        with pytest.raises(AudioFormatError, match=r"noise\.wav"):
            looks.read(path)
    assert len(decoder.read) == 2


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "pipe.wav"
    os.mkfifo(path)
    decoder = Decoder()
    with pytest.raises(AudioFormatError, match="expected one audio file"):
        Looks(decoder).read(path)
    with pytest.raises(AudioFormatError, match="cannot be read"):
        Looks(decoder).read(tmp_path / "gone.wav")
    assert decoder.read == []


def test_no_more_than_so_many_files_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT", 2)
    decoder = Decoder()
    looks = Looks(decoder)
    paths = [write_kind(tmp_path / f"{number}.wav", "pcm16.wav") for number in range(3)]
    for path in (*paths, paths[2], paths[0]):
        looks.read(path)
    assert decoder.read == ["0.wav", "1.wav", "2.wav", "0.wav"]

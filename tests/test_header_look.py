"""Looks at headers from a child that stays, and is replaced when a file takes it along."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from audio_kinds import write_kind

from audiosr_fx import header_look
from audiosr_fx.audio import read_info
from audiosr_fx.errors import AudioFormatError
from audiosr_fx.header_look import read_info_apart


def test_a_look_apart_says_what_a_look_here_says(tmp_path: Path) -> None:
    for kind in ("pcm24.flac", "float.aiff"):
        path = write_kind(tmp_path / kind, kind)
        assert read_info_apart(path) == read_info(path)


def test_a_look_is_bounded_in_memory_and_computing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")
    if not hasattr(resource, "prlimit"):
        pytest.skip("this system tells nobody of another process's bounds")
    path = write_kind(tmp_path / "a.wav", "pcm16.wav")
    for cpu_s in (100.0, 10.0, 50.0):  # each look gets its computing anew
        monkeypatch.setattr(header_look, "CPU_S", cpu_s)
        read_info_apart(path)
        process = header_look._idle[-1]._process
        assert process is not None
        assert resource.prlimit(process.pid, resource.RLIMIT_AS)[0] == header_look.MEMORY_BYTES
        assert cpu_s < resource.prlimit(process.pid, resource.RLIMIT_CPU)[0] < cpu_s + 30.0


def test_what_is_no_audio_is_told_and_a_child_that_died_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "noise.wav"
    path.write_bytes(b"RIFF")
    with pytest.raises(AudioFormatError, match=r"noise\.wav"):
        read_info_apart(path)
    process = header_look._idle[-1]._process
    assert process is not None
    os.kill(process.pid, signal.SIGSTOP)  # as a file does that hangs the decoder
    with monkeypatch.context() as patch:
        patch.setattr(header_look, "LOOK_S", 0.2)
        with pytest.raises(AudioFormatError, match=r"its decoder hangs.*the file is damaged"):
            read_info_apart(path)
    whole = write_kind(tmp_path / "a.wav", "pcm16.wav")
    assert read_info_apart(whole).channels == 1


def test_a_look_that_hangs_holds_up_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(header_look, "LOOK_S", 300.0)
    path = write_kind(tmp_path / "a.wav", "pcm16.wav")
    header_look.get_ready_to_look()
    process = header_look._idle[-1]._process
    assert process is not None
    os.kill(process.pid, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(read_info_apart, path)
        while process in [child._process for child in header_look._idle]:
            time.sleep(0.001)
        assert read_info_apart(path).channels == 1
        assert not hanging.done()
        os.kill(process.pid, signal.SIGCONT)
        assert hanging.result() == read_info(path)

"""Clips cut from an unpacked package, and ``audiosr-fx train packages`` as a user meets it."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from scipy.signal import butter, sosfilt
from typer.testing import CliRunner

from audiosr_fx.cli import app
from audiosr_fx.commands.terminal import ExitCode
from audiosr_fx.errors import AudioFormatError
from audiosr_fx.training.package_clips import cut_recordings
from audiosr_fx.training.package_fetch import fetch_package
from audiosr_fx.training.packages import Recordings


def _recordings(**changes: Any) -> Recordings:
    given: dict[str, Any] = {
        "source": "words",
        "kind": "speech",
        "package": "words-data",
        "version": "1.0",
        "paths": ("**/*.wav",),
        "licence": "MIT",
        "author": "Nobody",
        "minutes": 1.0,
        "mode": "join",
    }
    return Recordings(**{**given, **changes})


def _write_noise(path: Path, seconds: float, rate: int = 44_100, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = 0.1 * np.random.default_rng(seed).standard_normal(round(seconds * rate))
    soundfile.write(path, noise, rate)


def test_words_are_joined_and_their_origin_is_kept(tmp_path: Path) -> None:
    for number in range(5):
        _write_noise(tmp_path / "in" / f"{number}.wav", 2.5, seed=number)
    _write_noise(tmp_path / "in" / "telephone.wav", 2.5, rate=8_000)
    rows = list(cut_recordings(_recordings(), tmp_path / "in", tmp_path / "out"))
    assert [row.seconds for row in rows] == pytest.approx([5.06, 5.06, 2.5], abs=0.05)
    assert {row.source_repo for row in rows} == {"Debian words-data 1.0"}
    assert {(row.licence, row.author, row.original_sample_rate) for row in rows} == {
        ("MIT", "Nobody", 44_100)
    }
    assert (tmp_path / "out" / "speech" / "words_001.flac").is_file()


def test_words_too_short_to_show_their_pauses_are_judged_when_joined(tmp_path: Path) -> None:
    """Every fourth word has a pause, and that is where the hiss shows, or shows that there is none."""
    for hiss_db in (-10.0, -50.0):
        folder = tmp_path / f"{hiss_db:.0f}"
        folder.mkdir()
        for number in range(16):
            word = 0.1 * np.random.default_rng(number).standard_normal(13_230)
            if number % 4 == 0:
                word[2_000:11_000] *= 10 ** (hiss_db / 20)
            soundfile.write(folder / f"{number}.wav", word, 44_100)
    singly, clear, hissing = (
        list(cut_recordings(_recordings(snr_db=20.0, judge_joined=joined), tmp_path / name, tmp_path / "out"))
        for name, joined in (("-50", False), ("-50", True), ("-10", True))
    )
    assert sum(row.seconds for row in singly) < 1.6  # the words with pauses
    assert [row.seconds for row in clear] == pytest.approx([5.7], abs=0.1)
    assert hissing == []


def test_no_more_is_cut_than_is_asked_for(tmp_path: Path) -> None:
    for number in range(4):
        _write_noise(tmp_path / "in" / f"{number}.wav", 5.9, seed=number)
    rows = cut_recordings(_recordings(minutes=0.1, number_from=500), tmp_path / "in", tmp_path / "out")
    assert [row.file for row in rows] == ["speech/words_501.flac", "speech/words_502.flac"]


@pytest.mark.parametrize("mode", ["short", "music"])
def test_long_files_give_several_clips_of_six_seconds(mode: str, tmp_path: Path) -> None:
    _write_noise(tmp_path / "in" / "long.wav", 30.0)
    entry = _recordings(mode=mode, minutes=0.3, source="long")
    rows = list(cut_recordings(entry, tmp_path / "in", tmp_path / "out"))
    assert len(rows) == 3
    assert {row.source_path for row in rows} == {"long.wav"}
    assert [row.seconds for row in rows] == pytest.approx([6.0] * 3, abs=0.01)


def test_a_steady_sound_is_trusted_up_to_where_its_codec_begins_to_close(tmp_path: Path) -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(4 * 48_000)
    rain = sosfilt(butter(20, 16_000, fs=48_000, output="sos"), noise)
    soundfile.write(tmp_path / "rain.ogg", rain, 48_000)
    entry = {"paths": ("*.ogg",), "kind": "fx", "mode": "short"}
    edges = [
        [row.edge_hz for row in cut_recordings(_recordings(**entry, **steady), tmp_path, tmp_path / "out")]
        for steady in ({}, {"steady": True}, {"steady": True, "lowest_edge_hz": 16_500.0})
    ]
    assert edges[0][0] > 16_500
    assert edges[1][0] == pytest.approx(16_000, abs=500)
    assert edges[2] == []


def test_a_zip_in_a_package_is_looked_into_and_not_out_of(tmp_path: Path) -> None:
    _write_noise(tmp_path / "hit.wav", 1.0)
    (tmp_path / "in").mkdir()
    with zipfile.ZipFile(tmp_path / "in" / "data.pk3", "w") as packed:
        packed.write(tmp_path / "hit.wav", "sound/hit.wav")
        packed.write(tmp_path / "hit.wav", "../escaped.wav")
    rows = list(cut_recordings(_recordings(archive="data.pk3"), tmp_path / "in", tmp_path / "out"))
    assert len(rows) == 1
    assert not (tmp_path / "escaped.wav").exists()
    assert not (tmp_path / "in" / "escaped.wav").exists()


def test_a_package_without_the_recordings_is_said(tmp_path: Path) -> None:
    with pytest.raises(AudioFormatError, match=r"words-data holds nothing at .*expected version 1\.0"):
        list(cut_recordings(_recordings(), tmp_path, tmp_path / "out"))


def test_a_machine_without_debian_hears_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(AudioFormatError, match=r"cannot be fetched without apt-get and dpkg-deb; unpack it"):
        fetch_package("words-data", tmp_path)
    (tmp_path / "words-data").mkdir()
    assert fetch_package("words-data", tmp_path) == tmp_path / "words-data"


def test_the_command_writes_a_folder_to_train_on(tmp_path: Path) -> None:
    _write_planet_blupi(tmp_path / "cache", pause=0.001)
    arguments = ["train", "packages", "-o", str(tmp_path / "out"), "--cache", str(tmp_path / "cache")]
    arguments += ["--kind", "speech", "--package", "planetblupi-common"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.strip() == str(tmp_path / "out")
    with (tmp_path / "out" / "INDEX.csv").open(newline="") as file:
        assert [row["licence"] for row in csv.DictReader(file)] == ["GPL-3.0-or-later"] * 5
    again = CliRunner().invoke(app, arguments)
    assert again.exit_code == ExitCode.BAD_AUDIO
    assert again.stderr == f"error: {tmp_path / 'out'} holds an INDEX.csv already; give a new folder\n"


def test_a_package_of_nothing_but_hiss_leaves_no_folder(tmp_path: Path) -> None:
    _write_planet_blupi(tmp_path / "cache", pause=1.0)
    arguments = ["train", "packages", "-o", str(tmp_path / "out"), "--cache", str(tmp_path / "cache")]
    result = CliRunner().invoke(app, [*arguments, "--package", "planetblupi-common", "--kind", "speech"])
    assert result.exit_code == ExitCode.BAD_AUDIO
    assert "no recording was clean and bright enough" in result.stderr
    assert not (tmp_path / "out").exists()


def _write_planet_blupi(cache: Path, pause: float) -> None:
    """A word and a pause at this level in every language that the table names."""
    for number, language in enumerate(("en", "de", "fr", "he", "en_US")):
        path = cache / "planetblupi-common" / "usr/share/planetblupi/sound" / language / "hello.wav"
        path.parent.mkdir(parents=True)
        noise = 0.1 * np.random.default_rng(number).standard_normal(3 * 44_100)
        noise[44_100:] *= pause
        soundfile.write(path, noise, 44_100, subtype="FLOAT")


def test_an_unknown_kind_names_those_there_are(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["train", "packages", "-o", str(tmp_path / "out"), "--kind", "polka"])
    assert result.exit_code == 2
    assert "'polka'; expected one of drums, fx, guitar, mix, speech" in result.stderr
    assert not (tmp_path / "out").exists()

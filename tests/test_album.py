from __future__ import annotations

from pathlib import Path

import numpy as np
import pedalboard
import pytest
import soundfile

from audiosr_fx.album import Album, AlbumGain, with_stages
from audiosr_fx.board import Board
from audiosr_fx.limiter import TruePeakLimiter
from audiosr_fx.loudness import LoudnessNormalize, album_loudness
from audiosr_fx.mastering import MasterTo
from audiosr_fx.meters import measure_loudness, true_peak_dbtp
from audiosr_fx.settings import Region
from audiosr_fx.sources import ArraySource

RATE = 48_000


@pytest.fixture
def songs(tmp_path: Path, signals: type) -> list[Path]:
    """A loud one, a quiet one, one of another rate, and two that cannot be measured."""
    paths = []
    for i, (gain, rate) in enumerate([(1.0, RATE), (0.1, RATE), (0.5, 44_100)]):
        paths.append(tmp_path / f"{i}.wav")
        audio = gain * signals.noise(3 * rate, rate, channels=2, seed=i)
        soundfile.write(paths[-1], audio.T, rate, subtype="FLOAT")
    (tmp_path / "broken.wav").write_bytes(b"no audio")
    soundfile.write(tmp_path / "nan.wav", np.full(RATE, np.nan), RATE, subtype="FLOAT")
    return [*paths, tmp_path / "broken.wav", tmp_path / "nan.wav"]


def mastered(board: Board, songs: list[Path]) -> tuple[list[np.ndarray], list[float]]:
    """The songs that can be read through a board, and the loudness of each."""
    done = [song.with_name(f"done{song.name}") for song in songs[:3]]
    for song, out in zip(songs[:3], done, strict=True):
        board.render_file(song, out, overwrite=True)
    audio = [soundfile.read(out, dtype="float32")[0].T for out in done]
    return audio, [measure_loudness(one, RATE) for one in audio]


def before(songs: list[Path]) -> list[float]:
    return [measure_loudness(audio.T, rate) for audio, rate in (soundfile.read(song) for song in songs[:3])]


@pytest.mark.parametrize("mode", ["integrated", "album"])
def test_a_set_reaches_its_target_and_keeps_its_balance(mode: str, songs: list[Path]) -> None:
    board = Board([LoudnessNormalize(-26.0, mode=mode)])
    stages = Album(paths=songs).learn(board)
    assert [type(effect) for effect in stages[0]] == [AlbumGain]
    audio, loudness = mastered(with_stages(board, stages), songs)
    together = album_loudness([ArraySource(one, RATE) for one in audio])
    assert together == pytest.approx(-26.0, abs=0.05)
    gains = np.subtract(loudness, before(songs))
    assert gains[1] == pytest.approx(gains[0], abs=0.01)
    assert gains[2] == pytest.approx(gains[0], abs=0.5)  # white noise at 44.1 kHz has less above 22 kHz


def test_a_master_reaches_its_target_in_spite_of_the_limiter(songs: list[Path]) -> None:
    board = Board([pedalboard.Gain(3), MasterTo(-13.0, -3.0)])
    stages = Album(paths=songs).learn(board)
    assert [type(effect) for effect in stages[1]] == [AlbumGain, TruePeakLimiter]
    audio, loudness = mastered(with_stages(board, stages), songs)
    assert album_loudness([ArraySource(one, RATE) for one in audio]) == pytest.approx(-13.0, abs=0.1)
    assert max(true_peak_dbtp(one, RATE) for one in audio) <= -2.95
    assert loudness[0] - loudness[1] == pytest.approx(before(songs)[0] - before(songs)[1], abs=2.0)
    assert "one gain of" in stages[1][0].decision.summary  # type: ignore[attr-defined]
    assert "for the set of 3, which has" in stages[1][0].decision.summary  # type: ignore[attr-defined]


def test_limiting_has_a_bound_and_it_is_said(songs: list[Path]) -> None:
    stages = Album(paths=songs).learn(Board([MasterTo(-1.0, -1.0, max_limiting_db=3.0)]))
    assert "more would limit it too much" in stages[0][0].decision.summary  # type: ignore[attr-defined]


def test_what_stands_before_counts(songs: list[Path]) -> None:
    board = Board([pedalboard.HighpassFilter(8000), LoudnessNormalize(-26.0), pedalboard.Gain(0)])
    audio, _ = mastered(with_stages(board, Album(paths=songs).learn(board)), songs)
    assert album_loudness([ArraySource(one, RATE) for one in audio]) == pytest.approx(-26.0, abs=0.1)


def test_a_stage_inside_a_board_of_the_board_is_one_for_the_set(songs: list[Path]) -> None:
    board = Board([pedalboard.Gain(-6.0), Board([Board([LoudnessNormalize(-26.0)]), TruePeakLimiter()])])
    stages = Album(paths=songs).learn(board)
    flat = with_stages(board, stages)
    assert [type(effect) for effect in flat] == [pedalboard.Gain, AlbumGain, TruePeakLimiter]
    _, loudness = mastered(flat, songs)
    gains = np.subtract(loudness, before(songs))
    assert gains[1] == pytest.approx(gains[0], abs=0.01)


def test_nothing_that_can_be_measured_is_no_reason_to_fail(songs: list[Path]) -> None:
    stages = Album(paths=songs[3:]).learn(Board([MasterTo()]))
    assert stages[0][0].decision.gain_db == 0.0  # type: ignore[attr-defined]


def test_a_part_of_every_file_can_be_the_set(tmp_path: Path, signals: type) -> None:
    audio = signals.noise(4 * RATE, RATE)
    audio[:, : 2 * RATE] *= 0.01
    soundfile.write(tmp_path / "a.wav", audio.T, RATE, subtype="FLOAT")
    album = Album(paths=[tmp_path / "a.wav"], region_of=lambda rate: Region(2 * rate, 4 * rate))
    decision = album.learn(Board([LoudnessNormalize(-26.0)]))[0][0].decision  # type: ignore[attr-defined]
    assert decision.measured_lufs == pytest.approx(measure_loudness(audio[:, 2 * RATE :], RATE), abs=0.01)


def test_a_gain_that_is_known_streams_in_any_layout(signals: type) -> None:
    stages = Album(paths=[]).learn(Board([LoudnessNormalize()]))
    gain = stages[0][0]
    for shape in ((64,), (2, 65), (65, 2)):
        audio = np.ones(shape, np.float32)
        np.testing.assert_array_equal(gain.process(audio, RATE, reset=False), audio)
    assert repr(gain) == "AlbumGain(gain_db=0.00)"

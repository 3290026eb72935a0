"""Textures to train on: reproducible, indexed, of the colour that was drawn, up to 24 kHz."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import signal
from typer.testing import CliRunner

from audiosr_fx.cli import app
from audiosr_fx.commands.terminal import ExitCode
from audiosr_fx.errors import AudioFormatError
from audiosr_fx.training.data import load_corpus
from audiosr_fx.training.textures import TEXTURES, Colour, draw_colour, make_textures

RATE = 48_000


def _levels_db(sound: np.ndarray, centres_hz: list[float]) -> np.ndarray:
    frequencies, power = signal.welch(sound, RATE, nperseg=4096)
    bands = [(frequencies > f / 1.1) & (frequencies < f * 1.1) for f in centres_hz]
    return 10 * np.log10([power[band].mean() for band in bands])


@pytest.mark.parametrize("slope_db", [-12.0, -3.0, 0.0, 2.0])
def test_a_colour_falls_by_its_slope(slope_db: float) -> None:
    white = np.random.default_rng(0).standard_normal(10 * RATE + 1)
    painted = Colour(slope_db=slope_db).paint(white)
    assert len(painted) == len(white)
    levels = _levels_db(painted, [1_000, 2_000, 4_000, 8_000, 16_000])
    np.testing.assert_allclose(np.diff(levels), slope_db, atol=0.5)


def test_a_hill_stands_as_high_as_was_said_and_lows_are_cut() -> None:
    colour = Colour(slope_db=0.0, hills=((3_000.0, 0.5, 9.0),), highpass_hz=200.0)
    level_db = 20 * np.log10(colour.gain(np.array([0.0, 20.0, 200.0, 3_000.0, 20_000.0])) + 1e-9)
    assert level_db[0] < -90
    np.testing.assert_allclose(level_db[1:], [-40.1, -6.0, 9.0, 0.0], atol=0.1)


def test_air_takes_6_db_an_octave_more() -> None:
    level_db = 20 * np.log10(
        Colour(slope_db=-3.0, air_hz=2_000.0).gain(np.array([2_000.0, 10_000.0, 20_000.0]))
    )
    np.testing.assert_allclose(level_db - level_db[0], [0.0, -18.1, -27.0], atol=0.1)


def test_drawn_slopes_are_within_their_range() -> None:
    colours = [draw_colour(np.random.default_rng(seed), (-9.0, 1.0)) for seed in range(200)]
    slopes = [colour.slope_db for colour in colours]
    assert -9 <= min(slopes) < -8
    assert 0 < max(slopes) <= 1
    assert {len(colour.hills) for colour in colours} == {0, 1, 2, 3}


@pytest.mark.parametrize("name", TEXTURES)
def test_every_texture_sounds_throughout_and_up_to_24_khz(name: str) -> None:
    sound = TEXTURES[name].draw(np.random.default_rng(1), 100_003)
    assert sound.shape == (100_003,)
    assert np.isfinite(sound).all()
    below, above = _levels_db(sound, [19_000, 22_500])
    assert above > below - 6
    first, second = (np.abs(half).max() for half in np.array_split(sound, 2))
    assert 0.01 < first / second < 100


def test_events_are_as_many_as_was_drawn() -> None:
    """Few leave pauses, a thousand a second do not."""

    def pauses(rate_hz: float) -> float:
        rain = replace(TEXTURES["rain"], rate_hz=(rate_hz, rate_hz), bed_db=(-60.0, -60.0))
        sound = rain.draw(np.random.default_rng(1), 4 * RATE)
        level = np.sqrt(np.square(sound.reshape(-1, 480)).mean(axis=1))
        return float(np.mean(level < 0.1 * level.max()))

    assert pauses(5.0) > 0.8
    assert pauses(4_000.0) < 0.01


def test_the_same_seed_makes_the_same_clips(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two", "three")]
    for folder, seed in zip(folders, (1, 1, 2), strict=True):
        list(make_textures(folder, minutes=0.1, seed=seed))
    files = [{p.relative_to(f): p.read_bytes() for p in f.rglob("*.*")} for f in folders]
    assert files[0] == files[1]
    assert files[0] != files[2]


def test_clips_make_a_corpus_of_a_source_per_texture(tmp_path: Path) -> None:
    rows = list(make_textures(tmp_path, minutes=0.7, seed=3))
    clips = load_corpus(tmp_path)
    assert [row.file for row in rows] == [clip.name for clip in clips]
    assert {clip.source for clip in clips} == {f"texture_{name}" for name in TEXTURES}
    assert {(clip.kind, clip.limit_hz, clip.seconds) for clip in clips} == {("fx", 24_000.0, 6.0)}
    assert {(row.licence, row.lossy_source) for row in rows} == {("CC0-1.0", "no")}


def test_a_folder_that_holds_clips_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "INDEX.csv").write_text("mine")
    with pytest.raises(AudioFormatError, match="holds an INDEX"):
        make_textures(tmp_path, minutes=1, seed=0)
    assert (tmp_path / "INDEX.csv").read_text() == "mine"


def test_the_command_says_where_the_clips_are(tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    made = ["train", "textures", "-o", str(folder), "--minutes", "0.1"]
    result = CliRunner().invoke(app, made)
    assert result.exit_code == 0
    assert result.stdout.strip() == str(folder)
    assert len(load_corpus(folder)) == 1
    again = CliRunner().invoke(app, made)
    assert again.exit_code == ExitCode.BAD_AUDIO
    assert len(again.stderr.splitlines()) == 1
    assert "holds an INDEX.csv already" in again.stderr

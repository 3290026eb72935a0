"""Folders of systems: what is in them, and one clear line for what is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from listening import make_systems, noise, save

from audiosr_fx.errors import AudioFormatError
from audiosr_fx.quality.listen_folder import SAMPLE_RATE, bring_in_step, find_systems, read_excerpts


def test_systems_and_items_are_found_in_order_whatever_their_format(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_systems(tmp_path, systems=("b", "a"))
    save(tmp_path / "c" / "one.wav", noise())
    save(tmp_path / "c" / "two.aiff", noise())
    (tmp_path / "a" / "notes.txt").write_text("no audio")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "empty").mkdir()
    systems = find_systems(tmp_path)
    assert list(systems) == ["a", "b", "c"]
    assert [list(items) for items in systems.values()] == [["one", "two"]] * 3
    assert systems["c"]["two"].name == "two.aiff"
    assert caplog.messages == [f"{tmp_path / 'empty'}: holds no audio files, so it is no system of the test"]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    make_systems(tmp_path)
    (tmp_path / "plain" / "two.flac").unlink()
    with pytest.raises(AudioFormatError, match=r"plain: has no two, which fancy has; every system needs"):
        find_systems(tmp_path)


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    make_systems(tmp_path)
    save(tmp_path / "plain" / "two.wav", noise())
    with pytest.raises(AudioFormatError, match=r"two\.wav: two\.flac has the same name"):
        find_systems(tmp_path)


@pytest.mark.parametrize("name", ["nothing", "file"])
def test_no_folder_is_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AudioFormatError, match=rf"{name}: no such folder"):
        find_systems(tmp_path / name)


def test_a_folder_without_systems_is_one_line(tmp_path: Path) -> None:
    save(tmp_path / "one.wav", noise())
    with pytest.raises(AudioFormatError, match="holds no sub-folders with audio"):
        find_systems(tmp_path)


def test_rates_may_differ_and_lengths_then_by_a_sample(tmp_path: Path) -> None:
    paths = [
        save(tmp_path / "a.wav", noise(0.6, channels=2)),
        save(tmp_path / "b.wav", noise(0.6, channels=2, rate=44_100)[:, :-1], 44_100),
    ]
    excerpts = read_excerpts(paths)
    assert [audio.shape for audio in excerpts] == [(2, 28_799)] * 2
    assert excerpts[0].dtype == np.float32
    assert np.array_equal(excerpts[0], read_excerpts(paths[:1])[0][:, :28_799])


def test_a_cut_takes_the_beginning(tmp_path: Path) -> None:
    path = save(tmp_path / "a.wav", noise(1.0))
    whole, cut = read_excerpts([path])[0], read_excerpts([path], 0.5)[0]
    assert cut.shape == (1, 24_000)
    assert np.array_equal(cut, whole[:, :24_000])


def test_lengths_may_differ_beyond_the_cut(tmp_path: Path) -> None:
    paths = [save(tmp_path / "a.wav", noise(0.6)), save(tmp_path / "b.wav", noise(0.6)[:, :-1])]
    with pytest.raises(AudioFormatError, match=r"b\.wav: is 0\.6000 s long, .*a\.wav 0\.6000 s \(1 samples"):
        read_excerpts(paths)
    assert len({audio.shape for audio in read_excerpts(paths, 0.5)}) == 1


def test_channels_must_agree_and_be_two_at_most(tmp_path: Path) -> None:
    paths = [save(tmp_path / "a.wav", noise()), save(tmp_path / "b.wav", noise(channels=2))]
    with pytest.raises(AudioFormatError, match=r"b\.wav: has 2 channels, .*a\.wav has 1"):
        read_excerpts(paths)
    with pytest.raises(AudioFormatError, match="has 3 channels; expected 1 or 2"):
        read_excerpts([save(tmp_path / "c.wav", noise(channels=3))])


@pytest.mark.parametrize("seconds", [2.0, 13.3])
def test_recordings_are_cut_to_what_they_have_in_step(seconds: float) -> None:
    sound = noise(seconds + 1.0, channels=2)
    length = round(seconds * SAMPLE_RATE)
    starts = (1000, 400, 1240)  # of three that begin elsewhere in it: the second late, the third early
    cut, lags = bring_in_step([sound[:, start : start + length] for start in starts])
    assert lags == [0, 600, -240]
    assert all(np.array_equal(audio, sound[:, 1240 : 400 + length]) for audio in cut)


def test_recordings_in_step_stay_as_they_are() -> None:
    sound = noise(0.7)
    cut, lags = bring_in_step([sound, -0.5 * sound, noise(0.7)[:, ::-1]])
    assert lags == [0, 0, 0]
    assert np.array_equal(cut[0], sound)


def test_what_is_no_number_is_named_with_its_file(tmp_path: Path) -> None:
    make_systems(tmp_path, systems=("a", "b"), items=("one",))
    broken = noise()
    broken[0, 7] = np.nan
    soundfile.write(tmp_path / "b" / "one.wav", broken.T, SAMPLE_RATE, subtype="FLOAT")
    with pytest.raises(
        AudioFormatError, match=r"one\.wav: holds nan at sample 7 of channel 0; expected finite"
    ):
        read_excerpts([tmp_path / "a" / "one.flac", tmp_path / "b" / "one.wav"])

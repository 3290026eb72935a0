"""Clips are chosen by kind and source, held out where that is known, and cut to length."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiosr_fx.errors import AudioFormatError
from audiosr_fx.quality.cases import choose_clips, make_case, spread
from audiosr_fx.quality.conditions import Condition
from audiosr_fx.training.data import HELD_OUT_SOURCES, Clip, DataFolder
from audiosr_fx.training.folders import load_data
from audiosr_fx.training.recipes import load_recipe
from audiosr_fx.training.run import split_data
from audiosr_fx.training.trained_on import TrainedOn

RATE = 48_000


def write(path: Path, seconds: float = 0.5, channels: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = 0.1 * np.random.default_rng(len(path.name)).standard_normal((round(seconds * RATE), channels))
    soundfile.write(path, noise, RATE, subtype="PCM_16")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """One held-out and one other source of each of three kinds."""
    rows = []
    for kind, source in (("speech", "sms"), ("guitar", "martin"), ("drums", "cabasa"), ("fx", "resaudio")):
        assert source in HELD_OUT_SOURCES
        for name in (*(f"{kind}/{source}_{number}.flac" for number in range(8)), f"{kind}/other_1.flac"):
            write(tmp_path / name, 0.1)
            rows.append({"file": name, "kind": kind})
    with (tmp_path / "INDEX.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["file", "kind"])
        writer.writeheader()
        writer.writerows(rows)
    return tmp_path


def test_of_a_known_corpus_only_what_was_held_out_is_taken(
    corpus: Path, caplog: pytest.LogCaptureFixture
) -> None:
    chosen = choose_clips(corpus)
    left = 36 - sum(map(len, chosen.values()))
    assert caplog.messages == [
        f"{left} of 36 clips are left out, because mini was trained on their sources; --all takes all"
    ]
    assert list(chosen) == ["speech", "music", "effects"]
    assert {clip.source for clips in chosen.values() for clip in clips} <= HELD_OUT_SOURCES
    everything = choose_clips(corpus, everything=True)
    assert {kind: len(clips) for kind, clips in everything.items()} == {
        "speech": 9,
        "music": 9,
        "effects": 18,
    }


def test_kinds_can_be_left_as_they_are(corpus: Path) -> None:
    assert list(choose_clips(corpus, grouped=False)) == ["speech", "drums", "fx", "guitar"]


def test_a_limit_spreads_over_sources(corpus: Path) -> None:
    effects = choose_clips(corpus, limit=2)["effects"]
    assert [clip.source for clip in effects] == ["cabasa", "resaudio"]


def test_of_a_plain_folder_sub_folders_are_kinds_and_stereo_counts_once(tmp_path: Path) -> None:
    write(tmp_path / "voice" / "a.wav", channels=2)
    write(tmp_path / "bells" / "b.wav")
    chosen = choose_clips(tmp_path)
    assert {kind: [clip.name for clip in clips] for kind, clips in chosen.items()} == {
        "bells": ["bells/b.wav"],
        "voice": ["voice/a.wav"],
    }


def test_of_a_folder_that_a_model_was_trained_on_only_what_was_held_out_is_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for number, name in enumerate("abcdefghijklm"):
        write(tmp_path / "voices" / f"voice_{name}.wav", 0.1 + number / 1000, channels=1 + number % 2)
    training, held_out = split_data(load_data([DataFolder(path=tmp_path)]), load_recipe("finetune").data)
    trained_on = TrainedOn.these(training)
    chosen = choose_clips(tmp_path, trained_on=trained_on)["voices"]
    assert {clip.file for clip in chosen} == {clip.file for clip in held_out}
    assert f"{13 - len(chosen)} of 13 clips are left out" in caplog.text
    assert len(choose_clips(tmp_path, trained_on=trained_on, everything=True)["voices"]) == 13


def test_an_empty_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(AudioFormatError, match="holds no audio"):
        choose_clips(tmp_path)


def clip(samples: int, limit_hz: float = 24_000.0, name: str = "a", source: str = "a") -> Clip:
    noise = np.random.default_rng(0).integers(-9_000, 9_000, samples).astype(np.int16)
    return Clip(name=name, kind="speech", source=source, limit_hz=limit_hz, samples=noise)


def test_long_clips_come_first_and_sources_take_turns() -> None:
    clips = [clip(10, name="x", source="a"), clip(99, name="y", source="a"), clip(50, name="z", source="b")]
    assert [chosen.name for chosen in spread(clips, None)] == ["y", "z", "x"]
    assert [chosen.name for chosen in spread(clips, 1)] == ["y"]
    assert spread([], 3) == []


@pytest.mark.parametrize("samples", [1, 64, 65, 8193])
def test_the_middle_of_a_clip_is_taken(samples: int) -> None:
    case = make_case(clip(samples), "speech", Condition(), seconds=0.1)
    assert case is not None
    assert len(case.bright) == len(case.dull) == min(samples, 4_800)
    assert case.start == (samples - len(case.bright)) // 2
    assert case.whole == samples
    np.testing.assert_array_equal(
        case.bright, clip(samples).samples[case.start : case.start + len(case.bright)] / np.float32(32_768)
    )


def test_where_nothing_above_the_cutoff_can_be_trusted_there_is_no_case() -> None:
    assert make_case(clip(4_800, limit_hz=8_200.0), "speech", Condition(cutoff_hz=8_000.0), 1.0) is None
    assert make_case(clip(4_800, limit_hz=9_000.0), "speech", Condition(cutoff_hz=8_000.0), 1.0) is not None

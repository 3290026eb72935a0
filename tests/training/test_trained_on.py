"""What a model was trained on is known wherever the recordings lie, and goes on from run to run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiosr_fx.training.data import Clip
from audiosr_fx.training.folders import scan_folder
from audiosr_fx.training.trained_on import KEY, TrainedOn, join_records


def clip(file: str, frames: int = 480) -> Clip:
    return Clip(name=file, kind="bells", source="s", limit_hz=24_000.0, samples=np.zeros(frames, np.int16))


def written(path: Path, frames: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = 0.1 * np.random.default_rng(frames).standard_normal((frames, 2))
    soundfile.write(path, noise, 44_100, subtype="PCM_16")


def test_a_recording_is_known_from_any_folder_above_it(tmp_path: Path) -> None:
    for number, name in enumerate(("anna/1.wav", "anna/2.wav", "ben/1.wav", "ben/2.wav", "ü/1.wav")):
        written(tmp_path / "voices" / name, 44_100 + number)
    clips = scan_folder(tmp_path / "voices")
    trained = [clip for clip in clips if not clip.name.startswith("ben")]
    told = TrainedOn.from_text(TrainedOn.these(trained).to_text(), "mine")
    assert not told.unknown
    for folder in (tmp_path, tmp_path / "voices", tmp_path / "voices" / "anna", tmp_path / "voices" / "ü"):
        for found in scan_folder(folder):
            assert told.has(found) == ("ben" not in str(folder / found.file)), found.name
    assert not any(name in told.to_text() for name in ("anna", "1.wav"))


@pytest.mark.parametrize(
    "text", ["", "null", "7", "{", '{"recordings": []}', '{"recordings": 1, "unknown": 2}']
)
def test_a_file_that_does_not_say_is_unknown_by_its_name(text: str) -> None:
    assert TrainedOn.from_text(text, "basic") == TrainedOn(unknown=frozenset({"basic"}))


def test_a_stage_that_goes_on_was_trained_on_both() -> None:
    first, second = ({KEY: TrainedOn.these([clip(name)]).to_text(), "step": 1} for name in ("a.wav", "b.wav"))
    both = TrainedOn.of_records([join_records(first, second)], "mine")
    assert all(both.has(clip(name)) for name in ("a.wav", "b.wav"))
    assert not both.has(clip("c.wav"))
    assert not both.has(clip("a.wav", 481))
    for pair in (({"step": 1}, second), (first, {"step": 2})):
        assert TrainedOn.of_records([join_records(*pair)], "mine").unknown == {"mine"}


def test_what_a_stage_came_from_and_learned_from_is_not_forgotten_when_it_goes_on() -> None:
    def row(author: str, seconds: float) -> dict[str, object]:
        return {
            "origin": "",
            "licence": "CC-BY-4.0",
            "author": author,
            "kinds": ["bells"],
            "seconds": seconds,
        }

    first = {"init": "mini", "data": [row("Anna", 60.0), row("Ben", 5.0)]}
    second = {"init": None, "data": [row("Ben", 7.0), row("Carla", 1.0)]}
    joined = join_records(first, second)
    assert joined["init"] == "mini"
    assert [(each["author"], each["seconds"]) for each in joined["data"]] == [
        *(("Anna", 60.0), ("Ben", 7.0), ("Carla", 1.0)),
    ]
    assert join_records(first, {**second, "init": "speech"})["init"] == "speech"

"""A model's card: whose recordings, which recipe, how good; and what TensorBoard is given to show."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch

from audiosr_fx.training.board import Board, draw_mels
from audiosr_fx.training.card import Ancestor, data_rows, write_card
from audiosr_fx.training.data import Clip
from audiosr_fx.training.stage import Example
from audiosr_fx.training.trained_on import TrainedOn


def clip(seconds: float, **credit: str) -> Clip:
    samples = np.zeros(round(seconds * 48_000), np.int16)
    return Clip(
        name="c.wav",
        kind=credit.pop("kind", "speech"),
        source="s",
        limit_hz=24_000.0,
        samples=samples,
        **credit,
    )  # type: ignore[arg-type]


CLIPS = [
    clip(30, origin="a/voices", licence="CC-BY-4.0", author="Anna"),
    clip(60, origin="a/voices", licence="CC-BY-4.0", author="Anna", kind="vocals"),
    clip(15, origin="b/drums", licence="CC0-1.0", author="Ben | Co\nLtd"),
    clip(3),
]


def test_data_is_counted_by_origin_licence_and_author() -> None:
    rows = data_rows(CLIPS)
    assert [(row["author"], row["clips"], row["seconds"]) for row in rows] == [
        ("Anna", 2, 90.0),
        ("Ben | Co\nLtd", 1, 15.0),
        ("", 1, 3.0),
    ]
    assert rows[0]["kinds"] == ["speech", "vocals"]


def test_a_card_says_licences_attribution_recipe_steps_and_figures() -> None:
    rows = data_rows(CLIPS)
    records = {
        "vae": {"recipe_name": "mini", "recipe_sha256": "ab" * 32, "step": 1600, "data": rows[:1]},
        "ldm": {
            "recipe_name": "mini",
            "recipe_sha256": "ab" * 32,
            "step": 3000,
            "figures": {"error_db": 5.4321},
            "data": rows,
        },
    }
    mini = Ancestor(name="mini", licence="GPL-3.0-or-later, as the project", card="Old credits.")
    card = write_card("mine", records, parameters=12_345_678, licence="CC0-1.0", ancestor=mini)
    assert card.licence == "CC0-1.0"
    assert card.recipe_sha256 == "ab" * 32
    assert TrainedOn.from_text(card.trained_on, "other").unknown == {"mine", "mini"}
    assert card.attribution.splitlines() == ["- Anna (CC-BY-4.0)", "- Ben | Co Ltd (CC0-1.0)"]
    for words in (
        "# mine\n",
        "Licence of the weights: CC0-1.0.",
        "They started from mini, whose licence is GPL-3.0-or-later.",
        "12.35 M parameters",
        "| vae | mini | " + "ab" * 32 + " | 1600 |",
        "- ldm: error_db 5.432",
        "4 clips, 1.8 minutes.",
        "| a/voices | CC-BY-4.0 | Anna | speech, vocals | 2 | 1.5 |",
        "| b/drums | CC0-1.0 | Ben / Co Ltd | speech | 1 | 0.2 |",
        "| files of its maker's own | not stated | not stated |",
        "## Started from mini, whose card says\n\nOld credits.",
    ):
        assert words in card.text


def test_a_licence_that_asks_for_its_words_has_them_once_with_every_notice() -> None:
    clips = [
        clip(3, licence="BSD-2-Clause", author="Kenta Cho, 2004"),
        clip(3, licence="MIT", author="Ben, 2008", origin="b"),
        clip(3, licence="MIT", author="Anna, 2014"),
        clip(3, licence="MIT"),
        clip(3, licence="CC0-1.0", author="Zoe"),
    ]
    text = write_card("mine", {"vae": {"step": 1, "data": data_rows(clips)}}, parameters=10).text
    terms = text.partition("## Terms of these licences, to be passed on\n\n")[2]
    assert terms.startswith("### BSD-2-Clause\n\n- Copyright Kenta Cho, 2004\n\nRedistribution and use")
    assert "\n\n### MIT\n\n- Copyright Anna, 2014\n- Copyright Ben, 2008\n\nPermission is" in terms
    for words in ("reproduce the above copyright notice", "SUCH DAMAGE.", "THE USE OR OTHER DEALINGS IN THE"):
        assert terms.count(words) == 1
    assert "Zoe" not in terms


def test_licences_that_ask_for_no_text_add_none_to_a_card() -> None:
    records = {"vae": {"step": 1, "data": data_rows(CLIPS)}}
    assert "to be passed on" not in write_card("mine", records, parameters=10).text


def test_names_that_are_no_text_stand_in_a_card_all_the_same() -> None:
    odd = clip(3, kind="new\nline", author="\x1b[31mred", licence="MIT\nor so")
    records = {
        "vae": {"step": 1, "recipe_name": "toy\udcff", "data": data_rows([odd, clip(3, kind="\udcff")])}
    }
    card = write_card("mine", records, parameters=10)
    card.text.encode("utf-8")
    assert "| new line |" in card.text
    assert "| \\udcff |" in card.text
    assert "| vae | toy\\udcff |" in card.text
    assert card.attribution == "- \\x1b[31mred (MIT or so)"
    assert all(line.isprintable() for line in card.text.splitlines())


def test_weights_whose_maker_states_no_licence_have_that_of_their_ancestor() -> None:
    mini = Ancestor(name="mini", licence="GPL-3.0-or-later, as the project")
    silent = Ancestor(name="speech", licence="not stated by its publisher")
    assert write_card("x", {"vae": {"step": 5}}, parameters=10, ancestor=mini).licence == "GPL-3.0-or-later"
    assert write_card("x", {"vae": {"step": 5}}, parameters=10, ancestor=silent).licence == "not stated"


def test_whoever_is_to_be_named_is_so_further_down_the_line() -> None:
    theirs = "- Carla (CC-BY-4.0)\n- Anna (CC-BY-4.0)"
    ancestor = Ancestor(name="first", attribution=theirs, card=f"## Attribution\n\n{theirs}")
    records = {"vae": {"step": 5, "data": data_rows(CLIPS)}}
    card = write_card("second", records, parameters=10, ancestor=ancestor)
    assert card.attribution.splitlines() == [
        "- Anna (CC-BY-4.0)",
        "- Ben | Co Ltd (CC0-1.0)",
        "- Carla (CC-BY-4.0)",
    ]
    assert card.text.count("Carla") == 1, "in the card that is quoted"


def test_a_card_of_a_run_that_kept_no_record_says_so() -> None:
    card = write_card("old", {"vae": {"step": 5}}, parameters=10)
    assert "Not recorded." in card.text
    assert "No validation figures." in card.text
    assert card.licence == "not stated"


def test_mels_are_drawn_low_bands_down_on_one_scale() -> None:
    low_tone, silence = torch.full((30, 20), -11.5), torch.full((30, 20), -11.5)
    low_tone[:, 2] = 0.0
    picture = draw_mels({"one": low_tone, "two": silence})
    assert picture.dtype == np.uint8
    assert picture.shape == (20 + 4 + 20, 30, 3)
    assert picture[17].min() > picture[5].max()
    assert (picture[20:24] == 255).all()
    assert (picture[24:] == picture[5, 0]).all()


def test_tensorboard_files_hold_curves_pictures_and_sounds(tmp_path: Path) -> None:
    board = Board(tmp_path)
    sounds = {title: 0.5 * torch.ones(4_800) for title in ("dull", "made", "true")}
    example = Example(name="clip 1", mels={"made": torch.zeros(20, 16)}, sounds=sounds)
    for step in (10, 20):
        board.write_figures(step, {"total": 1.0 / step})
        board.write_example(step, example)
    board.close()
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logging.getLogger("tensorboard").setLevel(logging.ERROR)
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert [point.step for point in events.Scalars("training/total")] == [10, 20]
    assert len(events.Images("clip 1: made (from the top)")) == 2
    assert len(events.Audio("clip 1/made")) == 2
    assert len(events.Audio("clip 1/true")) == 1, "what stays the same is written once"
    assert events.Audio("clip 1/made")[0].sample_rate == 48_000.0


def test_tensorboard_files_that_cannot_be_written_are_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from torch.utils.tensorboard import SummaryWriter

    def full(*arguments: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    board = Board(tmp_path / "board")
    monkeypatch.setattr(SummaryWriter, "add_scalar", full)
    board.write_figures(1, {"total": 1.0})
    board.write_figures(2, {"total": 1.0})
    board.close()
    assert caplog.text.count("no more TensorBoard files: No space left on device") == 1
    (tmp_path / "file").touch()
    Board(tmp_path / "file" / "board").write_figures(1, {"total": 1.0})
    assert "no TensorBoard files in" in caplog.text


def test_without_tensorboard_a_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)
    board = Board(tmp_path / "board")
    board.write_figures(1, {"total": 1.0})
    board.write_example(1, Example(name="x", mels={"a": torch.zeros(4, 4)}))
    board.close()
    assert "pip install 'audiosr-fx[train]'" in caplog.text
    assert not (tmp_path / "board").exists()

from __future__ import annotations

from pathlib import Path

import pytest

from audiosr_fx.commands.inputs import Input
from audiosr_fx.commands.outputs import OutputFormat, Task, make_folder, plan_outputs, without_empty_folders
from audiosr_fx.errors import ParameterError


def test_one_input_becomes_the_file_that_is_named(tmp_path: Path) -> None:
    source, out = tmp_path / "dull.mp3", tmp_path / "bright.flac"
    assert plan_outputs([Input(source)], out, None) == [Task(source, out, OutputFormat.FLAC)]


@pytest.mark.parametrize("out", ["restored", "restored/"])
def test_one_input_and_a_name_without_suffix_means_a_folder(out: str, tmp_path: Path) -> None:
    [task] = plan_outputs([Input(Path("drums/loop.wav"))], tmp_path / out, None)
    assert task.output == tmp_path / "restored" / "loop.wav"


def test_an_existing_folder_is_a_folder_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "stems.wav").mkdir()
    [task] = plan_outputs([Input(Path("loop.aif"))], tmp_path / "stems.wav", None)
    assert task.output == tmp_path / "stems.wav" / "loop.aiff"


def test_what_is_said_to_be_a_folder_is_one_for_several_inputs_too(tmp_path: Path) -> None:
    inputs = [Input(Path("a.wav")), Input(Path("b.wav"))]
    tasks = plan_outputs(inputs, tmp_path / "all.wav", None, is_folder=True)
    assert [task.output for task in tasks] == [tmp_path / "all.wav" / name for name in ("a.wav", "b.wav")]


@pytest.mark.parametrize(
    ("name", "chosen", "output"),
    [
        ("a.wav", None, "a.wav"),
        ("a.FLAC", None, "a.flac"),
        ("a.mp3", None, "a.wav"),
        ("a.b.ogg", None, "a.b.wav"),
        ("a", None, "a.wav"),
        ("a.wav", OutputFormat.AIFF, "a.aiff"),
    ],
)
def test_outputs_keep_base_name_and_format(name: str, chosen: OutputFormat | None, output: str) -> None:
    tasks = plan_outputs([Input(Path(name)), Input(Path("other.wav"))], Path("out"), chosen)
    assert tasks[0].output == Path("out") / output


def test_several_inputs_cannot_become_one_file(tmp_path: Path) -> None:
    taken = tmp_path / "all.wav"
    taken.touch()
    with pytest.raises(ParameterError, match=r"output is .*all\.wav; expected a folder, because there are 2"):
        plan_outputs([Input(Path("a.wav")), Input(Path("b.wav"))], taken, None)
    with pytest.raises(ParameterError, match=r"new\.wav; expected a folder"):
        plan_outputs([Input(Path("a.wav")), Input(Path("b.wav"))], tmp_path / "new.wav", None)


def test_two_inputs_of_one_name_are_refused_before_anything_is_rendered() -> None:
    with pytest.raises(ParameterError, match=r"x/a\.wav and y/a\.wav would both become out/a\.wav"):
        plan_outputs([Input(Path("x/a.wav")), Input(Path("y/a.wav"))], Path("out"), None)


def test_names_we_cannot_write_and_contradictions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ParameterError, match=r"expected a name in \.wav, \.flac or \.aiff, or a folder that is there"
    ):
        plan_outputs([Input(Path("a.wav"))], tmp_path / "a.mp3", None)
    with pytest.raises(ParameterError, match="but the format is flac"):
        plan_outputs([Input(Path("a.wav"))], tmp_path / "b.wav", OutputFormat.FLAC)


def test_an_empty_folder_of_another_program_stays(tmp_path: Path) -> None:
    shared = tmp_path / "out"
    with without_empty_folders():
        shared.mkdir()  # by a render beside this one, whose first file is not there yet
        make_folder(shared / "more" / "deep")
        make_folder(tmp_path / "own")
    assert list(tmp_path.iterdir()) == [shared]
    assert list(shared.iterdir()) == []


def test_a_folder_that_is_a_file_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    for folder in (tmp_path / "out", tmp_path / "out" / "deep"):
        with pytest.raises((FileExistsError, NotADirectoryError)):
            make_folder(folder)

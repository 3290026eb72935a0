from __future__ import annotations

import os
from pathlib import Path

import pytest

from audiosr_fx.commands.inputs import Found, Input, find_inputs, natural_key
from audiosr_fx.commands.outputs import plan_outputs
from audiosr_fx.errors import ParameterError


@pytest.fixture
def session(tmp_path: Path) -> Path:
    """A folder as a DAW leaves it."""
    names = [
        "take 10.wav", "take 2.WAV", "Bass.flac", "voice.mp3",
        "notes.txt", "take 2.wav.asd", "take 2.reapeaks", ".hidden.wav", "._take 2.wav",
        "~lock.wav", "bounce.tmp.wav", "loop.part", "half.crdownload",
        "drums/kick.aif", "drums/overheads/left.ogg", "drums/Fade Files/fade1.wav",
        ".git/a.wav", "__MACOSX/b.wav", "Backup/old.wav", "Freeze/track.wav",
    ]  # fmt: skip
    root = tmp_path / "session"
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def found(root: Path, *, recursive: bool = False) -> list[str]:
    return [one.path.relative_to(root).as_posix() for one in find_inputs([root], recursive=recursive).inputs]


def test_a_folder_gives_its_recordings_in_the_order_of_people(session: Path) -> None:
    assert found(session) == ["Bass.flac", "take 2.WAV", "take 10.wav", "voice.mp3"]


def test_sub_folders_are_read_when_asked_but_not_what_a_daw_keeps_for_itself(session: Path) -> None:
    assert found(session, recursive=True)[4:] == ["drums/kick.aif", "drums/overheads/left.ogg"]


@pytest.mark.skipif(os.name != "posix", reason="links need rights elsewhere")
def test_links_are_not_followed(session: Path, tmp_path: Path) -> None:
    (session / "loop").symlink_to(session)
    (session / "link.wav").symlink_to(session / "take 10.wav")
    (session / "dangling.wav").symlink_to(tmp_path / "nowhere.wav")
    assert not [name for name in found(session, recursive=True) if "link" in name or "loop" in name]


def test_what_was_named_twice_is_taken_once_and_a_file_needs_no_suffix(session: Path) -> None:
    (session / "noname").touch()
    inputs = find_inputs([session / "noname", session / "take 10.wav", session, Path("missing.wav")]).inputs
    names = [one.path.name for one in inputs]
    assert names == ["noname", "take 10.wav", "Bass.flac", "take 2.WAV", "voice.mp3", "missing.wav"]


def test_sub_folders_are_kept_in_the_output(session: Path, tmp_path: Path) -> None:
    tasks = plan_outputs(find_inputs([session], recursive=True).inputs, tmp_path / "out", None)
    outputs = [task.output.relative_to(tmp_path / "out").as_posix() for task in tasks]
    assert outputs[:3] == ["Bass.flac", "take 2.wav", "take 10.wav"]
    assert outputs[4:] == ["drums/kick.aiff", "drums/overheads/left.wav"]


def test_several_folders_keep_their_names(session: Path, tmp_path: Path) -> None:
    tasks = plan_outputs(
        find_inputs([session / "drums", session], recursive=True).inputs, tmp_path / "out", None
    )
    outputs = [task.output.relative_to(tmp_path / "out").as_posix() for task in tasks]
    assert outputs[:3] == ["drums/kick.aiff", "drums/overheads/left.wav", "session/Bass.flac"]


def test_a_folder_with_one_recording_still_means_a_folder(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.wav").touch()
    inputs = find_inputs([tmp_path / "in"]).inputs
    assert plan_outputs(inputs, tmp_path / "out", None)[0].output == tmp_path / "out" / "a.wav"
    with pytest.raises(ParameterError, match="expected a folder"):
        plan_outputs(inputs, tmp_path / "out.wav", None)


def test_results_never_go_where_recordings_are_sought(session: Path) -> None:
    for out, recursive in ((session, False), (session, True), (session / "out", True)):
        with pytest.raises(ParameterError, match=r"lies inside .*session, which is read"):
            plan_outputs(find_inputs([session], recursive=recursive).inputs, out, None)
    assert plan_outputs(find_inputs([session]).inputs, session / "out", None)


def test_a_sub_folder_that_leads_back_into_what_is_read_is_seen(tmp_path: Path) -> None:
    (tmp_path / "a" / "b" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "b" / "x.wav").touch()
    with pytest.raises(ParameterError, match="which is read"):
        plan_outputs(find_inputs([tmp_path / "a" / "b"], recursive=True).inputs, tmp_path / "a", None)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_cannot_be_read_is_one_line(session: Path) -> None:
    (session / "drums").chmod(0)
    with pytest.raises(ParameterError, match=r"drums: cannot be read \(Permission denied\)"):
        find_inputs([session], recursive=True)
    (session / "drums").chmod(0o755)


def test_recordings_of_formats_that_are_not_read_are_known(session: Path) -> None:
    assert find_inputs([session, session / "take 10.wav"], recursive=True).foreign == []
    for name in ("old.M4A", "drums/room.wv", ".hidden.m4a", "Backup/old.wma"):
        (session / name).touch()
    assert find_inputs([session]).foreign == [session / "old.M4A"]
    assert find_inputs([session], recursive=True).foreign == [
        session / "old.M4A",
        session / "drums/room.wv",
    ]


def test_a_folder_is_listed_once(session: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = []
    list_it = os.scandir
    monkeypatch.setattr(os, "scandir", lambda folder: listed.append(folder) or list_it(folder))
    (session / "old.m4a").touch()
    find_inputs([session], recursive=True)
    assert listed == [session, session / "drums", session / "drums/overheads"]


def test_a_folder_of_such_formats_alone_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "a.m4a").touch()
    with pytest.raises(ParameterError, match="1 in it of other formats, as M4A is, can be converted to WAV"):
        find_inputs([tmp_path], recursive=True)


def test_any_names_have_an_order() -> None:
    names = ["", "2", "10", "a", "a2", "A10", "a02b", "\u0662", "\udc80", "2a", "a b"]
    assert [name for name in sorted(names, key=natural_key) if name.isascii()] == [
        "", "2", "2a", "10", "a", "a2", "a02b", "A10", "a b",
    ]  # fmt: skip


def test_one_file_is_as_it_was_named() -> None:
    assert find_inputs([Path("a/b.wav")]) == Found([Input(Path("a/b.wav"))], [])

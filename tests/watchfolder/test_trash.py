from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from audiosr_fx.jobs.order import identify
from watchfolder import trash
from watchfolder.studio import After, FolderSettings
from watchfolder.trash import move_aside, move_to_trash, put_away


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in" / "song" / "a.wav"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"rendered")
    return path


def test_a_source_moves_under_its_own_path_and_never_over_another(source: Path, tmp_path: Path) -> None:
    root = tmp_path / "in"
    for name in ("a.wav", "a-2.wav"):
        identity = identify(source)
        assert move_aside(root, "song/a.wav", identity) == root / "_rendered" / "song" / name
        assert not source.exists()
        source.write_bytes(b"another")
    assert (root / "_rendered" / "song" / "a.wav").read_bytes() == b"rendered"
    assert (root / "_rendered" / "song" / "a-2.wav").read_bytes() == b"another"


def test_what_has_changed_since_stays(source: Path, tmp_path: Path) -> None:
    identity = identify(source)
    source.write_bytes(b"recorded anew")
    with pytest.raises(OSError, match="no longer the file that was rendered"):
        move_aside(tmp_path / "in", "song/a.wav", identity)
    assert source.read_bytes() == b"recorded anew"


def replaced_in_mid_move(source: Path, monkeypatch: pytest.MonkeyPatch, then: Callable[[], None]) -> None:
    """Let another file stand there just before the move, and something happen just after it."""
    rename = trash.rename_exclusively
    moves = 0

    def race(old: Path, new: Path) -> None:
        nonlocal moves
        moves += 1
        if moves == 1:
            source.unlink()
            source.write_bytes(b"recorded anew")
        rename(old, new)
        if moves == 1:
            then()

    monkeypatch.setattr(trash, "rename_exclusively", race)


def test_what_is_replaced_between_look_and_move_is_put_back(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = identify(source)
    replaced_in_mid_move(source, monkeypatch, lambda: None)
    with pytest.raises(OSError, match=r"was replaced meanwhile$"):
        move_aside(tmp_path / "in", "song/a.wav", identity)
    assert source.read_bytes() == b"recorded anew"
    assert not list((tmp_path / "in" / "_rendered" / "song").iterdir())


def test_what_is_replaced_twice_loses_neither(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = identify(source)
    replaced_in_mid_move(source, monkeypatch, lambda: source.write_text("and once more"))
    with pytest.raises(OSError, match=r"a\.wav was replaced meanwhile, twice: .* is now a-2\.wav"):
        move_aside(tmp_path / "in", "song/a.wav", identity)
    assert source.read_text() == "and once more"
    assert source.with_name("a-2.wav").read_bytes() == b"recorded anew"


def test_what_cannot_be_put_back_is_told_with_its_place(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    identity = identify(source)
    replaced_in_mid_move(source, monkeypatch, lambda: shutil.rmtree(source.parent))
    root = tmp_path / "in"
    put_away(FolderSettings(input=root, output=tmp_path / "out", after=After.MOVE), "song/a.wav", identity)
    place = root / "_rendered" / "song" / "a.wav"
    assert place.read_bytes() == b"recorded anew"
    assert (
        "is not put away: song/a.wav was replaced meanwhile, and cannot be put back (No such" in caplog.text
    )
    assert str(place) in caplog.text


def test_a_link_is_not_followed_out_of_the_folder(source: Path, tmp_path: Path) -> None:
    identity = identify(source)
    source.rename(tmp_path / "a.wav")
    source.parent.rmdir()
    source.parent.symlink_to(tmp_path)
    with pytest.raises(OSError, match=r"(?i)not a directory|symbolic links"):
        move_aside(tmp_path / "in", "song/a.wav", identity)
    assert (tmp_path / "a.wav").exists()


def test_the_trash_knows_where_it_came_from(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr("sys.platform", "linux")
    odd = source.with_name("100% ü\n.wav")
    source.rename(odd)
    place = move_to_trash(tmp_path / "in", "song/100% ü\n.wav", identify(odd))
    assert place == tmp_path / "data" / "Trash" / "files" / "100% ü\n.wav"
    told = (tmp_path / "data" / "Trash" / "info" / f"{place.name}.trashinfo").read_text("ascii")
    assert told.splitlines()[0] == "[Trash Info]"
    assert told.splitlines()[1].endswith("/in/song/100%25%20%C3%BC%0A.wav")

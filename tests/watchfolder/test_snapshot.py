from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from watchfolder.ignored import is_ignored
from watchfolder.snapshot import MAX_DEPTH, Snapshot, Stamp, open_within, take_snapshot


def look(root: Path, *, recursive: bool = True) -> Snapshot:
    return take_snapshot(root, lambda name: name.endswith(".wav"), is_ignored, recursive=recursive)


def drop(path: Path, content: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_regular_files_are_found_by_their_relative_paths(tmp_path: Path) -> None:
    top = drop(tmp_path / "top.wav")
    drop(tmp_path / "drums" / "kick.wav")
    drop(tmp_path / "drums" / "notes.txt")
    drop(tmp_path / ".hidden" / "no.wav")
    drop(tmp_path / "take.wav.download" / "no.wav")
    found = look(tmp_path)
    assert sorted(found.files) == ["drums/kick.wav", "top.wav"]
    assert found.files["top.wav"] == Stamp.of(top.lstat())
    assert found.root == (tmp_path.stat().st_dev, tmp_path.stat().st_ino)
    assert sorted(look(tmp_path, recursive=False).files) == ["top.wav"]


def test_symbolic_links_are_never_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    drop(outside / "secret.wav")
    root = tmp_path / "in"
    root.mkdir()
    (root / "link.wav").symlink_to(outside / "secret.wav")
    (root / "folder").symlink_to(outside)
    (root / "loop").symlink_to(root)
    (root / "dangling.wav").symlink_to(root / "nothing.wav")
    assert look(root).files == {}


def test_the_watched_folder_itself_may_be_reached_by_a_link(tmp_path: Path) -> None:
    drop(tmp_path / "real" / "a.wav")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert list(look(tmp_path / "link").files) == ["a.wav"]


def test_pipes_sockets_and_folders_with_audio_names_are_no_stems(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "folder.wav").mkdir()
    assert look(tmp_path).files == {}


def test_hard_links_are_files_of_their_own(tmp_path: Path) -> None:
    drop(tmp_path / "a.wav")
    os.link(tmp_path / "a.wav", tmp_path / "b.wav")
    assert sorted(look(tmp_path).files) == ["a.wav", "b.wav"]


@pytest.mark.skipif(sys.platform == "darwin", reason="names there are always UTF-8")
def test_names_of_any_bytes_are_found(tmp_path: Path) -> None:
    names = [b"\xff\xfe.wav", b"new\nline.wav", b"-rf.wav", "e\u0301 \U0001f3b8.wav".encode(), b" .wav"]
    for name in names:
        drop(Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), name))))
    assert {os.fsencode(name) for name in look(tmp_path).files} == set(names)


def test_a_folder_that_cannot_be_listed_is_told_and_the_rest_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(tmp_path / "a.wav")
    drop(tmp_path / "locked" / "b.wav")
    real_open = os.open

    def refuse(path: str, flags: int, *arguments: int, dir_fd: int | None = None) -> int:
        if path == "locked":
            raise PermissionError(13, "Permission denied", path)
        return real_open(path, flags, *arguments, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", refuse)
    found = look(tmp_path)
    assert list(found.files) == ["a.wav"]
    assert found.unreadable == {"locked": "Permission denied"}


def test_a_root_that_is_not_there_is_an_error_and_not_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        look(tmp_path / "gone")


def test_depth_is_bounded(tmp_path: Path) -> None:
    folder = tmp_path
    for _ in range(MAX_DEPTH + 2):
        folder = folder / "d"
    drop(folder / "too_deep.wav")
    drop(folder.parent.parent / "deep.wav")
    assert [name.split("/")[-1] for name in look(tmp_path).files] == ["deep.wav"]


def test_a_folder_swapped_for_a_link_between_two_steps_leads_nowhere(tmp_path: Path) -> None:
    drop(tmp_path / "outside" / "secret.wav", b"secret")
    drop(tmp_path / "in" / "sub" / "secret.wav", b"mine")
    root = os.open(tmp_path / "in", os.O_RDONLY)
    try:
        descriptor = open_within(root, "sub/secret.wav")
        assert os.read(descriptor, 10) == b"mine"
        os.close(descriptor)
        (tmp_path / "in" / "sub").rename(tmp_path / "in" / "was")
        (tmp_path / "in" / "sub").symlink_to(tmp_path / "outside")
        with pytest.raises(OSError, match=r"(?i)not a directory|symbolic links"):
            open_within(root, "sub/secret.wav")
    finally:
        os.close(root)


@pytest.fixture(scope="module")
def trap(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A watched folder full of ways out, and a secret beside it."""
    base = tmp_path_factory.mktemp("trap")
    drop(base / "secret.wav", b"secret")
    drop(base / "in" / "a" / "b" / "stem.wav", b"stem")
    drop(base / "in" / "stem.wav", b"stem")
    (base / "in" / "up").symlink_to("..")
    (base / "in" / "a" / "root").symlink_to("/")
    (base / "in" / "a" / "link.wav").symlink_to(base / "secret.wav")
    return base / "in"


PARTS = st.sampled_from(
    [
        "a",
        "b",
        "up",
        "root",
        "stem.wav",
        "secret.wav",
        "link.wav",
        "..",
        ".",
        "",
        "/",
        "\\..",
        "A",
        "in",
        "\0",
    ]
)


@settings(max_examples=300)
@given(relative=st.one_of(st.lists(PARTS, min_size=1, max_size=6).map("/".join), st.text(max_size=12)))
@example(relative="../secret.wav")
@example(relative="up/secret.wav")
@example(relative="a/../../secret.wav")
@example(relative="a/link.wav")
@example(relative="//etc/passwd")
@example(relative="a/root/etc/passwd")
def test_no_path_leads_out_of_the_folder(relative: str, trap: Path) -> None:
    root = os.open(trap, os.O_RDONLY)
    try:
        descriptor = open_within(root, relative)
    except (OSError, ValueError):
        return
    else:
        place = os.path.realpath(f"/proc/self/fd/{descriptor}") if sys.platform == "linux" else None
        content = b"stem" if os.path.isdir(trap / relative) else os.read(descriptor, 10)
        os.close(descriptor)
        assert content == b"stem"
        assert place is None or Path(place).is_relative_to(trap)
    finally:
        os.close(root)

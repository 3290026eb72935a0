from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from audiosr_fx.errors import PresetError
from watchfolder.subfolders import RULE_FILE, Rule, find_rule

PRESETS = {"podcast": 1, "dull-drums": 2, "album-stems": 3}
BASE = Rule(preset="album-stems", model="mini")


class Watched:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.root = os.open(path, os.O_RDONLY)

    def rule(self, folder: str) -> Rule:
        return find_rule(self.root, PurePosixPath(folder), BASE, PRESETS)

    def write(self, folder: str, text: str) -> None:
        (self.path / folder).mkdir(parents=True, exist_ok=True)
        (self.path / folder / RULE_FILE).write_text(text, "utf-8")


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    folder = Watched(tmp_path)
    (tmp_path / "podcast" / "episode 1").mkdir(parents=True)
    (tmp_path / "songs").mkdir()
    yield folder
    os.close(folder.root)


def test_a_folder_named_after_a_preset_chooses_it_for_all_below(watched: Watched) -> None:
    assert watched.rule(".") == BASE
    assert watched.rule("songs") == BASE
    assert watched.rule("podcast") == Rule(preset="podcast", model="mini")
    assert watched.rule("podcast/episode 1") == Rule(preset="podcast", model="mini")


def test_a_folder_is_named_after_a_preset_in_whatever_case(tmp_path: Path) -> None:
    presets = {"podcast": 1, "Größe": 2, "vocal": 3, "Vocal": 4}
    for name, preset in (
        ("Podcast", "podcast"),
        ("PODCAST", "podcast"),
        ("gro\u0308sse", "Größe"),  # as macOS and people of Switzerland may write it
        ("Vocal", "Vocal"),
        ("VOCAL", ""),  # it could be either
        ("podcasts", ""),
    ):
        (tmp_path / name).mkdir()
        root = os.open(tmp_path, os.O_RDONLY)
        assert find_rule(root, PurePosixPath(name), Rule(), presets).preset == preset
        os.close(root)
        (tmp_path / name).rmdir()


def test_a_file_in_the_folder_goes_before_its_name_and_the_nearest_decides(watched: Watched) -> None:
    watched.write("podcast", 'preset = "dull-drums"')
    watched.write("podcast/episode 1", 'model = "basic"')
    assert watched.rule("podcast") == Rule(preset="dull-drums", model="mini")
    assert watched.rule("podcast/episode 1") == Rule(preset="dull-drums", model="basic")
    watched.write(".", 'model = "speech"')
    assert watched.rule("songs") == Rule(preset="album-stems", model="speech")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('prset = "podcast"', r"unknown key 'prset' \(did you mean preset\?\)"),
        ('preset = "podcats"', r"preset is 'podcats' \(did you mean podcast\?\); there are: podcast, "),
        ("preset = 3", "preset is 3; expected a text in quotes"),
        ("model = ''", "model is ''; expected a name"),
        ('preset = "../evil.toml"', "expected a name"),
        ("preset = ", "not TOML"),
        ("#" * 20_000, "larger than 16 KiB"),
    ],
)
def test_a_bad_rule_is_told(text: str, message: str, watched: Watched) -> None:
    watched.write("songs", text)
    with pytest.raises(PresetError, match=rf"^songs/{RULE_FILE}: .*{message}"):
        watched.rule("songs")


def test_a_rule_is_not_read_through_a_link(watched: Watched, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.toml").write_text('preset = "podcast"', "utf-8")
    (tmp_path / "songs" / RULE_FILE).symlink_to(tmp_path / "elsewhere.toml")
    with pytest.raises(PresetError, match="cannot be read"):
        watched.rule("songs")


def test_a_rule_that_is_no_file_is_told_and_holds_nothing_open(watched: Watched, tmp_path: Path) -> None:
    for name in ("a folder", "a\npipe"):
        (tmp_path / name).mkdir()
    (tmp_path / "a folder" / RULE_FILE).mkdir()
    os.mkfifo(tmp_path / "a\npipe" / RULE_FILE)
    before = os.listdir("/proc/self/fd") if Path("/proc/self/fd").exists() else []
    for name in ("a folder", "a\npipe"):
        with pytest.raises(
            PresetError, match=r"^a( folder|\\npipe)/.*: cannot be read \(it is no plain file\)$"
        ):
            watched.rule(name)
    assert not before or os.listdir("/proc/self/fd") == before

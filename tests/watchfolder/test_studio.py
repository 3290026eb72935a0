from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from audiosr_fx.errors import ParameterError, PresetError
from watchfolder.apart import check_apart
from watchfolder.studio import After, FolderSettings, parse_studio, read_studio

STUDIO = """
schema = 1

[[folder]]
input = "stems"
output = "finished"
preset = "album-stems"
recursive = true
settle_s = 5
pattern = "*_dull.*"
also = ["ogg"]
after = "move"
template = "{preset}/{name}"
format = "flac"

[[folder]]
input = "/srv/voices"
output = "/srv/voices-out"
preset = "own.toml"
model = "mini"
album = false
"""


def test_a_studio_file_has_folders_with_settings_of_their_own(tmp_path: Path) -> None:
    first, second = parse_studio(STUDIO, tmp_path / "studio.toml").folders
    assert first == FolderSettings(
        input=tmp_path / "stems",
        output=tmp_path / "finished",
        preset="album-stems",
        recursive=True,
        settle_s=5.0,
        pattern="*_dull.*",
        also=("ogg",),
        after=After.MOVE,
        template="{preset}/{name}",
        format="flac",
    )
    assert (second.input, second.model, second.album) == (Path("/srv/voices"), "mini", False)
    assert second.preset == str(tmp_path / "own.toml")


def folder(extra: str) -> str:
    return f'schema = 1\n[[folder]]\ninput = "in"\noutput = "out"\n{extra}\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("schema = ", "not TOML"),
        ("schema = 2", "schema is 2; expected 1"),
        ("[[folder]]", "schema is missing; expected 1"),
        ("schema = 1", r"there is no \[\[folder\]\]"),
        ("schema = 1\nfolder = []", "there are 0 folders to watch; expected 1 to 64"),
        ('schema = 1\n[[folder]]\ninput = "in"', "folder 1: output is missing"),
        (folder("recursiv = true"), r"folder 1: unknown key 'recursiv' \(did you mean recursive\?\)"),
        ("folders = []\n" + folder(""), r"unknown key 'folders' \(did you mean folder\?\)"),
        (folder("recursive = 1"), "folder 1: recursive is 1; expected true or false"),
        (folder('settle_s = "3"'), "settle_s is '3'; expected a number"),
        (folder("settle_s = -1"), "settle_s is -1.0; expected seconds from 0 to 3600"),
        (folder("settle_s = nan"), "settle_s is nan; expected seconds"),
        (folder('after = "delete"'), "after is 'delete'; expected keep, move, trash"),
        (folder('format = "flak"'), r"format is 'flak' \(did you mean flac\?\); expected wav, flac, aiff"),
        (folder('format = "flac"\nbits = "32"'), "FLAC takes 16 or 24"),
        (folder('also = ["mp4"]'), r"also is 'mp4' \(did you mean mp3\?\); expected ogg, mp3"),
        (folder('pattern = "a/b"'), "expected one for names"),
        (folder('template = "{nam}"'), r"unknown field \{nam\}"),
        (folder('preset = "a\\nb"'), "preset is 'a\\\\nb'; expected a text"),
        (folder("input = 3"), r"(?s)not TOML"),
        ("schema = 1\nfolder = [3]", "folder 1 is 3; expected a table"),
        (folder("").replace('"in"', '""'), "folder 1: input is ''; expected a path in quotes"),
    ],
)
def test_a_mistake_is_told_in_one_line_with_file_place_and_way_out(
    text: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(PresetError, match=message) as caught:
        parse_studio(text, tmp_path / "studio.toml")
    assert str(caught.value).startswith(f"{tmp_path / 'studio.toml'}: ")
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    for content, message in (
        (None, "cannot be read"),
        (b"\xff", "not UTF-8"),
        (b"#" * 300_000, "larger than"),
    ):
        if content is not None:
            (tmp_path / "s.toml").write_bytes(content)
        with pytest.raises(PresetError, match=message):
            read_studio(tmp_path / "s.toml")


def test_folders_that_lie_in_one_another_are_refused(tmp_path: Path) -> None:
    inside = tmp_path / "in"
    (inside / "sub").mkdir(parents=True)
    (tmp_path / "link").symlink_to(inside)
    (tmp_path / "beside").mkdir()
    check_apart([inside], [tmp_path / "beside", tmp_path / "in-too", tmp_path / "not there yet"])
    for output in (inside, inside / "out", inside / "sub", tmp_path, tmp_path / "link" / "x", Path("/")):
        with pytest.raises(ParameterError, match=re.escape(f"the output {output} and the watched {inside}")):
            check_apart([inside], [output])
    with pytest.raises(ParameterError, match="are both watched and lie in one another"):
        check_apart([inside, tmp_path / "link" / "sub"], [tmp_path / "beside"])


def test_two_folders_of_one_studio_file_are_held_against_each_other(tmp_path: Path) -> None:
    text = folder("") + '[[folder]]\ninput = "out"\noutput = "third"\n'
    with pytest.raises(PresetError, match="lie in one another"):
        parse_studio(text, tmp_path / "studio.toml")


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("a.wav", True),
        ("sub/A.WAV", True),
        ("a.aif", True),
        ("a.flac", True),
        ("a.w64", True),
        ("a.mp3", False),
        ("a.txt", False),
        ("wav", False),
        ("a.wav.txt", False),
    ],
)
def test_audio_is_wanted_by_its_suffix(name: str, wanted: bool, tmp_path: Path) -> None:
    settings = FolderSettings(input=tmp_path / "in", output=tmp_path / "out")
    assert settings.wants(name) is wanted


def test_other_formats_are_taken_where_the_folder_says_so(tmp_path: Path) -> None:
    settings = FolderSettings(
        input=tmp_path / "in", output=tmp_path / "out", also=("mp3",), pattern="*_Dull.*"
    )
    assert settings.wants("sub/x_dull.MP3")
    assert not settings.wants("x.mp3")
    assert not settings.wants("x_dull.ogg")


def test_every_setting_is_documented() -> None:
    assert FolderSettings.__doc__ is not None
    for one in fields(FolderSettings):
        assert f"{one.name}:" in FolderSettings.__doc__

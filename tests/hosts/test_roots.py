from __future__ import annotations

import random
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiosr_fx.errors import ParameterError
from hosts.roots import Roots


class Tree:
    """A served folder with files and links, and what lies beside it and must never be found."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.root = top / "stems"
        self.other = top / "stems-secret"
        (self.root / "Sub").mkdir(parents=True)
        self.other.mkdir()
        for path in (
            self.root / "a.wav",
            self.root / "Sub" / "b.wav",
            self.root / unicodedata.normalize("NFD", "Gläser.wav"),
            self.root / "it's 100% dry?.wav",
            self.other / "secret.wav",
            top / "secret.wav",
        ):
            path.write_bytes(b"x")
        (self.root / "out").symlink_to(self.other)
        (self.root / "up").symlink_to("..")
        (self.root / "file_out.wav").symlink_to(self.other / "secret.wav")
        (self.root / "inside").symlink_to("Sub")
        (self.root / "Sub" / "home").symlink_to("..")
        (self.root / "loop").symlink_to("loop")
        (self.root / "dangling.wav").symlink_to("nothing")
        self.roots = Roots({"stems": self.root})


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    return Tree(tmp_path_factory.mktemp("tree"))


def test_files_below_a_root_are_found(tree: Tree) -> None:
    assert tree.roots.find("stems", "a.wav") == tree.root.resolve() / "a.wav"
    assert tree.roots.find("stems", "Sub/b.wav") == tree.root.resolve() / "Sub" / "b.wav"
    assert tree.roots.find("stems", "./Sub//b.wav") == tree.root.resolve() / "Sub" / "b.wav"
    assert tree.roots.find("stems", "it's 100% dry?.wav").exists()


def test_a_link_that_stays_inside_is_followed(tree: Tree) -> None:
    assert tree.roots.find("stems", "inside/b.wav") == tree.root.resolve() / "Sub" / "b.wav"


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_name_is_found_in_either_form_of_unicode(tree: Tree, form: str) -> None:
    name = unicodedata.normalize(form, "Gläser.wav")  # type: ignore[arg-type]
    found = tree.roots.find("stems", name)
    assert found.exists()
    assert unicodedata.normalize("NFC", found.name) == "Gläser.wav"


@pytest.mark.parametrize("path", [".", "./", "Sub/home"])
def test_a_root_itself_is_said_to_be_a_folder(tree: Tree, path: str) -> None:
    with pytest.raises(ParameterError, match="a folder that is served; expected a file in it"):
        tree.roots.find("stems", path)
    with pytest.raises(ParameterError, match="a folder that is served; expected a file in it"):
        tree.roots.find("", f"{tree.root}/{path}")


def test_an_absolute_path_is_found_inside_a_root_only(tree: Tree) -> None:
    assert tree.roots.find("", str(tree.root / "a.wav")) == tree.root.resolve() / "a.wav"
    with pytest.raises(ParameterError, match="outside of what is served"):
        tree.roots.find("", str(tree.top / "secret.wav"))
    with pytest.raises(ParameterError, match="outside of what is served"):
        tree.roots.find("", str(tree.other / "secret.wav"))


@pytest.mark.parametrize(
    "path",
    [
        "../secret.wav",
        "Sub/../../secret.wav",
        "Sub/..",
        "..",
        "/etc/passwd",
        "//server/share/a.wav",
        "\\\\server\\share\\a.wav",
        "..\\secret.wav",
        "Sub\\b.wav",
        "C:\\a.wav",
        "C:/a.wav",
        "a.wav\0.txt",
        "a\n.wav",
        "",
        ".",
        "/",
        "out/secret.wav",
        "up/secret.wav",
        "up/stems-secret/secret.wav",
        "file_out.wav",
        "loop",
        "loop/a.wav",
        "dangling.wav",
        "A.WAV",
        "a.wav/",
        "nothing.wav",
        "a.wav/b.wav",
        "x" * 300,
        "x/" * 3000,
        "~/a.wav",
        "$HOME/a.wav",
        "%2e%2e/secret.wav",
        "\u2025/secret.wav",
        "\uff0e\uff0e/secret.wav",
    ],
)
def test_nothing_else_is(tree: Tree, path: str) -> None:
    try:
        found = tree.roots.find("stems", path)
    except ParameterError:
        return
    assert path in ("A.WAV", "a.wav/"), "only a file system that does not tell them apart finds these"
    assert found.samefile(tree.root / "a.wav")


def test_a_link_that_changes_later_is_not_trusted(tree: Tree) -> None:
    link = tree.root / "moving"
    link.symlink_to("Sub")
    assert tree.roots.find("stems", "moving/b.wav").is_relative_to(tree.root.resolve())
    link.unlink()
    link.symlink_to(tree.other)
    with pytest.raises(ParameterError):
        tree.roots.find("stems", "moving/secret.wav")
    link.unlink()


def test_an_unknown_root_and_no_root_are_said(tree: Tree, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"root is 'mixes'; expected stems"):
        tree.roots.find("mixes", "a.wav")
    with pytest.raises(ParameterError, match="start with --root DIR"):
        Roots({}).find("stems", "a.wav")
    with pytest.raises(ParameterError, match="is no folder"):
        Roots({"x": tmp_path / "none"})
    with pytest.raises(ParameterError, match="letters, digits"):
        Roots({"../x": tmp_path})


def test_a_root_may_itself_be_reached_through_a_link(tree: Tree, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tree.root)
    roots = Roots({"stems": tmp_path / "link"})
    assert roots.find("stems", "a.wav") == tree.root.resolve() / "a.wav"
    assert roots.find("", str(tmp_path / "link" / "a.wav")) == tree.root.resolve() / "a.wav"
    assert roots.find("", str(tree.root / "a.wav")) == tree.root.resolve() / "a.wav"


PIECES = (
    *("..", ".", "", "a.wav", "Sub", "sub", "b.wav", "out", "up", "inside", "loop", "stems", "stems-secret"),
    *("secret.wav", "file_out.wav", "dangling.wav", "Gläser.wav", "\\", "C:", "\0", "~", "*", "\u2026"),
    *("\uff0e\uff0e", "G" + "a\u0308" + "ser.wav", "\U0001f3b8", "a" * 300, "..\u200b"),
)
STARTS = ("", "", "/", "//", "\\\\", "C:\\", "TOP/", "ROOT/", "ROOT/../", "ROOT/./Sub/../")
ROOTS = ("", "stems", "stems", "Stems", "..")
PATHS = st.builds(
    lambda start, pieces, join: start + join.join(pieces),
    st.sampled_from(STARTS),
    st.lists(st.sampled_from(PIECES) | st.text(max_size=6), max_size=6),
    st.sampled_from(["/", "/", "//", "\\"]),
)


def is_found_inside(tree: Tree, root: str, path: str) -> bool:
    """Whether a path was found, which must then be in the root."""
    path = path.replace("TOP", str(tree.top)).replace("ROOT", str(tree.root))
    try:
        found = tree.roots.find(root, path)
    except ParameterError:
        return False
    assert found.is_relative_to(tree.root.resolve())
    assert found == found.resolve()
    assert tree.roots.holds(found)
    return True


@settings(max_examples=300)
@given(root=st.sampled_from(ROOTS), path=PATHS)
def test_no_path_leads_out(tree: Tree, root: str, path: str) -> None:
    is_found_inside(tree, root, path)


@pytest.mark.slow
def test_no_path_of_fifty_thousand_leads_out(tree: Tree) -> None:
    chance = random.Random(3)
    found = 0
    for _ in range(50_000):
        pieces = chance.choices(PIECES, k=chance.randrange(5))
        path = chance.choice(STARTS) + chance.choice("////\\").join(pieces)
        found += is_found_inside(tree, chance.choice(ROOTS), path)
    assert found > 100

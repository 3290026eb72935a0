from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from audiosr_fx.errors import ParameterError, PresetError
from audiosr_fx.toml_text import faults_of, parse_toml, read_text, to_toml


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"cannot be read \(No such file or directory\)"),
        (b"a = '\xff'", "is not UTF-8 text at byte 5"),
        (b"#" * 1025, "is larger than 1 KiB, so it is no map"),
    ],
)
def test_a_file_that_cannot_be_taken_is_one_line(content: bytes | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a\nb.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PresetError, match=rf"a\\nb\.toml: {message}$") as caught:
        read_text(path, "map", 1024)
    assert "\n" not in str(caught.value)


def test_a_file_may_be_as_large_as_is_said(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"#" * 1024)
    assert read_text(tmp_path / "a", "map", 1024) == "#" * 1024


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a =", "^it: not TOML: "),
        ("a = 1\na = 2", "^it: not TOML: Cannot overwrite a value"),
        ("a = " + "[" * 5000, "^it: not TOML: nested too deeply$"),
        ("a = " + "1" * 5000, "^it: not TOML: Exceeds the limit"),
    ],
)
def test_what_is_not_toml_is_one_line(text: str, message: str) -> None:
    with pytest.raises(PresetError, match=message) as caught:
        parse_toml(text, "it")
    assert "\n" not in str(caught.value)


def test_a_fault_is_told_with_its_file() -> None:
    with pytest.raises(PresetError, match=r"^it: gain_db is 1$"), faults_of("it"):
        raise ParameterError("gain_db is 1")


def test_what_is_written_reads_back_as_it_was() -> None:
    table = {
        "text": 'a "b" \\ \x7f ü\n',
        "number": 1e22,
        "list": [1, 2.5],
        "nested": [[1], []],
        "empty": [],
        "a key": {"b.c": {"on": True}, "none": {}},
        "rows": [{"x": 1, "inner": [{"y": 2}]}, {}],
    }
    assert tomllib.loads(to_toml(table)) == table
    assert tomllib.loads(to_toml({"a": None, "b": {"c": None}})) == {"b": {}}

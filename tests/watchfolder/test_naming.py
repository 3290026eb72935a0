from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from audiosr_fx.errors import ParameterError
from watchfolder.naming import DEFAULT_TEMPLATE, FIELDS, LONGEST_PART, check_template, fill_template

VALUES = {
    "name": "kick",
    "folder": "song/drums",
    "preset": "podcast",
    "model": "mini",
    "source_format": "flac",
}


@pytest.mark.parametrize(
    ("template", "path"),
    [
        (DEFAULT_TEMPLATE, "song/drums/kick"),
        ("{name}", "kick"),
        ("{name} ({preset}, {model})", "kick (podcast, mini)"),
        ("{preset}/{folder}/{name}.{source_format}", "podcast/song/drums/kick.flac"),
        ("2026/./{name}", "2026/kick"),
    ],
)
def test_a_template_is_filled_in(template: str, path: str) -> None:
    assert fill_template(check_template(template), VALUES) == PurePosixPath(path)


def test_a_stem_at_the_top_needs_no_folder() -> None:
    assert fill_template(DEFAULT_TEMPLATE, {**VALUES, "folder": ""}) == PurePosixPath("kick")


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{nmae}", r"unknown field \{nmae\} \(did you mean name\?\); there are: \{name\}"),
        ("{name", "a brace stands alone"),
        ("{}{name}", "unknown field"),
        ("{name!r}", "unknown field"),
        ("out", r"expected \{name\} in it"),
        ("/etc/{name}", "expected a path below the output folder"),
        ("../{name}", "leads out of the output folder"),
        ("{folder}/../../{name}", "leads out of the output folder"),
    ],
)
def test_a_bad_template_is_refused_by_name(template: str, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        check_template(template)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("../../etc/passwd", ".._.._etc_passwd"),
        ("a\\b:c*d", "a_b_c_d"),
        ("new\nline\x00", "new_line_"),
        ("CON", "_CON"),
        ("lpt1.take", "_lpt1.take"),
        ("trailing. . ", "trailing"),
        (". .", "_"),
        ("naïve 🎸", "naïve 🎸"),
        ("\udcff", "\udcff"),
    ],
)
def test_names_become_plain(name: str, expected: str) -> None:
    filled = fill_template("{name}", {**VALUES, "name": name})
    assert str(filled).lstrip("_.") == expected.lstrip("_.")
    assert not str(filled).startswith(".")


@settings(max_examples=150)
@given(values=st.fixed_dictionaries({name: st.text(max_size=20) for name in FIELDS}))
@example(values=dict.fromkeys(FIELDS, ".."))
@example(values=dict.fromkeys(FIELDS, "/"))
@example(values={**VALUES, "folder": "../.."})
def test_whatever_the_names_the_path_stays_below_and_fits(values: dict[str, str]) -> None:
    for template in (DEFAULT_TEMPLATE, "{preset}/{name}", "{name}-{model}.{source_format}"):
        try:
            path = fill_template(template, values)
        except ParameterError:
            continue
        assert not path.is_absolute()
        assert Path(os.path.normpath(Path("/out") / path)).is_relative_to("/out")
        for part in path.parts:
            assert part not in ("", ".", "..")
            assert not set(part) & set('/\\:*?"<>|\0\n')
            assert len(os.fsencode(part)) <= LONGEST_PART + 1

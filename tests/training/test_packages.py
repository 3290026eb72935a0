"""The table of Debian packages to train on."""

from __future__ import annotations

import re
from typing import Any

import pytest

from audiosr_fx.errors import ParameterError
from audiosr_fx.training.data import HELD_OUT_SOURCES
from audiosr_fx.training.packages import LICENCES, load_packages, read_packages
from audiosr_fx.training.terms import licence_text


def _entry(**changes: Any) -> dict[str, Any]:
    entry = {"source": "hits", "kind": "drums", "package": "hits-data", "version": "1", "paths": ["*.wav"]}
    return {**entry, "licence": "MIT", "author": "Nobody", "minutes": 1, "mode": "join", **changes}


def test_the_table_names_licences_allowed_and_no_source_held_out() -> None:
    table = load_packages()
    entries = [*table.recordings, *table.renderings]
    assert {entry.licence for entry in entries} <= set(LICENCES)
    assert not {entry.source for entry in entries} & HELD_OUT_SOURCES
    assert not any("NC" in licence or "SA" in licence for licence in LICENCES)


def test_authors_whose_licence_asks_for_their_notice_have_its_years() -> None:
    table = load_packages()
    entries = [entry for entry in (*table.recordings, *table.renderings) if licence_text(entry.licence)]
    assert {entry.licence for entry in entries} == {"MIT", "BSD-2-Clause"}
    for entry in entries:
        assert re.search(r", (19|20)\d\d", entry.author), entry.source


def test_no_two_entries_write_the_same_names() -> None:
    names = [(entry.source, entry.number_from) for entry in load_packages().recordings]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"license": "MIT"}, "did you mean licence"),
        ({"licence": "CC-BY-NC-4.0"}, "CC-BY-NC-4.0"),
        ({"source": "cabasa"}, "held out"),
        ({"mode": "joined"}, "joined"),
        ({"minutes": 0}, "more than 0"),
        ({"paths": []}, "paths is empty"),
    ],
)
def test_an_entry_with_a_fault_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ParameterError, match=said):
        read_packages({"recordings": [_entry(**changes)]})

"""Files of results: what pages save is taken, anything else is one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from listening import PAGE, mushra_results, save_results, vote_results

from audiosr_fx.errors import AudioFormatError
from audiosr_fx.quality.listen_results import parse_results, pool_results, read_results

RATINGS = {"reference": [100, 95], "lowpass:3500": [20, 30], "mini": [70, 80]}


def test_ratings_come_with_item_system_and_place() -> None:
    results = parse_results(mushra_results("P1", RATINGS))
    assert results.participant == "P1"
    assert results.page == PAGE
    assert results.trials == 2
    assert [(r.item, r.system, r.rating, r.position) for r in results.ratings if r.system == "mini"] == [
        ("one", "mini", 70.0, 1),
        ("two", "mini", 80.0, 2),
    ]


def test_votes_name_the_chosen_system() -> None:
    votes = parse_results(vote_results("P1", ["a", "b", "none"])).votes
    assert [vote.chosen for vote in votes] == ["plain", "fancy", None]
    assert {vote.x for vote in votes} == {None}
    answers = parse_results(vote_results("P1", ["a", "b"], mode="abx")).votes
    assert [(vote.chosen, vote.x) for vote in answers] == [("plain", "plain"), ("fancy", "plain")]


Change = Callable[[dict[str, Any]], Any]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda value: value.update(format="other"), "has no format"),
        (lambda value: value.update(mode="mood"), "mode is 'mood'; expected mushra, ab or abx"),
        (lambda value: value.update(participant=""), "participant is ''; expected text"),
        (lambda value: value.update(page=7), "page is 7; expected text"),
        (lambda value: value.update(items="one"), "items is 'one'; expected a list of names"),
        (lambda value: value.update(trials=[]), "has no answered trial"),
        (lambda value: value.update(trials=[1]), r"trials is \[1\]; expected a list of objects"),
        (lambda value: value["systems"][0].update(role="king"), "role is 'king'; expected one of"),
        (lambda value: value["trials"][0].update(item="x"), "item is 'x'; expected one of one, two"),
        (lambda value: value["trials"][1].update(position=1), "trials share a position"),
        (lambda value: value["trials"][0].update(position=True), "position is True; expected a whole number"),
        (lambda value: value["trials"][0]["stimuli"].pop(), "trial 1 lacks mini; expected all"),
        (lambda value: value["trials"][0]["stimuli"][0].update(rating=101), "rating of reference is 101"),
        (lambda value: value["trials"][0]["stimuli"][0].update(rating=None), "rating of reference is None"),
        (lambda value: value["trials"][0]["stimuli"][0].update(rating=10**400), "rating of reference is 100"),
        (
            lambda value: value["trials"][0]["stimuli"][0].update(rating=float("nan")),
            "is nan; expected 0 to 100",
        ),
        (lambda value: value["trials"][0]["stimuli"][0].update(system="z"), "system is 'z'; expected one of"),
    ],
)
def test_a_wrong_field_is_named(change: Change, message: str) -> None:
    value = mushra_results("P1", RATINGS)
    change(value)
    with pytest.raises(AudioFormatError, match=message):
        parse_results(value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"choice": "c"}, "choice is 'c'; expected one of a, b, none"),
        ({"a": "fancy"}, "trial 1 holds fancy against itself"),
        ({"b": "nobody"}, "b is 'nobody'"),
    ],
)
def test_a_wrong_vote_is_named(change: dict[str, Any], message: str) -> None:
    value = vote_results("P1", ["a"])
    value["trials"][0].update(change)
    with pytest.raises(AudioFormatError, match=message):
        parse_results(value)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"null", b"[]", b"{}"])
def test_what_is_no_result_is_one_line_with_the_file_name(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "broken.json"
    path.write_bytes(data)
    with pytest.raises(AudioFormatError, match=r"broken\.json: .*expected") as error:
        read_results(path)
    assert "\n" not in str(error.value)


def test_no_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(AudioFormatError, match=r"none\.json: cannot be read"):
        read_results(tmp_path / "none.json")


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
)
FIELDS = st.sampled_from(
    ["mode", "systems", "items", "trials", "participant", "page", "title", "started", "finished", "complete"]
)


@given(change=st.dictionaries(FIELDS, JSON, min_size=1))
def test_any_field_parses_or_is_refused(change: dict[str, Any]) -> None:
    value = {**mushra_results("P1", RATINGS), **change}
    try:
        results = parse_results(value)
    except AudioFormatError:
        return
    assert results.trials > 0


def test_a_session_counts_once_and_with_all_its_answers(tmp_path: Path) -> None:
    whole = mushra_results("P1", RATINGS)
    part = {**whole, "trials": whole["trials"][:1]}
    paths = [save_results(tmp_path / f"{i}.json", value) for i, value in enumerate([part, whole, part])]
    pooled, complaints = pool_results([(path, read_results(path)) for path in paths])
    assert [results.trials for results in pooled] == [2]
    assert complaints == []


def test_of_a_session_saved_twice_the_last_counts_whatever_the_order(tmp_path: Path) -> None:
    first = mushra_results("P1", RATINGS)
    later = mushra_results("P1", RATINGS, finished="2025-01-01T00:12:00.000Z")
    paths = [save_results(tmp_path / f"{i}.json", value) for i, value in enumerate([later, first])]
    pooled, _ = pool_results([(path, read_results(path)) for path in paths])
    assert [results.finished for results in pooled] == ["2025-01-01T00:12:00.000Z"]


def test_results_of_another_page_are_left_out(tmp_path: Path) -> None:
    here = parse_results(mushra_results("P1", RATINGS))
    there = parse_results(mushra_results("P2", RATINGS, page="f" * 64))
    pooled, complaints = pool_results([(tmp_path / "a", here), (tmp_path / "b", there)])
    assert pooled == [here]
    assert len(complaints) == 1
    assert "is of another test (page ffffffff" in complaints[0]


@pytest.mark.parametrize(
    "changed",
    [
        mushra_results("P2", RATINGS, items=("three", "four")),
        mushra_results("P2", {name: RATINGS[name] for name in ("reference", "mini")}),
        {**vote_results("P2", ["a", "b"]), "page": PAGE},
    ],
)
def test_results_that_do_not_fit_their_page_are_left_out(tmp_path: Path, changed: dict[str, Any]) -> None:
    own, other = parse_results(mushra_results("P1", RATINGS)), parse_results(changed)
    kept, complaints = pool_results([(tmp_path / "own.json", own), (tmp_path / "other.json", other)])
    assert kept == [own]
    assert len(complaints) == 1
    assert "other.json: has another mode, other systems or other items than" in complaints[0]

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosr_fx.errors import ParameterError
from audiosr_fx.toml_tables import check_schema, read_table


class Ending(StrEnum):
    FADE = "fade"
    CUT = "cut"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    gain_db: float = 0.0
    is_on: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    name: str
    takes: int = 1
    pan: float = 0.0
    folder: Path | None = None
    ending: Ending = Ending.CUT
    kind: Literal["voice", "drums"] = "voice"
    range: tuple[float, float] = (0.0, 1.0)
    notes: tuple[str, ...] = ()
    sends: Mapping[str, float] = field(default_factory=dict)
    effect: Effect = field(default_factory=Effect)
    comment: Any = None

    def __post_init__(self) -> None:
        if self.takes < 1:
            raise ParameterError(f"takes is {self.takes}; expected 1 or more")


def read(text: str, **how: Any) -> Track:
    return read_table(Track, tomllib.loads(text), **how)


def test_every_kind_of_value_becomes_what_its_field_is(tmp_path: Path) -> None:
    text = """
        name = "Lead"
        takes = 3
        pan = -1
        folder = "stems/lead"
        ending = "fade"
        kind = "drums"
        range = [0, 0.5]
        notes = ["a", "b"]
        comment = [1, "any"]
        [sends]
        reverb = 1
        [effect]
        gain_db = -3
    """
    assert read(text, beside=tmp_path) == Track(
        name="Lead",
        takes=3,
        pan=-1.0,
        folder=tmp_path / "stems/lead",
        ending=Ending.FADE,
        kind="drums",
        range=(0.0, 0.5),
        notes=("a", "b"),
        comment=[1, "any"],
        sends={"reverb": 1.0},
        effect=Effect(gain_db=-3.0),
    )
    assert type(read("name = 'a'\npan = 1").pan) is float
    assert read("name = 'a'") == Track(name="a")


def test_a_table_may_come_on_top_of_other_settings() -> None:
    base = Track(name="Lead", takes=3, effect=Effect(gain_db=-3.0, is_on=False))
    changed = read("pan = 0.5\n[effect]\nis_on = true", base=base)
    assert changed == replace(base, pan=0.5, effect=Effect(gain_db=-3.0))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("takes = 2", "track 1: name is missing"),
        ("nam = 'a'", "track 1: unknown key 'nam' (did you mean name?); there are: name, takes, pan, "),
        ("takes = 0\nname = 'a'", "track 1: takes is 0; expected 1 or more"),
        ("takes = 1.0", "track 1: takes is 1.0; expected a whole number"),
        ("takes = true", "track 1: takes is True; expected a whole number"),
        ("pan = '1'", "track 1: pan is '1'; expected a number"),
        (f"pan = {10**400}", f"track 1: pan is 1{'0' * 56}...; expected a number"),
        ("name = 1979-05-27", "track 1: name is datetime.date(1979, 5, 27); expected a text in quotes"),
        (r'name = "a\u001b[2J"', r"track 1: name is 'a\x1b[2J'; expected a text of one line"),
        ("folder = ''", "track 1: folder is ''; expected a path in quotes"),
        (r'folder = "a\u0000b"', r"track 1: folder is 'a\x00b'; expected a path in quotes"),
        ("ending = 'fate'", "track 1: ending is 'fate' (did you mean fade?); expected fade, cut"),
        ("kind = 3", "track 1: kind is 3; expected voice, drums"),
        ("range = [1]", "track 1: range is [1]; expected a list of 2"),
        ("range = [1, 'b']", "track 1: range is 'b'; expected a number"),
        ("notes = 'a'", "track 1: notes is 'a'; expected a list"),
        ("sends = 3", "track 1.sends is 3; expected a table"),
        ("sends.reverb = 'wet'", "track 1.sends: reverb is 'wet'; expected a number"),
        ("effect = []", "track 1.effect is []; expected a table"),
        ("effect.is_on = 1", "track 1.effect: is_on is 1; expected true or false"),
        (f"pan = '{'x' * 5000}'", f"track 1: pan is '{'x' * 56}...; expected a number"),
    ],
)
def test_what_does_not_fit_is_named_with_its_place_and_the_way_out(text: str, message: str) -> None:
    with pytest.raises(ParameterError) as caught:
        read(text, where="track 1")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, "schema is missing; expected 2"),
        ({"schema": 1}, "schema is 1; expected 2"),
        ({"schema": 3}, "schema is 3; expected 2; update audiosr_fx"),
        ({"schema": True}, "schema is True; expected 2"),
        ({"schema": 2.0}, r"schema is 2\.0; expected 2"),
    ],
)
def test_a_file_of_another_form_is_told(table: dict[str, Any], message: str) -> None:
    check_schema({"schema": 2}, 2)
    with pytest.raises(ParameterError, match=f"^{message}$"):
        check_schema(table, 2)


values = st.recursive(
    st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(values | st.dictionaries(st.sampled_from(Track.__slots__), values, max_size=4))
def test_any_table_is_settings_or_an_error_of_ours(table: Any) -> None:
    with suppress(ParameterError):
        assert isinstance(read_table(Track, table), Track)

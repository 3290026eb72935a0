from __future__ import annotations

import math
from pathlib import Path

import pytest

from audiosr_fx.wording import brief, did_you_mean, one_line, printable, shortened, shown


def test_words_from_outside_are_made_inert() -> None:
    assert printable("a\nb\x1b[31m\u202egnp\udcff") == r"a\nb\x1b[31m\u202egnp\udcff"
    assert printable("Häuser <b> “x” مرحبا") == "Häuser <b> “x” مرحبا"
    assert shown(Path("/in/a\tb.wav")) == r"/in/a\tb.wav"


def test_an_error_is_one_line_even_without_words() -> None:
    assert one_line(ValueError("two\n  lines ")) == "two lines"
    assert one_line(KeyError()) == "KeyError"


def test_a_name_in_an_error_stands_as_it_is_spelt() -> None:
    assert one_line(ValueError(" a  b   c.wav: gone")) == " a  b   c.wav: gone"
    assert one_line(ValueError("a  b.wav:\n\n\tgone\r\n  for good\n")) == "a  b.wav: gone for good"
    assert one_line(ValueError("a\tb\x1b.wav: gone")) == r"a\tb\x1b.wav: gone"
    long = shortened(ValueError("a  b.pt: " + "tensor, " * 100))
    assert (long[:9], long[-11:], len(long) <= 200) == ("a  b.pt: ", "tensor, ...", True)


@pytest.mark.parametrize(
    ("value", "text"),
    [("a", "'a'"), (math.inf, "inf"), (1.5, "1.5"), ([1] * 100, "[1, 1, 1")],
    ids=["text", "infinity", "number", "long list"],
)
def test_a_value_of_any_size_fits_a_message(value: object, text: str) -> None:
    assert brief(value).startswith(text)
    assert len(brief(value)) <= 60


def test_what_may_have_been_meant_is_told() -> None:
    assert did_you_mean("Stesp", ["steps", "seed"]) == " (did you mean steps?)"
    assert did_you_mean("xyz", ["steps", "seed"]) == ""

"""How a file was made, as a line of text and back."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosr_fx.metadata import Provenance, weights_sha256
from audiosr_fx.metadata.provenance import (
    find_provenance,
    parse_provenance,
    provenance_in_history,
    without_provenance,
)

FULL = Provenance(
    model="mini",
    weights_sha256="ab" * 32,
    quality="best",
    seed=7,
    cutoff_hz=6295.5,
    crossover_hz=6144.25,
    preset="dull_drums",
    others=(("steps", "4"),),
)

TEXTS = st.text("abcXYZ019_.+:/-", min_size=1, max_size=40)
NUMBERS = st.floats(1, 1e6).map(lambda value: float(f"{value:.10g}"))


@given(
    st.builds(
        Provenance,
        action=TEXTS,
        model=st.none() | TEXTS,
        quality=st.none() | TEXTS,
        seed=st.none() | st.integers(-(2**63), 2**63),
        cutoff_hz=st.none() | NUMBERS,
        preset=st.none() | TEXTS,
    )
)
def test_what_is_written_is_read_back(made: Provenance) -> None:
    assert parse_provenance(str(made)) == made


def test_the_line_is_what_it_says() -> None:
    assert str(FULL) == (
        f"audiosr_fx 0.1.0; action=restored; model=mini; weights_sha256={'ab' * 32}; quality=best; seed=7; "
        "cutoff_hz=6295.5; crossover_hz=6144.25; preset=dull_drums; steps=4"
    )
    assert parse_provenance(str(FULL)) == FULL


@given(st.text())
def test_any_text_as_a_value_keeps_the_line_one_line_without_commas(text: str) -> None:
    made = Provenance(action="x", model=text or None, others=((text or "n", text),))
    assert str(made).isascii()
    assert not set(str(made)) & set(",\r\n\0")
    assert parse_provenance(str(made)) is not None


@given(st.text())
def test_any_text_is_read_without_a_fault(text: str) -> None:
    find_provenance(text)
    assert find_provenance(without_provenance(text)) == []


def test_lines_are_found_in_a_history_and_in_a_comment() -> None:
    history = f"A=ANALOGUE,T=Studer\r\nA=PCM,F=48000,W=24,T={FULL}\r\n"
    assert provenance_in_history(history) == [FULL]
    assert find_provenance(history) == []
    comment = f"my words\n{FULL}\nmore"
    assert find_provenance(comment) == [FULL]
    assert without_provenance(comment) == "my words\nmore"
    assert without_provenance("my\r\nwords") == "my\r\nwords"


@pytest.mark.parametrize(
    "text",
    ["", "audiosr_fx", "audiosr_fx is nice", "audiosr_fx 0.1.0; seed=x", "other 1.0; seed=1", f"{FULL} "],
)
def test_other_texts_are_none(text: str) -> None:
    assert parse_provenance(text) is None


def test_lines_of_another_version_are_read() -> None:
    found = parse_provenance("audiosr_fx 9.9.9; action=restored; new_thing=3; seed=1")
    assert found == Provenance(software="audiosr_fx 9.9.9", seed=1, others=(("new_thing", "3"),))


def test_the_hash_is_that_of_the_file_as_it_is_now(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    for content in (b"one", b"three"):
        path.write_bytes(content)
        assert weights_sha256(path) == hashlib.sha256(content).hexdigest()
    assert weights_sha256(tmp_path / "none.safetensors") is None
    assert weights_sha256("no such model") is None

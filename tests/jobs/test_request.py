from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosr_fx.errors import AudioSRError, MessageError, ParameterError
from audiosr_fx.jobs.request import Collision, RenderRequest, read_json, request_from_dict

LONGEST = 60_000
PLAIN = RenderRequest(source=Path("/in/a.wav"), folder=Path("/out"), output_name="a.wav")


def request_from_json(text: str | bytes) -> RenderRequest:
    return request_from_dict(read_json(text, "the request", LONGEST))


LINES = st.text(st.characters(exclude_categories=["C", "Z"]), max_size=40)
PATHS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40).map(
    lambda text: Path("/") / text.lstrip("/")
)
NAMES = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="/\\"), max_size=30)
REQUESTS = st.builds(
    RenderRequest,
    source=PATHS,
    folder=PATHS,
    output_name=NAMES.map(lambda text: f"x{text}.wav"),
    preset=LINES,
    overrides=st.lists(st.tuples(LINES, LINES), max_size=3).map(tuple),
    model=LINES,
    seed=st.none() | st.integers(0, 2**32 - 1),
    region=LINES,
    bits=st.sampled_from(["auto", "16", "24", "32"]),
    collision=st.sampled_from(Collision),
    keep_metadata=st.booleans(),
    priority=st.integers(-100, 100),
    origin=st.sampled_from(["cli", "watch", "osc"]),
    tag=LINES,
)


@given(REQUESTS)
def test_a_request_comes_back_from_its_json_as_it_was(request: RenderRequest) -> None:
    text = json.dumps(request.to_dict())
    assert request_from_json(text) == request
    assert request_from_json(text.encode()) == request


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_any_text_is_a_request_or_one_of_our_errors(text: bytes | str) -> None:
    with pytest.raises(AudioSRError) as failure:
        request_from_json(text)
    assert "\n" not in str(failure.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(sorted(PLAIN.to_dict())), JSON)
def test_any_value_under_any_key_is_taken_or_one_of_our_errors(key: str, value: object) -> None:
    told = {**PLAIN.to_dict(), key: value}
    try:
        request = request_from_dict(told)
    except AudioSRError:
        return
    assert request_from_json(json.dumps(request.to_dict())) == request


def test_a_file_name_that_is_not_text_survives() -> None:
    request = RenderRequest(source=Path("/in/\udcff.wav"), folder=Path("/out"), output_name="\udcfe.wav")
    assert request_from_json(json.dumps(request.to_dict())) == request


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        '{"version": 2}',
        '{"version": true}',
        '{"version": 1}',
        '{"version": 1, "version": 1}',
        "[" * LONGEST,
        '{"version": NaN}',
        " " * (LONGEST + 1),
    ],
)
def test_what_is_no_request_is_refused(text: str) -> None:
    with pytest.raises(MessageError):
        request_from_json(text)


def test_an_unknown_key_is_named() -> None:
    told = {**PLAIN.to_dict(), "callback": "http://elsewhere"}
    with pytest.raises(MessageError, match="unknown key 'callback'; known are bits, collision"):
        request_from_dict(told)


BAD_NAMES = [
    "",
    " ",
    ".",
    "..",
    "a/b.wav",
    "a\\b.wav",
    "a\0.wav",
    "a\n.wav",
    "x" * 300 + ".wav",
    "a.wav ",
    "\ud800.wav",
]
OUR_NAMES = ["a.wav.", ".audiosr_fx-1.wav", "a.wav.audiosr_fx.json", "a.mp3", "a"]


@pytest.mark.parametrize("name", [*BAD_NAMES, *OUR_NAMES])
def test_a_name_that_no_output_should_have_is_refused(name: str) -> None:
    with pytest.raises(ParameterError, match="output_name"):
        RenderRequest(source=Path("/a"), folder=Path("/b"), output_name=name)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("source", Path("a.wav")),
        ("folder", Path("out")),
        ("folder", Path("/\ud800")),
        ("seed", -1),
        ("seed", True),
        ("priority", 101),
        ("origin", "OSC!"),
        ("tag", "two\nlines"),
        ("tag", "x" * 257),
        ("bits", "8"),
        ("format", "mp3"),
        ("collision", "overwrite"),
        ("keep_metadata", 1),
        ("region", None),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(field: str, value: object) -> None:
    values = {"source": Path("/a.wav"), "folder": Path("/b"), "output_name": "a.wav", field: value}
    with pytest.raises(ParameterError, match=f"^{field} is"):
        RenderRequest(**values)  # type: ignore[arg-type]


def test_flac_in_32_bits_is_refused_when_it_is_asked_for() -> None:
    with pytest.raises(ParameterError, match="FLAC takes 16 or 24"):
        RenderRequest(source=Path("/a"), folder=Path("/b"), output_name="a.flac", bits="32")

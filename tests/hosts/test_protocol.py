"""The one table: every control in it, every message read or refused, and the README as it says."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosr_fx.errors import MessageError
from audiosr_fx.params import MASTERING_CONTROLS, RENDER_CONTROLS
from hosts.osc import Message, message
from hosts.protocol import (
    BY_PATH,
    COMMANDS,
    CONTROLS,
    PARAM,
    PREFIX,
    REPLIES,
    Address,
    check_request_id,
    find_address,
)

ROOT = Path(__file__).parent.parent.parent
VALUES = st.one_of(
    st.integers(-(1 << 31), (1 << 31) - 1),
    st.text(max_size=8),
    st.binary(min_size=1, max_size=4),
    st.booleans(),
)


def test_every_control_has_its_own_address() -> None:
    for control in (*RENDER_CONTROLS, *MASTERING_CONTROLS):
        address = find_address(f"/audiosr/param/{control.name}")
        assert address.control is control
        assert control.allowed == address.fields[0].help


def test_addresses_are_plain_osc_and_replies_are_described() -> None:
    assert len(BY_PATH) == len(COMMANDS)
    described = {address.path for address in REPLIES}
    for address in (*COMMANDS, *REPLIES):
        assert Message(address.path).encode()
        assert address.help.endswith((".", "?"))
        assert set(address.replies) <= described
    for address in REPLIES:
        assert [field.name for field in address.fields[:2]] == ["request", "job"]


@given(st.sampled_from(COMMANDS), st.lists(VALUES, max_size=10))
def test_any_arguments_are_read_or_refused(address: object, arguments: list[object]) -> None:
    said = message(address.path, *arguments)  # type: ignore[attr-defined, arg-type]
    try:
        values = find_address(said.address).read(said)
    except MessageError:
        return
    assert len(values) <= max(1, len(arguments) + 1)


@pytest.mark.parametrize("word", ["", "a" * 65, "a b", "ä", "a/b", "-a", "a\n", None, 1, b"a", True])
def test_a_request_is_a_plain_word(word: object) -> None:
    with pytest.raises(MessageError, match="expected 1 to 64"):
        check_request_id(word)  # type: ignore[arg-type]


def test_the_readme_has_the_table() -> None:
    assert markdown_table() in (ROOT / "README.md").read_text("utf-8")


def markdown_table() -> str:
    lines = ["| send | arguments (OSC types) | answered by | |", "|---|---|---|---|"]
    for address in COMMANDS:
        if address.control is not None:
            continue
        replies = ", ".join(path.removeprefix(PREFIX + "/") for path in address.replies)
        lines.append(f"| `{address.path}` | {fields(address)} | {replies} | {address.help} |")
    lines.append(
        f"| `{PARAM}/NAME` | value | | Set one of {', '.join(control.name for control in CONTROLS)}. |"
    )
    lines += ["", "| reply | arguments after request and job | |", "|---|---|---|"]
    for address in REPLIES:
        lines.append(f"| `{address.path}` | {fields(address, skip=2) or '-'} | {address.help} |")
    return "\n".join(lines)


def fields(address: Address, skip: int = 0) -> str:
    texts = []
    for field in address.fields[skip:]:
        text = f"{field.name} `{field.types}`"
        texts.append(f"{text}…" if field.is_repeated else f"[{text}]" if field.is_optional else text)
    return ", ".join(texts)

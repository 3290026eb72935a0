from __future__ import annotations

import struct
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiosr_fx.errors import PresetError
from audiosr_fx.plugin_files import preset_class_id, read_state, write_state

CLASS_ID = "0123456789ABCDEF" * 2
XML = b'<?xml version="1.0"?> <VST3PluginState><IComponent>1.A</IComponent></VST3PluginState>'
STATE = b"VC2!" + struct.pack("<I", len(XML)) + XML + b"\0"


def preset(class_id: bytes = CLASS_ID.encode(), place: int = 48) -> bytes:
    return b"VST3" + struct.pack("<i32sq", 1, class_id, place) + b"List" + bytes(4)


def test_a_preset_tells_the_class_of_its_plugin(tmp_path: Path) -> None:
    path = tmp_path / "a.vstpreset"
    path.write_bytes(preset(CLASS_ID.lower().encode()))
    assert preset_class_id(path) == CLASS_ID


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no VST3 preset"),
        (preset()[:40], "no VST3 preset"),
        (b"RIFF" + preset()[4:], "no VST3 preset"),
        (preset(b"not a class id, but of 32 letters"[:32]), "damaged .*class id"),
        (preset(b"\xff" * 32), "damaged .*class id"),
        (preset(place=-5), "damaged .*list of chunks"),
        (preset(place=2**62), "damaged .*list of chunks"),
        (preset(place=49), "damaged .*list of chunks"),
    ],
)
def test_damaged_presets_are_refused(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "a.vstpreset"
    path.write_bytes(content)
    with pytest.raises(PresetError, match=f"a.vstpreset: is {words}"):
        preset_class_id(path)


def test_states_come_back_with_their_class(tmp_path: Path) -> None:
    write_state(tmp_path / "a.state", STATE, CLASS_ID)
    assert read_state(tmp_path / "a.state") == (STATE, CLASS_ID)
    (tmp_path / "plain.state").write_bytes(STATE)
    assert read_state(tmp_path / "plain.state") == (STATE, None)


@pytest.mark.parametrize(
    "content",
    [b"", b"VC2!", STATE[:-20], b"garbage" * 10, STATE.replace(b"VST3", b"LV2_"), STATE + b"VST3class:xy"],
)
def test_damaged_states_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.state"
    path.write_bytes(content)
    with pytest.raises(PresetError, match=r"a.state: is (no plugin state|damaged)"):
        read_state(path)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("bytes") / "file"
    for start in (b"", b"VST3", b"VC2!"):
        path.write_bytes(start + content)
        for read in (preset_class_id, read_state):
            with suppress(PresetError):
                assert read(path)


def test_what_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    for path in (tmp_path / "missing", tmp_path, Path("a\0b")):
        with pytest.raises(PresetError, match="cannot be read"):
            read_state(path)

"""What is announced is held against all that would refuse it when its key is pressed."""

from __future__ import annotations

from pathlib import Path

import pytest
from studio import Studio

from audiosr_fx.jobs import order
from hosts.client import new_request
from hosts.osc import Message


@pytest.fixture(scope="module")
def desk(desk: Studio) -> Studio:
    desk.stem("key.wav")
    return desk


def said(address: str, *words: str) -> Message:
    arguments = (new_request(), "stems", "key.wav", 0, 0, 0, *words)
    return Message(address, arguments, "sssiii" + "s" * len(words))


def announced(desk: Studio, *words: str) -> Message:
    """What is answered."""
    return desk.client.ask(said("/audiosr/announce", *words))[0]


@pytest.mark.parametrize(
    "words",
    [
        ("broken",),
        ("no-such",),
        ("", "colour=red"),
        ("podcast", "quality=great"),
        ("", "model=nobody"),
        ("", "format=flac", "bits=32"),
    ],
)
def test_what_no_key_could_render_is_refused_in_the_words_of_the_render(
    words: tuple[str, ...], desk: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUDIOSR_FX_PRESETS", str(tmp_path))
    (tmp_path / "broken.toml").write_text('schema = 1\nname = "Broken\n')
    announced(desk, "podcast")
    before = desk.server.bridge.announced
    refusal = announced(desk, *words)
    end = desk.replies(said("/audiosr/render", *words))[-1]
    assert (refusal.address, end.address) == ("/audiosr/error", "/audiosr/error")
    assert refusal.arguments[1:] == ("", end.arguments[2])
    assert desk.server.bridge.announced is before


def test_a_preset_that_a_key_has_chosen_counts(desk: Studio) -> None:
    assert announced(desk, "", "MasterTo.target_lufs=-12").address == "/audiosr/error"
    desk.server.bridge.controls.choose_preset("podcast")
    assert announced(desk, "", "MasterTo.target_lufs=-12").address == "/audiosr/accepted"


def test_no_model_is_read_while_a_sender_waits(desk: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """The published ones have gigabytes, which a render hashes when its turn comes."""
    monkeypatch.setattr(order, "model_sha256", lambda name: pytest.fail(f"{name} is read"))
    assert announced(desk, "podcast").address == "/audiosr/accepted"

"""Another seed is another one, wherever the last was said."""

from __future__ import annotations

from pathlib import Path

import pytest

from audiosr_fx.presets import write_preset
from hosts.asks import Ask, Options
from hosts.controls import Controls
from hosts.seeds import with_another_seed
from hosts.spans import Span

TWICE = """
schema = 1
name = "Twice"
description = "Both with a seed of their own."

[[chain]]
type = "AudioSR"
seed = 1

[[chain]]
type = "AudioSR"
seed = 7
"""


def ask(preset: str = "", seed: int | None = None, *overrides: tuple[str, str]) -> Ask:
    options = Options(seed=seed, overrides=overrides)
    return Ask(request="a", sources=(Path("/a.wav"),), span=Span(), preset=preset, options=options)


@pytest.fixture(autouse=True)
def twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDIOSR_FX_PRESETS", str(tmp_path))
    write_preset("twice", TWICE)


@pytest.mark.parametrize(
    ("said", "seed"),
    [
        (ask(), 1),
        (ask("", 3), 4),
        (ask("", None, ("AudioSR.seed", "5")), 6),
        (ask("", 9, ("1.seed", "5")), 6),
        (ask("twice"), 8),
        (ask("twice", 3), 4),
        (ask("twice", None, ("1.seed", "20")), 21),
        (ask("", (1 << 32) - 1), 0),
        (ask("podcast"), 1),
    ],
)
def test_another_seed_is_one_more_than_the_highest_that_was_rendered_with(said: Ask, seed: int) -> None:
    again = with_another_seed(said, said, "b")
    assert (again.request, again.options.seed, again.options.overrides) == ("b", seed, ())


def test_what_else_was_said_stays() -> None:
    said = ask("twice", None, ("1.seed", "20"), ("1.detail", "0.5"))
    assert with_another_seed(said, said, "b").options.overrides == (("1.detail", "0.5"),)


def test_a_seed_that_stood_for_renders_counts() -> None:
    controls, said = Controls(), ask()
    controls.set("seed", 11)
    assert with_another_seed(said, controls.applied_to(said), "b").options.seed == 12

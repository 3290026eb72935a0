"""``audiosr-fx train instruments`` as a user meets it."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from audiosr_fx.cli import app
from audiosr_fx.commands.terminal import ExitCode
from audiosr_fx.training.data import load_corpus


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["train", "instruments", "--minutes", "0.1", *arguments])


def test_synthesisers_play_without_a_soundfont(tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    result = _run("-o", str(folder), "--style", "machines")
    assert result.exit_code == 0
    assert result.stdout.strip() == str(folder)
    assert len(load_corpus(folder)) == 1


@pytest.mark.parametrize(
    ("arguments", "said", "code"),
    [
        (["--soundfont", "none.sf2"], "none.sf2 cannot be read", ExitCode.BAD_AUDIO),
        (["--midi", "."], "no MIDI files", ExitCode.BAD_AUDIO),
        (["--style", "polka"], "polka", 2),
        (["--source", "a/b"], "a/b", 2),
    ],
)
def test_bad_input_is_one_line_and_a_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str, code: int
) -> None:
    monkeypatch.chdir(tmp_path)
    result = _run("-o", "clips", *arguments)
    assert result.exit_code == code
    assert len(result.stderr.splitlines()) == 1
    assert said in result.stderr
    assert list(tmp_path.iterdir()) == []

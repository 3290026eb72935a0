"""The README does what it says: its Python runs, its commands exist, its pictures and links are there."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import typer

from audiosr_fx.cli import app

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
ONE_THREAD = {name: os.environ[name] for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder that looks like the checkout and may be written to."""
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    return tmp_path


def run_program(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "", "HOME": str(folder), **ONE_THREAD},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("code", blocks("python"), ids=lambda code: code.strip().splitlines()[-1].strip())
def test_every_python_example_runs(code: str, checkout: Path) -> None:
    for plugin in re.findall(r'"(/[^"]+\.vst3)"', code):
        if not Path(plugin).exists():
            pytest.skip(f"needs {plugin}: apt-get install zam-plugins")
    finished = run_program(["-c", code], checkout)
    assert finished.returncode == 0, finished.stderr


def test_no_two_python_examples_write_the_same_file() -> None:
    writes = r'(?:soundfile\.write\(|AudioWriter\(|render_file\("[^"]+", )"([^"]+)"'
    written = [name for code in blocks("python") for name in re.findall(writes, code)]
    assert len(written) > 5
    assert sorted(set(written)) == sorted(written)


def test_the_first_command_restores_the_highs_of_the_demo_stem(checkout: Path) -> None:
    command = blocks("sh")[0].strip().split(" && ")[-1]
    program, *arguments = shlex.split(command)
    assert program == ".venv/bin/audiosr-fx"
    finished = run_program(["-m", "audiosr_fx", *arguments], checkout)
    assert finished.returncode == 0, finished.stderr
    restored = highs_db(checkout / "restored.wav")
    assert highs_db(ROOT / "tests/data/stems/drum_loop_dull.flac") < -60
    assert restored == pytest.approx(highs_db(ROOT / "tests/data/stems/drum_loop_original.flac"), abs=6)


def highs_db(path: Path) -> float:
    """Level between 8 and 20 kHz in dBFS."""
    audio, rate = soundfile.read(path)
    spectrum = np.fft.rfft(audio)
    frequency_hz = np.fft.rfftfreq(len(audio), 1 / rate)
    spectrum[(frequency_hz < 8_000) | (frequency_hz > 20_000)] = 0
    return float(10 * np.log10(np.mean(np.fft.irfft(spectrum) ** 2)))


def test_the_two_commands_need_nothing_but_python() -> None:
    for command in (block.strip() for block in blocks("sh")[:2]):
        assert "\n" not in command
        assert command.startswith("python3 -m venv .venv && .venv/bin/pip install ")


def example_lines() -> list[str]:
    return [line for block in blocks("sh") for line in block.splitlines() if line.startswith("audiosr-fx ")]


@pytest.mark.parametrize("line", example_lines())
def test_every_command_of_the_examples_exists_with_its_flags(line: str) -> None:
    words = shlex.split(line.split(" > ")[0])[1:]
    command = typer.main.get_command(app)
    if words[0] == "train":
        from audiosr_fx.training.cli import app as training

        command = typer.main.get_command(training)
        words = words[1:]
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]  # type: ignore[attr-defined]
    assert not hasattr(command, "commands"), f"no such command: {line}"
    flags = {flag for option in command.params for flag in (*option.opts, *option.secondary_opts)}
    assert {word for word in words if re.match(r"-{1,2}[a-z]", word)} <= flags


def test_every_link_into_the_checkout_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if not target.startswith("https://"):
            assert (ROOT / target).exists(), target


def test_it_opens_with_a_sentence_two_commands_and_a_picture() -> None:
    kinds = [line[:2] for line in README.splitlines() if line and not line.startswith(("python3", "Install"))]
    assert kinds[:6] == ["# ", "au", "``", "``", "``", "``"]
    assert kinds[6] == "!["


def test_its_lines_are_short_enough_to_be_read_beside_a_change() -> None:
    lines = [line for line in README.splitlines() if not line.startswith(("|", "["))]
    assert [line for line in lines if len(line) > 140] == []

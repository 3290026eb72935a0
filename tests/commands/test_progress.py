"""The bar and the results share a terminal without spoiling each other."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = """
from audiosr_fx.commands.progress import RenderProgress
from audiosr_fx.commands.terminal import say, say_error
with RenderProgress(files=1) as progress:
    row = progress.begin("dull.wav")
    say("a result")
    say_error("a fault")
"""


def run_on_terminal(stdout: Path | None) -> str:
    """What a terminal shows, without its colours, when stdout goes there as well or to a file."""
    pty = pytest.importorskip("pty", reason="there are no pseudo-terminals here")
    ours, theirs = pty.openpty()
    file = os.open(stdout, os.O_CREAT | os.O_WRONLY) if stdout else os.dup(theirs)
    subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        stdout=file,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "80"},
        check=True,
    )
    os.close(file)
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 65_536):
            shown += piece
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())


def test_a_result_gets_a_line_of_its_own_above_the_bar() -> None:
    lines = re.split(r"[\r\n]+", run_on_terminal(None))
    assert "a result" in lines
    assert "error: a fault" in lines
    assert any(line.startswith("dull.wav") for line in lines)


def test_a_result_goes_to_the_file_that_stdout_is(tmp_path: Path) -> None:
    shown = run_on_terminal(tmp_path / "out.txt")
    assert (tmp_path / "out.txt").read_text() == "a result\n"
    assert "a result" not in shown
    assert "dull.wav" in shown

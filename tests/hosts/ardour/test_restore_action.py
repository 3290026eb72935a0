"""What "AudioSR: restore" waits for, in Lua 5.4 over a stub of Ardour."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ACTION = HERE.parent.parent.parent / "hosts" / "ardour" / "audiosr_restore.lua"

pytestmark = pytest.mark.skipif(shutil.which("lua5.4") is None, reason="needs lua5.4: apt-get install lua5.4")


def test_it_waits_as_long_as_answers_come_and_names_the_folder_of_the_files(tmp_path: Path) -> None:
    (tmp_path / "restored").mkdir()
    (tmp_path / "session").mkdir()
    words = ["lua5.4", str(HERE / "selection.lua"), str(ACTION), str(tmp_path), "12"]
    finished = subprocess.run(words, capture_output=True, text=True, check=False, timeout=90)
    assert finished.returncode == 0, finished.stderr
    *shown, counted = finished.stdout.splitlines()
    answered, waited_s, noted = counted.split("\t")
    assert (answered, waited_s) == ("11", "16"), "five seconds beyond the last of eleven answers"
    assert noted == "12", "all are on the list before any is sent"
    assert shown == [
        "Nothing answers at port 9123 for these files. Start it, or the session lies outside of its --root:",
        "",
        f'audiosr-fx serve --root "{tmp_path}/"',
    ]
    kept = (tmp_path / "session" / "audiosr-fx.pending").read_text().splitlines()
    assert [line.split("\t")[-1] for line in kept] == [f"region {number}" for number in range(1, 12)]

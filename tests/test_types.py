from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FIXTURES = ROOT / "tests" / "mypy_fixtures"


@pytest.fixture(scope="module")
def found() -> dict[str, list[tuple[int, str]]]:
    """Errors by file, as (line, kind); both files in one run, with the project's own settings."""
    command = [sys.executable, "-m", "mypy", "--no-error-summary", "--no-pretty", "passes.py", "fails.py"]
    run = subprocess.run(
        [*command[:-2], *(str(FIXTURES / name) for name in command[-2:])],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stderr == ""
    errors: dict[str, list[tuple[int, str]]] = {"passes.py": [], "fails.py": []}
    for line in run.stdout.splitlines():
        if match := re.match(r".*?(\w+\.py):(\d+): error: .*\[([\w-]+)\]$", line):
            errors.setdefault(match[1], []).append((int(match[2]), match[3]))
    return errors


@pytest.mark.slow
def test_good_code_passes_the_type_checker(found: dict[str, list[tuple[int, str]]]) -> None:
    assert found["passes.py"] == []


@pytest.mark.slow
def test_every_mistake_is_found_and_nothing_else(found: dict[str, list[tuple[int, str]]]) -> None:
    lines = (FIXTURES / "fails.py").read_text("utf-8").splitlines()
    expected = [
        (number, kind)
        for number, line in enumerate(lines, 1)
        if (match := re.search(r"# E: ([\w,-]+)$", line))
        for kind in match[1].split(",")
    ]
    assert len(expected) > 20
    assert found["fails.py"] == expected

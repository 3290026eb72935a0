"""The house itself: what a checkout holds and what its build file promises."""

from __future__ import annotations

import ast
import importlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import soundfile

import audiosr_fx
from audiosr_fx import __version__

ROOT = Path(__file__).parent.parent
BUILD = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PACKAGES = ("audiosr_fx", "hosts", "presets", "watchfolder")


def test_the_top_level_holds_only_what_belongs_there() -> None:
    allowed = {*PACKAGES, "tests", "pyproject.toml", "README.md", "LICENSE"}
    generated = {"build", "dist", "runs", "venv"}
    found = {name for name in names_at_the_top() if not name.startswith(".")}
    assert allowed <= found
    assert {name for name in found - allowed - generated if not name.endswith(".egg-info")} <= {"__pycache__"}


def names_at_the_top() -> set[str]:
    """What version control keeps there, or all there is where there is none: a user's renders are no part."""
    kept = set()
    if shutil.which("git"):
        listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
        kept = {name.split("/")[0] for name in listed.stdout.splitlines()}
    return kept or {path.name for path in ROOT.iterdir() if path.suffix not in (".wav", ".flac")}


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_imports_from_a_bare_checkout(package: str, tmp_path: Path) -> None:
    command = f"import {package}, pathlib; print(pathlib.Path({package}.__file__).parent.parent)"
    run = subprocess.run(
        [sys.executable, "-c", command],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(run.stdout.strip()) == ROOT


def test_public_names_are_there_without_importing_torch_first() -> None:
    code = (
        "import sys, audiosr_fx; assert 'torch' not in sys.modules; "
        "print(*[getattr(audiosr_fx, name) for name in audiosr_fx.__all__]); assert 'torch' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        getattr(audiosr_fx, "non" + "sense")


def test_the_wheel_carries_all_four_packages() -> None:
    assert BUILD["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == list(PACKAGES)
    assert BUILD["tool"]["mypy"]["packages"] == list(PACKAGES)


def test_the_console_script_points_at_something_callable() -> None:
    module, name = BUILD["project"]["scripts"]["audiosr-fx"].split(":")
    assert callable(getattr(importlib.import_module(module), name))


def test_the_licence_is_the_gpl_and_stated() -> None:
    text = (ROOT / "LICENSE").read_text("utf-8")
    assert "GNU GENERAL PUBLIC LICENSE" in text
    assert "Version 3, 29 June 2007" in text
    assert len(text) > 30_000
    assert BUILD["project"]["license"] == "GPL-3.0-or-later"


def test_the_version_is_a_version() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)
    assert f"### {__version__}" in (ROOT / "README.md").read_text("utf-8")


def test_every_dependency_is_a_range() -> None:
    groups = [BUILD["project"]["dependencies"], *BUILD["project"]["optional-dependencies"].values()]
    for requirement in (line for group in groups for line in group):
        range_of_versions = r"[a-z0-9-]+>=[\d.]+,<[\d.]+(; python_version < '3\.\d+')?"
        assert re.fullmatch(range_of_versions, requirement), requirement


def test_everything_imported_is_declared() -> None:
    declared = {line.split(">")[0] for line in BUILD["project"]["dependencies"]}
    extras = BUILD["project"]["optional-dependencies"]
    declared |= {
        line.split(">")[0] for extra in ("farm", "midi", "speech", "train") for line in extras[extra]
    }
    names = {"python-osc": "pythonosc", "python-rtmidi": "rtmidi"}
    known = {names.get(name, name.replace("-", "_")) for name in declared} | set(PACKAGES)
    for path in (path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        assert imported_names(path) <= known | sys.stdlib_module_names, path


def imported_names(path: Path) -> set[str]:
    """Top-level names of everything a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def test_warnings_are_errors_and_every_test_has_a_timeout() -> None:
    settings = BUILD["tool"]["pytest"]["ini_options"]
    assert settings["filterwarnings"][0] == "error"
    assert settings["timeout"] > 0


def test_the_ci_script_runs_the_command_of_the_readme() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    pattern = re.search(r"--extended-regexp '([^']+)' README\.md", script.read_text("utf-8"))
    assert pattern is not None
    commands = re.findall(pattern[1], (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    assert len(commands) == 1


def test_the_demo_stem_is_the_original_without_its_highs() -> None:
    original, rate = soundfile.read(ROOT / "tests/data/stems/drum_loop_original.flac")
    dull, dull_rate = soundfile.read(ROOT / "tests/data/stems/drum_loop_dull.flac")
    assert rate == dull_rate == 48_000
    assert original.shape == dull.shape == (288_000,)
    frequency_hz = np.fft.rfftfreq(len(dull), 1 / rate)
    spectrum, reference = np.abs(np.fft.rfft(dull)) ** 2, np.abs(np.fft.rfft(original)) ** 2
    low, high = frequency_hz < 5_800, frequency_hz > 8_000
    assert spectrum[low].sum() / reference[low].sum() == pytest.approx(1.0, abs=0.03)
    assert spectrum[high].sum() / reference[high].sum() < 1e-5

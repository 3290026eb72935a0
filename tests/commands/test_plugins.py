from __future__ import annotations

import json
from pathlib import Path

import pytest
from hosted import MONO, STEREO, needs_vst3
from typer.testing import CliRunner, Result

from audiosr_fx import plugin_scan
from audiosr_fx.cli import app
from audiosr_fx.plugin_scan import ParameterInfo, PluginInfo


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["plugins", *arguments])


def test_a_folder_with_nothing_in_it_is_no_failure(tmp_path: Path) -> None:
    result = run("list", "--folder", str(tmp_path))
    assert result.exit_code == 0
    assert result.stdout == ""
    assert result.stderr == f"no plugins in {tmp_path}\n"
    assert run("list", "--folder", str(tmp_path / "missing")).exit_code == 2


def test_a_broken_plugin_is_one_line_beside_the_list(tmp_path: Path) -> None:
    (tmp_path / "bad\x1b.vst3").write_bytes(b"no plugin")
    result = run("list", "--folder", str(tmp_path))
    assert result.exit_code == 0
    assert result.stderr.startswith("error: ")
    assert "bad\\x1b.vst3: cannot be loaded" in result.stderr
    assert "\x1b" not in result.stderr
    told = json.loads(run("list", "--folder", str(tmp_path), "--json").stdout)
    assert "cannot be loaded" in told["error"]


@pytest.mark.parametrize("name", ["/nowhere/a.vst3", "nonsense", "\x1b.vst3"])
def test_what_cannot_be_shown_is_one_line_and_code_4(name: str) -> None:
    result = run("show", name)
    assert result.exit_code == 4
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1


def test_hostile_names_are_printed_inert(monkeypatch: pytest.MonkeyPatch) -> None:
    control = ParameterInfo(
        name="gain",
        value="\x1b[2J",
        unit="",
        minimum=None,
        maximum=None,
        choices=("\n",),
        is_automatable=False,
    )
    info = PluginInfo(
        path="a.vst3", name="\x1b]0;x", vendor="\n\n", channels=(1, 2, 6), parameters=(control,)
    )
    monkeypatch.setattr(plugin_scan, "scan_plugins", lambda *_, **__: [info])
    result = run("show", "a.vst3")
    assert result.exit_code == 0
    assert "\x1b" not in result.stdout
    assert len(result.stdout.splitlines()) == 4
    assert "mono, stereo, 6 channels" in result.stdout


@needs_vst3
def test_a_plugin_is_shown_by_path_or_name() -> None:
    by_path, by_name = run("show", str(MONO)), run("show", "zamtube")
    assert by_path.exit_code == by_name.exit_code == 0
    assert by_path.stdout == by_name.stdout
    lines = by_path.stdout.splitlines()
    assert lines[0] == "ZamTube 4.1.0, Damien Zammit"
    assert lines[2].split() == ["mono,", "Fx|Distortion|Mono,", "latency", "0", "samples"]
    assert "  bass                     5.000000             0 to 10" in lines
    told = json.loads(run("show", str(STEREO), "--json").stdout)
    assert told["channels"] == [2]
    assert {"name": "attack_ms", "unit": "ms"}.items() <= told["parameters"][0].items()


@needs_vst3
def test_installed_plugins_are_listed(tmp_path: Path) -> None:
    for plugin in (MONO, STEREO):
        (tmp_path / plugin.name).symlink_to(plugin)
    result = run("list", "--folder", str(tmp_path))
    assert result.exit_code == 0
    assert [line.split()[:4] for line in result.stdout.splitlines()] == [
        ["ZamCompX2", "Damien", "Zammit", "stereo"],
        ["ZamTube", "Damien", "Zammit", "mono"],
    ]

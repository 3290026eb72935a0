from __future__ import annotations

from pathlib import Path

import pytest
import tasks
from hosted import FOLDER, LATENT, MONO, STEREO, needs_vst3
from hurried_clock import hurry

from audiosr_fx import plugin_scan
from audiosr_fx.plugin_scan import PluginInfo, find_plugins, plugin_folders, scan_plugins


@pytest.mark.parametrize(
    ("platform", "folder"),
    [
        ("linux", "/usr/lib/vst3"),
        ("darwin", "/Library/Audio/Plug-Ins/VST3"),
        ("win32", "C:/Program Files/Common Files/VST3"),
    ],
)
def test_the_folders_are_those_of_the_system(
    platform: str, folder: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(plugin_scan.sys, "platform", platform)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.delenv("COMMONPROGRAMFILES", raising=False)
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    assert Path(folder) in plugin_folders()
    assert any(tmp_path in path.parents for path in plugin_folders())


def test_bundles_and_files_are_found_at_any_depth(tmp_path: Path) -> None:
    inside = tmp_path / "Vendor" / "b.vst3" / "Contents" / "x86_64-linux"
    inside.mkdir(parents=True)
    (inside / "inner.vst3").touch()
    (tmp_path / "a.VST3").touch()
    (tmp_path / "a.so").touch()
    (tmp_path / "c.vst3").symlink_to(tmp_path / "Vendor" / "b.vst3")
    found = find_plugins([tmp_path, tmp_path / "Vendor", tmp_path / "missing"])
    assert [path.name for path in found] == ["a.VST3", "b.vst3", "c.vst3"]


def test_no_plugins_are_no_work() -> None:
    assert scan_plugins([]) == []


def test_a_file_that_is_none_is_told_and_the_next_one_looked_at(tmp_path: Path) -> None:
    for name in ("a.vst3", "b.vst3"):
        (tmp_path / name).write_bytes(b"no plugin")
    heard: list[PluginInfo] = []
    found = scan_plugins([tmp_path / "a.vst3", tmp_path / "b.vst3"], on_found=heard.append)
    assert [Path(info.path).name for info in found] == ["a.vst3", "b.vst3"]
    assert all("cannot be loaded" in str(info.error) for info in found)
    assert heard == found


def test_plugins_that_crash_or_hang_do_not_take_the_scan_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin_scan, "_scan", tasks.scan_among_bad_ones)
    paths = [Path(f"{name}.vst3") for name in ("good", "crash", "fine", "hang", "last")]
    heard: list[str] = []
    hurry(monkeypatch, lambda: heard[-1:] == ["fine"])
    found = scan_plugins(paths, timeout_s=60.0, on_found=lambda info: heard.append(info.name))
    assert [(Path(info.path).stem, info.name) for info in found] == [
        ("good", "good"),
        ("crash", ""),
        ("fine", "fine"),
        ("hang", ""),
        ("last", "last"),
    ]
    assert found[1].error == "crash.vst3: it crashed (killed by SIGSEGV); nothing else is harmed"
    assert found[3].error == "hang.vst3: it hangs: no sign of life for 60 s; it was ended"


@needs_vst3
def test_a_plugin_is_told_with_its_channels_latency_and_parameters() -> None:
    mono, stereo, latent = scan_plugins([MONO, STEREO, LATENT], with_parameters=True)
    assert (mono.name, mono.vendor, mono.channels, mono.error) == ("ZamTube", "Damien Zammit", (1,), None)
    assert (stereo.channels, stereo.is_instrument, stereo.version) == ((2,), False, "4.1.0")
    assert latent.latency_samples == 480
    controls = {parameter.name: parameter for parameter in mono.parameters}
    assert "buffer_size_frames" not in controls
    assert (controls["bass"].minimum, controls["bass"].maximum, controls["bass"].value) == (
        0.0,
        10.0,
        "5.000000",
    )
    assert "JTM 45" in controls["tone_stack_model"].choices
    attack = next(parameter for parameter in stereo.parameters if parameter.name == "attack_ms")
    assert (attack.unit, attack.is_automatable) == ("ms", True)
    assert not next(
        parameter for parameter in stereo.parameters if "reduction" in parameter.name
    ).is_automatable


@needs_vst3
def test_parameters_are_told_only_when_asked_for() -> None:
    (plain,) = scan_plugins([STEREO])
    assert plain.parameters == ()
    assert STEREO in find_plugins([FOLDER])
    (missing,) = scan_plugins([STEREO], plugin_name="ZamTube")
    assert "holds no 'ZamTube'; it holds ZamCompX2" in str(missing.error)

"""Scripts for DAWs: every one is listed, carried by the wheel, and put where its DAW looks."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from audiosr_fx.cli import app
from audiosr_fx.errors import ParameterError
from hosts.scripts import HostScripts, all_scripts, find_scripts

ROOT = Path(__file__).parent.parent.parent
HOSTS = all_scripts()


def run(home: Path, *words: str) -> tuple[int, str, str]:
    result = CliRunner(env={"HOME": str(home)}).invoke(app, ["hosts", *words])
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize("host", HOSTS, ids=lambda host: host.name)
def test_every_host_has_files_and_a_page_of_ten_lines(host: HostScripts) -> None:
    assert host.files
    text = host.readme.read_text("utf-8")
    assert len(text.splitlines()) <= 20
    for word in ("**Install**", "**Bind a key**", "**Use**", "**Limits**"):
        assert word in text, word


def test_what_is_there_is_listed_and_shown(tmp_path: Path) -> None:
    code, out, _ = run(tmp_path, "list")
    assert code == 0
    for host in HOSTS:
        for path in host.files:
            assert f"  {path.relative_to(host.folder)}" in out
    assert run(tmp_path, "show", "Ardour")[1].startswith("# Ardour\n")


@pytest.mark.skipif(sys.platform not in ("linux", "darwin"), reason="no place is known on this system")
def test_scripts_go_to_every_version_that_is_there(tmp_path: Path) -> None:
    own = ".config/ardour" if sys.platform == "linux" else "Library/Preferences/Ardour"
    places = [tmp_path / f"{own}{version}" / "scripts" for version in (7, 8)]
    code, _, err = run(tmp_path, "install", "ardour")
    assert (code, "start it once, or name a folder with --to" in err) == (2, True)
    for place in places:
        place.parent.mkdir(parents=True)
    code, out, err = run(tmp_path, "install", "ardour")
    assert (code, "audiosr-fx hosts show ardour" in err) == (0, True)
    names = {path.name for path in find_scripts("ardour").files}
    for place in places:
        assert {path.name for path in place.iterdir()} == names
    assert len(out.splitlines()) == 2 * len(names)
    code, out, err = run(tmp_path, "install", "ardour")
    assert (code, out, err.count("is up to date")) == (0, "", 2)


def test_a_changed_script_stays_unless_it_is_forced(tmp_path: Path) -> None:
    scripts = find_scripts("ardour")
    changed, missing = tmp_path / scripts.files[0].name, tmp_path / scripts.files[1].name
    scripts.install(tmp_path)
    changed.write_text("mine")
    missing.unlink()
    code, out, err = run(tmp_path, "install", "ardour", "--to", str(tmp_path))
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert "--force replaces it" in err
    assert changed.read_text() == "mine"
    assert not missing.exists()
    code, out, _ = run(tmp_path, "install", "ardour", "--to", str(tmp_path), "--force")
    assert out.splitlines() == [str(changed), str(missing)]
    assert changed.read_bytes() == scripts.files[0].read_bytes()


def test_what_cannot_be_done_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for words, code, says in (
        (("install", "ardor"), 2, "did you mean ardour?"),
        (("install", "ardour", "--to", str(tmp_path / "file")), 5, "cannot be written"),
    ):
        found, _, err = run(tmp_path, *words)
        assert (found, len(err.splitlines())) == (code, 1)
        assert says in err
    with pytest.raises(ParameterError, match="name a folder with --to"):
        find_scripts("ardour").places(tmp_path, "haiku")


def test_the_wheel_carries_them(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    carried = set(zipfile.ZipFile(wheel).namelist())
    for host in HOSTS:
        for path in (*host.files, host.readme):
            assert f"hosts/{path.relative_to(host.folder.parent)}" in carried

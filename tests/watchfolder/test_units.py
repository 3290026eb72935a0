from __future__ import annotations

import plistlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from watchfolder.units import AGENT_LABEL, launch_agent, systemd_unit

COMMAND = [
    "/opt/my venv/bin/python",
    "-m",
    "audiosr_fx",
    "watch",
    "--config",
    '/home/x/50% "more" $HOME\\ü.toml',
]
VARIABLES = {"AUDIOSR_FX_STATE": '/home/x/my "queue" $1 50%', "AUDIOSR_FX_CACHE_GB": "2.5"}


def test_the_unit_restarts_reloads_and_stops_in_time() -> None:
    unit = systemd_unit(["/usr/bin/audiosr-fx", "watch", "--config", "/home/x/studio.toml"], {})
    assert "ExecStart=/usr/bin/audiosr-fx watch --config /home/x/studio.toml\n" in unit
    assert "ExecReload=/bin/kill -HUP $MAINPID\n" in unit
    assert "Restart=on-failure\n" in unit
    assert "StartLimitIntervalSec=0\n" in unit  # a share that is mounted late is waited for
    assert "RestartPreventExitStatus=2 4\n" in unit  # wrong usage, no such model
    assert "TimeoutStopSec=15\n" in unit
    assert "OOMPolicy=continue\n" in unit  # a worker that is killed for its memory is the queue's to count
    assert "Environment" not in unit
    assert "WantedBy=default.target\n" in unit


def test_names_with_spaces_quotes_and_specifiers_are_quoted() -> None:
    line = next(
        line for line in systemd_unit(COMMAND, VARIABLES).splitlines() if line.startswith("ExecStart=")
    )
    assert line == (
        'ExecStart="/opt/my venv/bin/python" -m audiosr_fx watch --config'
        ' "/home/x/50%% \\"more\\" $$HOME\\\\ü.toml"'
    )
    assert 'ExecStart=/bin/x "a\\x0ab\\xff"' in systemd_unit(["/bin/x", "a\nb\udcff"], {}).splitlines()


def test_variables_are_quoted_but_for_dollars() -> None:
    lines = [line for line in systemd_unit(COMMAND, VARIABLES).splitlines() if "Environment" in line]
    assert lines == [
        "Environment=AUDIOSR_FX_CACHE_GB=2.5",
        'Environment="AUDIOSR_FX_STATE=/home/x/my \\"queue\\" $1 50%%"',
    ]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd")
def test_systemd_finds_nothing_wrong_with_it(tmp_path: Path) -> None:
    program = tmp_path / "my program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    path = tmp_path / "audiosr-fx-watch.service"
    path.write_text(systemd_unit([str(program), *COMMAND[1:]], VARIABLES), "utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--user", "--man=no", str(path)],
        capture_output=True,
        text=True,
        check=False,
        env={"XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )
    about = [line for line in done.stderr.splitlines() if re.search(r"audiosr-fx-watch\.service", line)]
    assert about == []


def test_the_agent_says_the_same_for_launchd() -> None:
    told = plistlib.loads(launch_agent(COMMAND, VARIABLES, Path("watch.log")))
    assert told["Label"] == AGENT_LABEL
    assert told["ProgramArguments"] == COMMAND
    assert told["KeepAlive"] == {"SuccessfulExit": False}
    assert told["RunAtLoad"] is True
    assert told["EnvironmentVariables"] == VARIABLES

"""The texts that start the daemon at login: a systemd user unit, and a LaunchAgent for macOS."""

from __future__ import annotations

import plistlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

UNIT_NAME: Final = "audiosr-fx-watch.service"
AGENT_LABEL: Final = "audiosr-fx.watch"
STOP_S: Final = 15
_PLAIN: Final = re.compile(r"[A-Za-z0-9_@%+=:,./-]+", re.ASCII)


def systemd_unit(command: Sequence[str]) -> str:
    """A user unit that keeps a command running, however long a disk is missing; not one called wrongly.

    Args:
        command: program, which must be an absolute path, and arguments.

    Source: systemd.service(5), systemd.syntax(7).
    """
    return f"""\
[Unit]
Description=audiosr_fx: renders what is dropped into watched folders
Documentation=man:systemd.service(5)
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart={" ".join(_quoted(word) for word in command)}
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=15
RestartPreventExitStatus=2 4
TimeoutStopSec={STOP_S}
KillMode=mixed
Nice=10
NoNewPrivileges=yes

[Install]
WantedBy=default.target
"""


def launch_agent(command: Sequence[str], log: Path) -> bytes:
    """A property list for launchd that keeps a command running.

    Args:
        command: program and arguments.
        log: file for what it says.

    Source: launchd.plist(5).
    """
    return plistlib.dumps(
        {
            "Label": AGENT_LABEL,
            "ProgramArguments": list(command),
            "RunAtLoad": True,
            "KeepAlive": {"SuccessfulExit": False},
            "ThrottleInterval": 5,
            "ExitTimeOut": STOP_S,
            "ProcessType": "Background",
            "LowPriorityIO": True,
            "StandardErrorPath": str(log),
        }
    )


def _quoted(word: str) -> str:
    """A word of a command line as systemd reads it: its own escapes, and no specifiers or variables."""
    word = word.replace("%", "%%")
    if _PLAIN.fullmatch(word):
        return word
    escaped = "".join(_escaped(c) for c in word.replace("$", "$$"))
    return f'"{escaped}"'


def _escaped(c: str) -> str:
    if c in '"\\':
        return f"\\{c}"
    if c.isprintable():
        return c
    return "".join(f"\\x{byte:02x}" for byte in c.encode("utf-8", "surrogateescape"))

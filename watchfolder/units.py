"""The texts that start the daemon at login: a systemd user unit, and a LaunchAgent for macOS."""

from __future__ import annotations

import plistlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

UNIT_NAME: Final = "audiosr-fx-watch.service"
AGENT_LABEL: Final = "audiosr-fx.watch"
STOP_S: Final = 15
_PLAIN: Final = re.compile(r"[A-Za-z0-9_@%+=:,./-]+", re.ASCII)


def systemd_unit(command: Sequence[str], variables: Mapping[str, str]) -> str:
    """A user unit that keeps a command running, however long a disk is missing; not one called wrongly.

    Args:
        command: program, which must be an absolute path, and arguments.
        variables: of its environment, besides those of the user's session.

    Source: systemd.service(5), systemd.exec(5), systemd.syntax(7).
    """
    # OOMPolicy: by default systemd would stop all of the unit when the system kills a worker for its memory,
    # and no daemon were left to count that crash and to try the job again in small batches.
    return f"""\
[Unit]
Description=audiosr_fx: renders what is dropped into watched folders
Documentation=man:systemd.service(5)
StartLimitIntervalSec=0

[Service]
Type=exec
{_environment(variables)}ExecStart={" ".join(_quoted(word) for word in command)}
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=15
RestartPreventExitStatus=2 4
TimeoutStopSec={STOP_S}
KillMode=mixed
OOMPolicy=continue
Nice=10
NoNewPrivileges=yes

[Install]
WantedBy=default.target
"""


def launch_agent(command: Sequence[str], variables: Mapping[str, str], log: Path) -> bytes:
    """A property list for launchd that keeps a command running.

    Args:
        command: program and arguments.
        variables: of its environment, besides those of the user's session.
        log: file for what it says.

    Source: launchd.plist(5).
    """
    return plistlib.dumps(
        {
            "Label": AGENT_LABEL,
            "ProgramArguments": list(command),
            "EnvironmentVariables": dict(variables),
            "RunAtLoad": True,
            "KeepAlive": {"SuccessfulExit": False},
            "ThrottleInterval": 5,
            "ExitTimeOut": STOP_S,
            "ProcessType": "Background",
            "LowPriorityIO": True,
            "StandardErrorPath": str(log),
        }
    )


def _environment(variables: Mapping[str, str]) -> str:
    """A line for each variable; in these, a dollar is one."""
    return "".join(
        f"Environment={_in_quotes(f'{name}={value}')}\n" for name, value in sorted(variables.items())
    )


def _quoted(word: str) -> str:
    """A word of a command line as systemd reads it: its own escapes, and no specifiers or variables."""
    return _in_quotes(word.replace("$", "$$"))


def _in_quotes(word: str) -> str:
    """A word as systemd reads it, without specifiers; in quotes where it needs them."""
    word = word.replace("%", "%%")
    return word if _PLAIN.fullmatch(word) else f'"{"".join(_escaped(c) for c in word)}"'


def _escaped(c: str) -> str:
    if c in '"\\':
        return f"\\{c}"
    if c.isprintable():
        return c
    return "".join(f"\\x{byte:02x}" for byte in c.encode("utf-8", "surrogateescape"))

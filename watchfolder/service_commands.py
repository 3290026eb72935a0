"""``audiosr-fx service``: let the system start the daemon at login, and see how it stands."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from platformdirs import user_config_path, user_log_path

from audiosr_fx.commands.options import QueueOption
from audiosr_fx.commands.terminal import ExitCode, printable, say, say_error, say_json
from audiosr_fx.errors import ParameterError
from audiosr_fx.wording import shown
from watchfolder.known_names import check_names
from watchfolder.studio import read_studio
from watchfolder.units import AGENT_LABEL, UNIT_NAME, launch_agent, systemd_unit

_KEPT: Final = {
    "AUDIOSR_FX_STATE": True,
    "AUDIOSR_FX_PRESETS": True,
    "AUDIOSR_FX_MODELS": True,
    "AUDIOSR_FX_CACHE": True,
    "AUDIOSR_FX_CACHE_GB": False,
}
"""Variables that a service gets from the shell that installs it, and whether they name a folder."""
_NOT_LOADED: Final = {"launchctl": 3}
"""What a tool returns that has nothing to stop: launchctl's "Boot-out failed: 3: No such process"."""
app = typer.Typer(no_args_is_help=True, help="Start the watch at login, stop it, and see how it stands.")


@app.command()
def install(
    config: Annotated[Path, typer.Option("--config", metavar="FILE", help="The studio file.")],
    start: Annotated[bool, typer.Option("--start/--no-start", help="Start it now.")] = True,
    show: Annotated[bool, typer.Option("--print", help="Only print what would be written.")] = False,
    devices: Annotated[
        list[str] | None,
        typer.Option(
            "--device", metavar="DEVICE", help="auto, cpu, cuda:0, ...; one worker for each that is given."
        ),
    ] = None,
    queue: QueueOption = None,
) -> None:
    """Write a systemd user unit, or a LaunchAgent on macOS, and start it.

    It keeps the AUDIOSR_FX_STATE, _PRESETS, _MODELS, _CACHE and _CACHE_GB of the shell that installs it.
    """
    config = config.expanduser().absolute()
    check_names(read_studio(config), devices or [])
    path, content = _unit(_watch_command(config, queue, devices or []))
    if show:
        say(content.decode("utf-8").rstrip())
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    say(f"{shown(path)} written")
    if start and not _run_each(_start_commands(path)):
        say_error(f"{path} is written, but not started; do that from your own session")
        raise typer.Exit(ExitCode.SOME_FAILED)


@app.command()
def uninstall() -> None:
    """Stop the daemon and remove its unit; queue, results and studio file stay."""
    path = unit_path()
    if not path.exists():
        say(f"{shown(path)} is not there; nothing to remove")
        return
    if not _run_each(_stop_commands(path)):
        say_error(f"{path} stays, as it may run; stop it from your own session, or remove that file by hand")
        raise typer.Exit(ExitCode.SOME_FAILED)
    path.unlink()
    say(f"{shown(path)} removed")


@app.command()
def status(
    json: Annotated[bool, typer.Option("--json", help="The whole status as one JSON object.")] = False,
    queue: QueueOption = None,
) -> None:
    """Say whether the daemon runs, what it watches, and what waits; exit code 1 where it does not run."""
    from audiosr_fx.jobs.database import queue_folder
    from watchfolder.status import is_running, read_status

    state = queue_folder(queue)
    told = read_status(state)
    runs = told is not None and is_running(told)
    if json:
        say_json({**(told or {}), "running": runs, "installed": unit_path().exists()})
    else:
        for line in _status_lines(told, runs):
            say(line)
    if not runs:
        raise typer.Exit(ExitCode.SOME_FAILED)


def unit_path() -> Path:
    """Where the system looks for the unit of a user."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "LaunchAgents" / f"{AGENT_LABEL}.plist"
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else user_config_path().parent / ".config") / "systemd" / "user" / UNIT_NAME


def _watch_command(config: Path, queue: Path | None, devices: list[str]) -> list[str]:
    from audiosr_fx.jobs.database import queue_folder

    command = [sys.executable, "-m", "audiosr_fx", "watch", "--config", str(config)]
    if queue is not None:
        command += ["--queue", str(queue_folder(queue))]
    for device in devices:
        command += ["--device", device]
    return command


def _unit(command: list[str]) -> tuple[Path, bytes]:
    variables = {name: _kept(name, value) for name, value in os.environ.items() if name in _KEPT and value}
    if sys.platform == "darwin":
        log = user_log_path("audiosr-fx") / "watch.log"
        return unit_path(), launch_agent(command, variables, log)
    if not sys.platform.startswith("linux"):
        raise ParameterError(f"there is no service for {sys.platform}; run audiosr-fx watch by hand")
    return unit_path(), systemd_unit(command, variables).encode("utf-8")


def _kept(name: str, value: str) -> str:
    """The value of a variable for a service, which is started in another folder than this one."""
    return str(Path(value).expanduser().absolute()) if _KEPT[name] else value


def _start_commands(path: Path) -> list[list[str]]:
    if sys.platform == "darwin":
        return [["launchctl", "bootstrap", f"gui/{os.getuid()}", str(path)]]
    return [["systemctl", "--user", "daemon-reload"], ["systemctl", "--user", "enable", "--now", UNIT_NAME]]


def _stop_commands(path: Path) -> list[list[str]]:
    if sys.platform == "darwin":
        return [["launchctl", "bootout", f"gui/{os.getuid()}", str(path)]]
    return [["systemctl", "--user", "disable", "--now", UNIT_NAME]]


def _run_each(commands: list[list[str]]) -> bool:
    """Run the system's own tool; where it cannot be asked, say what to run. False where one failed."""
    for command in commands:
        text = " ".join(command)
        if shutil.which(command[0]) is None:
            say(f"run this where {command[0]} is: {text}")
            continue
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode and done.returncode != _NOT_LOADED.get(command[0]):
            reason = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
            say_error(f"{text} failed ({reason})")
            return False
    return True


def _status_lines(told: dict[str, Any] | None, runs: bool) -> list[str]:
    if told is None:
        return ["no watch has run yet; audiosr-fx watch starts one"]
    age_s = max(0.0, time.time() - float(told.get("updated", 0.0)))
    lines = [f"runs as process {told['pid']}" if runs else "does not run"]
    lines[0] += f"; last word {age_s:.0f} s ago"
    for folder in told.get("folders", []):
        waits = f"{folder['settling']} settling, {len(folder['held'])} held"
        hearing = "" if folder["events"] or not runs else ", no events: scans only"
        line = f"{folder['input']} -> {folder['output']}: {folder['files']} files, {waits}{hearing}"
        lines.append(printable(line))
        if folder["problem"]:
            lines.append(printable(f"  {folder['problem']}"))
        lines += [printable(f"  {name} waits: {reason}") for name, reason in folder["held"].items()]
    jobs = {state: count for state, count in told.get("jobs", {}).items() if count}
    lines.append("jobs: " + (", ".join(f"{count} {state}" for state, count in jobs.items()) or "none"))
    if told.get("paused"):
        lines.append(printable(f"rests: {told['paused']}"))
    return lines

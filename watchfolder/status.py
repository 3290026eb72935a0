"""The status file: how the daemon stands, for people, dashboards and monitors; always whole."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from watchfolder.folder import WatchedFolder

FILE_NAME: Final = "watch.status.json"
VERSION: Final = 1
MAX_BYTES: Final = 4 << 20


def write_status(folder: Path, status: Mapping[str, Any]) -> None:
    """Replace the status file; a full disk costs a status, nothing else."""
    temporary = folder / f".{FILE_NAME}-{secrets.token_hex(4)}"
    with suppress(OSError):
        temporary.write_text(json.dumps({"version": VERSION, **status}, indent=1) + "\n", "ascii")
        os.replace(temporary, folder / FILE_NAME)
        return
    with suppress(OSError):
        temporary.unlink()


def read_status(folder: Path) -> dict[str, Any] | None:
    """What the status file says; None where there is none that can be read."""
    try:
        with (folder / FILE_NAME).open("rb") as stream:
            told = json.loads(stream.read(MAX_BYTES))
    except (OSError, ValueError):
        return None
    return told if isinstance(told, dict) and told.get("version") == VERSION else None


def is_running(status: Mapping[str, Any]) -> bool:
    """Whether the process that wrote a status is still there."""
    pid = status.get("pid")
    if status.get("state") == "stopped" or not isinstance(pid, int) or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):  # gone, or no number of a process at all
        return False
    except PermissionError:
        return True
    return True


def folder_status(folder: WatchedFolder) -> dict[str, Any]:
    """How one watched folder stands."""
    waiting = [name for name, seen in folder.view.files.items() if seen.is_waiting and not seen.held]
    held = {name: seen.held for name, seen in folder.view.files.items() if seen.is_waiting and seen.held}
    return {
        "input": str(folder.settings.input),
        "output": str(folder.settings.output),
        "preset": folder.settings.preset,
        "files": len(folder.view.files),
        "settling": len(waiting),
        "held": dict(sorted(held.items())[:100]),
        "events": folder.is_hearing,
        "problem": folder.problem,
    }

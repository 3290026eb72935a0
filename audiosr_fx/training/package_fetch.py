"""Debian packages fetched and unpacked, without installing them."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from audiosr_fx.errors import AudioFormatError

_TOOLS = ("apt-get", "dpkg-deb")
_LONGEST_S = 1800.0


def fetch_package(name: str, cache: Path) -> Path:
    """The folder ``cache / name`` with what the package holds, downloaded unless it is there.

    Raises:
        AudioFormatError: no such package, no network, or a machine without Debian's tools.
    """
    folder = cache / name
    if folder.is_dir():
        return folder
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if missing:
        raise AudioFormatError(
            f"package {name} cannot be fetched without {' and '.join(missing)};"
            f" unpack it into {folder} by other means"
        )
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{name}.", dir=cache) as temporary:
        _run(["apt-get", "download", name], Path(temporary), name)
        for archive in Path(temporary).glob("*.deb"):
            _run(["dpkg-deb", "-x", archive.name, "unpacked"], Path(temporary), name)
        os.replace(Path(temporary) / "unpacked", folder)
    return folder


def _run(command: list[str], folder: Path, name: str) -> None:
    try:
        subprocess.run(
            command,
            cwd=folder,
            check=True,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_LONGEST_S,
        )
    except subprocess.TimeoutExpired as error:
        raise AudioFormatError(f"package {name}: {command[0]} took over {_LONGEST_S:.0f} s") from error
    except subprocess.CalledProcessError as error:
        said = (error.stderr or "").strip().splitlines()
        raise AudioFormatError(
            f"package {name}: {command[0]} failed ({said[-1] if said else error.returncode})"
        ) from error

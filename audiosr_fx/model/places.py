"""Where model files lie, and which of them is which: known without loading anything that could open one."""

from __future__ import annotations

import functools
import hashlib
import os
from pathlib import Path
from typing import Final

from platformdirs import user_data_dir

MODELS_VARIABLE: Final = "AUDIOSR_FX_MODELS"
"""Environment variable that names another folder for models."""

PACKAGED: Final = Path(__file__).parent / "weights"


def models_folder() -> Path:
    """Where imported models live: ``AUDIOSR_FX_MODELS``, else the user's data folder."""
    chosen = os.environ.get(MODELS_VARIABLE)
    return Path(chosen).expanduser() if chosen else Path(user_data_dir("audiosr-fx")) / "models"


def place_of(name: str) -> Path | None:
    """The file of a model by name, or by its path, which ends in ``.safetensors``; None where it is not."""
    if name.endswith(".safetensors"):
        path = Path(name).expanduser()
        return path if path.is_file() else None
    if not name or name != Path(name).name:
        return None
    paths = (folder / f"{name}.safetensors" for folder in (models_folder(), PACKAGED))
    return next((path for path in paths if path.is_file()), None)


FileState = tuple[Path, int, int, int]
"""A file and what changes when another takes its place."""


def state_of(path: Path) -> FileState:
    """The state of a model's file, to know by whether it has been replaced.

    Raises:
        OSError: it is not there.
    """
    status = path.stat()
    return path, status.st_ino, status.st_size, status.st_mtime_ns


def file_sha256(path: Path) -> str:
    """The SHA-256 of a model's file in hexadecimal; read once for each state of it.

    Raises:
        OSError: it cannot be read.
    """
    return _hashed(state_of(path))


@functools.lru_cache(maxsize=16)
def _hashed(state: FileState) -> str:
    with state[0].open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()

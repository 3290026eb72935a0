"""Where model files lie: known without loading anything that could open one."""

from __future__ import annotations

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

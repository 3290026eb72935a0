"""Which systems a command can do its work on."""

from __future__ import annotations

import os
from typing import Final

from audiosr_fx.errors import ParameterError

IS_WINDOWS: Final = os.name == "nt"


def refuse_windows(command: str) -> None:
    """Say that a command needs another system, before anything is loaded that only those have.

    Raises:
        ParameterError: this is Windows.
    """
    if IS_WINDOWS:
        raise ParameterError(
            f"{command} needs Linux or macOS, and this is Windows; render a folder with audiosr-fx render"
        )

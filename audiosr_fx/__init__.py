"""Restore the missing top octaves of recordings: AudioSR as an effect, a batch tool and a service."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from audiosr_fx.errors import AudioSRError

if TYPE_CHECKING:
    from audiosr_fx.board import Board
    from audiosr_fx.limiter import TruePeakLimiter
    from audiosr_fx.loudness import LoudnessNormalize
    from audiosr_fx.mastering import MasterTo
    from audiosr_fx.mix import Mix
    from audiosr_fx.node import AudioSR
    from audiosr_fx.plugins import VST3
    from audiosr_fx.render import render_array
    from audiosr_fx.settings import RenderSettings

__version__ = "0.1.0"

__all__ = [
    "VST3",
    "AudioSR",
    "AudioSRError",
    "Board",
    "LoudnessNormalize",
    "MasterTo",
    "Mix",
    "RenderSettings",
    "TruePeakLimiter",
    "__version__",
    "render_array",
]

_HOMES = {
    "AudioSR": "audiosr_fx.node",
    "Board": "audiosr_fx.board",
    "LoudnessNormalize": "audiosr_fx.loudness",
    "MasterTo": "audiosr_fx.mastering",
    "Mix": "audiosr_fx.mix",
    "RenderSettings": "audiosr_fx.settings",
    "TruePeakLimiter": "audiosr_fx.limiter",
    "VST3": "audiosr_fx.plugins",
    "render_array": "audiosr_fx.render",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: importing the package itself needs no torch."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

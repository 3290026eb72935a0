"""Which VST3 plugin, and how it is set: plain values that check themselves and can stand in a preset."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from audiosr_fx.errors import ParameterError
from audiosr_fx.params import check_seconds

ParameterValue: TypeAlias = float | int | bool | str

OF_THE_HOST = ("buffer_size_frames", "sample_rate_frames", "latency_frames", "current_program")
"""What some plugins show among their parameters, but is no business of a preset's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VST3Settings:
    """Which plugin, and how it is set; all plain values, so it can stand in a preset.

    Attributes:
        path: of the ``.vst3`` bundle (on Linux and macOS the folder) or file.
        plugin_name: which one, where a file holds several.
        state: a file with the plugin's full state, as ``VST3.save_state`` writes it; comes first.
        preset: a ``.vstpreset`` file of this plugin; comes instead of a state.
        parameters: values by the names that ``VST3.parameters`` and ``plugins show`` tell; come last.
        load_timeout_s: how long the plugin may take to get ready.

    Raises:
        ParameterError: a value of another kind, or a state and a preset.
    """

    path: str
    plugin_name: str | None = None
    state: str | None = None
    preset: str | None = None
    parameters: Mapping[str, ParameterValue] = field(default_factory=dict)
    load_timeout_s: float = 10.0

    def __post_init__(self) -> None:
        for name in ("path", "plugin_name", "state", "preset"):
            text = getattr(self, name)
            if not isinstance(text, str) and (text is not None or name == "path"):
                raise ParameterError(f"{name} is {text!r}; expected a text")
        if self.path == "" or "\0" in self.path:
            raise ParameterError(f"path is {self.path!r}; expected the path of a .vst3 plugin")
        if self.state is not None and self.preset is not None:
            raise ParameterError(f"state is {self.state!r} and preset {self.preset!r}; expected one of them")
        check_seconds("load_timeout_s", self.load_timeout_s, 600.0)
        if not isinstance(self.parameters, Mapping):
            raise ParameterError(f"parameters is {self.parameters!r}; expected values by name")
        values = {name: _plain(name, value) for name, value in self.parameters.items()}
        object.__setattr__(self, "parameters", values)


def _plain(name: str, value: Any) -> ParameterValue:
    """A parameter's value as Python's own number, bool or text."""
    if name in OF_THE_HOST:
        raise ParameterError(f"parameter {name!r} belongs to the host; leave it out")
    if isinstance(value, (bool, str)):
        return value
    if not isinstance(value, numbers.Real) or not math.isfinite(value):
        raise ParameterError(f"parameter {name!r} is {value!r}; expected a finite number, a bool or a text")
    return float(value)

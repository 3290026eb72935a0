"""What controls stand at for renders to come: set over OSC or by MIDI, held against the one table."""

from __future__ import annotations

import threading
from dataclasses import replace

from audiosr_fx.errors import MessageError, ParameterError
from audiosr_fx.params import RENDER_CONTROLS, Control, Value, find_control
from audiosr_fx.preset import Preset
from audiosr_fx.presets import find_preset, load_preset
from hosts.asks import Ask
from hosts.osc import Argument

_HIGHEST_CC = 127
_OF_THE_MODEL = {control.name for control in RENDER_CONTROLS}


class Controls:
    """Values by name, for any thread; a control that nobody has touched is not among them."""

    def __init__(self) -> None:
        self._values: dict[str, Value] = {}
        self._preset = ""
        self._lock = threading.Lock()

    def set(self, name: str, value: Argument) -> Value:
        """Set a control; None lets go of it. Numbers become the control's own type.

        Raises:
            ParameterError: no such control, or a value outside its range.
            MessageError: a blob.
        """
        control = find_control(name)
        if isinstance(value, bytes):
            raise MessageError(f"{name} is a blob; expected {control.allowed}")
        with self._lock:
            if value is None:
                self._values.pop(name, None)
                return control.default
            checked = _checked(control, value)
            self._values[name] = checked
            return checked

    def turn(self, name: str, position: int) -> Value:
        """Set a control by the position of a knob, 0 to 127, over its whole range."""
        return self.set(name, _at_position(find_control(name), position))

    def choose_preset(self, name: str) -> None:
        """Take a preset for renders to come that name none.

        Raises:
            PresetError: there is none of that name.
        """
        find_preset(name)
        with self._lock:
            self._preset = name

    def get(self, name: str) -> Value:
        """What a control stands at."""
        control = find_control(name)
        with self._lock:
            return self._values.get(name, control.default)

    def applied_to(self, ask: Ask) -> Ask:
        """An ask with what stands here, where its preset has it and it says nothing of its own.

        Raises:
            PresetError: no such preset.
        """
        with self._lock:
            values = dict(self._values)
            ask = replace(ask, preset=ask.preset or self._preset)
        if not values:
            return ask
        options = ask.options
        said = {key.rpartition(".")[2] for key, _ in options.overrides}
        preset = load_preset(ask.preset) if ask.preset else None
        fitting = tuple(
            (name, _as_typed(value))
            for name, value in values.items()
            if name not in said and name not in ("model", "seed") and _fits(preset, name)
        )
        restores = preset is None or any(section.type == "AudioSR" for _, section in preset.sections())
        model, seed = values.get("model"), values.get("seed")
        return replace(
            ask,
            options=replace(
                options,
                model=options.model or (str(model) if model and restores else ""),
                seed=options.seed if options.seed is not None or not restores else _seed(seed),
                overrides=(*options.overrides, *fitting),
            ),
        )


def _checked(control: Control, value: Value) -> Value:
    if isinstance(value, float) and control.type in (int, bool) and value == int(value):
        value = int(value)
    if control.type is bool and value in (0, 1):
        value = bool(value)
    if control.name == "model" and isinstance(value, str) and ("/" in value or "\\" in value or "." in value):
        raise ParameterError(f"model is {value!r:.80}; expected a name from here, not a file")
    return control.check(value)


def _at_position(control: Control, position: int) -> Value:
    if not 0 <= position <= _HIGHEST_CC:
        raise MessageError(f"a knob is at {position}; expected 0 to {_HIGHEST_CC}")
    if control.type is bool:
        return position > _HIGHEST_CC // 2
    if control.choices:
        return control.choices[position * len(control.choices) // (_HIGHEST_CC + 1)]
    if control.minimum is None or control.maximum is None:
        raise ParameterError(f"{control.name} takes {control.allowed}, which a knob cannot say")
    value = control.minimum + (control.maximum - control.minimum) * position / _HIGHEST_CC
    return round(value) if control.type is int else value


def _fits(preset: Preset | None, name: str) -> bool:
    """Whether exactly one effect of a chain has a control."""
    if preset is None:
        return name in _OF_THE_MODEL
    return sum(name in section.effect_type.keys for _, section in preset.sections()) == 1


def _as_typed(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _seed(value: Value) -> int | None:
    return value if isinstance(value, int) else None

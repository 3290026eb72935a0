"""What may stand in a preset: every type of effect, its keys, what they take, and how one is made.

Ranges of our own effects come from the table of controls; what pedalboard's plugins take, from themselves.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, TypeAlias

import pedalboard

from audiosr_fx.errors import ParameterError
from audiosr_fx.limiter import LimiterSettings
from audiosr_fx.loudness import LoudnessSettings
from audiosr_fx.mastering import MasterSettings
from audiosr_fx.native import build_native
from audiosr_fx.params import Control, find_control
from audiosr_fx.plugin_settings import ParameterValue, VST3Settings
from audiosr_fx.settings import RenderSettings
from audiosr_fx.wording import brief, did_you_mean, one_line

Value: TypeAlias = bool | int | float | str | Mapping[str, ParameterValue]

_BASES: Final = {"Plugin", "PluginContainer", "ExternalPlugin", "IIRFilter", "VST3Plugin", "AudioUnitPlugin"}
_CONTAINERS: Final = {"Chain", "Mix", "Pedalboard"}
_LARGEST: Final = 1e9  # of any number; far beyond, compiled code misbehaves
_KINDS_OF_NUMBER: Final = {"float": float, "int": int, "bool": bool}
_VST3_PATHS: Final = ("path", "state", "preset")
_WORDS: Final = {float: "a finite number", int: "a whole number", bool: "true or false", str: "a text"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key of an effect: its type, and either a control of the table, a choice of texts, or neither.

    ``is_path`` marks a file, which may be given relative to the preset.
    """

    name: str
    type: type[Any]
    control: Control | None = None
    choices: tuple[str, ...] = ()
    is_required: bool = False
    is_path: bool = False

    def check(self, value: Any) -> Value:
        """The value as this key's type.

        Raises:
            ParameterError: of another type, out of range, or none of the choices.
        """
        if self.control is not None:
            checked = self.control.check(value)
            assert checked is not None  # TOML has no None
            return checked
        if self.type is dict:
            return _check_parameters(self.name, value)
        if self.type is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(max(min(value, 2 * _LARGEST), -2 * _LARGEST))
        if type(value) is not self.type or (self.choices and value not in self.choices):
            expected = ", ".join(self.choices) or _WORDS[self.type]
            hint = did_you_mean(value, self.choices) if isinstance(value, str) else ""
            raise ParameterError(f"{self.name} is {brief(value)}; expected {expected}{hint}")
        if isinstance(value, (int, float)) and not abs(value) <= _LARGEST:
            raise ParameterError(f"{self.name} is {brief(value)}; expected {_WORDS[self.type]} up to 1e9")
        if isinstance(value, str) and (value == "" or "\0" in value):
            raise ParameterError(f"{self.name} is {value!r}; expected a name or a path")
        checked_value: Value = value
        return checked_value


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectType:
    """A type of effect: its keys, and the one that holds its inner effects, if it has any.

    ``check`` looks at the values together, and raises ParameterError; it may leave defaults out.
    """

    name: str
    keys: Mapping[str, Key] = field(default_factory=dict)
    inner: str = ""
    check: Callable[[Mapping[str, Value]], object] = lambda values: None

    def check_values(self, values: Mapping[str, Any]) -> dict[str, Value]:
        """The values of an effect, checked.

        Raises:
            ParameterError: an unknown key, one that is missing, or a value that does not fit.
        """
        for name in values:
            if name not in self.keys:
                known = sorted([*self.keys, "type", *([self.inner] if self.inner else [])])
                raise ParameterError(
                    f"unknown key {name!r}{did_you_mean(name, known)}; there are: {', '.join(known)}"
                )
        checked = {name: self.keys[name].check(value) for name, value in values.items()}
        missing = [key.name for key in self.keys.values() if key.is_required and key.name not in values]
        if missing:
            raise ParameterError(f"{missing[0]} is missing")
        self.check(checked)
        return checked


def find_effect_type(name: Any) -> EffectType:
    """The type of effect of that name.

    Raises:
        ParameterError: there is none.
    """
    types = effect_types()
    if not isinstance(name, str) or name not in types:
        hint = did_you_mean(name, types) if isinstance(name, str) else ""
        raise ParameterError(f"type is {brief(name)}{hint}; there are: {', '.join(sorted(types))}")
    return types[name]


@functools.cache
def effect_types() -> Mapping[str, EffectType]:
    """All there are, by name: ours, pedalboard's plugins, VST3, and the two that hold others."""
    ours = {
        "AudioSR": RenderSettings,
        "LoudnessNormalize": LoudnessSettings,
        "TruePeakLimiter": LimiterSettings,
        "MasterTo": MasterSettings,
    }
    types = [_own_type(name, settings) for name, settings in ours.items()]
    types += [
        EffectType(name="Board", inner="chain"),
        EffectType(name="Mix", inner="branches"),
        EffectType(name="VST3", keys=_vst3_keys(), check=_check_vst3),
    ]
    types += [_native_type(name) for name in _native_names()]
    return {kind.name: kind for kind in types}


def make_effect(name: str, values: Mapping[str, Value], device: str) -> Any:
    """An effect that holds no others, from values that were checked and whose paths are whole.

    Raises:
        ParameterError: pedalboard does not take them.
    """
    controls: dict[str, Any] = dict(values)
    if name == "AudioSR":
        from audiosr_fx.node import AudioSR

        return AudioSR(**controls, device=device)
    if name == "VST3":
        from audiosr_fx.plugins import VST3

        return VST3.from_settings(VST3Settings(**controls))
    if name in _native_names():
        return _make_native(name, values)
    from audiosr_fx.limiter import TruePeakLimiter
    from audiosr_fx.loudness import LoudnessNormalize
    from audiosr_fx.mastering import MasterTo

    makers: dict[str, Callable[..., Any]] = {
        "LoudnessNormalize": LoudnessNormalize,
        "TruePeakLimiter": TruePeakLimiter,
        "MasterTo": MasterTo,
    }
    return makers[name](**controls)


def _own_type(name: str, settings: type[Any]) -> EffectType:
    controls = [find_control(item.name) for item in fields(settings)]
    keys = {control.name: Key(name=control.name, type=control.type, control=control) for control in controls}
    return EffectType(name=name, keys=keys, check=lambda values: settings(**values))


def _vst3_keys() -> dict[str, Key]:
    kinds: dict[str, type[Any]] = {"parameters": dict, "load_timeout_s": float}
    return {
        item.name: Key(
            name=item.name,
            type=kinds.get(item.name, str),
            is_required=item.name == "path",
            is_path=item.name in _VST3_PATHS,
        )
        for item in fields(VST3Settings)
    }


def _check_vst3(values: Mapping[str, Value]) -> None:
    controls: dict[str, Any] = dict(values)
    VST3Settings(**controls)


def _check_parameters(name: str, value: Any) -> Mapping[str, ParameterValue]:
    if not isinstance(value, Mapping):
        raise ParameterError(f"{name} is {brief(value)}; expected a table of values by name")
    return VST3Settings(path="any", parameters=value).parameters


@functools.cache
def _native_names() -> tuple[str, ...]:
    """Effects of pedalboard by name, but for what holds others and what comes from a file."""
    found = [
        name
        for name, kind in vars(pedalboard).items()
        if inspect.isclass(kind) and issubclass(kind, pedalboard.Plugin) and not name.startswith("_")
    ]
    return tuple(name for name in found if name not in _BASES | _CONTAINERS)


def _native_type(name: str) -> EffectType:
    """A plugin of pedalboard's with its arguments, as the first line of its constructor's help lists them."""
    if name == "Convolution":
        keys = {
            "impulse_response_filename": Key(
                name="impulse_response_filename", type=str, is_required=True, is_path=True
            ),
            "mix": Key(name="mix", type=float),
        }
        return EffectType(name=name, keys=keys)
    kind: Any = getattr(pedalboard, name)
    signature = kind.__init__.__doc__.splitlines()[0]
    keys = {}
    for key, type_name in re.findall(r", (\w+): ([\w.]+)", signature):
        number = _KINDS_OF_NUMBER.get(type_name)
        choices = () if number else tuple(_enum(type_name).__members__)
        keys[key] = Key(name=key, type=number or str, choices=choices)
    return EffectType(name=name, keys=keys, check=functools.partial(_make_native, name))


def _enum(dotted: str) -> Any:
    """Of ``pedalboard_native.LadderFilter.Mode`` the enumeration."""
    return functools.reduce(getattr, dotted.split(".")[1:], pedalboard)


def _make_native(name: str, values: Mapping[str, Value]) -> pedalboard.Plugin:
    kind: Any = getattr(pedalboard, name)
    signature = (kind.__init__.__doc__ or "").splitlines()[0]
    arguments: dict[str, Any] = {}
    for key, value in values.items():
        enum = re.search(rf", {key}: (pedalboard_native[\w.]+)", signature)
        arguments[key] = _enum(enum[1]).__members__[value] if enum else value
    try:
        return build_native(name, arguments)
    except (ValueError, RuntimeError, TypeError, OSError) as cause:
        told = ", ".join(f"{key} {brief(value)}" for key, value in values.items())
        raise ParameterError(f"{told} is refused: {one_line(cause)}") from cause

"""Attributes of an effect that are kept, and checked, in one frozen settings object."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, Generic, TypeVar, overload

from audiosr_fx.params import find_control

V = TypeVar("V")


class Setting(Generic[V]):
    """An attribute that reads and replaces a field of the same name in its effect's ``settings``."""

    def __set_name__(self, owner: type[Any], name: str) -> None:
        self._name = name
        self.__doc__ = find_control(name).help

    @overload
    def __get__(self, effect: None, owner: type[Any]) -> Setting[V]: ...

    @overload
    def __get__(self, effect: object, owner: type[Any]) -> V: ...

    def __get__(self, effect: Any, owner: type[Any]) -> Setting[V] | V:
        if effect is None:
            return self
        value: V = getattr(effect.settings, self._name)
        return value

    def __set__(self, effect: Any, value: V) -> None:
        changes: dict[str, Any] = {self._name: value}
        effect.settings = replace(effect.settings, **changes)


def check_settings(settings: Any) -> None:
    """Hold every field of a settings dataclass against the table of controls, and give it its type.

    Raises:
        ParameterError: the first that does not fit.
    """
    for field in fields(settings):
        value = find_control(field.name).check(getattr(settings, field.name))
        object.__setattr__(settings, field.name, value)


def describe_settings(effect: Any) -> str:
    """An effect with the values of its controls, for its repr."""
    values = ", ".join(f"{f.name}={getattr(effect.settings, f.name)!r}" for f in fields(effect.settings))
    return f"<audiosr_fx.{type(effect).__name__} {values} at {id(effect):#x}>"

"""Strict tables: TOML into frozen dataclasses, where an unknown key or another kind of value is an error."""

from __future__ import annotations

import difflib
import json
import types
import typing
from collections.abc import Collection, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from audiosr_fx.errors import ParameterError

T = TypeVar("T")


def read_table(kind: type[T], table: Mapping[str, Any], where: str, base: T | None = None) -> T:
    """Settings from a table.

    Args:
        kind: a dataclass; its fields are numbers, booleans, texts, tuples of these, tables of numbers, or
            such dataclasses again.
        table: as read from TOML.
        where: what the table is called, for messages.
        base: settings that are kept where the table says nothing; None takes the class's defaults.

    Raises:
        ParameterError: a key that is unknown or missing, or a value that does not fit.
    """
    hints = typing.get_type_hints(kind)
    check_keys(table, [field.name for field in fields(kind)], where)  # type: ignore[arg-type]
    values = {
        name: _value(hints[name], value, f"{where}.{name}", getattr(base, name, None))
        for name, value in table.items()
    }
    try:
        return kind(**values) if base is None else replace(base, **values)  # type: ignore[type-var]
    except ParameterError as error:
        raise ParameterError(f"{where}: {error}") from error
    except TypeError as error:  # a field without a default
        raise ParameterError(f"{where} lacks a key: {error}") from error


def check_keys(table: Mapping[str, Any], allowed: Collection[str], where: str) -> None:
    """Raise a ParameterError for the first key that is not allowed, with the one that may have been meant."""
    if not isinstance(table, Mapping):
        raise ParameterError(f"{where} is {table!r}; expected a table")
    for key in table:
        if key not in allowed:
            close = difflib.get_close_matches(key, allowed, 1)
            hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(allowed)}"
            raise ParameterError(f"{where} has no key {key!r}; {hint}")


def _value(hint: Any, value: Any, where: str, base: Any) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        hint = next(argument for argument in arguments if argument is not type(None))
        return _value(hint, value, where, base)
    if isinstance(hint, type) and is_dataclass(hint):
        return read_table(hint, value, where, base)
    if origin is tuple:
        return _tuple(arguments, value, where)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        check_keys(value, list(value) if isinstance(value, Mapping) else [], where)
        return {str(key): _value(arguments[1], item, f"{where}.{key}", None) for key, item in value.items()}
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise ParameterError(f"{where} is {value!r}; expected {_NAMES.get(hint, hint.__name__)}")
    return value


def _tuple(arguments: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    any_length = len(arguments) == 2 and arguments[1] is Ellipsis
    if not isinstance(value, list) or not (any_length or len(value) == len(arguments)):
        count = "a list" if any_length else f"a list of {len(arguments)}"
        raise ParameterError(f"{where} is {value!r}; expected {count}")
    kinds = arguments[:1] * len(value) if any_length else arguments
    return tuple(_value(kind, item, where, None) for kind, item in zip(kinds, value, strict=True))


_NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "a text in quotes"}


def to_toml(table: Mapping[str, Any]) -> str:
    """A table as the text of a TOML file; what is None is left out."""
    return "\n".join(_lines(table, "")).strip() + "\n"


def _lines(table: Mapping[str, Any], path: str) -> list[str]:
    plain = {
        key: value for key, value in table.items() if value is not None and not isinstance(value, Mapping)
    }
    lines = [f"{_key(key)} = {json.dumps(value, ensure_ascii=False)}" for key, value in plain.items()]
    for key, value in table.items():
        if isinstance(value, Mapping) and value:
            name = f"{path}.{_key(key)}" if path else _key(key)
            lines += ["", f"[{name}]", *_lines(value, name)]
    return lines


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() and key.isascii() else json.dumps(key)

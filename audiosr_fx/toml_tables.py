"""Strict tables: TOML into settings, where an unknown key, or a value of another kind, is an error."""

from __future__ import annotations

import sys
import types
import typing
from collections.abc import Collection, Mapping
from dataclasses import MISSING, fields, is_dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, TypeVar

from audiosr_fx.errors import ParameterError
from audiosr_fx.wording import brief, did_you_mean

T = TypeVar("T")

_NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "a text in quotes"}


def read_table(
    kind: type[T], table: Any, where: str = "", *, base: T | None = None, beside: Path | None = None
) -> T:
    """Settings from a table.

    Args:
        kind: a dataclass with fields of the kinds that ``read_values`` knows.
        table: as read from TOML.
        where: what the table is called, for messages; empty is the file itself.
        base: settings that are kept where the table says nothing; None takes the class's defaults.
        beside: folder that paths are relative to.

    Raises:
        ParameterError: a key that is unknown or missing, or a value that does not fit.
    """
    values = read_values(typing.get_type_hints(kind), table, where, base=base, beside=beside)
    if base is None:
        for one in fields(kind):  # type: ignore[arg-type]
            if one.name not in values and one.default is MISSING and one.default_factory is MISSING:
                raise ParameterError(f"{_at(where)}{one.name} is missing")
    try:
        return kind(**values) if base is None else replace(base, **values)  # type: ignore[type-var]
    except ParameterError as error:
        raise ParameterError(f"{_at(where)}{error}") from error


def read_values(
    kinds: Mapping[str, Any],
    table: Any,
    where: str,
    *,
    base: object = None,
    beside: Path | None,
) -> dict[str, Any]:
    """The values of a table that are there, each as the kind that goes with its key.

    Args:
        kinds: by key: numbers, booleans, texts of one line, paths, literals and enumerations of texts,
            tuples of these, tables of them by name, dataclasses of them, one of these or None, or anything.
        table, where, base, beside: as of ``read_table``.

    Raises:
        ParameterError: an unknown key, or a value that does not fit.
    """
    check_keys(table, kinds, where)
    reader = _Reader(where, beside)
    return {
        name: reader.value(kinds[name], value, name, getattr(base, name, None))
        for name, value in table.items()
    }


def check_keys(table: Any, known: Collection[str], where: str = "") -> None:
    """Raise a ParameterError for what is no table, or for its first key that is not known."""
    check_is_table(table, where)
    for key in table:
        if key not in known:
            raise ParameterError(
                f"{_at(where)}unknown key {key!r}{did_you_mean(key, known)}; there are: {', '.join(known)}"
            )


def check_is_table(table: Any, where: str) -> None:
    """Raise a ParameterError for what is no table."""
    if not isinstance(table, Mapping):
        raise ParameterError(f"{where or 'the file'} is {brief(table)}; expected a table")


def check_schema(table: Mapping[str, Any], schema: int) -> None:
    """Raise a ParameterError for a file that is not of this form."""
    found = table.get("schema")
    if type(found) is not int or found != schema:
        told = f"schema is {brief(found)}" if "schema" in table else "schema is missing"
        newer = "; update audiosr_fx" if type(found) is int and found > schema else ""
        raise ParameterError(f"{told}; expected {schema}{newer}")


def placed(text: str, beside: Path | None) -> Path:
    """A path as a file names it: relative to the file's own place, or to a user's home with ``~``."""
    return ((beside or Path()) / Path(text).expanduser()).absolute()


class _Reader:
    """Values of one table, held against their kinds."""

    def __init__(self, where: str, beside: Path | None) -> None:
        self._where = where
        self._beside = beside

    def value(self, kind: Any, value: Any, name: str, base: Any = None) -> Any:
        """A value as its kind; what is a table itself keeps what ``base`` says and it does not."""
        if kind is Any:
            return value
        origin, arguments = typing.get_origin(kind), typing.get_args(kind)
        if origin in (types.UnionType, typing.Union):
            kind = next(argument for argument in arguments if argument is not type(None))
            return self.value(kind, value, name, base)
        if isinstance(kind, type) and is_dataclass(kind):
            return read_table(kind, value, self._inner(name), base=base, beside=self._beside)
        if isinstance(origin, type) and issubclass(origin, Mapping):
            check_is_table(value, self._inner(name))
            return read_values(
                dict.fromkeys(value, arguments[1]), value, self._inner(name), beside=self._beside
            )
        if origin is tuple:
            return self._tuple(arguments, value, name)
        if origin is Literal:
            return self._choice({one: one for one in arguments}, value, name)
        if isinstance(kind, type) and issubclass(kind, StrEnum):
            return self._choice({one.value: one for one in kind}, value, name)
        return self._plain(kind, value, name)

    def _inner(self, name: str) -> str:
        return f"{self._where}.{name}" if self._where else name

    def _tuple(self, arguments: tuple[Any, ...], value: Any, name: str) -> tuple[Any, ...]:
        any_length = len(arguments) == 2 and arguments[1] is Ellipsis
        if not isinstance(value, list) or not (any_length or len(value) == len(arguments)):
            raise self._error(name, value, "a list" if any_length else f"a list of {len(arguments)}")
        kinds = arguments[:1] * len(value) if any_length else arguments
        return tuple(self.value(kind, item, name) for kind, item in zip(kinds, value, strict=True))

    def _choice(self, choices: Mapping[str, Any], value: Any, name: str) -> Any:
        if not isinstance(value, str) or value not in choices:
            hint = did_you_mean(value, choices) if isinstance(value, str) else ""
            raise self._error(name, value, ", ".join(choices), hint)
        return choices[value]

    def _plain(self, kind: Any, value: Any, name: str) -> Any:
        if kind is Path:
            if not isinstance(value, str) or not value or "\0" in value:
                raise self._error(name, value, "a path in quotes")
            return placed(value, self._beside)
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            if abs(value) > sys.float_info.max:
                raise self._error(name, value, _NAMES[kind])
            return float(value)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self._error(name, value, _NAMES[kind])
        if isinstance(value, str) and not value.isprintable():
            raise self._error(name, value, "a text of one line")
        return value

    def _error(self, name: str, value: Any, expected: str, hint: str = "") -> ParameterError:
        return ParameterError(f"{_at(self._where)}{name} is {brief(value)}{hint}; expected {expected}")


def _at(where: str) -> str:
    return f"{where}: " if where else ""

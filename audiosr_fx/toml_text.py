"""TOML as a person would write it, from plain values: what ``tomllib`` reads, written back."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


def to_toml(table: Mapping[str, Any]) -> str:
    """A document of texts, booleans, numbers, tables, and lists of tables, which become ``[[name]]``."""
    return "\n".join(_lines(table, ())).lstrip("\n") + "\n"


def _lines(table: Mapping[str, Any], path: tuple[str, ...]) -> list[str]:
    lines = [
        f"{_key(key)} = {_scalar(value)}"
        for key, value in table.items()
        if not _is_table(value) and not _is_list(value)
    ]
    for key, value in table.items():
        name = (*path, key)
        dotted = ".".join(map(_key, name))
        if _is_table(value):
            lines += ["", f"[{dotted}]", *_lines(value, name)]
        elif _is_list(value):
            for item in value:
                lines += ["", f"[[{dotted}]]", *_lines(item, name)]
    return lines


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _scalar(key)


def _scalar(value: bool | float | str) -> str:
    if isinstance(value, str):  # JSON's escapes are TOML's, but for one character that TOML wants escaped
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return json.dumps(value)

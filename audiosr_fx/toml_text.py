"""TOML as text: read from files that people write, and written as a person would."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

from audiosr_fx.errors import ParameterError, PresetError
from audiosr_fx.wording import one_line, shown

MAX_BYTES: Final = 256 * 1024
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


def read_text(path: Path, what: str, max_bytes: int = MAX_BYTES) -> str:
    """The text of a file; ``what`` says what it should be, such as a preset.

    Raises:
        PresetError: it cannot be read, is no UTF-8, or is larger than such files are.
    """
    try:
        with path.open("rb") as stream:
            return read_stream(stream, shown(path), what, max_bytes)
    except OSError as cause:
        raise PresetError(f"{shown(path)}: cannot be read ({cause.strerror or cause})") from cause


def read_stream(stream: IO[bytes], source: str, what: str, max_bytes: int) -> str:
    """As ``read_text``, of a file that is open; ``source`` is its name for messages."""
    content = stream.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise PresetError(f"{source}: is larger than {max_bytes // 1024} KiB, so it is no {what}")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as cause:
        raise PresetError(f"{source}: is not UTF-8 text at byte {cause.start}") from cause


def parse_toml(text: str, source: str) -> dict[str, Any]:
    """The table that a text says.

    Raises:
        PresetError: it is not TOML; the message begins with ``source``.
    """
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as cause:  # ValueError: not TOML, or a number of too many digits
        reason = "nested too deeply" if isinstance(cause, RecursionError) else one_line(cause)
        raise PresetError(f"{source}: not TOML: {reason}") from cause


@contextmanager
def faults_of(source: str) -> Iterator[None]:
    """Say of what does not fit in which file it stands.

    Raises:
        PresetError: for a ParameterError.
    """
    try:
        yield
    except ParameterError as cause:
        raise PresetError(f"{source}: {cause}") from cause


def to_toml(table: Mapping[str, Any]) -> str:
    """A document of texts, booleans, numbers, lists, tables, and lists of tables, which become ``[[name]]``.

    What is None is left out.
    """
    return "\n".join(_lines(table, ())).lstrip("\n") + "\n"


def _lines(table: Mapping[str, Any], path: tuple[str, ...]) -> list[str]:
    lines = [
        f"{_key(key)} = {_plain(value)}"
        for key, value in table.items()
        if value is not None and not isinstance(value, Mapping) and not _is_list_of_tables(value)
    ]
    for key, value in table.items():
        name = (*path, key)
        dotted = ".".join(map(_key, name))
        if isinstance(value, Mapping):
            lines += ["", f"[{dotted}]", *_lines(value, name)]
        elif _is_list_of_tables(value):
            for item in value:
                lines += ["", f"[[{dotted}]]", *_lines(item, name)]
    return lines


def _is_list_of_tables(value: Any) -> bool:
    is_list = isinstance(value, Sequence) and not isinstance(value, str)
    return is_list and bool(value) and all(isinstance(item, Mapping) for item in value)


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _plain(key)


def _plain(value: Any) -> str:
    """JSON's words are TOML's, but for one character that TOML wants escaped."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")

"""Names of outputs: a template with fields, filled in for each stem, that cannot lead out of its folder."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Final

from audiosr_fx.errors import ParameterError
from audiosr_fx.wording import did_you_mean

FIELDS: Final = {
    "name": "the stem's own name without its suffix",
    "folder": "the sub-folder it lies in; nothing for a stem at the top",
    "preset": "the name of the preset",
    "model": "the name of the model",
    "source_format": "the suffix it came with, such as flac",
}
DEFAULT_TEMPLATE: Final = "{folder}/{name}"
LONGEST_PART: Final = 180
"""Bytes of one part of a path, short of what file systems take: a suffix and a number may be added."""
_FIELD: Final = re.compile(r"\{([^{}]*)\}")
_SPECIAL: Final = re.compile(r'[/\\:*?"<>|]')
_RESERVED: Final = {
    "con",
    "prn",
    "aux",
    "nul",
    *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10)),
}


def check_template(template: str) -> str:
    """Return a template, or say what is wrong with it.

    Raises:
        ParameterError: a field that is not known, a brace that stands alone, or a path that leads elsewhere.
    """
    for name in _FIELD.findall(template):
        if name not in FIELDS:
            known = ", ".join(f"{{{field}}}" for field in FIELDS)
            raise ParameterError(
                f"template is {template!r}: unknown field {{{name}}}{did_you_mean(name, FIELDS)};"
                f" there are: {known}"
            )
    rest = _FIELD.sub("", template)
    if "{" in rest or "}" in rest:
        raise ParameterError(f"template is {template!r}: a brace stands alone; fields look like {{name}}")
    if "{name}" not in template:
        raise ParameterError(
            f"template is {template!r}; expected {{name}} in it, or all outputs would be one"
        )
    fill_template(template, dict.fromkeys(FIELDS, "x"))
    return template


def fill_template(template: str, values: Mapping[str, str]) -> PurePosixPath:
    """The relative path without its suffix that a template gives, each part of it a plain name.

    What a field says may hold ``/`` only where it is ``folder``; what no file system takes becomes ``_``.

    Raises:
        ParameterError: the path is absolute, or a part of it leads up.
    """
    filled = _FIELD.sub(lambda match: _plain(match[1], values[match[1]]), template)
    parts = [part for part in filled.split("/") if part not in ("", ".")]
    if filled.startswith("/") and not template.startswith("{folder}"):
        raise ParameterError(f"template is {template!r}; expected a path below the output folder")
    if not parts or any(part == ".." for part in parts):
        raise ParameterError(f"template is {template!r}: {filled!r} leads out of the output folder")
    return PurePosixPath(*(_fitted(part) for part in parts))


def _plain(field: str, value: str) -> str:
    """A value with nothing in it that means something in a path."""
    if value.isprintable() and not _SPECIAL.search(value):
        return value
    kept = "/" if field == "folder" else ""
    return "".join(c if c in kept or _is_good(c) else "_" for c in value)


def _is_good(c: str) -> bool:
    return not _SPECIAL.match(c) and (c.isprintable() or "\udc80" <= c <= "\udcff")


def _fitted(part: str) -> str:
    """A part that fits every file system: not too long, no reserved name, no dot or space at its end."""
    while len(os.fsencode(part)) > LONGEST_PART:
        part = part[:-1]
    part = part.rstrip(". ") or "_"
    if part.startswith("."):
        part = f"_{part[1:]}"
    return f"_{part}" if part.split(".")[0].lower() in _RESERVED else part

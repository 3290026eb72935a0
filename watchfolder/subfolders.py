"""Which preset rules a sub-folder: one named after a preset, or a small file in it that says so.

The nearest folder above a stem decides. A file named ``.audiosr_fx.toml`` says ``preset``, ``model`` or both,
and goes before the folder's own name.
"""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

from audiosr_fx.errors import PresetError
from audiosr_fx.wording import did_you_mean
from watchfolder.snapshot import open_within

RULE_FILE: Final = ".audiosr_fx.toml"
MAX_BYTES: Final = 16 * 1024
_KEYS: Final = ("preset", "model")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How the stems of one folder are rendered; empty is what stands above it."""

    preset: str = ""
    model: str = ""


def find_rule(root: int, folder: PurePosixPath, base: Rule, presets: Mapping[str, object]) -> Rule:
    """The rule for stems that lie in a sub-folder.

    Args:
        root: descriptor of the watched folder.
        folder: relative to it; ``.`` is itself.
        base: what the settings of the watched folder say.
        presets: all that are known, by name.

    Raises:
        PresetError: a rule file that cannot be read, or that names what is not there.
    """
    preset, model = "", ""
    for place in _upwards(folder):
        rule = _read_rule(root, place, presets)
        preset = preset or rule.preset
        model = model or rule.model
        if not preset and place.name in presets:
            preset = place.name
    return Rule(preset=preset or base.preset, model=model or base.model)


def _upwards(folder: PurePosixPath) -> Iterator[PurePosixPath]:
    """A folder and those above it, the watched one last."""
    yield folder
    yield from folder.parents


def _read_rule(root: int, folder: PurePosixPath, presets: Mapping[str, object]) -> Rule:
    path = folder / RULE_FILE
    try:
        descriptor = open_within(root, str(path))
    except (FileNotFoundError, NotADirectoryError):
        return Rule()
    except OSError as cause:
        raise PresetError(f"{path}: cannot be read ({cause.strerror or cause})") from cause
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise PresetError(f"{path}: is no plain file")
        content = stream.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise PresetError(f"{path}: is larger than {MAX_BYTES // 1024} KiB, so it is no rule")
    try:
        return _rule(tomllib.loads(content.decode("utf-8")), str(path), presets)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as cause:
        raise PresetError(f"{path}: not TOML: {' '.join(str(cause).split())}") from cause


def _rule(table: Mapping[str, Any], path: str, presets: Mapping[str, object]) -> Rule:
    for key, value in table.items():
        if key not in _KEYS:
            hint = did_you_mean(key, _KEYS)
            raise PresetError(f"{path}: unknown key {key!r}{hint}; there are: {', '.join(_KEYS)}")
        if not isinstance(value, str) or not value or not value.isprintable() or "/" in value:
            raise PresetError(f"{path}: {key} is {str(value)[:40]!r}; expected a name")
    preset = table.get("preset", "")
    if preset and preset not in presets:
        hint = did_you_mean(preset, presets)
        raise PresetError(f"{path}: preset is {preset!r}{hint}; there are: {', '.join(presets)}")
    return Rule(preset=preset, model=table.get("model", ""))

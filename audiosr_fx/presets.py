"""Presets as files: those that ship with the project, a user's own, and how a new one begins."""

from __future__ import annotations

import importlib.resources
import json
import os
import re
from pathlib import Path
from typing import Final

from platformdirs import user_data_dir

from audiosr_fx.atomic import publish, temporary_beside, write_through
from audiosr_fx.errors import ParameterError, PresetError
from audiosr_fx.files import FilePath
from audiosr_fx.preset import Preset, parse_preset
from audiosr_fx.toml_text import read_text
from audiosr_fx.wording import did_you_mean, printable, shown

__all__ = [
    "Preset",
    "find_preset",
    "find_presets",
    "load_preset",
    "parse_preset",
    "read_preset",
    "renamed",
    "user_folder",
    "write_preset",
]

PRESETS_VARIABLE: Final = "AUDIOSR_FX_PRESETS"
_SUFFIX: Final = ".toml"
_FILE_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}", re.ASCII)


def read_preset(path: FilePath) -> Preset:
    """Read a preset's file.

    Raises:
        PresetError: it cannot be read, or as ``parse_preset``.
    """
    return parse_preset(read_text(Path(path), "preset"), str(path))


def user_folder() -> Path:
    """Where a user's presets live: ``AUDIOSR_FX_PRESETS``, else the user's data folder."""
    chosen = os.environ.get(PRESETS_VARIABLE)
    return Path(chosen).expanduser() if chosen else Path(user_data_dir("audiosr-fx")) / "presets"


def find_presets() -> dict[str, Path]:
    """Every preset's file by name, sorted; a user's takes the place of a shipped one of the same name."""
    shipped = Path(str(importlib.resources.files("presets")))
    found: dict[str, Path] = {}
    for folder in (shipped, user_folder()):
        if folder.is_dir():
            found |= {path.stem: path for path in folder.iterdir() if path.suffix == _SUFFIX}
    return dict(sorted(found.items()))


def find_preset(name: str) -> Path:
    """The file of a preset, by its name or by its path, which ends in ``.toml``.

    Raises:
        PresetError: there is no preset of that name, or no such file.
    """
    known = find_presets()
    if name.endswith(_SUFFIX):
        path = Path(name)
        if path == Path(path.name) and path.stem in known and not path.exists():
            raise PresetError(
                f"{shown(path)}: no such file here; the preset is called {shown(Path(path.stem))}"
            )
        return path
    if name not in known:
        raise PresetError(
            f"{printable(name) or 'an empty name'}: no such preset{did_you_mean(name, known)};"
            f" there are: {', '.join(known)}"
        )
    return known[name]


def load_preset(name: str) -> Preset:
    """A preset by its name, or by the path of its file, which ends in ``.toml``.

    Raises:
        PresetError: there is none, or as ``read_preset``.
    """
    return read_preset(find_preset(name))


def renamed(text: str, name: str) -> str:
    """A preset's text with another name in it; as it is where a name cannot simply be put in."""
    line = f"name = {json.dumps(name)}"
    changed = re.sub(r"^name[ \t]*=.*$", lambda _: line, text, count=1, flags=re.MULTILINE)
    try:
        return changed if parse_preset(changed, name).name == name else text
    except PresetError:  # a name over several lines
        return text


def write_preset(name: str, text: str) -> Path:
    """Put a preset's text into the user's folder as it is, whole or not at all; returns its file.

    Raises:
        ParameterError: a name that is no good one for a file.
        PresetError: it is no preset, or there is one of that name.
        OSError: it cannot be written.
    """
    if not _FILE_NAME.fullmatch(name):
        raise ParameterError(f"name is {name!r}; expected small letters, digits, - and _, such as my-vocal")
    path = user_folder() / f"{name}{_SUFFIX}"
    parse_preset(text, str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(path)
    try:
        write_through(temporary, text.encode("utf-8"))
        publish(temporary, path, overwrite=False)
    except FileExistsError as cause:
        raise PresetError(f"{shown(path)}: exists already; choose another name") from cause
    finally:
        temporary.unlink(missing_ok=True)
    return path

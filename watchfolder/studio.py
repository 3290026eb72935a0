"""The settings of a watch: one folder from the command line, or several from a studio file in TOML."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from audiosr_fx.errors import ParameterError
from audiosr_fx.toml_tables import check_keys, check_schema, placed, read_table
from audiosr_fx.toml_text import faults_of, parse_toml, read_text
from audiosr_fx.wording import did_you_mean, shown
from watchfolder.apart import check_apart
from watchfolder.ignored import is_ignored
from watchfolder.naming import DEFAULT_TEMPLATE, check_template

SCHEMA: Final = 1
MAX_FOLDERS: Final = 64
MAX_SETTLE_S: Final = 3600.0
TAKEN: Final = (".wav", ".wave", ".rf64", ".bw64", ".w64", ".aif", ".aiff", ".aifc", ".flac")
ON_REQUEST: Final = {"ogg": (".ogg", ".oga", ".opus"), "mp3": (".mp3",)}
"""Formats that are taken only where a folder says so: their decoders are the least trusted."""
FORMATS: Final = ("wav", "flac", "aiff")
BITS: Final = ("auto", "16", "24", "32")
TAKEN_NAMES: Final = ("suffix", "skip", "replace")
OF_HOSTS: Final = ("roots", "serve", "osc", "midi")
"""Tables of the same file that are for ``audiosr-fx serve``."""
DONE_FOLDER: Final = "_rendered"
"""Where ``after = "move"`` puts sources, inside the watched folder; never looked into."""


class After(StrEnum):
    """What becomes of a source once its output is there."""

    KEEP = "keep"
    MOVE = "move"
    TRASH = "trash"


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderSettings:
    """One watched folder.

    Attributes:
        input: the folder; it must be there.
        output: where results go; made if need be.
        preset: name or ``.toml`` file; empty is the plain restore.
        model: of every ``AudioSR``; empty leaves it to the preset.
        recursive: look into sub-folders.
        settle_s: how long a file must lie still; 0 for senders that rename finished files into place.
        scan_s: longest pause between two looks.
        pattern: only names that match, such as ``*_dull.*``; compared without regard to case.
        also: formats on request that are taken too: ogg, mp3.
        after: what becomes of a source once its output is there.
        album: whether the stems of a sub-folder are a set: one gain for all, and a report beside them.
        template: name of an output without its suffix; see ``naming.FIELDS``.
        format: wav, flac or aiff.
        bits: 16, 24 or 32 (float); auto keeps float and takes 24 otherwise.
        name_taken: what to do where an output of that name is there: suffix, skip or replace.
    """

    input: Path
    output: Path
    preset: str = ""
    model: str = ""
    recursive: bool = False
    settle_s: float = 3.0
    scan_s: float = 2.0
    pattern: str = "*"
    also: tuple[str, ...] = ()
    after: After = After.KEEP
    album: bool = True
    template: str = DEFAULT_TEMPLATE
    format: str = "wav"
    bits: str = "auto"
    name_taken: str = "suffix"

    def __post_init__(self) -> None:
        _check_number("settle_s", self.settle_s, 0.0, MAX_SETTLE_S)
        _check_number("scan_s", self.scan_s, 0.1, MAX_SETTLE_S)
        check_template(self.template)
        _check_choice("format", self.format, FORMATS)
        _check_choice("bits", self.bits, BITS)
        _check_choice("name_taken", self.name_taken, TAKEN_NAMES)
        for name in self.also:
            _check_choice("also", name, tuple(ON_REQUEST))
        if self.format == "flac" and self.bits == "32":
            raise ParameterError("bits is '32'; FLAC takes 16 or 24: choose another format")
        if not self.pattern or "/" in self.pattern or "\0" in self.pattern:
            raise ParameterError(f"pattern is {self.pattern!r}; expected one for names, such as *_dull.wav")

    @property
    def patience_s(self) -> float:
        """How long a file must lie still whose header and bytes disagree."""
        return max(10.0 * self.settle_s, 30.0)

    def wants(self, name: str) -> bool:
        """Whether a file counts, by its path relative to the input."""
        own = name.rpartition("/")[2].lower()
        return own.endswith(_suffixes(self.also)) and _matcher(self.pattern)(own) is not None

    def passes_over(self, name: str) -> str:
        """The format that keeps a file from counting, as ``also`` lacks it; empty where it is not that."""
        own = name.rpartition("/")[2].lower()
        if _matcher(self.pattern)(own) is None:
            return ""
        others = (
            kind for kind, endings in ON_REQUEST.items() if kind not in self.also and own.endswith(endings)
        )
        return next(others, "")

    def ignores(self, name: str) -> bool:
        """Whether a file or sub-folder of this name is passed over."""
        return is_ignored(name) or name == DONE_FOLDER


@dataclass(frozen=True, slots=True, kw_only=True)
class StudioSettings:
    """Everything one daemon watches."""

    folders: tuple[FolderSettings, ...]
    source: Path | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if not 1 <= len(self.folders) <= MAX_FOLDERS:
            raise ParameterError(
                f"there are {len(self.folders)} folders to watch; expected 1 to {MAX_FOLDERS}"
            )
        check_apart([f.input for f in self.folders], [f.output for f in self.folders])


def read_studio(path: Path) -> StudioSettings:
    """Read a studio file.

    Raises:
        PresetError: it cannot be read, is not TOML, or has an unknown key or a value that does not fit; the
            message names the file, the folder, the key and the reason.
    """
    return parse_studio(read_text(path, "studio file"), path)


def parse_studio(text: str, path: Path) -> StudioSettings:
    """Read a studio file's text; folders in it are relative to its own place.

    Raises:
        PresetError: as ``read_studio``.
    """
    table = parse_toml(text, shown(path))
    with faults_of(shown(path)):
        check_schema(table, SCHEMA)
        check_keys(table, ("schema", "folder", *OF_HOSTS))
        folders = table.get("folder")
        if not isinstance(folders, list):
            raise ParameterError("there is no [[folder]]; expected one for each folder to watch")
        settings = tuple(_folder(item, number, path.parent) for number, item in enumerate(folders, 1))
        return StudioSettings(folders=settings, source=path)


@lru_cache
def _suffixes(also: tuple[str, ...]) -> tuple[str, ...]:
    return (*TAKEN, *(suffix for format in also for suffix in ON_REQUEST[format]))


@lru_cache
def _matcher(pattern: str) -> Callable[[str], re.Match[str] | None]:
    """Whether a name in small letters matches a pattern."""
    return re.compile(fnmatch.translate(pattern.lower())).match


def _folder(table: Any, number: int, beside: Path) -> FolderSettings:
    settings = read_table(FolderSettings, table, f"folder {number}", beside=beside)
    if not settings.preset.endswith(".toml"):
        return settings
    return replace(settings, preset=str(placed(settings.preset, beside)))


def _check_number(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ParameterError(f"{name} is {value}; expected seconds from {low:g} to {high:g}")


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        hint = did_you_mean(value, choices)
        raise ParameterError(f"{name} is {value!r}{hint}; expected {', '.join(choices)}")

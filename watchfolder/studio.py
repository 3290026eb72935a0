"""The settings of a watch: one folder from the command line, or several from a studio file in TOML."""

from __future__ import annotations

import fnmatch
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from audiosr_fx.errors import ParameterError, PresetError
from audiosr_fx.wording import did_you_mean, shown
from watchfolder.apart import check_apart
from watchfolder.ignored import is_ignored
from watchfolder.naming import DEFAULT_TEMPLATE, check_template

SCHEMA: Final = 1
MAX_BYTES: Final = 256 * 1024
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
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
        text = content.decode("utf-8")
    except OSError as cause:
        raise PresetError(f"{shown(path)}: cannot be read ({cause.strerror or cause})") from cause
    except UnicodeDecodeError as cause:
        raise PresetError(f"{shown(path)}: is not UTF-8 text at byte {cause.start}") from cause
    if len(content) > MAX_BYTES:
        raise PresetError(f"{shown(path)}: is larger than {MAX_BYTES // 1024} KiB, so it is no studio file")
    return parse_studio(text, path)


def parse_studio(text: str, path: Path) -> StudioSettings:
    """Read a studio file's text; folders in it are relative to its own place.

    Raises:
        PresetError: as ``read_studio``.
    """
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as cause:
        reason = "nested too deeply" if isinstance(cause, RecursionError) else " ".join(str(cause).split())
        raise PresetError(f"{shown(path)}: not TOML: {reason}") from cause
    try:
        _check_keys(table, ("schema", "folder", *OF_HOSTS), "the file")
        if table.get("schema") != SCHEMA or isinstance(table["schema"], bool):
            raise ParameterError(f"schema is {table.get('schema', 'missing')!r}; expected {SCHEMA}")
        folders = table.get("folder")
        if not isinstance(folders, list) or not all(isinstance(item, dict) for item in folders):
            raise ParameterError("there is no [[folder]]; expected one for each folder to watch")
        settings = tuple(_folder(item, number, path) for number, item in enumerate(folders, 1))
        return StudioSettings(folders=settings, source=path)
    except ParameterError as cause:
        raise PresetError(f"{shown(path)}: {cause}") from cause


@lru_cache
def _suffixes(also: tuple[str, ...]) -> tuple[str, ...]:
    return (*TAKEN, *(suffix for format in also for suffix in ON_REQUEST[format]))


@lru_cache
def _matcher(pattern: str) -> Callable[[str], re.Match[str] | None]:
    """Whether a name in small letters matches a pattern."""
    return re.compile(fnmatch.translate(pattern.lower())).match


def _folder(table: Mapping[str, Any], number: int, path: Path) -> FolderSettings:
    known = {one.name: one for one in fields(FolderSettings)}
    place = f"folder {number}"
    _check_keys(table, tuple(known), place)
    values: dict[str, Any] = {}
    for name, one in known.items():
        if name in table:
            values[name] = _typed(name, table[name], str(one.type), place, path.parent)
        elif one.default is MISSING:
            raise ParameterError(f"{place}: {name} is missing")
    try:
        return FolderSettings(**values)
    except ParameterError as cause:
        raise ParameterError(f"{place}: {cause}") from cause


def _typed(name: str, value: Any, type_name: str, place: str, beside: Path) -> Any:
    """A value of TOML as the type of its field."""
    match type_name:
        case "Path" if isinstance(value, str) and value and "\0" not in value:
            return (beside / Path(value).expanduser()).absolute()
        case "str" if isinstance(value, str) and name == "preset" and value.endswith(".toml"):
            return str((beside / Path(value).expanduser()).absolute())
        case "str" if isinstance(value, str) and value.isprintable():
            return value
        case "bool" if isinstance(value, bool):
            return value
        case "float" if isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
        case "tuple[str, ...]" if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        case "After" if value in tuple(After):
            return After(value)
    expected = {
        "Path": "a folder",
        "str": "a text",
        "bool": "true or false",
        "float": "a number",
        "tuple[str, ...]": "a list of texts",
        "After": ", ".join(After),
    }[type_name]
    raise ParameterError(f"{place}: {name} is {str(value)[:40]!r}; expected {expected}")


def _check_keys(table: Mapping[str, Any], known: tuple[str, ...], place: str) -> None:
    for key in table:
        if key not in known:
            raise ParameterError(
                f"{place}: unknown key {key!r}{did_you_mean(key, known)}; there are: {', '.join(known)}"
            )


def _check_number(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ParameterError(f"{name} is {value}; expected seconds from {low:g} to {high:g}")


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        hint = did_you_mean(value, choices)
        raise ParameterError(f"{name} is {value!r}{hint}; expected {', '.join(choices)}")

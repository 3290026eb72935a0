"""A render request: what a front door asks for, as a value that checks itself and travels as JSON."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from audiosr_fx.atomic import TEMPORARY_PREFIX
from audiosr_fx.errors import MessageError, ParameterError

VERSION: Final = 1
MAX_PATH_BYTES: Final = 4096
MAX_NAME_BYTES: Final = 200
MAX_TEXT: Final = 256
MAX_OVERRIDES: Final = 64
MANIFEST_SUFFIX: Final = ".audiosr_fx.json"
_FORMATS: Final = ("", "wav", "aiff", "flac")
_BITS: Final = ("auto", "16", "24", "32")
_SPLICES: Final = ("", "region", "file")
_NOT_IN_NAMES: Final = re.compile(r"[/\\\x00-\x1f\x7f]")
_ORIGIN: Final = re.compile(r"[a-z][a-z0-9-]{0,31}", re.ASCII)


class Collision(StrEnum):
    """What becomes of a request whose output name is taken."""

    SKIP = "skip"
    SUFFIX = "suffix"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderRequest:
    """One file to be made of another; it holds no audio and no code.

    Attributes:
        source: the file to render; an absolute path.
        folder: where the output goes; an absolute path.
        output_name: wanted name of the output, with its suffix; one component of a path.
        preset: name or ``.toml`` file of a preset; empty is the plain restore, ``AudioSR`` alone.
        overrides: values of the preset that are changed, as a person types them: (``target_lufs``, ``-16``).
        model: of every ``AudioSR``; empty leaves it to the preset.
        seed: of every ``AudioSR``; None leaves it to the preset.
        region: only this part, such as ``12.5-17`` or ``96000s-144000s``; empty is the whole.
        splice: ``region`` fades the edges of the region into the original and keeps the rate of the source;
            ``file`` writes the whole source with only the region changed; empty does neither.
        format: ``wav``, ``aiff`` or ``flac``; empty takes it from the name.
        bits: ``16`` (dithered), ``24``, ``32`` (float); ``auto`` keeps float and takes 24 otherwise.
        collision: what to do where the name is taken; what another source has made is never replaced.
        keep_metadata: carry tags, markers and time stamps over.
        priority: -100 to 100; higher ones are rendered first.
        origin: the front door it came through, such as ``cli``, ``watch`` or ``osc``.
        tag: free text of that door, to know its own jobs by.

    Raises:
        ParameterError: a value outside what is said here.
    """

    source: Path
    folder: Path
    output_name: str
    preset: str = ""
    overrides: tuple[tuple[str, str], ...] = ()
    model: str = ""
    seed: int | None = None
    region: str = ""
    splice: str = ""
    format: str = ""
    bits: str = "auto"
    collision: Collision = Collision.SUFFIX
    keep_metadata: bool = True
    priority: int = 0
    origin: str = "api"
    tag: str = ""

    def __post_init__(self) -> None:
        _check_path("source", self.source)
        _check_path("folder", self.folder)
        check_output_name(self.output_name)
        for name in ("preset", "model", "region", "tag"):
            _check_text(
                name, getattr(self, name), MAX_PATH_BYTES if name in ("preset", "model") else MAX_TEXT
            )
        _check_overrides(self.overrides)
        _check_number("seed", self.seed, 0, 2**32 - 1, allow_none=True)
        _check_number("priority", self.priority, -100, 100)
        _check_choice("splice", self.splice, _SPLICES)
        if self.splice and not self.region:
            raise ParameterError(f"splice is {self.splice!r}, but there is no region; name one")
        _check_choice("format", self.format, _FORMATS)
        _check_choice("bits", self.bits, _BITS)
        _check_choice("collision", self.collision, tuple(Collision))
        if not isinstance(self.keep_metadata, bool):
            raise ParameterError(f"keep_metadata is {self.keep_metadata!r}; expected True or False")
        if not isinstance(self.origin, str) or not _ORIGIN.fullmatch(self.origin):
            raise ParameterError(f"origin is {self.origin!r}; expected a short word such as cli or osc")
        self._check_format()

    def _check_format(self) -> None:
        known = {"wav": "wav", "aif": "aiff", "aiff": "aiff", "flac": "flac"}
        suffix = Path(self.output_name).suffix.lstrip(".").lower()
        format = self.format or known.get(suffix)
        if format is None:
            raise ParameterError(
                f"output_name is {self.output_name!r}; expected a name that ends in .wav, .aiff or .flac,"
                " or a format"
            )
        if format == "flac" and self.bits == "32":
            raise ParameterError("bits is '32'; FLAC takes 16 or 24: choose another format")

    def to_dict(self) -> dict[str, Any]:
        """The request as JSON can say it; ``request_from_dict`` reads it back."""
        told: dict[str, Any] = {"version": VERSION}
        for one in fields(self):
            told[one.name] = getattr(self, one.name)
        told |= {
            "source": str(self.source),
            "folder": str(self.folder),
            "overrides": [list(pair) for pair in self.overrides],
            "collision": str(self.collision),
        }
        return told


def request_from_dict(told: Any) -> RenderRequest:
    """Read a request that came from elsewhere, from what JSON said.

    Raises:
        MessageError: keys that are missing or unknown.
        ParameterError: a value outside its range.
    """
    if not isinstance(told, Mapping):
        raise MessageError(f"the request is {type(told).__name__}; expected an object")
    if told.get("version") != VERSION or isinstance(told.get("version"), bool):
        raise MessageError(f"the request's version is {told.get('version')!r}; expected {VERSION}")
    values = {key: value for key, value in told.items() if key != "version"}
    known = {one.name for one in fields(RenderRequest)}
    if unknown := sorted(set(values) - known):
        raise MessageError(
            f"the request has an unknown key {unknown[0]!r}; known are {', '.join(sorted(known))}"
        )
    if missing := sorted({"source", "folder", "output_name"} - set(values)):
        raise MessageError(f"the request has no {missing[0]}")
    for name in ("source", "folder"):
        if not isinstance(values[name], str):
            raise ParameterError(f"{name} is {values[name]!r}; expected a path")
        values[name] = Path(values[name])
    if "overrides" in values:
        values["overrides"] = _pairs(values["overrides"])
    if values.get("collision") in tuple(Collision):
        values["collision"] = Collision(values["collision"])
    return RenderRequest(**values)


def read_json(text: str | bytes, what: str, longest: int) -> Any:
    """Parse JSON that came from elsewhere: bounded, and no key twice.

    Raises:
        MessageError: it is none.
    """
    if len(text) > longest:
        raise MessageError(f"{what} has {len(text)} bytes; expected at most {longest}")
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_refuse)
    except (ValueError, RecursionError) as cause:
        reason = "nested too deeply" if isinstance(cause, RecursionError) else str(cause)
        raise MessageError(f"{what} is no JSON ({reason})") from cause


def check_output_name(name: Any) -> str:
    """Hold a wanted file name against what may be the name of an output anywhere.

    Raises:
        ParameterError: not one component of a path, too long, or a name that is ours.
    """
    if not isinstance(name, str) or not name.strip() or name in (".", ".."):
        raise ParameterError(f"output_name is {name!r}; expected the name of a file")
    if _NOT_IN_NAMES.search(name):
        raise ParameterError(f"output_name is {name!r}; expected one name without / \\ or control characters")
    if (size := _size("output_name", name)) > MAX_NAME_BYTES:
        raise ParameterError(f"output_name has {size} bytes; expected at most {MAX_NAME_BYTES}")
    if name.startswith(TEMPORARY_PREFIX) or name.endswith(MANIFEST_SUFFIX) or name[-1] in ". ":
        raise ParameterError(
            f"output_name is {name!r}; expected a name that is no temporary file's or manifest's"
        )
    return name


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    told = dict(pairs)
    if len(told) != len(pairs):
        raise ValueError("a key stands twice")
    return told


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no number")


def _pairs(value: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in value):
        raise ParameterError("overrides is no list of [key, value] pairs")
    return tuple((pair[0], pair[1]) for pair in value)


def _check_path(name: str, path: Any) -> None:
    if not isinstance(path, Path) or not path.is_absolute() or "\0" in str(path):
        raise ParameterError(f"{name} is {str(path)!r}; expected an absolute path")
    if (size := _size(name, str(path))) > MAX_PATH_BYTES:
        raise ParameterError(f"{name} has {size} bytes; expected at most {MAX_PATH_BYTES}")


def _size(what: str, text: str) -> int:
    """Of a name in bytes; JSON can say names that no file system has."""
    try:
        return len(os.fsencode(text))
    except UnicodeEncodeError as cause:
        raise ParameterError(f"{what} is {text!r}; expected a name that a file can have") from cause


def _check_text(name: str, text: Any, longest: int) -> None:
    if not isinstance(text, str) or len(text) > longest or not text.isprintable():
        shown = repr(text)[:40]
        raise ParameterError(f"{name} is {shown}; expected a text of one line, up to {longest} characters")


def _check_overrides(overrides: Any) -> None:
    if not isinstance(overrides, tuple) or len(overrides) > MAX_OVERRIDES:
        raise ParameterError(
            f"overrides is {type(overrides).__name__}; expected at most {MAX_OVERRIDES} pairs"
        )
    for key, value in overrides:
        _check_text("the key of an override", key, MAX_TEXT)
        _check_text(f"override {key}", value, MAX_PATH_BYTES)


def _check_number(name: str, value: Any, least: int, most: int, *, allow_none: bool = False) -> None:
    if allow_none and value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ParameterError(f"{name} is {value!r}; expected a whole number, {least} to {most}")


def _check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    if value not in choices:
        allowed = ", ".join(repr(str(choice)) for choice in choices)
        raise ParameterError(f"{name} is {value!r}; expected {allowed}")

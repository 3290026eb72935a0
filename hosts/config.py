"""The part of a studio file that is about hosts: roots, OSC and MIDI; folders to watch are for others."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from audiosr_fx.errors import AudioSRError, ParameterError, PresetError
from audiosr_fx.wording import did_you_mean, shown
from hosts.midi import MidiSettings
from hosts.midi_mapping import MidiMapping, read_mapping
from hosts.server import DEFAULT_PORT, ServerSettings
from hosts.serving import HostSettings
from hosts.signing import read_secret

SCHEMA: Final = 1
MAX_BYTES: Final = 256 * 1024
_TABLES: Final[Mapping[str, Mapping[str, type]]] = {
    "serve": {"out": str, "tempo_map": str},
    "roots": {},
    "osc": {"host": str, "port": int, "http_port": int, "allow_remote": bool, "secret": str},
    "midi": {"port": str, "map": str, "channel": int},
}
_OF_OTHERS: Final = ("schema", "folder")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostConfig:
    """What a file or a command line says about hosts; None and empty are not said.

    Attributes:
        roots: folders that may be named, by name.
        out: where outputs go.
        tempo_map: a MIDI file.
        osc_host: address to listen at.
        osc_port: for OSC.
        http_port: for the description; one above the OSC port where it is not said.
        allow_remote: whether others may reach it.
        secret: file with the secret.
        midi: name of a MIDI input, see ``hosts.midi_ports``; None is no MIDI.
        midi_map: file with the mapping.
        midi_channel: 1 to 16; 0 is all.
        has_folders: whether the file names folders to watch as well.
    """

    roots: tuple[tuple[str, Path], ...] = ()
    out: Path | None = None
    tempo_map: Path | None = None
    osc_host: str | None = None
    osc_port: int | None = None
    http_port: int | None = None
    allow_remote: bool = False
    secret: Path | None = None
    midi: str | None = None
    midi_map: Path | None = None
    midi_channel: int | None = None
    has_folders: bool = False

    def over(self, other: HostConfig) -> HostConfig:
        """What this says, and for the rest what another says; roots of both."""
        merged = {name: getattr(self, name) or getattr(other, name) for name in self.__slots__}
        for name in ("osc_port", "http_port", "midi", "midi_channel"):  # 0 and "" say something
            own = getattr(self, name)
            merged[name] = getattr(other, name) if own is None else own
        return HostConfig(**{**merged, "roots": (*other.roots, *self.roots)})

    def settings(self) -> HostSettings:
        """The settings that all of it comes to.

        Raises:
            ParameterError, PresetError: a value that does not fit, or a file that cannot be read.
        """
        roots: dict[str, Path] = {}
        for name, folder in self.roots:
            if roots.setdefault(name, folder) != folder:
                raise ParameterError(f"root {name} is given twice; name them apart: --root NAME=DIR")
        port = DEFAULT_PORT if self.osc_port is None else self.osc_port
        mapping = MidiMapping() if self.midi_map is None else read_mapping(self.midi_map)
        return HostSettings(
            roots=roots,
            out=self.out,
            osc=ServerSettings(
                host=self.osc_host or "127.0.0.1",
                port=port,
                allow_remote=self.allow_remote,
                secret=None if self.secret is None else read_secret(self.secret),
            ),
            http_port=(port + 1 if port else 0) if self.http_port is None else self.http_port,
            midi=None
            if self.midi is None
            else MidiSettings(port=self.midi, mapping=mapping, channel=self.midi_channel or 0),
            tempo_map=self.tempo_map,
        )


def parse_root(text: str) -> tuple[str, Path]:
    """A root as a person types it: DIR, whose name it takes, or NAME=DIR.

    Raises:
        ParameterError: no folder is named, or its name cannot be a root's.
    """
    name, equals, folder = text.partition("=")
    if not equals or "/" in name:
        name, folder = "", text
    path = Path(folder).expanduser().absolute()
    if not name:
        kept = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in path.name)
        name = kept.strip("-_")[:64] or "root"
    if not path.is_dir():
        raise ParameterError(f"--root is {shown(path)}, which is no folder")
    return name, path


def read_config(path: Path) -> HostConfig:
    """Read what a studio file says about hosts; its paths are relative to its own place.

    Raises:
        PresetError: it cannot be read, or has an unknown key or a value that does not fit.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
        table = tomllib.loads(content.decode("utf-8"))
    except OSError as cause:
        raise PresetError(f"{shown(path)}: cannot be read ({cause.strerror})") from cause
    except (ValueError, RecursionError) as cause:
        raise PresetError(f"{shown(path)}: not TOML ({' '.join(str(cause).split())})") from cause
    try:
        if table.get("schema") != SCHEMA or isinstance(table["schema"], bool):
            raise ParameterError(f"schema is {table.get('schema', 'missing')!r}; expected {SCHEMA}")
        return _config(table, path.parent)
    except AudioSRError as cause:
        raise PresetError(f"{shown(path)}: {cause}") from cause


def _config(table: Mapping[str, Any], beside: Path) -> HostConfig:
    for key in table:
        if key not in (*_TABLES, *_OF_OTHERS):
            known = (*_TABLES, *_OF_OTHERS)
            raise ParameterError(
                f"unknown key {key!r}{did_you_mean(key, known)}; there are: {', '.join(known)}"
            )
    serve, osc, midi = (_checked(table, name) for name in ("serve", "osc", "midi"))

    def place(text: str | None) -> Path | None:
        return None if text is None else (beside / Path(text).expanduser()).absolute()

    return HostConfig(
        roots=tuple(_roots(table.get("roots", {}), beside)),
        out=place(serve.get("out")),
        tempo_map=place(serve.get("tempo_map")),
        osc_host=osc.get("host"),
        osc_port=osc.get("port"),
        http_port=osc.get("http_port"),
        allow_remote=osc.get("allow_remote", False),
        secret=place(osc.get("secret")),
        midi=midi.get("port", "" if "midi" in table else None),
        midi_map=place(midi.get("map")),
        midi_channel=midi.get("channel"),
        has_folders="folder" in table,
    )


def _roots(table: Any, beside: Path) -> list[tuple[str, Path]]:
    if not isinstance(table, dict) or not all(isinstance(folder, str) for folder in table.values()):
        raise ParameterError("roots is no table of NAME = folder")
    return [(name, (beside / Path(folder).expanduser()).absolute()) for name, folder in table.items()]


def _checked(table: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section, known = table.get(name, {}), _TABLES[name]
    if not isinstance(section, dict):
        raise ParameterError(f"{name} is no table; expected [{name}]")
    for key, value in section.items():
        if key not in known:
            hint = did_you_mean(key, tuple(known))
            raise ParameterError(f"{name}: unknown key {key!r}{hint}; there are: {', '.join(known)}")
        if type(value) is not known[key]:
            raise ParameterError(f"{name}: {key} is {value!r:.40}; expected {known[key].__name__}")
    return section

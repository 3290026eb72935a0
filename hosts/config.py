"""The part of a studio file that is about hosts: roots, OSC and MIDI; folders to watch are for others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from audiosr_fx.errors import ParameterError
from audiosr_fx.toml_tables import check_schema, read_table
from audiosr_fx.toml_text import faults_of, parse_toml, read_text
from audiosr_fx.wording import shown
from hosts.midi import MidiSettings
from hosts.midi_mapping import MidiMapping, read_mapping
from hosts.server import DEFAULT_PORT, ServerSettings
from hosts.serving import HostSettings
from hosts.signing import read_secret

SCHEMA: Final = 1


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
    table = parse_toml(read_text(path, "studio file"), shown(path))
    with faults_of(shown(path)):
        check_schema(table, SCHEMA)
        return _config(read_table(_File, table, beside=path.parent))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Serve:
    out: Path | None = None
    tempo_map: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Osc:
    host: str | None = None
    port: int | None = None
    http_port: int | None = None
    allow_remote: bool = False
    secret: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Midi:
    port: str = ""
    map: Path | None = None
    channel: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """The tables of a studio file; what is to be watched is read by ``watchfolder.studio``."""

    roots: Mapping[str, Path] = field(default_factory=dict)
    serve: _Serve = field(default_factory=_Serve)
    osc: _Osc = field(default_factory=_Osc)
    midi: _Midi | None = None
    schema: int
    folder: Any = None


def _config(file: _File) -> HostConfig:
    return HostConfig(
        roots=tuple(file.roots.items()),
        out=file.serve.out,
        tempo_map=file.serve.tempo_map,
        osc_host=file.osc.host,
        osc_port=file.osc.port,
        http_port=file.osc.http_port,
        allow_remote=file.osc.allow_remote,
        secret=file.osc.secret,
        midi=None if file.midi is None else file.midi.port,
        midi_map=None if file.midi is None else file.midi.map,
        midi_channel=None if file.midi is None else file.midi.channel,
        has_folders=file.folder is not None,
    )

"""Debian packages to train on: which recordings in them, whose they are, and how they are cut into clips."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from audiosr_fx.errors import ParameterError
from audiosr_fx.toml_tables import check_keys, read_table
from audiosr_fx.toml_text import faults_of, parse_toml, read_text
from audiosr_fx.training.data import HELD_OUT_SOURCES
from audiosr_fx.wording import shown

LICENCES: Final = (
    *("CC0-1.0", "Public domain", "MIT", "BSD-2-Clause", "CC-BY-3.0", "CC-BY-4.0"),
    *("GPL-2.0-or-later", "GPL-2.0-or-later with composition exception", "GPL-3.0-or-later"),
)
MODES: Final = ("join", "short", "music")

_TABLE: Final = Path(__file__).with_name("packages.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recordings:
    """Recordings of one package and how they are cut.

    Attributes:
        source: what the clips' names begin with.
        kind: of the sound: speech, drums, mix, fx, ...
        package, version: of Debian.
        archive: zip inside the package that ``paths`` are looked for in; "" is the package itself.
        paths: globs; a file whose path holds one of ``skip`` is left out.
        licence, author: of the recordings.
        minutes: at most.
        mode: "join" lays short sounds behind each other, "short" takes files from their start, "music"
            takes stretches of 6 s.
        lowest_edge_hz: clips that reach less high are left out.
        snr_db: of speech above 6 kHz; 0 does not ask. trim_db: below the loudest is cut off at the ends.
        notch_whistles: of screens and converters.
        judge_joined: asks for ``snr_db`` of the joined stretches, where single words are too short to tell.
        steady: of rain, fire, wind and engines, which the low-pass of a codec cuts throughout: they are
            trusted up to where it begins to close.
        phase: moves the stretches of music, as a share of its length.
        number_from: the clips' numbers begin after it.

    Raises:
        ParameterError: a licence, mode, source or range that does not fit.
    """

    source: str
    kind: str
    package: str
    version: str
    paths: tuple[str, ...]
    licence: str
    author: str
    minutes: float
    mode: str
    archive: str = ""
    skip: tuple[str, ...] = ()
    lowest_edge_hz: float = 15_500.0
    snr_db: float = 0.0
    trim_db: float = -45.0
    notch_whistles: bool = False
    judge_joined: bool = False
    steady: bool = False
    phase: float = 0.0
    number_from: int = 0

    def __post_init__(self) -> None:
        _check(self.source, self.licence, self.minutes)
        if self.mode not in MODES:
            raise ParameterError(f"mode is {self.mode!r}; expected one of {', '.join(MODES)}")
        if not self.paths:
            raise ParameterError("paths is empty; expected one glob or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendering:
    """Minutes of random patterns played by the soundfont of a package; style "" mixes all styles."""

    source: str
    package: str
    version: str
    soundfont: str
    licence: str
    author: str
    minutes: float
    seed: int
    style: str = ""

    def __post_init__(self) -> None:
        _check(self.source, self.licence, self.minutes)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageTable:
    """All that is taken from packages."""

    recordings: tuple[Recordings, ...]
    renderings: tuple[Rendering, ...]


def load_packages() -> PackageTable:
    """Read the table of packages.

    Raises:
        PresetError: a table with a fault; the message names entry, key and what is allowed.
    """
    table = parse_toml(read_text(_TABLE, "table of packages"), shown(_TABLE))
    with faults_of(shown(_TABLE)):
        return read_packages(table)


def read_packages(table: Mapping[str, Any]) -> PackageTable:
    """The table of packages from the tables of its file."""
    check_keys(table, ["recordings", "renderings"])
    return PackageTable(
        recordings=tuple(
            read_table(Recordings, entry, f"recordings {number}")
            for number, entry in enumerate(table.get("recordings", []), 1)
        ),
        renderings=tuple(
            read_table(Rendering, entry, f"renderings {number}")
            for number, entry in enumerate(table.get("renderings", []), 1)
        ),
    )


def _check(source: str, licence: str, minutes: float) -> None:
    if source in HELD_OUT_SOURCES:
        raise ParameterError(f"source is {source!r}, which is held out; expected another name")
    if licence not in LICENCES:
        raise ParameterError(f"licence is {licence!r}; expected one of {', '.join(LICENCES)}")
    if not 0.0 < minutes < float("inf"):
        raise ParameterError(f"minutes is {minutes}; expected more than 0")

"""Listening tests: one page that stands alone, with blind, aligned and loudness-matched stimuli.

``mushra`` rates all systems of an item on scales beside a hidden reference and an anchor (after ITU-R
BS.1534-3); ``ab`` asks which of two systems is preferred; ``abx`` asks which of two a third one is.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from pathlib import Path
from typing import Any, Final

from audiosr_fx.errors import AudioFormatError, ParameterError
from audiosr_fx.quality.anchor import check_anchor_hz, lowpass_anchor
from audiosr_fx.quality.embed import (
    EmbeddedFormat,
    assemble_page,
    asset,
    audio_id,
    canonical_json,
    data_block,
    encode_audio,
    json_block,
)
from audiosr_fx.quality.levels import COMPARISON_LUFS, Match, match_loudness, measure_level
from audiosr_fx.quality.listen_folder import SAMPLE_RATE, bring_in_step, find_systems, read_excerpts
from audiosr_fx.sources import Audio
from audiosr_fx.wording import shown

PAGE_FORMAT: Final = "audiosr-fx listening test 1"
MAX_PAGE_BYTES: Final = 400_000_000  # what browsers open without trouble
MAX_STIMULI: Final = 12  # BS.1534-3: more than that nobody can compare
SHORTEST_S: Final = 0.5
_SCRIPTS: Final = ("player.js", "transport.js", "session.js", "listen.js")
_STYLES: Final = ("player.css", "parts.css", "listen.css")
_DEFAULT_REFERENCE: Final = "reference"
_ANCHOR: Final = "anchor"
_DEFAULT_ANCHORS_HZ: Final = (3500,)


class Mode(StrEnum):
    """What listeners are asked."""

    MUSHRA = "mushra"
    AB = "ab"
    ABX = "abx"


class Role(StrEnum):
    """What a system is in a test."""

    REFERENCE = "reference"
    ANCHOR = "anchor"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenSettings:
    """How a test is made; anything out of range raises ParameterError.

    ``reference``: name of the reference's sub-folder; None for ``reference``, where there is one.
    ``anchors_hz``: cutoffs of low-passed references to add; None for 3500 Hz in a ``mushra`` test whose
    folder has no ``anchor``. ``seconds``: how much of every file; None for all. ``target_lufs``: the
    loudness of every item, or less where peaks would pass -1 dBTP. ``repeats``: how often every trial is
    asked. ``seed``: of the order of trials and stimuli, which differs from one participant to the next.
    ``reveal``: show participants their own results at the end.
    """

    mode: Mode = Mode.MUSHRA
    reference: str | None = None
    anchors_hz: tuple[int, ...] | None = None
    seconds: float | None = None
    target_lufs: float = COMPARISON_LUFS
    format: EmbeddedFormat = EmbeddedFormat.FLAC
    repeats: int = 1
    seed: int = 0
    title: str = "Listening test"
    reveal: bool = False

    def __post_init__(self) -> None:
        if self.seconds is not None and not SHORTEST_S <= self.seconds < math.inf:
            raise ParameterError(f"seconds is {self.seconds}; expected {SHORTEST_S} or more")
        if not -70.0 <= self.target_lufs <= 0.0:
            raise ParameterError(f"target_lufs is {self.target_lufs}; expected -70 to 0")
        if not 1 <= self.repeats <= 20:
            raise ParameterError(f"repeats is {self.repeats}; expected 1 to 20")
        if not 0 <= self.seed < 2**53:
            raise ParameterError(f"seed is {self.seed}; expected 0 to {2**53 - 1}")
        if not self.title.strip():
            raise ParameterError("title is empty; expected some words")
        for cutoff_hz in self.anchors_hz or ():
            check_anchor_hz(cutoff_hz)


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """One system of a test: its name, its role, and its files by item (an anchor made here has none)."""

    name: str
    role: Role
    files: Mapping[str, Path]
    lowpass_hz: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListeningTest:
    """A finished page (``html``) and what is in it.

    ``quieter`` names items below the wanted loudness, ``moved`` says by how many samples which systems came
    late, by item.
    """

    html: str
    page: str
    mode: Mode
    systems: tuple[tuple[str, Role], ...]
    items: tuple[str, ...]
    trials: int
    loudness_lufs: Mapping[str, float]
    quieter: tuple[str, ...]
    moved: Mapping[str, Mapping[str, int]]

    @property
    def size_bytes(self) -> int:
        """Of the page; it is ASCII but for the title and our own scripts."""
        return len(self.html.encode("utf-8"))


def build_test(
    folder: Path, settings: ListenSettings, on_item: Callable[[int, int], None] | None = None
) -> ListeningTest:
    """Make the page of a test.

    Args:
        folder: holds one sub-folder per system, with files of the same names in each.
        settings: of the test.
        on_item: told how many of how many items are done.

    Raises:
        AudioFormatError: a file that is missing, cannot be read, is of another length, or is silent; a page
            that would grow beyond what browsers open.
        ParameterError: too few or too many systems for the mode, or no such reference.
    """
    found = find_systems(folder)
    systems = assign_roles(found, settings)
    names = list(next(iter(found.values())))
    audio: dict[str, bytes] = {}
    items: list[dict[str, Any]] = []
    quieter = []
    moved: dict[str, dict[str, int]] = {}
    for number, name in enumerate(names):
        item, match, late = _build_item(name, systems, settings, audio)
        if late:
            moved[name] = late
        items.append(item)
        if match.loudness_lufs < settings.target_lufs - 0.05:
            quieter.append(name)
        if on_item is not None:
            on_item(number + 1, len(names))
    manifest = _manifest(settings, systems, items)
    return ListeningTest(
        html=_page(settings, manifest, audio),
        page=str(manifest["page"]),
        mode=settings.mode,
        systems=tuple((system.name, system.role) for system in systems),
        items=tuple(names),
        trials=len(names) * settings.repeats * max(1, len(manifest["pairs"])),
        loudness_lufs={item["name"]: item["loudness_lufs"] for item in items},
        quieter=tuple(quieter),
        moved=moved,
    )


def assign_roles(found: Mapping[str, Mapping[str, Path]], settings: ListenSettings) -> list[System]:
    """Decide what each folder is and which anchors are to be made: reference, anchors, systems, by name.

    Only ``mushra`` has anchors; a folder ``anchor`` is left out of the other modes.

    Raises:
        ParameterError: no such reference, too few or too many systems, or an anchor that has a folder.
    """
    reference = settings.reference or _DEFAULT_REFERENCE
    if reference not in found and (settings.reference or settings.mode is not Mode.AB):
        raise ParameterError(
            f"reference is {reference!r}, but there is no such sub-folder among {', '.join(sorted(found))};"
            " name one with --reference"
        )
    roles = {_ANCHOR: Role.ANCHOR, reference: Role.REFERENCE}
    systems = [
        System(name=name, role=roles.get(name, Role.SYSTEM), files=files) for name, files in found.items()
    ]
    systems += _made_anchors(found, settings)
    if settings.mode is not Mode.MUSHRA:
        systems = [system for system in systems if system.role is not Role.ANCHOR]
    systems.sort(key=lambda system: list(Role).index(system.role))
    _check_number(systems, settings.mode)
    return systems


def _made_anchors(found: Mapping[str, Mapping[str, Path]], settings: ListenSettings) -> Iterator[System]:
    wanted = settings.anchors_hz
    if wanted is None:
        wanted = _DEFAULT_ANCHORS_HZ if settings.mode is Mode.MUSHRA and _ANCHOR not in found else ()
    if wanted and settings.mode is not Mode.MUSHRA:
        raise ParameterError(f"anchors are for the mode mushra; the mode is {settings.mode}")
    for cutoff_hz in dict.fromkeys(wanted):
        name = f"lowpass:{cutoff_hz}"
        if name in found:
            raise ParameterError(f"anchor is {name}, and there is a sub-folder of that name; rename it")
        yield System(name=name, role=Role.ANCHOR, files={}, lowpass_hz=cutoff_hz)


def _check_number(systems: list[System], mode: Mode) -> None:
    rated = sum(system.role is Role.SYSTEM for system in systems)
    needed = 2 if mode is Mode.AB else 1
    if rated < needed:
        raise ParameterError(
            f"systems beside reference and anchor: {rated}; expected {needed} or more for the mode {mode}"
        )
    if mode is Mode.MUSHRA and len(systems) > MAX_STIMULI:
        raise ParameterError(
            f"stimuli per trial: {len(systems)}, with hidden reference and anchors; expected {MAX_STIMULI} or"
            " less: take systems out, or use --mode ab"
        )


def _build_item(
    name: str, systems: list[System], settings: ListenSettings, audio: dict[str, bytes]
) -> tuple[dict[str, Any], Match, dict[str, int]]:
    """Read, bring in step, match and encode one item; its recordings are added to ``audio`` by their names in
    the page. Also says which systems came late.
    """
    excerpts, late = _excerpts(name, systems, settings)
    levels = []
    for system, excerpt in zip(systems, excerpts, strict=True):
        try:
            levels.append(measure_level(excerpt, SAMPLE_RATE))
        except AudioFormatError as error:
            where = shown(system.files[name]) if name in system.files else f"{system.name} of {name}"
            raise AudioFormatError(f"{where}: {error}") from error
    match = match_loudness(levels, target_lufs=settings.target_lufs)
    stimuli = []
    for excerpt, gain_db in zip(excerpts, match.gains_db, strict=True):
        data = encode_audio(excerpt * 10 ** (gain_db / 20), SAMPLE_RATE, settings.format)
        stimuli.append({"audio": audio_id(data), "gain_db": round(gain_db, 3)})
        audio[audio_id(data)] = data
    size = sum(len(data) for data in audio.values()) * 4 // 3
    if size > MAX_PAGE_BYTES:
        raise AudioFormatError(
            f"the page would be larger than {MAX_PAGE_BYTES / 1e6:.0f} MB at item {shown(Path(name))};"
            " cut it with --seconds 10, use --format flac, or take items out"
        )
    item = {
        "name": name,
        "frames": excerpts[0].shape[1],
        "channels": excerpts[0].shape[0],
        "loudness_lufs": round(match.loudness_lufs, 2),
        "stimuli": stimuli,
    }
    return item, match, late


def _excerpts(
    name: str, systems: list[System], settings: ListenSettings
) -> tuple[list[Audio], dict[str, int]]:
    """The item's audio of every system, in step, in their order, made anchors included; and who was late."""
    recorded = [system for system in systems if system.lowpass_hz is None]
    read, lags = bring_in_step(read_excerpts([system.files[name] for system in recorded], settings.seconds))
    by_name = dict(zip((system.name for system in recorded), read, strict=True))
    if read[0].shape[1] < SHORTEST_S * SAMPLE_RATE:
        raise AudioFormatError(
            f"{shown(recorded[0].files[name])}: is {read[0].shape[1] / SAMPLE_RATE:.3f} s long;"
            f" expected {SHORTEST_S} s or more"
        )
    for system in systems:
        if system.lowpass_hz is not None:
            reference = next(other.name for other in systems if other.role is Role.REFERENCE)
            by_name[system.name] = lowpass_anchor(by_name[reference], SAMPLE_RATE, system.lowpass_hz)
    late = {system.name: lag for system, lag in zip(recorded, lags, strict=True) if lag}
    return [by_name[system.name] for system in systems], late


def _manifest(settings: ListenSettings, systems: list[System], items: list[dict[str, Any]]) -> dict[str, Any]:
    """What the page's script is told; ``page`` is the hash of all the rest, of scripts and of styles."""
    manifest: dict[str, Any] = {
        "format": PAGE_FORMAT,
        "mode": settings.mode,
        "title": settings.title,
        "seed": settings.seed,
        "repeats": settings.repeats,
        "reveal": settings.reveal,
        "sample_rate": SAMPLE_RATE,
        "systems": [{"name": system.name, "role": system.role} for system in systems],
        "pairs": pairs_of(systems, settings.mode),
        "items": items,
    }
    assets = "".join(asset(name) for name in (*_STYLES, *_SCRIPTS, "listen.html"))
    manifest["page"] = hashlib.sha256(canonical_json(manifest) + assets.encode()).hexdigest()
    return manifest


def pairs_of(systems: list[System], mode: Mode) -> list[tuple[int, int]]:
    """Which systems are held against each other, by their places in the list.

    ``ab``: every two systems without reference and anchors. ``abx``: the reference and every system.
    """
    rated = [place for place, system in enumerate(systems) if system.role is Role.SYSTEM]
    reference = [place for place, system in enumerate(systems) if system.role is Role.REFERENCE]
    match mode:
        case Mode.MUSHRA:
            return []
        case Mode.AB:
            return list(combinations(rated, 2))
        case Mode.ABX:
            return [(reference[0], place) for place in rated]


def _page(settings: ListenSettings, manifest: Mapping[str, Any], audio: Mapping[str, bytes]) -> str:
    """Audio lies sorted by its hash, so that its place says nothing about the system it comes from."""
    used = {stimulus["audio"] for item in manifest["items"] for stimulus in item["stimuli"]}
    return assemble_page(
        title=settings.title,
        body=asset("listen.html"),
        styles=[asset(name) for name in _STYLES],
        scripts=[asset(name) for name in _SCRIPTS],
        blocks=[
            json_block("test", manifest),
            *(data_block(name, audio[name]) for name in sorted(used)),
        ],
    )

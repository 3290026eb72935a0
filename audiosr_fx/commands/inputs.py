"""What a batch reads: files as they were named, and those in folders, in the order a person lists them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from audiosr_fx.errors import ParameterError

READ_SUFFIXES: Final = frozenset(
    (
        ".wav",
        ".wave",
        ".bwf",
        ".rf64",
        ".w64",
        ".aif",
        ".aiff",
        ".aifc",
        ".flac",
        ".ogg",
        ".oga",
        ".opus",
        ".mp3",
    )
)
"""Names of files that a folder is searched for; a file that is named by itself may have any."""

FOREIGN_SUFFIXES: Final = frozenset(
    (
        ".aac",
        ".alac",
        ".ape",
        ".au",
        ".caf",
        ".dff",
        ".dsf",
        ".m4a",
        ".m4b",
        ".mka",
        ".mp2",
        ".mp4",
        ".mpc",
        ".snd",
        ".webm",
        ".wma",
        ".wv",
    )
)
"""Names of recordings in formats that are not read, which a person misses where nobody says so."""

_UNFINISHED: Final = re.compile(
    r"^[~#]|[.](tmp|temp|part|partial|download|crdownload)[.][^.]+$", re.IGNORECASE
)
_SIDE_FOLDERS: Final = frozenset(
    (
        "__macosx",
        "$recycle.bin",
        "backup",
        "backups",
        "crossfades",
        "fade files",
        "freeze",
        "freeze files",
        "peaks",
    )
)
"""What DAWs and systems put beside a session's recordings: fades, frozen tracks, old copies, waveforms."""


@dataclass(frozen=True, slots=True)
class Input:
    """One file to read.

    Attributes:
        path: the file.
        folder: where in the output folder its result belongs; None for a file that was named by itself.
        root: the folder that was named, if it was found in one.
        is_deep: whether that folder's sub-folders are read too.
    """

    path: Path
    folder: Path | None = None
    root: Path | None = None
    is_deep: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """What files and folders that were named come to.

    Attributes:
        inputs: what is read.
        foreign: recordings in the folders that are left out because of their format.
    """

    inputs: list[Input]
    foreign: list[Path]


def find_inputs(named: Sequence[Path], *, recursive: bool = False) -> Found:
    """The files that were named, and those in the folders that were named.

    In a folder, only names of audio files that we read count. What is hidden, a link, a temporary file or
    what a DAW keeps for itself is left out. One that was named twice is taken once. Where several folders
    are named, each keeps its name in the output folder.

    Raises:
        ParameterError: a folder that cannot be read, or that holds nothing to read.
    """
    several = sum(path.is_dir() for path in named) > 1
    found: dict[Path, Input] = {}
    foreign: list[Path] = []
    for path in named:
        inputs = [Input(path)]
        if path.is_dir():
            inputs, left_out = _in_folder(path, recursive, several)
            foreign += left_out
        for one in inputs:
            found.setdefault(
                one.path.resolve() if one.folder is not None or path.is_file() else one.path, one
            )
    return Found(list(found.values()), foreign)


def natural_key(text: str) -> tuple[tuple[int, int | str], ...]:
    """Sorts as a person would: ``take 2`` before ``take 10``, whatever the case."""
    parts = re.split(r"([0-9]+)", text.casefold())
    return tuple((0, int(part)) if i % 2 else (1, part) for i, part in enumerate(parts))


def _in_folder(root: Path, recursive: bool, several: bool) -> tuple[list[Input], list[Path]]:
    """What is read in a folder, and the recordings that are not."""
    kept = Path(root.resolve().name) if several else Path()
    recordings = list(_recordings(root, recursive))
    paths = [path for path in recordings if path.suffix.lower() in READ_SUFFIXES]
    foreign = [path for path in recordings if path.suffix.lower() in FOREIGN_SUFFIXES]
    if not paths:
        count = len(foreign)
        others = f"; {count} in it of other formats, as M4A is, can be converted to WAV" if count else ""
        deeper = "" if recursive else "; --recursive looks into its sub-folders too"
        raise ParameterError(f"{root}: holds no audio files that can be read{others}{deeper}")
    return [Input(path, kept / path.parent.relative_to(root), root, recursive) for path in paths], foreign


def _recordings(folder: Path, recursive: bool) -> Iterator[Path]:
    """Of a folder, then of its sub-folders; links are never followed."""
    try:
        with os.scandir(folder) as entries:
            listed = sorted((entry for entry in entries if not entry.is_symlink()), key=_by_name)
            files = [entry for entry in listed if entry.is_file() and _is_recording(entry.name)]
            folders = [entry for entry in listed if entry.is_dir() and _is_session_folder(entry.name)]
    except OSError as cause:
        raise ParameterError(f"{folder}: cannot be read ({cause.strerror})") from cause
    yield from (folder / entry.name for entry in files)
    if recursive:
        for entry in folders:
            yield from _recordings(folder / entry.name, recursive)


def _by_name(entry: os.DirEntry[str]) -> tuple[tuple[tuple[int, int | str], ...], str]:
    return natural_key(entry.name), entry.name


def _is_recording(name: str) -> bool:
    is_audio = os.path.splitext(name)[1].lower() in READ_SUFFIXES | FOREIGN_SUFFIXES
    return is_audio and not name.startswith(".") and not _UNFINISHED.search(name)


def _is_session_folder(name: str) -> bool:
    return not name.startswith(".") and name.casefold() not in _SIDE_FOLDERS

"""Folders of a listening test: one per system, with files of the same names, read as aligned excerpts."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from audiosr_fx.errors import AudioFormatError
from audiosr_fx.files import FileSource
from audiosr_fx.quality.lag import find_lag
from audiosr_fx.sources import Audio, ResampledSource, check_finite
from audiosr_fx.wording import shown

SAMPLE_RATE: Final = 48_000
AUDIO_SUFFIXES: Final = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".w64", ".rf64")
_MOST_CHANNELS: Final = 2
_HEARD_S: Final = 10
_MOST_LAG_S: Final = 0.5
_log = logging.getLogger(__name__)


def find_systems(folder: Path) -> dict[str, dict[str, Path]]:
    """Find the systems of a folder and their files: names without the ending, in alphabetical order.

    Hidden files and files that are no audio by their name are passed over; a warning names sub-folders
    without any.

    Raises:
        AudioFormatError: no such folder, no sub-folders with audio, a file that one of the systems lacks, or
            two files of one name in a system.
    """
    if not folder.is_dir():
        raise AudioFormatError(f"{shown(folder)}: no such folder; expected one with a sub-folder per system")
    systems = {path.name: audio_files(path) for path in sorted(folder.iterdir()) if _is_system(path)}
    empty = [name for name, items in systems.items() if not items]
    systems = {name: items for name, items in systems.items() if items}
    if not systems:
        raise AudioFormatError(
            f"{shown(folder)}: holds no sub-folders with audio; expected one sub-folder per system,"
            " with files of the same names in each"
        )
    for name in empty:
        _log.warning("%s: holds no audio files, so it is no system of the test", shown(folder / name))
    for item in sorted({item for items in systems.values() for item in items}):
        owner = next(name for name, items in systems.items() if item in items)
        lacking = [name for name, items in systems.items() if item not in items]
        if lacking:
            raise AudioFormatError(
                f"{shown(folder / lacking[0])}: has no {shown(Path(item))}, which {shown(Path(owner))} has;"
                " every system needs a file for every item"
            )
    return systems


def _is_system(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith(".")


def audio_files(folder: Path) -> dict[str, Path]:
    """The audio files of a folder by their names without the ending, in alphabetical order.

    Hidden files and files that are no audio by their name are passed over.

    Raises:
        AudioFormatError: two files of one name.
    """
    items: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.suffix.lower() not in AUDIO_SUFFIXES or not path.is_file():
            continue
        if path.stem in items:
            raise AudioFormatError(
                f"{shown(path)}: {shown(Path(items[path.stem].name))} has the same name; keep one of them"
            )
        items[path.stem] = path
    return items


def read_excerpts(paths: Sequence[Path], seconds: float | None = None) -> list[Audio]:
    """Read one item of every system, from its beginning, at 48 kHz.

    Args:
        paths: the item's file of each system.
        seconds: how much of it; None for all.

    Returns:
        float32 (channels, samples), mono or stereo, all of one shape.

    Raises:
        AudioFormatError: a file that cannot be read, has more than two channels or holds NaN or Inf, or files
            that differ in channels or in length. Where rates differ a sample more or less is no difference.
    """
    excerpts = [_read(path, seconds) for path in paths]
    lengths = [audio.shape[1] for audio, _ in excerpts]
    tolerances = [tolerance for _, tolerance in excerpts]
    for path, (audio, tolerance) in zip(paths, excerpts, strict=True):
        first = excerpts[0][0]
        if audio.shape[0] != first.shape[0]:
            raise AudioFormatError(
                f"{shown(path)}: has {audio.shape[0]} channels, {shown(paths[0])} has {first.shape[0]};"
                " all systems of an item need the same"
            )
        allowed = 0 if len(set(tolerances)) == 1 else max(tolerance, tolerances[0])
        apart = abs(audio.shape[1] - first.shape[1])
        if apart > allowed:
            raise AudioFormatError(
                f"{shown(path)}: is {audio.shape[1] / SAMPLE_RATE:.4f} s long, {shown(paths[0])}"
                f" {first.shape[1] / SAMPLE_RATE:.4f} s ({apart} samples apart at 48 kHz);"
                " switching needs equal lengths: cut them alike, or shorter with --seconds"
            )
    return [np.ascontiguousarray(audio[:, : min(lengths)]) for audio, _ in excerpts]


def bring_in_step(excerpts: Sequence[Audio]) -> tuple[list[Audio], list[int]]:
    """Cut recordings of one sound to the stretch that all of them have, in step with the first.

    Args:
        excerpts: (channels, samples) at 48 kHz, all of one shape; the lag of each is heard in the loudest
            ten seconds of the first.

    Returns:
        The recordings, as they were where all stand in step, and by how many samples each came late.
    """
    first = excerpts[0]
    start, most = _loudest_start(first), round(_MOST_LAG_S * SAMPLE_RATE)
    around = slice(start, start + _HEARD_S * SAMPLE_RATE)
    lags = [find_lag(first[:, around], excerpt[:, around], most) for excerpt in excerpts]
    early = min(lags)
    length = first.shape[1] - (max(lags) - early)
    cut = [
        np.ascontiguousarray(excerpt[:, lag - early : lag - early + length])
        for excerpt, lag in zip(excerpts, lags, strict=True)
    ]
    return cut, lags


def _loudest_start(audio: Audio) -> int:
    """Where the loudest ten seconds begin, to the second."""
    seconds = np.add.reduceat(np.sum(audio**2, axis=0), np.arange(0, audio.shape[1], SAMPLE_RATE))
    sums = np.convolve(seconds, np.ones(_HEARD_S), mode="valid") if len(seconds) > _HEARD_S else [0.0]
    return int(np.argmax(sums)) * SAMPLE_RATE


def _read(path: Path, seconds: float | None) -> tuple[Audio, int]:
    """One excerpt, and how far its length at 48 kHz may be off because its own rate is another."""
    with FileSource(path) as source:
        if source.channels > _MOST_CHANNELS:
            raise AudioFormatError(
                f"{shown(path)}: has {source.channels} channels; expected 1 or 2: fold it down first"
            )
        resampled = ResampledSource(source, SAMPLE_RATE)
        frames = resampled.frames if seconds is None else min(resampled.frames, round(seconds * SAMPLE_RATE))
        audio = resampled.read(0, frames)
        check_finite(audio, f"{shown(path)}: holds")
        return audio, math.ceil(SAMPLE_RATE / source.sample_rate)

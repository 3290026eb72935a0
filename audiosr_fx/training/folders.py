"""Any folder of audio as training data: what is in it, what kind it is, and how far up it can be trusted."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from audiosr_fx.atomic import write_text
from audiosr_fx.bandwidth import Verdict, judge
from audiosr_fx.errors import AudioFormatError
from audiosr_fx.files import FileSource
from audiosr_fx.sources import ArraySource
from audiosr_fx.spectrum import LongTermSpectrum
from audiosr_fx.training.data import (
    INDEX_NAME,
    SAMPLE_RATE,
    UPSAMPLED_LIMIT_HZ,
    Clip,
    DataFolder,
    check_length,
    clips_of_file,
    load_corpus,
    log_skipped,
)
from audiosr_fx.wording import shown

_Read: TypeAlias = list[Clip] | AudioFormatError

logger = logging.getLogger(__name__)

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".w64", ".rf64")

_JUDGED_S = 20.0  # from the middle of a file
_TRUSTED_SHARE = 0.975  # of a cutoff whose flank was not measured
_NYQUIST_SHARE = 22_000.0 / 22_050.0
_BELOW_HZ, _ABOVE_HZ = (20_000.0, 21_000.0), (22_400.0, 23_800.0)  # on both sides of half 44.1 kHz
_RESAMPLED_DB = 15.0
_TOLD_EVERY_S = 10.0


def load_data(folders: Sequence[DataFolder], cache: Path | None = None) -> list[Clip]:
    """The clips of several folders: those with an ``INDEX.csv`` as it says, others as :func:`scan_folder`.

    Raises:
        AudioFormatError: no such folder, or one without audio that can be read.
    """
    clips: list[Clip] = []
    for folder in folders:
        folder.check()
        if (folder.path / INDEX_NAME).is_file():
            logger.info("%s: reading the files that its %s lists", shown(folder.path), INDEX_NAME)
            clips += load_corpus(folder.path, weight=folder.weight)
        else:
            clips += scan_folder(folder.path, weight=folder.weight, cache=cache)
    if not clips:
        raise AudioFormatError("no folder of audio was given")
    return clips


def scan_folder(folder: Path, *, weight: float = 1.0, cache: Path | None = None) -> list[Clip]:
    """Every audio file below a folder, by name.

    The kind of a clip is the first sub-folder it lies in, or the folder's own name. Its source is the
    sub-folder below that, or else its own name without the number at its end. ``limit_hz`` is what its sample
    rate can hold, 21 kHz where it was 44.1 kHz once, and no more than the cutoff found in 20 s from its
    middle. Files that cannot be read, or are silent, are skipped with a warning.

    Args:
        folder: to be searched, hidden files and folders left out.
        weight: how much its clips count.
        cache: JSON file in which limits are kept from one run to the next; made if it is not there.

    Raises:
        AudioFormatError: nothing there that can be used.
    """
    names = sorted(name for path in folder.rglob("*") if (name := _audio_name(folder, path)) is not None)
    known = _read_cache(cache)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        read = pool.map(lambda name: _clips_of_name(folder, name, known), names)
        found = list(_told(folder, read, len(names)))
    clips = []
    for name, result in zip(names, found, strict=True):
        if isinstance(result, AudioFormatError):
            log_skipped(name, result)
        else:
            clips += [replace(clip, weight=weight) for clip in result]
    if not clips:
        raise AudioFormatError(
            f"{shown(folder)}: holds no audio that can be used; expected WAV, FLAC, Ogg, MP3 or AIFF files"
        )
    limits = {**known, **{_key(folder, clip.file): clip.limit_hz for clip in clips}}
    if limits != known:
        _write_cache(cache, limits)
    return clips


def _told(folder: Path, read: Iterable[_Read], total: int) -> Iterator[_Read]:
    """The same, and a word on how far it is: the bandwidth of files that are new takes its time."""
    logger.info("%s: reading %d files", shown(folder), total)
    told_at = time.monotonic()
    for count, one in enumerate(read, 1):
        if time.monotonic() - told_at > _TOLD_EVERY_S:
            told_at = time.monotonic()
            logger.info("%s: %d of %d files read", shown(folder), count, total)
        yield one


def _audio_name(folder: Path, path: Path) -> str | None:
    relative = path.relative_to(folder)
    if path.suffix.lower() not in AUDIO_SUFFIXES or not path.is_file():
        return None
    return None if any(part.startswith(".") for part in relative.parts) else str(relative)


def _clips_of_name(folder: Path, name: str, known: Mapping[str, float]) -> _Read:
    *folders, stem = Path(name).with_suffix("").parts
    kind = folders[0] if folders else folder.resolve().name
    source = "/".join(folders) if len(folders) > 1 else stem.rstrip("0123456789").rstrip("_- ") or stem
    try:
        limit_hz = known.get(_key(folder, name))
        if limit_hz is None:
            limit_hz = measure_limit_hz(folder / name)
        return clips_of_file(folder, name, kind=kind, source=source, limit_hz=limit_hz)
    except AudioFormatError as error:
        return error
    except OSError as error:
        return AudioFormatError(f"{name}: {error.strerror or error}")


def measure_limit_hz(path: Path) -> float:
    """The frequency up to which a recording can be taken for what was there.

    Raises:
        AudioFormatError: it cannot be read, is shorter than 20 ms, or silent.
    """
    with FileSource(path) as source:
        check_length(path, source.frames / source.sample_rate)
        length = min(source.frames, round(_JUDGED_S * source.sample_rate))
        start = (source.frames - length) // 2
        stretch = source.read(start, start + length)
        rate = source.sample_rate
    if not np.isfinite(stretch).all():
        raise AudioFormatError(f"{shown(path)}: holds NaN or Inf")
    verdict = judge(ArraySource(stretch, rate))
    if verdict.kind == "silent":
        raise AudioFormatError(f"{shown(path)}: is silent")
    highest = SAMPLE_RATE / 2.0 if rate >= SAMPLE_RATE else rate / 2.0 * _NYQUIST_SHARE
    if rate >= SAMPLE_RATE and verdict.spectrum is not None and _was_44100(verdict.spectrum):
        highest = UPSAMPLED_LIMIT_HZ
    return min(highest, _trusted_hz(verdict, highest))


def _was_44100(spectrum: LongTermSpectrum) -> bool:
    """Whether a recording of 48 kHz or more ends where one of 44.1 kHz does.

    Of 40 recordings made at 48 kHz none falls by more than 10 dB there. Where less than that stood above the
    noise before, nobody can tell, and it makes no difference.
    """
    below, above = (
        spectrum.mean_level_db[(spectrum.frequency_hz >= low) & (spectrum.frequency_hz < high)].mean()
        for low, high in (_BELOW_HZ, _ABOVE_HZ)
    )
    return bool(below - above > _RESAMPLED_DB)


def _trusted_hz(verdict: Verdict, highest: float) -> float:
    """Up to where a cutoff leaves the spectrum as it was; what fades out by itself is as it was."""
    if verdict.cutoff_hz is None:
        return highest
    return verdict.cutoff_hz * _TRUSTED_SHARE if verdict.fade_hz is None else verdict.fade_hz[0]


def _key(folder: Path, name: str) -> str:
    """A file as it is now."""
    path = (folder / name).resolve()
    found = path.stat()
    return f"{path}|{found.st_size}|{found.st_mtime_ns}"


def _read_cache(cache: Path | None) -> dict[str, float]:
    if cache is None or not cache.is_file():
        return {}
    try:
        read: Any = json.loads(cache.read_text(encoding="utf-8"))
        return {str(key): float(value) for key, value in read.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _write_cache(cache: Path | None, limits: Mapping[str, float]) -> None:
    if cache is None:
        return
    cache.parent.mkdir(parents=True, exist_ok=True)
    write_text(cache, json.dumps(limits, indent=0))

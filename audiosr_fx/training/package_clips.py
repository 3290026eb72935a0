"""Recordings of a Debian package made into clips to train on, as the table of packages says."""

from __future__ import annotations

import math
import random
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np
import soundfile

from audiosr_fx.errors import AudioFormatError
from audiosr_fx.training.clips import LONGEST_S, ClipRow, Origin, measure_edge, write_clip
from audiosr_fx.training.data import SAMPLE_RATE
from audiosr_fx.training.package_cuts import (
    Sound,
    has_wall,
    join,
    load_sound,
    notch_whistles,
    stands_clear,
    steady_edge_hz,
    trim,
    wall_hz,
)
from audiosr_fx.training.packages import Recordings

_CODECS: Final = {".ogg": "vorbis", ".oga": "vorbis", ".mp3": "mp3", ".opus": "opus"}
_SUFFIXES: Final = (*_CODECS, ".wav", ".flac", ".aif", ".aiff")
_LOWEST_RATE: Final = 44_100
_SHORTEST_S: Final = 0.35
_LONGEST_JOINED_S: Final = 30.0
_READ_OF_SHORT_S: Final = 40.0
_CLIPS_OF_SHORT: Final = 3
_LOWEST_STEADY_HZ: Final = 12_500
_LONGEST: Final = round(LONGEST_S * SAMPLE_RATE)


def cut_recordings(recordings: Recordings, root: Path, folder: Path) -> Iterator[ClipRow]:
    """Cut an entry of the table into clips in ``folder``; the same package makes the same clips.

    Args:
        recordings: what to cut, and how.
        root: of the unpacked package.
        folder: for the clips; its index is left to the caller.

    Yields:
        The row of each clip as it is written.

    Raises:
        AudioFormatError: the package holds none of these recordings.
    """
    files = _files(recordings, root)
    if not files:
        raise AudioFormatError(
            f"package {recordings.package} holds nothing at {', '.join(recordings.paths)} that reaches"
            f" {_LOWEST_RATE} Hz; expected version {recordings.version}"
        )
    number, seconds = recordings.number_from, 0.0
    for sound, path in _CUTTERS[recordings.mode](recordings, files):
        if seconds >= 60.0 * recordings.minutes:
            return
        row = _write(recordings, root, folder, f"{recordings.source}_{number + 1:03d}", sound, path)
        if row is not None:
            number += 1
            seconds += row.seconds
            yield row


def _files(recordings: Recordings, root: Path) -> list[Path]:
    """What the entry names of the package, or of the archive in it, shuffled the same way every time."""
    if recordings.archive:
        root = _unpack(root / recordings.archive)
    found = {path for pattern in recordings.paths for path in root.glob(pattern)}
    files = [
        path
        for path in sorted(found)
        if path.suffix.lower() in _SUFFIXES and not any(text in str(path) for text in recordings.skip)
    ]
    random.Random(zlib.crc32(recordings.source.encode())).shuffle(files)
    return [path for path in files if _rate(path) >= _LOWEST_RATE]


def _unpack(archive: Path) -> Path:
    """The sounds of a zip, beside it; names that point elsewhere are left out."""
    folder = archive.with_name(archive.name + ".unpacked")
    try:
        with zipfile.ZipFile(archive) as packed:
            for name in packed.namelist():
                place = PurePosixPath(name)
                if place.suffix.lower() in _SUFFIXES and ".." not in place.parts and not place.is_absolute():
                    packed.extract(name, folder)
    except (OSError, zipfile.BadZipFile) as error:
        raise AudioFormatError(f"{archive} cannot be unpacked ({error})") from error
    return folder


def _rate(path: Path) -> int:
    """Sample rate, 0 of what is no sound."""
    try:
        return int(soundfile.info(path).samplerate)
    except (soundfile.LibsndfileError, OSError):
        return 0


def _joined(recordings: Recordings, files: Sequence[Path]) -> Iterator[tuple[Sound, Path]]:
    """Short sounds laid behind each other: spoken words, drums."""
    sounds = (load_sound(path) for path in files if soundfile.info(path).duration <= _LONGEST_JOINED_S)
    if recordings.judge_joined:
        stretches = _clean(recordings, join(trim(sound, recordings.trim_db) for sound in sounds))
    else:
        clean = (trim(sound, recordings.trim_db) for sound in _clean(recordings, sounds))
        stretches = join(sound for sound in clean if _reaches(recordings, sound))
    for stretch in stretches:
        yield stretch, files[0]


def _clean(recordings: Recordings, sounds: Iterable[Sound]) -> Iterator[Sound]:
    """Sounds without their whistles, and only those that stand clear of what is heard in their pauses."""
    for sound in sounds:
        cleaned = notch_whistles(sound) if recordings.notch_whistles else sound
        heard = cleaned[sound != 0.0] if recordings.judge_joined else cleaned  # the gaps are no pauses
        if not recordings.snr_db or stands_clear(heard, recordings.snr_db):
            yield cleaned


def _reaches(recordings: Recordings, sound: Sound) -> bool:
    return len(sound) > 4096 and measure_edge(sound)[0] >= recordings.lowest_edge_hz


def _short(recordings: Recordings, files: Sequence[Path]) -> Iterator[tuple[Sound, Path]]:
    """Files from their start on, three clips of each at most."""
    for path in files:
        sound = trim(load_sound(path, frames=round(_READ_OF_SHORT_S * _rate(path))), recordings.trim_db)
        for start in range(0, len(sound), _LONGEST)[:_CLIPS_OF_SHORT]:
            yield sound[start : start + _LONGEST], path


def _music(recordings: Recordings, files: Sequence[Path]) -> Iterator[tuple[Sound, Path]]:
    """Stretches from all over each file, as many of each as it takes, where it is not silent."""
    count = math.ceil(60.0 * recordings.minutes / LONGEST_S / len(files))
    for path in files:
        info = soundfile.info(path)
        spare = max(0.0, info.duration - LONGEST_S)
        places = list(np.minimum(np.linspace(0.03, 0.94, 2 * count + 1) + recordings.phase, 1.0) * spare)
        random.Random(path.name).shuffle(places)
        taken = 0
        for place in places:
            sound = load_sound(path, round(place * info.samplerate), round(LONGEST_S * info.samplerate))
            if taken < count and _sounds_throughout(sound):
                taken += 1
                yield sound, path


def _sounds_throughout(sound: Sound) -> bool:
    blocks = sound[: len(sound) // 4800 * 4800].reshape(-1, 4800)
    level = np.sqrt(np.mean(blocks**2, axis=1))
    loudest = float(level.max(initial=0.0))
    return loudest >= 0.01 and float(np.mean(level > 0.03 * loudest)) >= 0.7


def _write(
    recordings: Recordings, root: Path, folder: Path, name: str, sound: Sound, path: Path
) -> ClipRow | None:
    """A clip, unless it is too short or reaches less high than it should."""
    if len(sound) < _SHORTEST_S * SAMPLE_RATE or measure_edge(sound)[0] < recordings.lowest_edge_hz:
        return None
    lossy = _CODECS.get(path.suffix.lower(), "unknown" if has_wall(sound) else "no")
    limit_hz = None if lossy == "no" else _trusted_hz(recordings, sound)
    if limit_hz == 0.0:
        return None
    origin = Origin(
        source_repo=f"Debian {recordings.package} {recordings.version}",
        source_path=recordings.paths[0] if recordings.mode == "join" else str(path.relative_to(root)),
        licence=recordings.licence,
        author=recordings.author,
        original_sample_rate=min(_rate(path), SAMPLE_RATE),
        lossy_source=lossy,
        limit_hz=limit_hz,
    )
    return write_clip(folder, recordings.kind, name, sound, origin)


def _trusted_hz(recordings: Recordings, sound: Sound) -> float:
    """How high a sound that has been through a codec can be trusted, 0 of one that is not worth it."""
    edge_hz, steady_hz = measure_edge(sound)[0], steady_edge_hz(sound)
    if steady_hz < _LOWEST_STEADY_HZ:
        return 0.0
    if not recordings.steady:
        return float(min(edge_hz, steady_hz + 500))
    limit_hz = min(edge_hz, steady_hz, wall_hz(sound) // 500 * 500)
    return float(limit_hz) if limit_hz >= recordings.lowest_edge_hz else 0.0


_CUTTERS: Final[Mapping[str, Callable[[Recordings, Sequence[Path]], Iterator[tuple[Sound, Path]]]]] = {
    "join": _joined,
    "short": _short,
    "music": _music,
}

"""Training audio: clips of a folder with an index or of any folder of audio, and their split by source."""

from __future__ import annotations

import csv
import logging
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from audiosr_fx.errors import AudioFormatError, ParameterError
from audiosr_fx.files import read_info
from audiosr_fx.training.samples import SAMPLE_RATE, FileSamples, Samples
from audiosr_fx.wording import printable, shown

__all__ = [
    "HELD_OUT_SOURCES",
    "INDEX_NAME",
    "SAMPLE_RATE",
    "UPSAMPLED_LIMIT_HZ",
    "Clip",
    "DataFolder",
    "choose_validation",
    "clips_of_file",
    "load_corpus",
    "split_corpus",
]

logger = logging.getLogger(__name__)

INDEX_NAME = "INDEX.csv"

# Whole sources (instrument, speaker, album) that training never sees, about a tenth of the clips.
HELD_OUT_SOURCES = frozenset(
    {
        *("magphase", "vctk_b", "sms"),
        *("mdl_drumline", "cabasa"),
        *("sp_loop", "mix_resaudio", "martin", "killerbass", "cp80", "vsco_vln", "weresax", "squidpipes"),
        *("godot_fx", "resaudio"),
    }
)

UPSAMPLED_LIMIT_HZ = 21_000.0  # of 44.1 kHz: higher up converters have begun to fall
_SHORTEST_S = 0.02  # in less there is nothing to learn or to measure
_CHANNELS_USED = 2  # of a file; of surround sound the others are seldom full-band
_SECOND_CHANNEL = "#2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """One training clip: mono at 48 kHz, trustworthy as a target below ``limit_hz``.

    ``origin``, ``licence`` and ``author`` say whose recording it is, as far as the index does; ``weight`` is
    that of its folder.
    """

    name: str
    kind: str
    source: str
    limit_hz: float
    samples: Samples = field(repr=False)
    origin: str = ""
    licence: str = ""
    author: str = ""
    weight: float = 1.0

    @property
    def seconds(self) -> float:
        return len(self.samples) / SAMPLE_RATE

    @property
    def file(self) -> str:
        """The file it comes from, relative to its folder; both channels of a recording share it."""
        return self.name.removesuffix(_SECOND_CHANNEL)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFolder:
    """A folder of audio and how much it counts beside others."""

    path: Path
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 < self.weight < float("inf"):
            raise ParameterError(f"the weight of {self.path} is {self.weight}; expected a number above 0")

    @classmethod
    def parse(cls, text: str) -> DataFolder:
        """Read ``FOLDER`` or ``FOLDER:WEIGHT``; a name that exists as it stands is taken so.

        Raises:
            ParameterError: no name, or a weight that is none.
        """
        path, separator, weight = text.rpartition(":")
        if not (path if separator else text):
            raise ParameterError(f"data is {text!r}, an empty path; expected a folder, or FOLDER:WEIGHT")
        if not separator or Path(text).exists():
            return cls(path=Path(text))
        try:
            return cls(path=Path(path), weight=float(weight))
        except ValueError as error:
            if isinstance(error, ParameterError):
                raise
            return cls(path=Path(text))

    def check(self) -> None:
        """Refuse one that is not there, before anything slow begins.

        Raises:
            AudioFormatError: no such folder.
        """
        if not self.path.is_dir():
            raise AudioFormatError(f"{shown(self.path)}: no such folder; expected a folder of audio files")


def load_corpus(folder: Path, *, weight: float = 1.0) -> list[Clip]:
    """The clips that ``INDEX.csv`` lists; their audio is read when it is needed.

    The columns ``file`` and ``kind`` are needed. A clip's ``limit_hz`` is ``edge_hz`` where ``lossy_source``
    is not ``no``, 21 kHz where ``original_sample_rate`` is below 48 kHz (of rates below 44.1 kHz as large a
    share), and 24 kHz otherwise. Its source is the column ``source``, or the file's name without the number
    at its end. ``source_repo``, ``licence`` and ``author`` say whose it is. Files that cannot be read are
    skipped with a warning.

    Raises:
        AudioFormatError: no index, an index without the needed columns, or no clip that can be read.
    """
    index = folder / INDEX_NAME
    if not index.is_file():
        raise AudioFormatError(
            f"{folder} has no {INDEX_NAME}; expected a corpus folder with one row per clip"
        )
    clips = []
    try:
        with index.open(newline="", encoding="utf-8-sig") as file:  # as spreadsheets write it, too
            for row in csv.DictReader(file):
                if row["file"] and row["kind"]:
                    clips += _clips_of_row(folder, row, weight)
                else:
                    logger.warning("skipped: %s: a row without file or kind", shown(index))
    except (KeyError, UnicodeDecodeError, csv.Error) as error:
        raise AudioFormatError(
            f"{shown(index)} cannot be read ({error!r}); expected columns file and kind, with commas between"
        ) from error
    if not clips:
        raise AudioFormatError(f"{shown(index)} lists no clip that can be read")
    return clips


def _clips_of_row(folder: Path, row: dict[str, str], weight: float) -> list[Clip]:
    name = row["file"]
    try:
        rate = float(row.get("original_sample_rate") or 0) or SAMPLE_RATE
        is_upsampled = rate < SAMPLE_RATE
        limit = UPSAMPLED_LIMIT_HZ * min(rate / 44_100, 1.0) if is_upsampled else SAMPLE_RATE / 2
        if (row.get("lossy_source") or "no") != "no":
            limit = min(limit, float(row["edge_hz"]))
        return clips_of_file(
            folder,
            name,
            kind=row["kind"],
            source=row.get("source") or Path(name).stem.rstrip("0123456789").rstrip("_"),
            limit_hz=limit,
            origin=row.get("source_repo") or "",
            licence=row.get("licence") or "",
            author=row.get("author") or "",
            weight=weight,
        )
    except (AudioFormatError, ValueError, OSError) as error:
        log_skipped(name, error)
        return []


def log_skipped(name: str, error: Exception) -> None:
    """Say of a file that it is passed over, and why."""
    told = printable(name)
    logger.warning("skipped: %s", error if told in str(error) else f"{told}: {error}")


def check_length(path: Path, duration_s: float) -> None:
    """Refuse a recording too short to learn or to measure anything from.

    Raises:
        AudioFormatError: it has less than 20 ms.
    """
    if duration_s < _SHORTEST_S:
        raise AudioFormatError(f"{shown(path)}: is shorter than {_SHORTEST_S * 1000:.0f} ms")


def clips_of_file(
    folder: Path,
    name: str,
    *,
    kind: str,
    source: str,
    limit_hz: float,
    origin: str = "",
    licence: str = "",
    author: str = "",
    weight: float = 1.0,
) -> list[Clip]:
    """One clip for each of the first two channels of ``folder / name``, of which only the header is read.

    Raises:
        AudioFormatError: no audio that can be read, less than its header promises, or less than 20 ms.
    """
    info = read_info(folder / name)
    if info.is_truncated:
        raise AudioFormatError(info.warning or f"{shown(folder / name)}: is truncated")
    check_length(folder / name, info.duration_s)
    limit_hz = min(limit_hz, info.sample_rate / 2.0)
    return [
        Clip(
            name=name + (_SECOND_CHANNEL if channel else ""),
            kind=kind,
            source=source,
            limit_hz=limit_hz,
            samples=FileSamples(
                folder / name, channel=channel, sample_rate=info.sample_rate, frames=info.frames
            ),
            origin=origin,
            licence=licence,
            author=author,
            weight=weight,
        )
        for channel in range(min(info.channels, _CHANNELS_USED))
    ]


def split_corpus(
    clips: Sequence[Clip], held_out: frozenset[str] = HELD_OUT_SOURCES, fraction: float = 0.0
) -> tuple[list[Clip], list[Clip], list[Clip]]:
    """Split by source into training, validation and test clips.

    The held-out sources go to validation (one file in four, chosen by a hash of the name, and at least one)
    and test. Where none of ``held_out`` is there, about ``fraction`` of the sources is held out, chosen by a
    hash of their names, and all of it is for validation: one source at least. A single source is split by
    file.
    """
    if fraction and not held_out & {clip.source for clip in clips}:
        names, key = _choose_held_out(clips, fraction)
        chosen = [getattr(clip, key) in names for clip in clips]
        kept = [clip for clip, is_chosen in zip(clips, chosen, strict=True) if not is_chosen]
        return kept, [clip for clip, is_chosen in zip(clips, chosen, strict=True) if is_chosen], []
    training, validation, test = [], [], []
    for clip in clips:
        if clip.source not in held_out:
            training.append(clip)
        elif _hash(clip.file) % 4 == 0:
            validation.append(clip)
        else:
            test.append(clip)
    if test and not validation:
        validation = [clip for clip in test if clip.file == test[0].file]
        test = [clip for clip in test if clip.file != test[0].file]
    return training, validation, test


def _choose_held_out(clips: Sequence[Clip], fraction: float) -> tuple[frozenset[str], str]:
    """Names to hold out, and the attribute of a clip they are values of."""
    key = "source" if len({clip.source for clip in clips}) > 1 else "file"
    names = sorted({str(getattr(clip, key)) for clip in clips}, key=_hash)
    if len(names) < 2:
        logger.warning(
            "all data is one file: nothing is held out, and there will be no validation and no early stop"
        )
        return frozenset(), key
    chosen = [name for name in names[:-1] if _hash(name) < fraction * 2**32]
    return frozenset(chosen or names[:1]), key


def choose_validation(clips: Sequence[Clip], most: int) -> list[Clip]:
    """At most so many clips, always the same, in their order: validation is held in memory."""
    chosen = {id(clip) for clip in sorted(clips, key=lambda clip: _hash(clip.name))[:most]}
    return [clip for clip in clips if id(clip) in chosen]


def _hash(text: str) -> int:
    return zlib.crc32(text.encode("utf-8", "surrogateescape"))

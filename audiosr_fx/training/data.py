"""Training audio: a folder of clips with an index, split by source."""

from __future__ import annotations

import csv
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile

from audiosr_fx.errors import AudioFormatError

SAMPLE_RATE = 48_000

# Whole sources (instrument, speaker, album) that training never sees, about a tenth of the clips.
HELD_OUT_SOURCES = frozenset(
    {
        *("magphase", "vctk_b", "sms"),
        *("mdl_drumline", "cabasa"),
        *("sp_loop", "mix_resaudio", "martin", "killerbass", "cp80", "vsco_vln", "weresax", "squidpipes"),
        *("godot_fx", "resaudio"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """One training clip: mono int16 at 48 kHz, trustworthy as a target below ``limit_hz``."""

    name: str
    kind: str
    source: str
    limit_hz: float
    samples: np.ndarray = field(repr=False)

    @property
    def seconds(self) -> float:
        return len(self.samples) / SAMPLE_RATE


def load_corpus(folder: Path) -> list[Clip]:
    """Read every clip that ``INDEX.csv`` lists.

    A clip's ``limit_hz`` is its measured edge for lossy sources, 22 kHz for 44.1 kHz sources and
    24 kHz otherwise.

    Raises:
        AudioFormatError: no index, or a clip that is not mono at 48 kHz.
    """
    index = folder / "INDEX.csv"
    if not index.is_file():
        raise AudioFormatError(f"{folder} has no INDEX.csv; expected a corpus folder with one row per clip")
    with index.open(newline="", encoding="utf-8") as file:
        return [_load_clip(folder, row) for row in csv.DictReader(file)]


def _load_clip(folder: Path, row: dict[str, str]) -> Clip:
    samples, sample_rate = soundfile.read(folder / row["file"], dtype="int16")
    if sample_rate != SAMPLE_RATE or samples.ndim != 1:
        raise AudioFormatError(f"{row['file']} is not mono at 48 kHz")
    limit = 22_000.0 if float(row["original_sample_rate"]) < SAMPLE_RATE else 24_000.0
    if row["lossy_source"] != "no":
        limit = min(limit, float(row["edge_hz"]))
    return Clip(
        name=row["file"],
        kind=row["kind"],
        source=Path(row["file"]).stem.rstrip("0123456789").rstrip("_"),
        limit_hz=limit,
        samples=samples,
    )


def split_corpus(
    clips: Sequence[Clip], held_out: frozenset[str] = HELD_OUT_SOURCES
) -> tuple[list[Clip], list[Clip], list[Clip]]:
    """Split by source into training, validation and test clips.

    The held-out sources go to validation (one clip in four, chosen by a hash of the name) and test.
    """
    training, validation, test = [], [], []
    for clip in clips:
        if clip.source not in held_out:
            training.append(clip)
        elif zlib.crc32(clip.name.encode()) % 4 == 0:
            validation.append(clip)
        else:
            test.append(clip)
    return training, validation, test

"""Clips to train on: cut, levelled, measured and written into a folder with an ``INDEX.csv``."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import soundfile
from numpy.typing import NDArray

from audiosr_fx.atomic import replacing
from audiosr_fx.errors import AudioFormatError
from audiosr_fx.training.data import INDEX_NAME, SAMPLE_RATE

LONGEST_S: Final = 6.0
PEAK_DB: Final = -3.0

_N_FFT: Final = 2048
_BAND_HZ: Final = 500
_FADE_IN_S, _FADE_OUT_S = 0.0025, 0.03


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipRow:
    """One row of the index. ``edge_hz`` and the three after it are measured by ``write_clip``."""

    file: str
    kind: str
    source_repo: str
    source_path: str
    licence: str
    author: str
    original_sample_rate: int
    seconds: float
    edge_hz: int
    hf16_20k_db: float
    peak_before_norm_db: float
    lossy_source: str
    bandwidth_class: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a clip comes from. ``lossy_source`` names the codec it has been through, or "no".

    ``limit_hz`` is given where it is known up to which frequency the clip can be trusted: it stands as the
    edge then, which is measured otherwise.
    """

    source_repo: str
    source_path: str
    licence: str
    author: str
    original_sample_rate: int = SAMPLE_RATE
    lossy_source: str = "no"
    limit_hz: float | None = None


def write_clip(
    folder: Path, kind: str, name: str, sound: NDArray[np.floating], origin: Origin
) -> ClipRow | None:
    """Write ``folder/kind/name.flac`` from mono sound at 48 kHz, (T,); None if it is silence.

    DC is removed, at most 6 s are kept, the ends are faded and the peak set to -3 dBFS, 16 bit.
    """
    sound = np.array(sound[: round(LONGEST_S * SAMPLE_RATE)], np.float64)
    peak = float(np.max(np.abs(sound), initial=0.0))
    if peak < 1e-4:
        return None
    sound -= np.mean(sound)
    fade_in, fade_out = (min(round(s * SAMPLE_RATE), len(sound)) for s in (_FADE_IN_S, _FADE_OUT_S))
    sound[:fade_in] *= np.linspace(0, 1, fade_in)
    sound[len(sound) - fade_out :] *= np.linspace(1, 0, fade_out)
    sound *= 10 ** (PEAK_DB / 20) / np.max(np.abs(sound))
    edge_hz, high_db = measure_edge(sound)
    lossy = origin.lossy_source
    path = folder / kind / f"{name}.flac"
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        soundfile.write(temporary, sound, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return ClipRow(
        file=f"{kind}/{name}.flac",
        kind=kind,
        source_repo=origin.source_repo,
        source_path=origin.source_path,
        licence=origin.licence,
        author=origin.author,
        original_sample_rate=origin.original_sample_rate,
        seconds=round(len(sound) / SAMPLE_RATE, 3),
        edge_hz=edge_hz if origin.limit_hz is None else int(origin.limit_hz),
        hf16_20k_db=round(high_db, 1),
        peak_before_norm_db=round(20 * np.log10(peak), 1),
        lossy_source=lossy,
        bandwidth_class="codec" if lossy != "no" else "full" if edge_hz >= 19_000 else "soft",
    )


def check_unused(folder: Path) -> None:
    """Refuse a folder that holds clips already.

    Raises:
        AudioFormatError: it has an index.
    """
    if (folder / INDEX_NAME).exists():
        raise AudioFormatError(f"{folder} holds an {INDEX_NAME} already; give a new folder")


def write_index(folder: Path, rows: Iterable[ClipRow]) -> None:
    """Write ``INDEX.csv`` whole, in one step."""
    with (
        replacing(folder / INDEX_NAME) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, ClipRow.__dataclass_fields__)
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)


def measure_edge(sound: NDArray[np.floating]) -> tuple[int, float]:
    """How high mono sound at 48 kHz reaches, in Hz, and its power in 16-20 kHz, in dB of the whole.

    Both on the tenth of the frames with most energy above 10 kHz. The edge is where the level, from 10 kHz
    up, first falls 30 dB below that of 8-12 kHz.
    """
    if len(sound) < _N_FFT:
        raise AudioFormatError(
            f"a clip of {len(sound)} samples cannot be measured; expected at least {_N_FFT}"
        )
    frames = np.lib.stride_tricks.sliding_window_view(sound, _N_FFT)[:: _N_FFT // 4]
    power = np.abs(np.fft.rfft(frames * np.hanning(_N_FFT), axis=-1)) ** 2 + 1e-14
    frequency = np.fft.rfftfreq(_N_FFT, 1 / SAMPLE_RATE)
    energy = power[:, frequency >= 10_000].sum(-1)
    loudest = np.argsort(energy)[-max(1, len(energy) // 10) :]
    mean = power[loudest].mean(0)
    bands = np.array([mean[(frequency >= f) & (frequency < f + _BAND_HZ)].mean() for f in _bands_hz()])
    reference = bands[(_bands_hz() >= 8_000) & (_bands_hz() < 12_000)].mean()
    low = np.flatnonzero((bands < reference / 1_000) & (_bands_hz() >= 10_000))
    edge_hz = int(_bands_hz()[low[0]]) if len(low) else SAMPLE_RATE // 2
    high = mean[(frequency >= 16_000) & (frequency < 20_000)].sum() / mean.sum()
    return edge_hz, float(10 * np.log10(high))


def _bands_hz() -> NDArray[np.int64]:
    return np.arange(0, SAMPLE_RATE // 2, _BAND_HZ)

"""The part of a recording that is worth hearing, before and after: equally loud, in step, and encoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from audiosr_fx.errors import AudioFormatError
from audiosr_fx.quality.embed import encode_audio
from audiosr_fx.quality.levels import match_loudness, measure_level
from audiosr_fx.quality.listen_folder import SAMPLE_RATE
from audiosr_fx.sources import ResampledSource, Source

_CHANNELS: Final = (1, 2, 4, 6)  # what browsers fold down to headphones

Choice: TypeAlias = Literal["whole", "most changed", "loudest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Excerpt:
    """The same part of a recording before and after, as FLAC of 16 bit at 48 kHz.

    ``start_s`` and ``seconds`` say which part, ``choice`` why that one. Both were brought to
    ``loudness_lufs`` by ``gains_db``. ``frames``: samples per channel, of either.
    """

    before: bytes
    after: bytes
    frames: int
    start_s: float
    choice: Choice
    loudness_lufs: float
    gains_db: tuple[float, float]

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.frames / SAMPLE_RATE


def choose_part(change: NDArray[np.float64], power: NDArray[np.float64], seconds: int) -> tuple[int, Choice]:
    """Where to cut an excerpt.

    Args:
        change: power that changed, per second of the recording.
        power: of what came out, per second.
        seconds: wanted.

    Returns:
        Its first second, and why: where most changed, or, where nothing did, the loudest part.
    """
    if len(power) <= seconds:
        return 0, "whole"
    choice: Choice = "most changed" if change.any() else "loudest"
    over = np.cumsum(np.concatenate([[0.0], change if change.any() else power]))
    return int(np.argmax(over[seconds:] - over[:-seconds])), choice


def cut_excerpt(before: Source, after: Source, start_s: int, seconds: int, choice: Choice) -> Excerpt:
    """Read a part of both, bring both to one loudness, and encode them.

    Args:
        before: what went in, in step with ``after`` and of the same rate.
        after: what came out.
        start_s: its first second.
        seconds: at most; less where the recording ends.
        choice: why this part.

    Raises:
        AudioFormatError: what cannot be matched in loudness (too short, silent) or played by a browser.
    """
    for source in (before, after):
        if source.channels not in _CHANNELS:
            raise AudioFormatError(f"has {source.channels} channels; browsers play 1, 2, 4 or 6")
    start = start_s * SAMPLE_RATE
    resampled = [ResampledSource(source, SAMPLE_RATE) for source in (before, after)]
    stop = min(start + seconds * SAMPLE_RATE, *(source.frames for source in resampled))
    parts = [source.read(start, stop) for source in resampled]
    match = match_loudness([measure_level(part, SAMPLE_RATE) for part in parts])
    data = [
        encode_audio(part * np.float32(10.0 ** (gain_db / 20.0)), SAMPLE_RATE)
        for part, gain_db in zip(parts, match.gains_db, strict=True)
    ]
    return Excerpt(
        before=data[0],
        after=data[1],
        frames=stop - start,
        start_s=float(start_s),
        choice=choice,
        loudness_lufs=match.loudness_lufs,
        gains_db=(match.gains_db[0], match.gains_db[1]),
    )

"""Fixed held-out material, the same for every stage and every run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from audiosr_fx.training.data import SAMPLE_RATE, Clip
from audiosr_fx.training.degrade import LowPass, apply_lowpass
from audiosr_fx.training.segments import Batch, Segment, collate

VALIDATION_CUTOFFS_HZ = (4_000.0, 8_000.0, 12_000.0)
VALIDATION_SECONDS = 2.56
SHOWN = 3
"""How many clips of a batch are shown as examples."""

_FROM_THE_MIDDLE_S = 12.0  # of clips as long as this: pieces of music begin with silence


def validation_batches(clips: Sequence[Clip]) -> Iterator[tuple[float, Batch]]:
    """One batch a cutoff: 2.56 s of every clip, Chebyshev order 8, low-passed peak at 0.5."""
    if not clips:
        return
    for cutoff_hz in VALIDATION_CUTOFFS_HZ:
        lowpass = LowPass(family="chebyshev", order=8, cutoff_hz=cutoff_hz)
        yield cutoff_hz, collate([_segment(clip, lowpass) for clip in clips])


def validation_piece(clip: Clip) -> np.ndarray:
    """The stretch of a clip that is validated on, 2.56 s or less: float32 (T,)."""
    length = round(VALIDATION_SECONDS * SAMPLE_RATE)
    start = (len(clip.samples) - length) // 2 if clip.seconds >= _FROM_THE_MIDDLE_S else 0
    return np.asarray(clip.samples[start : start + length].astype(np.float32) / np.float32(32768))


def figures_per_cutoff(*kinds: str) -> tuple[str, ...]:
    """Names of figures of so many kinds, each at every cutoff."""
    return tuple(f"{kind}_{cutoff_hz:.0f}" for kind in kinds for cutoff_hz in VALIDATION_CUTOFFS_HZ)


def mean_figure(figures: dict[str, float], name: str) -> dict[str, float]:
    """The figures, led by their mean under a name of its own."""
    return {name: float(np.mean(list(figures.values()))), **figures} if figures else {}


def _segment(clip: Clip, lowpass: LowPass) -> Segment:
    target = np.zeros(round(VALIDATION_SECONDS * SAMPLE_RATE), np.float32)
    piece = validation_piece(clip)
    target[: len(piece)] = piece
    dull = apply_lowpass(target, lowpass)
    gain = np.float32(0.5 / max(float(np.abs(dull).max()), 1e-4))
    return Segment(
        target=target * gain, dull=dull * gain, cutoff_hz=lowpass.cutoff_hz, limit_hz=clip.limit_hz
    )

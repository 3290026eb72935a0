"""Fixed held-out material, the same for every stage and every run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from audiosr_fx.training.data import SAMPLE_RATE, Clip
from audiosr_fx.training.degrade import LowPass, apply_lowpass
from audiosr_fx.training.segments import Batch, Segment, collate

VALIDATION_CUTOFFS_HZ = (4_000.0, 8_000.0, 12_000.0)
_SECONDS = 2.56


def validation_batches(clips: Sequence[Clip]) -> Iterator[tuple[float, Batch]]:
    """One batch a cutoff: the first 2.56 s of every clip, Chebyshev order 8, low-passed peak at 0.5."""
    for cutoff_hz in VALIDATION_CUTOFFS_HZ:
        lowpass = LowPass(family="chebyshev", order=8, cutoff_hz=cutoff_hz)
        yield cutoff_hz, collate([_segment(clip, lowpass) for clip in clips])


def _segment(clip: Clip, lowpass: LowPass) -> Segment:
    length = round(_SECONDS * SAMPLE_RATE)
    target = np.zeros(length, np.float32)
    piece = clip.samples[:length].astype(np.float32) / 32768
    target[: len(piece)] = piece
    dull = apply_lowpass(target, lowpass)
    gain = np.float32(0.5 / max(float(np.abs(dull).max()), 1e-4))
    return Segment(
        target=target * gain, dull=dull * gain, cutoff_hz=lowpass.cutoff_hz, limit_hz=clip.limit_hz
    )

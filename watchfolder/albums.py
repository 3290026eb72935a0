"""One gain for a set of stems: measured over all of them, then written into their preset as a fixed gain.

Each stem is a job of its own, so it can be killed, resumed and repeated alone; what they share is decided
once, before the first of them begins, and is part of what each job is known by.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from audiosr_fx.decode_limits import ALL_KINDS, DecodeLimits
from audiosr_fx.decoding import DecodedFile, decode_apart
from audiosr_fx.errors import AudioFormatError
from audiosr_fx.loudness import GainDecision, LoudnessNormalize
from audiosr_fx.preset import Preset, Section
from audiosr_fx.progress import ShouldCancel


def is_album(preset: Preset) -> bool:
    """Whether a preset measures a whole set before anything is done to it."""
    return bool(preset.chain) and preset.chain[0].values.get("mode") == "album"


def decide_album(
    preset: Preset, stems: Sequence[Path], *, should_cancel: ShouldCancel | None = None
) -> GainDecision:
    """The gain that a preset in album mode gives to a set.

    Args:
        preset: as ``is_album``.
        stems: files; what cannot be decoded is left out, and fails when its turn comes.
        should_cancel: asked many times a second.

    Raises:
        RenderCancelled: should_cancel said so.
    """
    values: dict[str, Any] = dict(preset.chain[0].values)
    effect = LoudnessNormalize(**values)
    return effect.learn(_decoded(stems, should_cancel), should_cancel)


def with_fixed_gain(preset: Preset, gain_db: float) -> Preset:
    """The same chain with a gain in place of the effect that would measure a set."""
    gain = Section(type="Gain", values={"gain_db": round(gain_db, 4)})
    return replace(preset, chain=(gain, *preset.chain[1:]))


def _decoded(stems: Sequence[Path], should_cancel: ShouldCancel | None) -> Iterator[DecodedFile]:
    for stem in stems:
        with (
            suppress(AudioFormatError),
            decode_apart(stem, DecodeLimits(kinds=ALL_KINDS), should_cancel=should_cancel) as source,
        ):
            yield source

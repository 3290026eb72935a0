"""What is compared on: stretches of recordings that training never saw, and each of them dulled."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from audiosr_fx.quality.conditions import Condition
from audiosr_fx.quality.spectra import Waveform
from audiosr_fx.training.data import (
    HELD_OUT_SOURCES,
    INDEX_NAME,
    SAMPLE_RATE,
    Clip,
    DataFolder,
    split_corpus,
)
from audiosr_fx.training.folders import load_data
from audiosr_fx.training.samples import FULL_SCALE, intact
from audiosr_fx.training.trained_on import TrainedOn
from audiosr_fx.wording import printable

logger = logging.getLogger(__name__)

_GROUPS = {"speech": "speech", "fx": "effects", "drums": "effects"}
_ROOM = 1.05  # times the cutoff: less than that above it is nothing to restore


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One recording under one condition. ``clip`` is the name of its file, whatever that is made of.

    ``bright`` and ``dull`` are (T,) at 48 kHz. ``dull`` is like ``bright`` up to ``cutoff_hz``, which itself
    can be trusted up to ``highest_hz``. They begin at sample ``start`` of a file of ``whole`` samples.
    """

    clip: str
    kind: str
    source: str
    condition: Condition
    cutoff_hz: float
    highest_hz: float
    start: int
    whole: int
    bright: Waveform = field(repr=False)
    dull: Waveform = field(repr=False)


def choose_clips(
    folder: Path,
    *,
    everything: bool = False,
    trained_on: TrainedOn | None = None,
    limit: int | None = None,
    grouped: bool = True,
) -> dict[str, list[Clip]]:
    """The clips to compare on, by kind.

    Of a folder whose index names the sources that the embedded model was trained on, only those held out of
    training are taken, and of any folder none that ``trained_on`` has, unless ``everything`` is asked for. Of
    stereo recordings the first channel is taken.

    Args:
        folder: with an ``INDEX.csv``, or any folder of audio, whose sub-folders are kinds.
        everything: take clips that training may have seen.
        trained_on: what the models were trained on that are compared.
        limit: clips per kind, spread over the sources; None for all.
        grouped: put the kinds of an index together as speech, music and effects (drums among them).

    Raises:
        AudioFormatError: no such folder, or nothing in it that can be read.
    """
    clips = [clip for clip in load_data([DataFolder(path=folder)]) if clip.name == clip.file]
    if not everything and HELD_OUT_SOURCES & {clip.source for clip in clips}:
        clips = _left_out(clips, split_corpus(clips)[2], "mini was trained on their sources")
    if not everything and trained_on is not None:
        clips = _left_out(
            clips, [clip for clip in clips if not trained_on.has(clip)], "a model was trained on them"
        )
    has_index = (folder / INDEX_NAME).is_file()
    by_kind: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        kind = _GROUPS.get(clip.kind, "music") if grouped and has_index else printable(clip.kind)
        by_kind[kind].append(clip)
    order = ["speech", "music", "effects"]
    kinds = sorted(by_kind, key=lambda kind: (order.index(kind) if kind in order else len(order), kind))
    return {kind: spread(by_kind[kind], limit) for kind in kinds}


def _left_out(clips: Sequence[Clip], kept: list[Clip], reason: str) -> list[Clip]:
    """``kept``, said aloud where that is not all."""
    if len(kept) < len(clips):
        logger.warning(
            "%d of %d clips are left out, because %s; --all takes all",
            len(clips) - len(kept),
            len(clips),
            reason,
        )
    return kept


def spread(clips: Sequence[Clip], limit: int | None) -> list[Clip]:
    """At most so many clips, one of each source in turn, long ones first; always the same."""
    queues: dict[tuple[str, str], list[Clip]] = defaultdict(list)
    for clip in clips:
        queues[clip.kind, clip.source].append(clip)
    for queue in queues.values():
        queue.sort(key=lambda clip: (-min(len(clip.samples), 10 * SAMPLE_RATE), clip.name))
    chosen: list[Clip] = []
    for depth in range(max((len(queue) for queue in queues.values()), default=0)):
        chosen += [queue[depth] for _, queue in sorted(queues.items()) if depth < len(queue)]
    return chosen if limit is None else chosen[:limit]


def make_case(clip: Clip, kind: str, condition: Condition, seconds: float) -> Case | None:
    """Dull the middle ``seconds`` of a clip; None where nothing that can be trusted lies above the cutoff, as
    in silence.

    Raises:
        AudioFormatError: its file is damaged there, or the codec failed.
        ParameterError: a codec this machine has not got.
    """
    whole = len(clip.samples)
    length = min(whole, round(seconds * SAMPLE_RATE))
    start = (whole - length) // 2
    bright = np.asarray(intact(clip.samples, start, start + length), np.float32) / np.float32(FULL_SCALE)
    if not bright.any():
        return None
    dull, cutoff_hz = condition.apply(bright)
    if not cutoff_hz * _ROOM < clip.limit_hz:
        return None
    return Case(
        clip=clip.name,
        kind=kind,
        source=printable(clip.source),
        condition=condition,
        cutoff_hz=cutoff_hz,
        highest_hz=clip.limit_hz,
        start=start,
        whole=whole,
        bright=bright,
        dull=dull,
    )

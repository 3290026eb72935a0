"""What a comparison consists of, and the named experiments: plans that others can repeat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from audiosr_fx.errors import ParameterError
from audiosr_fx.quality.metrics import METRIC_NAMES
from audiosr_fx.quality.tables import DEFAULT_METRICS

_NEVER_EMPTY = ("samplers", "steps", "guidance", "seeds", "variants", "families", "hiss", "tones")
"""Where nothing is asked for, every row or column would be left out without a word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Rows and columns of a comparison, as a person asks for them.

    Attributes:
        models, qualities, samplers, steps, guidance, seeds, variants: see ``ModelRuns``.
        cutoffs_hz, families, order, codecs, hiss, tones: see ``conditions_of``.
        tilts_db_per_octave: of the naive fills.
        baselines: whether unprocessed audio and the naive fills are rows.
        predictor: whether each model's predicted envelope with noise is a row.
        vocoder_bound: whether the true mel through each vocoder is a row.
        grouped: whether the kinds of an index are put together as speech, music and effects.
        limit: clips per kind, None for all.
        seconds: of each clip, from its middle.
        metrics: what the tables show.
    """

    models: Sequence[str] = ("mini",)
    qualities: Sequence[str] = ("draft", "standard", "best")
    samplers: Sequence[str | None] = (None,)
    steps: Sequence[int | None] = (None,)
    guidance: Sequence[float | None] = (None,)
    seeds: Sequence[int] = (0,)
    variants: Sequence[str] = ("plain",)
    cutoffs_hz: Sequence[float] = (4_000.0,)
    families: Sequence[str] = ("chebyshev",)
    order: int = 8
    codecs: Sequence[str] = ()
    hiss: Sequence[float] = (0.0,)
    tones: Sequence[float] = (0.0,)
    tilts_db_per_octave: Sequence[float] = (-12.0,)
    baselines: bool = True
    predictor: bool = True
    vocoder_bound: bool = False
    grouped: bool = True
    limit: int | None = None
    seconds: float = 5.12
    metrics: Sequence[str] = DEFAULT_METRICS

    def __post_init__(self) -> None:
        if not 0.1 <= self.seconds <= 600.0:
            raise ParameterError(f"seconds is {self.seconds:g}; expected 0.1 to 600")
        if self.limit is not None and self.limit < 1:
            raise ParameterError(f"limit is {self.limit}; expected 1 or more")
        if not self.metrics:
            raise ParameterError(f"metrics is empty; expected one or more of {', '.join(METRIC_NAMES)}")
        for name in _NEVER_EMPTY:
            if not getattr(self, name):
                raise ParameterError(f"{name} is empty; expected one or more, or leave it away")
        for metric in self.metrics:
            if metric not in METRIC_NAMES:
                raise ParameterError(f"metric is {metric!r}; expected one of {', '.join(METRIC_NAMES)}")
        for tilt in self.tilts_db_per_octave:
            if not -60.0 <= tilt <= 0.0:
                raise ParameterError(f"tilt is {tilt:g}; expected -60 to 0 dB per octave")


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """A question and the plan that answers it."""

    question: str
    plan: Plan


_STANDARD = Plan(qualities=("standard",), limit=8)

EXPERIMENTS: Mapping[str, Experiment] = {
    "readme": Experiment(
        question="The tables and pictures of the README.",
        plan=Plan(
            cutoffs_hz=(4_000.0, 8_000.0, 12_000.0),
            seeds=(0, 1, 2),
            vocoder_bound=True,
            limit=20,
        ),
    ),
    "low-band": Experiment(
        question="What does it cost not to keep the low band, but to clean it or make it anew?",
        plan=replace(
            _STANDARD,
            variants=("plain", "low-band"),
            predictor=False,
            metrics=(*DEFAULT_METRICS, "lsd_low", "low_si_sdr_db"),
        ),
    ),
    "bandwidth": Experiment(
        question="How does the gain depend on the cutoff, from 2 to 16 kHz?",
        plan=replace(
            _STANDARD,
            cutoffs_hz=(2_000.0, 3_000.0, 4_000.0, 6_000.0, 8_000.0, 10_000.0, 12_000.0, 14_000.0, 16_000.0),
        ),
    ),
    "codecs": Experiment(
        question="Does taking away what a codec leaves above its cutoff help, and is the cutoff found?",
        plan=replace(
            _STANDARD,
            cutoffs_hz=(),
            codecs=("mp3:32k", "mp3:64k", "vorbis:48k", "opus:16k", "aac:32k"),
            variants=("plain", "junk", "found"),
            predictor=False,
        ),
    ),
    "noise": Experiment(
        question="What do hiss and a tone in the input do, and does it help to take them away first?",
        plan=replace(
            _STANDARD,
            hiss=(0.0, 0.001, 0.02),
            tones=(0.0, 0.05),
            variants=("plain", "low-band"),
            predictor=False,
        ),
    ),
    "steps": Experiment(
        question="What do more steps, another sampler and another seed change?",
        plan=replace(
            _STANDARD,
            steps=(0, 1, 2, 4, 8, 16, 32),
            samplers=("ddim", "dpmpp_2m"),
            seeds=(0, 1, 2),
            predictor=False,
            baselines=False,
        ),
    ),
    "domains": Experiment(
        question="How well does a model do on each kind of recording?",
        plan=replace(_STANDARD, grouped=False),
    ),
}


def make_plan(experiment: str | None, changes: Mapping[str, Any]) -> Plan:
    """An experiment's plan, or the default one, with what was asked for by hand.

    Raises:
        ParameterError: an unknown experiment, or a value outside its range.
    """
    if experiment is None:
        return replace(Plan(), **changes)
    if experiment not in EXPERIMENTS:
        raise ParameterError(f"experiment is {experiment!r}; expected one of {', '.join(EXPERIMENTS)}")
    return replace(EXPERIMENTS[experiment].plan, **changes)

"""Scores: every system on every case, measured, and kept as rows of a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from audiosr_fx.errors import AudioFormatError, ParameterError
from audiosr_fx.quality.cases import Case
from audiosr_fx.quality.csv_table import csv_table
from audiosr_fx.quality.metrics import METRIC_NAMES, Metrics, measure
from audiosr_fx.quality.spectra import Protocol, Waveform
from audiosr_fx.quality.systems import System
from audiosr_fx.training.data import SAMPLE_RATE
from audiosr_fx.wording import printable


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One system, seed and case. ``filter_hz`` is None behind a codec, ``cutoff_hz`` what was measured.

    ``treatment`` is the condition without its cutoff.
    """

    system: str
    seed: int | None
    sampler: str | None
    steps: int | None
    condition: str
    treatment: str
    filter_hz: float | None
    cutoff_hz: float
    kind: str
    clip: str
    source: str
    highest_hz: float
    metrics: Metrics

    def row(self) -> dict[str, object]:
        """Everything in one flat record; unknown is None, the ratio of an exact low band infinite."""
        record = asdict(self)
        metrics: dict[str, float] = record.pop("metrics")
        figures = {name: None if np.isnan(value) else value for name, value in metrics.items()}
        return {**record, **figures}


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A case that a system has no answer for, and why."""

    system: str
    condition: str
    clip: str
    reason: str


def evaluate(
    systems: Sequence[System],
    cases: Iterable[Case],
    *,
    protocol: Protocol | None = None,
    on_output: Callable[[System, Case, Waveform], None] | None = None,
) -> Iterator[Score | Gap]:
    """Score every system on every case, case by case.

    Args:
        systems: what to compare.
        cases: what on; made as they are needed.
        protocol: of the measures; None for the default.
        on_output: hears what each system made.

    Yields:
        A score, or a gap where a system cannot do a case or has no output for it.
    """
    for case in cases:
        for system in systems:
            try:
                waveform = system.restore(case)
            except (AudioFormatError, ParameterError) as error:
                yield Gap(
                    system=system.name, condition=str(case.condition), clip=case.clip, reason=str(error)
                )
                continue
            if on_output is not None:
                on_output(system, case, waveform)
            yield _score(system, case, waveform, protocol)


def csv_text(scores: Sequence[Score]) -> str:
    """A CSV table (see ``csv_table``): a row per score, a column per fact and per measure."""
    names = [name for name in Score.__dataclass_fields__ if name != "metrics"]
    return csv_table((score.row() for score in scores), [*names, *METRIC_NAMES])


def _score(system: System, case: Case, waveform: Waveform, protocol: Protocol | None) -> Score:
    return Score(
        system=system.name,
        seed=system.seed,
        sampler=system.sampler,
        steps=system.steps,
        condition=str(case.condition),
        treatment=case.condition.treatment,
        filter_hz=None if case.condition.codec is not None else case.condition.cutoff_hz,
        cutoff_hz=case.cutoff_hz,
        kind=case.kind,
        clip=printable(case.clip),
        source=case.source,
        highest_hz=case.highest_hz,
        metrics=measure(
            case.bright[: len(waveform)],
            waveform,
            SAMPLE_RATE,
            cutoff_hz=case.cutoff_hz,
            highest_hz=case.highest_hz,
            is_speech=case.kind == "speech",
            protocol=protocol,
        ),
    )

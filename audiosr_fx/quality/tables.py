"""Tables from scores: means per system, condition and kind, with their spread over clips and seeds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from audiosr_fx.quality.metrics import METRIC_NAMES
from audiosr_fx.quality.scores import Score

DEFAULT_METRICS = ("lsd", "envelope_db", "flatness_db")

LABELS = {
    "lsd": "LSD",
    "lsd_low": "LSD low",
    "lsd_high": "LSD high",
    "envelope_db": "envelope dB",
    "flatness_db": "flatness dB",
    "tonality_db": "tonality dB",
    "log_mel_db": "log-mel dB",
    "multi_resolution": "multi-res. STFT",
    "lsd_paper": "LSD (paper)",
    "low_si_sdr_db": "low SI-SDR dB",
    "pesq": "PESQ",
    "stoi": "STOI",
}
_MOST_KINDS = 5  # as columns
_MOST_TABLES = 3  # one for each condition


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One system under one condition on one kind: how many clips and seeds, and the mean of each measure.

    ``over_clips`` is the standard deviation of LSD over clips, ``over_seeds`` that of its mean over seeds;
    NaN where there is but one.
    """

    system: str
    condition: str
    kind: str
    clips: int
    seeds: int
    means: dict[str, float]
    over_clips: float
    over_seeds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Text in rows under a header; ``title`` says what it shows, ``note`` how to read a cell."""

    title: str
    header: list[str]
    rows: list[list[str]]
    note: str

    def markdown(self) -> str:
        """As Markdown."""
        lines = [_line(self.header), "|" + "---|" * len(self.header), *(_line(row) for row in self.rows)]
        return f"**{self.title}** ({self.note})\n\n" + "\n".join(lines)


def aggregate(scores: Iterable[Score]) -> list[Cell]:
    """Means over clips and seeds, in the order in which systems, conditions and kinds first came."""
    groups: dict[tuple[str, str, str], list[Score]] = defaultdict(list)
    for score in scores:
        groups[score.system, score.condition, score.kind].append(score)
    return [_cell(*key, found) for key, found in groups.items()]


def make_tables(scores: Sequence[Score], metrics: Sequence[str] = DEFAULT_METRICS) -> list[Table]:
    """Tables that fit: systems by kinds for each condition, systems by conditions for each kind where there
    are many conditions, kinds by systems where there are many kinds.

    A mean over fewer clips than other systems have says so, as it is not to be held against theirs.
    """
    cells = aggregate(scores)
    by_place = {(cell.system, cell.condition, cell.kind): cell for cell in cells}
    systems, conditions, kinds = (
        list(dict.fromkeys(getattr(cell, name) for cell in cells)) for name in ("system", "condition", "kind")
    )

    most_clips: dict[tuple[str, str], int] = defaultdict(int)
    for cell in cells:
        place = cell.condition, cell.kind
        most_clips[place] = max(most_clips[place], cell.clips)

    def text(system: str, condition: str, kind: str) -> str:
        cell = by_place.get((system, condition, kind))
        if cell is None:
            return ""
        figures = " / ".join(shown(metric, cell.means[metric]) for metric in metrics)
        most = most_clips[condition, kind]
        return figures if cell.clips == most else f"{figures} ({cell.clips} of {most} clips)"

    note = " / ".join(LABELS[metric] for metric in metrics)
    if len(kinds) > _MOST_KINDS:
        return [
            Table(
                title=condition,
                header=["kind", *systems],
                rows=[[kind, *(text(system, condition, kind) for system in systems)] for kind in kinds],
                note=note,
            )
            for condition in conditions
        ]
    if len(conditions) > _MOST_TABLES:
        common, names = _shortened(conditions)
        return [
            Table(
                title=", ".join([kind, *common]),
                header=["system", *names],
                rows=[
                    [system, *(text(system, condition, kind) for condition in conditions)]
                    for system in systems
                ],
                note=note,
            )
            for kind in kinds
        ]
    return [_by_kinds(condition, systems, kinds, by_place, text, note) for condition in conditions]


def count_clips(scores: Iterable[Score]) -> str:
    """How many clips of how many sources and seeds, in words."""
    clips: dict[str, set[str]] = defaultdict(set)
    sources, seeds = set(), set()
    for score in scores:
        clips[score.kind].add(score.clip)
        sources.add(score.source)
        seeds |= set() if score.seed is None else {score.seed}
    counts = ", ".join(f"{len(names)} of {kind}" for kind, names in clips.items())
    shown_seeds = f"; seeds {', '.join(map(str, sorted(seeds)))}" if seeds else ""
    return f"{counts} from {len(sources)} source{'s' if len(sources) > 1 else ''}{shown_seeds}"


def shown(metric: str, value: float) -> str:
    """A figure as tables have it: decibels with one decimal, everything else with two."""
    if not np.isfinite(value):
        return "-" if np.isnan(value) else "inf"
    return f"{value:.1f}" if metric.endswith("_db") else f"{value:.2f}"


def _shortened(conditions: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words that all conditions begin with, and what is left of each."""
    words = [condition.split(", ") for condition in conditions]
    common = []
    for column in zip(*words, strict=False):
        if len(set(column)) > 1:
            break
        common.append(column[0])
    return common, [", ".join(left[len(common) :]) or "clean" for left in words]


def _by_kinds(
    condition: str,
    systems: Sequence[str],
    kinds: Sequence[str],
    by_place: dict[tuple[str, str, str], Cell],
    text: Callable[[str, str, str], str],
    note: str,
) -> Table:
    rows, several_seeds = [], any(cell.seeds > 1 for cell in by_place.values())
    for system in systems:
        cells = [by_place[place] for kind in kinds if (place := (system, condition, kind)) in by_place]
        if not cells:
            continue
        spread = [_mean([cell.over_clips for cell in cells])]
        if several_seeds:
            spread.append(_mean([cell.over_seeds for cell in cells]))
        rows.append(
            [system, *(text(system, condition, kind) for kind in kinds), *(shown("lsd", s) for s in spread)]
        )
    header = ["system", *kinds, "± clips"] + (["± seeds"] if several_seeds else [])
    return Table(title=condition, header=header, rows=rows, note=f"{note}; ± of LSD, standard deviation")


def _cell(system: str, condition: str, kind: str, scores: Sequence[Score]) -> Cell:
    clips: dict[str, list[float]] = defaultdict(list)
    seeds: dict[int | None, list[float]] = defaultdict(list)
    for score in scores:
        clips[score.clip].append(score.metrics.lsd)
        seeds[score.seed].append(score.metrics.lsd)
    return Cell(
        system=system,
        condition=condition,
        kind=kind,
        clips=len(clips),
        seeds=len(seeds),
        means={name: _mean([getattr(score.metrics, name) for score in scores]) for name in METRIC_NAMES},
        over_clips=_deviation([_mean(found) for found in clips.values()]),
        over_seeds=_deviation([_mean(found) for found in seeds.values()]),
    )


def _mean(values: Sequence[float]) -> float:
    """Of those that are numbers."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def _deviation(values: Sequence[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.std(known, ddof=1)) if len(known) > 1 else float("nan")


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

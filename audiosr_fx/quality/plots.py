"""Pictures of a comparison: LSD over the cutoff and over the steps, and spectrograms side by side."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from audiosr_fx.quality.scores import Score
from audiosr_fx.quality.spectra import Waveform
from audiosr_fx.quality.spectrogram import Panel, draw_spectrogram, measure_panel, png_of
from audiosr_fx.sources import ArraySource
from audiosr_fx.training.data import SAMPLE_RATE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_PANELS = 7

Curve = list[tuple[float, float, float]]
"""(place, mean, half the length of the error bar)."""


def draw_over_cutoff(scores: Sequence[Score]) -> bytes | None:
    """LSD of each system over the filter's cutoff, a panel for each kind; None for one cutoff only.

    Each kind of filter and each noise has lines of its own.
    """
    at_filters = [score for score in scores if score.filter_hz is not None]
    if len({score.filter_hz for score in at_filters}) < 2:
        return None
    rows = _rows(at_filters, lambda score: score.system, lambda score: score.treatment)
    curves: dict[str, dict[str, Curve]] = defaultdict(dict)
    for (kind, system), found in _grouped(at_filters, lambda score: (score.kind, rows(score))).items():
        curves[kind][system] = _curve([(score.filter_hz or 0.0, score) for score in found], 1e-3)
    return png_of(_draw(curves, "cutoff in kHz", logarithmic=False))


def draw_over_steps(scores: Sequence[Score]) -> bytes | None:
    """LSD over sampling steps, rows that differ in nothing else as one line; None for one count of steps.

    Each condition has lines of its own.
    """
    stepped = [score for score in scores if score.steps is not None]
    if len({score.steps for score in stepped}) < 2:
        return None
    rows = _rows(
        stepped,
        lambda score: score.system.replace(f" {score.steps} steps", ""),
        lambda score: score.condition,
    )
    curves: dict[str, dict[str, Curve]] = defaultdict(dict)
    for (kind, row), found in _grouped(stepped, lambda score: (score.kind, rows(score))).items():
        curves[kind][row] = _curve([(float(score.steps or 0), score) for score in found], 1.0)
    return png_of(_draw(curves, "steps", logarithmic=True))


def draw_panels(waveforms: Sequence[tuple[str, Waveform]]) -> bytes:
    """Spectrograms of one recording as several systems have it, each a title and (T,) at 48 kHz."""
    panels: list[Panel] = [
        measure_panel(ArraySource(waveform[None], SAMPLE_RATE), title) for title, waveform in waveforms
    ]
    return draw_spectrogram(panels)


def _rows(
    scores: Sequence[Score], row: Callable[[Score], str], condition: Callable[[Score], str]
) -> Callable[[Score], str]:
    """What a score's line is called: its row, and its condition where there are several."""
    if len({condition(score) for score in scores}) < 2:
        return row
    return lambda score: f"{row(score)}, {condition(score)}"


def _grouped(
    scores: Sequence[Score], key: Callable[[Score], tuple[str, str]]
) -> dict[tuple[str, str], list[Score]]:
    groups: dict[tuple[str, str], list[Score]] = defaultdict(list)
    for score in scores:
        groups[key(score)].append(score)
    return groups


def _curve(found: Sequence[tuple[float, Score]], unit: float) -> Curve:
    """Means over clips at each place; the error bar is the standard deviation over seeds."""
    places: dict[float, dict[int | None, list[float]]] = defaultdict(lambda: defaultdict(list))
    for place, score in found:
        if np.isfinite(score.metrics.lsd):
            places[place][score.seed].append(score.metrics.lsd)
    curve = []
    for place, by_seed in sorted(places.items()):
        means = [float(np.mean(values)) for values in by_seed.values()]
        spread = float(np.std(means, ddof=1)) if len(means) > 1 else 0.0
        curve.append((place * unit, float(np.mean(means)), spread))
    return curve


def _draw(curves: dict[str, dict[str, Curve]], label: str, *, logarithmic: bool) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1.5 + 3.6 * len(curves), 4.4), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    all_axes: Sequence[Axes] = figure.subplots(1, len(curves), sharey=True, squeeze=False)[0]
    styles = {name: _style(number) for number, name in enumerate(_names(curves))}
    drawn: dict[str, Any] = {}
    for axes, (kind, lines) in zip(all_axes, curves.items(), strict=True):
        for name, curve in lines.items():
            if not curve:
                continue
            places, means, spread = (list(column) for column in zip(*curve, strict=True))
            drawn[name] = axes.errorbar(places, means, yerr=spread, capsize=2, label=name, **styles[name])
        if logarithmic:
            axes.set_xscale("symlog", linthresh=1.0, base=2)
            ticks = sorted({place for curve in lines.values() for place, _, _ in curve})
            axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
            axes.minorticks_off()
        axes.set_title(kind, fontsize=10, parse_math=False)
        axes.set_xlabel(label)
        axes.grid(alpha=0.3)
    all_axes[0].set_ylabel("LSD")
    handles = {name: drawn[name] for name in styles if name in drawn}
    legend = figure.legend(
        list(handles.values()), list(handles), loc="outside lower center", ncols=3, fontsize=8
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
    return figure


def _names(curves: dict[str, dict[str, Curve]]) -> list[str]:
    """Of all panels, each once: not every row has an answer for every kind."""
    return list(dict.fromkeys(name for lines in curves.values() for name in lines))


def _style(number: int) -> dict[str, Any]:
    """Hollow marks of many shapes, and dashes that grow thinner: of curves that coincide all can be seen. A
    row looks the same in all panels.
    """
    rank = min(number, 5)
    return {
        "color": f"C{number % 10}",
        "marker": "osD^v<>PX*"[number % 10],
        "markersize": 9 - rank,
        "markerfacecolor": "none",
        "linestyle": ("-", "--", "-.", ":")[number % 4],
        "linewidth": 2.6 - 0.3 * rank,
    }

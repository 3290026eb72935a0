"""Tables show means and spreads that can be worked out by hand, in a shape that fits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from audiosr_fx.quality import plots
from audiosr_fx.quality.conditions import Condition
from audiosr_fx.quality.metrics import METRIC_NAMES, Metrics
from audiosr_fx.quality.plots import draw_over_cutoff, draw_over_steps, draw_panels
from audiosr_fx.quality.scores import Score
from audiosr_fx.quality.tables import aggregate, count_clips, make_tables, shown

NOTHING = Metrics(**dict.fromkeys(METRIC_NAMES, 0.0))


def score(lsd: float, **values: object) -> Score:
    made = Score(
        system="mini",
        seed=0,
        sampler=None,
        steps=None,
        condition="4 kHz",
        treatment="bessel 8",
        filter_hz=4_000.0,
        cutoff_hz=4_000.0,
        kind="speech",
        clip="a",
        source="s",
        highest_hz=24_000.0,
        metrics=replace(NOTHING, lsd=lsd, envelope_db=10 * lsd),
    )
    return replace(made, **values)


FOUR = [
    score(1.0, clip="a", seed=0),
    score(3.0, clip="b", seed=0),
    score(2.0, clip="a", seed=1),
    score(4.0, clip="b", seed=1),
]


def test_a_cell_has_the_mean_and_the_spread_over_clips_and_seeds() -> None:
    [cell] = aggregate(FOUR)
    assert (cell.clips, cell.seeds) == (2, 2)
    assert cell.means["lsd"] == 2.5
    assert cell.over_clips == pytest.approx(np.std([1.5, 3.5], ddof=1))
    assert cell.over_seeds == pytest.approx(np.std([2.0, 3.0], ddof=1))


def test_what_is_undefined_does_not_count() -> None:
    [cell] = aggregate([*FOUR, score(float("nan"), clip="c")])
    assert cell.means["lsd"] == 2.5
    assert np.isnan(aggregate([score(float("nan"))])[0].means["lsd"])


def test_one_condition_gives_systems_by_kinds() -> None:
    [table] = make_tables([*FOUR, score(1.0, kind="music", system="other")])
    assert table.header == ["system", "speech", "music", "± clips", "± seeds"]
    assert table.rows == [
        ["mini", "2.50 / 25.0 / 0.0", "", "1.41", "0.71"],
        ["other", "", "1.00 / 10.0 / 0.0", "-", "-"],
    ]
    assert "| mini | 2.50 / 25.0 / 0.0 |" in table.markdown()
    assert "± seeds" not in make_tables(FOUR[:2])[0].header


def test_a_mean_over_fewer_clips_than_others_have_says_so() -> None:
    [table] = make_tables([*FOUR, score(1.0, clip="a", seed=None, system="other")])
    assert [row[:2] for row in table.rows] == [
        ["mini", "2.50 / 25.0 / 0.0"],
        ["other", "1.00 / 10.0 / 0.0 (1 of 2 clips)"],
    ]


def test_many_conditions_are_columns_and_many_kinds_are_rows() -> None:
    by_condition = make_tables([score(1.0, condition=f"bessel 8, {hz} kHz") for hz in range(2, 6)], ["lsd"])
    assert [(table.title, table.header) for table in by_condition] == [
        ("speech, bessel 8", ["system", "2 kHz", "3 kHz", "4 kHz", "5 kHz"])
    ]
    noise = ["4 kHz", *(f"4 kHz, hiss {level}" for level in (1, 2, 3))]
    [table] = make_tables([score(1.0, condition=condition) for condition in noise], ["lsd"])
    assert (table.title, table.header[1:]) == ("speech, 4 kHz", ["clean", "hiss 1", "hiss 2", "hiss 3"])
    by_kind = make_tables([score(1.0, kind=kind) for kind in "abcdef"], ["lsd"])
    assert by_kind[0].header == ["kind", "mini"]
    assert by_kind[0].rows[0] == ["a", "1.00"]


def test_figures_are_as_long_as_they_are_known() -> None:
    assert [shown("lsd", 1.234), shown("envelope_db", 5.678)] == ["1.23", "5.7"]
    assert [shown("lsd", float("nan")), shown("low_si_sdr_db", float("inf"))] == ["-", "inf"]


def test_clips_and_seeds_are_counted() -> None:
    assert count_clips(FOUR) == "2 of speech from 1 source; seeds 0, 1"
    assert count_clips([score(1.0, seed=None)]) == "1 of speech from 1 source"


def test_curves_are_drawn_where_there_is_something_to_draw() -> None:
    assert draw_over_cutoff(FOUR) is None
    assert draw_over_steps(FOUR) is None
    sweep = [score(1.0, filter_hz=hz, kind=kind) for hz in (4e3, 8e3) for kind in ("speech", "music")]
    picture = draw_over_cutoff([*sweep, score(1.0, filter_hz=None)])
    assert picture is not None
    assert picture.startswith(b"\x89PNG")
    steps = [score(1.0, steps=n, sampler=s, seed=k) for n in (0, 4) for s in ("ddim", None) for k in (0, 1)]
    assert draw_over_steps(steps) is not None


def test_a_row_looks_the_same_in_every_panel_and_stands_in_the_legend(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    figures: list[Figure] = []
    monkeypatch.setattr(plots, "png_of", lambda figure: figures.append(figure) or b"")
    rows = [("speech", "a"), ("speech", "c"), ("music", "$b_$"), ("music", "c"), ("music", "silent")]
    draw_over_cutoff(
        [
            score(float("nan") if system == "silent" else 1.0, filter_hz=hz, kind=kind, system=system)
            for hz in (4e3, 8e3)
            for kind, system in rows
        ]
    )
    [figure] = figures
    FigureCanvasAgg(figure).draw()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "c", "$b_$"]
    looks = [
        {
            bars.get_label(): (bars.lines[0].get_color(), bars.lines[0].get_marker())
            for bars in axes.containers
        }
        for axes in figure.axes
    ]
    assert looks[0]["c"] == looks[1]["c"] != looks[1]["$b_$"] != looks[0]["a"]


def test_models_have_lines_of_their_own_over_the_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    figures: list[Figure] = []
    monkeypatch.setattr(plots, "png_of", lambda figure: figures.append(figure) or b"")
    draw_over_steps(
        [
            score(lsd, steps=steps, sampler="ddim", seed=seed, system=f"{model} ddim {steps} steps, found")
            for steps in (1, 2)
            for model, lsd in (("mini", 1.0), ("other", 2.0))
            for seed in (0, 1)
        ]
    )
    names = [text.get_text() for text in figures[0].legends[0].get_texts()]
    assert names == ["mini ddim, found", "other ddim, found"]


@pytest.mark.parametrize("changed", [{"family": "bessel"}, {"family": "boxcar"}, {"hiss_amplitude": 0.01}])
def test_curves_over_the_cutoff_are_of_one_treatment_each(
    monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any]
) -> None:
    figures: list[Figure] = []
    monkeypatch.setattr(plots, "png_of", lambda figure: figures.append(figure) or b"")
    conditions = [
        (lsd, Condition(cutoff_hz=hz, **values))
        for hz in (4e3, 8e3)
        for lsd, values in ((1.0, {}), (3.0, changed))
    ]
    draw_over_cutoff(
        [
            score(lsd, filter_hz=condition.cutoff_hz, condition=str(condition), treatment=condition.treatment)
            for lsd, condition in conditions
        ]
    )
    [legend] = figures[0].legends
    names = [f"mini, {Condition(**values).treatment}" for values in ({}, changed)]
    assert [text.get_text() for text in legend.get_texts()] == names


def test_panels_are_drawn_below_one_another() -> None:
    noise = np.random.default_rng(0).standard_normal(24_000).astype(np.float32)
    assert len(draw_panels([("a", noise), ("b", noise)])) > len(draw_panels([("a", noise)])) > 1_000

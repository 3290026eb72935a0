"""Scores count every system on every case, name gaps, and survive a CSV file."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from audiosr_fx.atomic import write_text
from audiosr_fx.errors import AudioFormatError
from audiosr_fx.quality.cases import Case
from audiosr_fx.quality.conditions import Condition
from audiosr_fx.quality.metrics import METRIC_NAMES
from audiosr_fx.quality.scores import Gap, Score, csv_text, evaluate
from audiosr_fx.quality.spectra import Waveform
from audiosr_fx.quality.systems import System


def make_case(clip: str = "a.wav") -> Case:
    bright = 0.1 * np.random.default_rng(0).standard_normal(12_000).astype(np.float32)
    condition = Condition()
    dull, cutoff_hz = condition.apply(bright)
    return Case(
        clip=clip,
        kind="music",
        source="a",
        condition=condition,
        cutoff_hz=cutoff_hz,
        highest_hz=22_000.0,
        start=0,
        whole=12_000,
        bright=bright,
        dull=dull,
    )


def nothing(case: Case) -> Waveform:
    raise AudioFormatError("no output of that name")


SYSTEMS = [
    System(name="perfect", restore=lambda case: case.bright),
    System(name="unprocessed", restore=lambda case: case.dull, seed=3),
    System(name="absent", restore=nothing),
]


def test_perfect_scores_nothing_and_what_is_missing_is_a_gap() -> None:
    heard: list[str] = []
    perfect, unprocessed, gap = evaluate(
        SYSTEMS, [make_case()], on_output=lambda system, case, waveform: heard.append(system.name)
    )
    assert isinstance(perfect, Score)
    assert isinstance(unprocessed, Score)
    assert perfect.metrics.lsd == 0.0
    assert unprocessed.metrics.lsd > 2.0
    assert (unprocessed.seed, unprocessed.filter_hz, unprocessed.kind) == (3, 4_000.0, "music")
    assert gap == Gap(
        system="absent", condition="chebyshev 8, 4 kHz", clip="a.wav", reason="no output of that name"
    )
    assert heard == ["perfect", "unprocessed"]


def test_a_csv_has_a_row_per_score_and_a_column_per_measure() -> None:
    scores = [
        score for score in evaluate(SYSTEMS, [make_case("a"), make_case("b")]) if isinstance(score, Score)
    ]
    rows = list(csv.DictReader(io.StringIO(csv_text(scores))))
    assert [row["clip"] for row in rows] == ["a", "a", "b", "b"]
    assert {*METRIC_NAMES} < set(rows[0])
    assert float(rows[1]["lsd"]) == scores[1].metrics.lsd
    assert rows[0]["seed"] == rows[0]["pesq"] == ""
    assert float(rows[0]["low_si_sdr_db"]) == float("inf")  # exact, which is no more unknown than a figure


@pytest.mark.parametrize("name", ["=HYPERLINK(1)", "+a.wav", "-a.wav", "@a.wav"])
def test_a_name_that_a_spreadsheet_would_run_is_text_in_a_csv(name: str) -> None:
    systems = [System(name=name, restore=lambda case: case.dull)]
    scores = [score for score in evaluate(systems, [make_case(name)]) if isinstance(score, Score)]
    [row] = csv.DictReader(io.StringIO(csv_text(scores)))
    assert row["system"] == row["clip"] == f"'{name}"
    assert float(row["low_si_sdr_db"]) == scores[0].metrics.low_si_sdr_db


def test_a_text_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    write_text(tmp_path / "a.csv", "one\n")
    assert (tmp_path / "a.csv").read_text() == "one\n"
    with pytest.raises(UnicodeEncodeError):
        write_text(tmp_path / "a.csv", "\ud800")
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
    assert (tmp_path / "a.csv").read_text() == "one\n"

"""The comparison counts the right clips in the right columns."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from tiny import WITH_PREDICTOR, tiny_model

from audiosr_fx.engine import Engine
from audiosr_fx.quality.evaluate import baseline_systems, evaluate, model_systems, summarise, write_scores
from audiosr_fx.training.data import Clip


@pytest.fixture(scope="module")
def clips() -> list[Clip]:
    random = np.random.default_rng(0)
    return [
        Clip(
            name=f"{kind}.flac",
            kind=kind,
            source=kind,
            limit_hz=22_000.0,
            samples=(3_000 * random.standard_normal(12_000)).astype(np.int16),
        )
        for kind in ("speech", "piano", "drums", "fx")
    ]


def test_a_perfect_system_scores_nothing_and_effects_do_not_count(clips: list[Clip]) -> None:
    truth = iter([clip.samples.astype(np.float32) / 32_768 for clip in clips[:3]])
    scores = list(evaluate({"perfect": lambda dull, hz: next(truth)}, clips, [4_000.0]))
    assert [score.kind for score in scores] == ["speech", "music", "drums"]
    assert all(score.lsd == 0.0 for score in scores)


def test_noise_with_the_best_tilt_beats_no_processing_on_noise(clips: list[Clip]) -> None:
    scores = list(evaluate(baseline_systems(clips), clips, [8_000.0]))
    means = {
        name: np.mean([score.lsd for score in scores if score.system == name])
        for name in ("unprocessed", "folding with tilt", "noise with tilt")
    }
    assert means["noise with tilt"] < 0.5 * means["unprocessed"]
    assert means["folding with tilt"] < means["unprocessed"]


def test_every_quality_is_scored_and_written(clips: list[Clip], tmp_path: Path) -> None:
    engine = Engine(tiny_model(config=WITH_PREDICTOR), "cpu")
    scores = list(evaluate(model_systems(engine), clips[:1], [8_000.0]))
    assert [score.system for score in scores] == [
        "predictor + noise",
        "tiny draft",
        "tiny standard",
        "tiny best",
    ]
    assert all(np.isfinite(score.lsd) and score.lsd > 0.0 for score in scores)
    assert summarise(scores).splitlines()[2].startswith("| predictor + noise | ")
    write_scores(scores, tmp_path / "scores.csv")
    with (tmp_path / "scores.csv").open() as file:
        assert [float(row["lsd"]) for row in csv.DictReader(file)] == [score.lsd for score in scores]

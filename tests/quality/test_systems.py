"""Rows: models at their settings, baselines and bounds do what their names say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tiny import WITH_PREDICTOR, tiny_model

from audiosr_fx.engine import Engine
from audiosr_fx.errors import ParameterError
from audiosr_fx.quality.bounds import above_crossover, predictor_with_noise, vocoder_bound
from audiosr_fx.quality.cases import Case
from audiosr_fx.quality.conditions import Condition
from audiosr_fx.quality.metrics import measure
from audiosr_fx.quality.systems import (
    ModelRuns,
    System,
    baseline_systems,
    check_rows,
    model_systems,
    stage_systems,
)

RATE = 48_000


@pytest.fixture(scope="module")
def mini() -> Engine:
    return Engine(tiny_model(config=WITH_PREDICTOR), "cpu")


def make_case(samples: int = 24_000) -> Case:
    bright = 0.1 * np.random.default_rng(5).standard_normal(samples).astype(np.float32)
    condition = Condition(cutoff_hz=6_000.0, family="boxcar")
    dull, cutoff_hz = condition.apply(bright)
    return Case(
        clip="a.wav",
        kind="speech",
        source="a",
        condition=condition,
        cutoff_hz=cutoff_hz,
        highest_hz=24_000.0,
        start=0,
        whole=samples,
        bright=bright,
        dull=dull,
    )


def test_names_say_what_differs_and_nothing_else() -> None:
    def names(runs: ModelRuns) -> list[str]:
        return [name for name, _, _ in runs.settings()]

    assert names(ModelRuns(qualities=["draft", "best"])) == ["mini draft", "mini best"]
    assert names(ModelRuns(models=["runs/new.safetensors"], seeds=[0, 1])) == ["new standard"] * 2
    assert names(ModelRuns(steps=[2], samplers=["ddim"], guidance=[1.5])) == [
        "mini ddim 2 steps guidance 1.5"
    ]
    assert names(ModelRuns(qualities=["draft", "best"], steps=[2])) == [
        "mini draft 2 steps",
        "mini best 2 steps",
    ]
    assert names(ModelRuns(variants=["found", "low-band"])) == [
        "mini standard, cutoff found",
        "mini standard, low band not kept",
    ]


def test_rows_that_a_table_would_mix_up_are_refused() -> None:
    rows = [
        System(name=name, seed=seed, restore=lambda case: case.dull) for name, seed in (("a", 0), ("a", 1))
    ]
    check_rows(rows)
    with pytest.raises(ParameterError, match="rows called 'a': 2; expected one"):
        check_rows([*rows, rows[0]])
    with pytest.raises(ParameterError, match="rows called 'a': 2; expected one"):
        check_rows([*rows, replace(rows[0], seed=None)])
    with pytest.raises(ParameterError, match="nothing to compare"):
        check_rows([])


def test_settings_that_make_no_sense_fail_before_any_work() -> None:
    with pytest.raises(ParameterError, match="quality is 'superb'"):
        ModelRuns(qualities=["superb"])
    with pytest.raises(ParameterError, match="variant is 'mild'; expected one of plain, found"):
        ModelRuns(variants=["mild"])


def test_every_model_is_loaded_once_and_told_the_cutoff(mini: Engine) -> None:
    asked: list[str] = []

    def engine_of(name: str) -> Engine:
        asked.append(name)
        return mini

    systems = model_systems(
        ModelRuns(models=["one"], qualities=["draft", "standard"], seeds=[0, 1]), engine_of
    )
    assert asked == ["one"]
    assert [(system.name, system.seed) for system in systems] == [
        ("one draft", 0),
        ("one draft", 1),
        ("one standard", 0),
        ("one standard", 1),
    ]
    case = make_case()
    outputs = [system.restore(case) for system in systems]
    for output in outputs:
        assert output.shape == case.bright.shape
        assert measure(case.dull, output, RATE, cutoff_hz=6_000.0, highest_hz=5_500.0).lsd < 0.1
    assert not np.array_equal(outputs[2], outputs[3])


def test_without_the_low_pass_what_lies_above_the_cutoff_stays(mini: Engine) -> None:
    runs = ModelRuns(qualities=["draft"], variants=["plain", "junk"])
    plain, junk = model_systems(runs, lambda name: mini)
    case = make_case()
    difference = junk.restore(case) - plain.restore(case)
    np.testing.assert_allclose(difference, above_crossover(case.dull, case.cutoff_hz), atol=1e-6)


def test_a_model_that_cannot_make_the_low_band_anew_says_so() -> None:
    engine = Engine(tiny_model(config=replace(WITH_PREDICTOR, cleaner=None)), "cpu")
    [system] = model_systems(ModelRuns(variants=["low-band"]), lambda name: engine)
    with pytest.raises(ParameterError, match="keep_low_band is False"):
        system.restore(make_case())


def test_baselines_are_named_by_their_tilt() -> None:
    systems = baseline_systems([-12.0, -18.0])
    assert [system.name for system in systems] == [
        "unprocessed",
        "folding, -12 dB/octave",
        "folding, -18 dB/octave",
        "noise, -12 dB/octave",
        "noise, -18 dB/octave",
    ]
    case = make_case()
    outputs = [system.restore(case) for system in systems]
    np.testing.assert_array_equal(outputs[0], case.dull)
    assert np.std(outputs[3] - case.dull) > np.std(outputs[4] - case.dull) > 0.0


def test_stages_are_rows_where_a_model_has_them(mini: Engine) -> None:
    def names(engine: Engine, *, predictor: bool, bound: bool) -> list[str]:
        systems: list[System] = stage_systems(["m"], lambda _: engine, predictor=predictor, bound=bound)
        return [system.name for system in systems]

    assert names(mini, predictor=True, bound=True) == [
        "m predictor + noise",
        "m vocoder, true mel",
        "true envelope + noise",
    ]
    assert names(Engine(tiny_model(), "cpu"), predictor=True, bound=False) == []


def test_the_true_envelope_with_noise_is_nearly_white_noise_again(mini: Engine) -> None:
    *_, system = stage_systems(["m"], lambda _: mini, predictor=False, bound=True)
    case = make_case()
    found = measure(case.bright, system.restore(case), RATE, cutoff_hz=case.cutoff_hz)
    assert found.lsd_low < 0.1
    assert found.lsd_high == pytest.approx(0.79, abs=0.08)
    assert found.envelope_db < 2.5


@pytest.mark.parametrize("samples", [1_000, 8_193, 24_000])
def test_the_vocoder_bound_keeps_length_and_low_band(mini: Engine, samples: int) -> None:
    case = make_case(samples)
    made = vocoder_bound(mini, case.bright, case.dull, case.cutoff_hz)
    assert made.shape == case.bright.shape
    assert np.isfinite(made).all()
    if samples > 8_000:
        assert measure(case.dull, made, RATE, cutoff_hz=6_000.0, highest_hz=5_500.0).lsd < 0.1


@pytest.mark.parametrize("samples", [65, 8_193])
def test_the_predictor_with_noise_keeps_length(mini: Engine, samples: int) -> None:
    case = make_case(samples)
    assert predictor_with_noise(mini, case.dull, case.cutoff_hz).shape == (samples,)
    with pytest.raises(ParameterError, match="has no predictor"):
        predictor_with_noise(Engine(tiny_model(), "cpu"), case.dull, case.cutoff_hz)

"""Plans check themselves, and every experiment is one that can run."""

from __future__ import annotations

from typing import Any

import pytest

from audiosr_fx.errors import ParameterError
from audiosr_fx.quality.conditions import Condition
from audiosr_fx.quality.plan import EXPERIMENTS, Plan, make_plan
from audiosr_fx.quality.systems import ModelRuns


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_asks_a_question_and_makes_sense(name: str) -> None:
    assert EXPERIMENTS[name].question.endswith(("?", "."))
    plan = make_plan(name, {})
    runs = ModelRuns(
        qualities=plan.qualities,
        samplers=plan.samplers,
        steps=plan.steps,
        guidance=plan.guidance,
        seeds=plan.seeds,
        variants=plan.variants,
    )
    names = [name for name, _, _ in runs.settings()]
    assert len(set(names)) == len(names) / len(plan.seeds)
    assert [Condition(cutoff_hz=cutoff) for cutoff in plan.cutoffs_hz] or plan.codecs


def test_what_is_asked_for_counts_more_than_the_experiment() -> None:
    plan = make_plan("steps", {"steps": (3,), "limit": 2})
    assert (plan.steps, plan.limit, plan.samplers) == ((3,), 2, ("ddim", "dpmpp_2m"))
    assert make_plan(None, {"limit": 5}) == Plan(limit=5)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"seconds": 0.0}, "seconds is 0; expected 0.1 to 600"),
        ({"limit": 0}, "limit is 0; expected 1 or more"),
        ({"metrics": ("beauty",)}, "metric is 'beauty'; expected one of lsd,"),
        ({"metrics": ()}, "metrics is empty; expected one or more of lsd,"),
        ({"tilts_db_per_octave": (6.0,)}, "tilt is 6; expected -60 to 0"),
        ({"seeds": ()}, "seeds is empty; expected one or more, or leave it away"),
        ({"hiss": ()}, "hiss is empty; expected one or more"),
        ({"families": ()}, "families is empty; expected one or more"),
    ],
)
def test_a_plan_that_makes_no_sense_says_what_is_allowed(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        Plan(**values)


def test_an_unknown_experiment_says_which_there_are() -> None:
    with pytest.raises(ParameterError, match="experiment is 'magic'; expected one of readme, low-band"):
        make_plan("magic", {})

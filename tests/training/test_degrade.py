"""Low-pass simulation: responses where the designs put them."""

from __future__ import annotations

import numpy as np
import pytest

from audiosr_fx.errors import ParameterError
from audiosr_fx.training.degrade import FAMILIES, LowPass, apply_lowpass, draw_lowpass


@pytest.mark.parametrize(
    ("family", "loss_db"), [("butterworth", 3.01), ("bessel", 3.01), ("chebyshev", 0.1), ("elliptic", 0.1)]
)
@pytest.mark.parametrize("order", [2, 5, 10])
def test_loss_at_the_cutoff(family: str, loss_db: float, order: int) -> None:
    lowpass = LowPass(family=family, order=order, cutoff_hz=5_000.0)
    gain = lowpass.magnitude(np.array([5_000.0]))[0]
    assert -20 * np.log10(gain) == pytest.approx(loss_db, abs=0.1)


@pytest.mark.parametrize("family", FAMILIES)
def test_both_ways_doubles_the_loss(family: str) -> None:
    frequencies = np.array([1_000.0, 4_000.0, 7_000.0])
    once = LowPass(family=family, order=4, cutoff_hz=5_000.0)
    twice = LowPass(family=family, order=4, cutoff_hz=5_000.0, both_ways=True)
    np.testing.assert_allclose(twice.magnitude(frequencies), once.magnitude(frequencies) ** 2, rtol=2e-3)


def test_filtering_shifts_nothing_and_leaves_its_argument_alone() -> None:
    click = np.zeros(4_801, np.float32)
    click[2_400] = 1.0
    dull = apply_lowpass(click, LowPass(family="butterworth", order=6, cutoff_hz=3_000.0))
    assert int(np.argmax(np.abs(dull))) == 2_400
    assert click.sum() == 1.0


def test_draws_cover_all_families_and_stay_in_range() -> None:
    random = np.random.default_rng(0)
    drawn = [draw_lowpass(random) for _ in range(300)]
    assert {lowpass.family for lowpass in drawn} == set(FAMILIES)
    assert {lowpass.order for lowpass in drawn} == set(range(2, 11))
    assert all(2_000.0 <= lowpass.cutoff_hz <= 16_000.0 for lowpass in drawn)


def test_an_unknown_family_is_named() -> None:
    with pytest.raises(ParameterError, match="'brick'; expected one of butterworth"):
        LowPass(family="brick", order=2, cutoff_hz=3_000.0).magnitude(np.zeros(1))

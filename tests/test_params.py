from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosr_fx.errors import ParameterError
from audiosr_fx.params import RENDER_CONTROLS, Control, Value, find_control
from audiosr_fx.settings import RenderSettings

ids = [control.name for control in RENDER_CONTROLS]


def _outside(control: Control) -> Value:
    if control.type in (str, bool):
        return "no such choice" if control.choices else ""
    return control.type((control.maximum or 0) + 1)


@pytest.mark.parametrize("control", RENDER_CONTROLS, ids=ids)
def test_every_default_passes_its_own_check(control: Control) -> None:
    assert control.check(control.default) == control.default


@pytest.mark.parametrize("control", RENDER_CONTROLS, ids=ids)
def test_a_number_has_both_ends_and_takes_them(control: Control) -> None:
    if control.type in (str, bool):
        assert control.minimum is None
        assert control.maximum is None
        return
    assert control.minimum is not None
    assert control.maximum is not None
    for end in (control.minimum, control.maximum):
        assert control.check(control.type(end)) == end


@pytest.mark.parametrize("control", RENDER_CONTROLS, ids=ids)
def test_what_is_outside_is_refused_by_name_value_and_range(control: Control) -> None:
    wrong = _outside(control)
    with pytest.raises(ParameterError) as refused:
        control.check(wrong)
    assert str(refused.value) == f"{control.name} is {wrong!r}; expected {control.allowed}"


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), -float("inf"), True, "8000", 999.0, 24_001, 10**400]
)
def test_a_cutoff_must_be_a_finite_number_in_range(value: float) -> None:
    with pytest.raises(ParameterError, match=r"cutoff_hz is .* expected 1000 to 24000 Hz$"):
        find_control("cutoff_hz").check(value)


@given(st.integers(1000, 24_000))
def test_whole_hertz_become_floats(cutoff_hz: int) -> None:
    checked = find_control("cutoff_hz").check(cutoff_hz)
    assert isinstance(checked, float)
    assert checked == cutoff_hz


def test_numbers_of_numpy_are_numbers() -> None:
    assert find_control("cutoff_hz").check(np.float32(8000.0)) == 8000.0
    settings = RenderSettings(seed=np.int64(7), cutoff_hz=8000)  # type: ignore[arg-type]
    assert type(settings.seed) is int
    assert type(settings.cutoff_hz) is float
    with pytest.raises(ParameterError, match="seed is"):
        find_control("seed").check(np.float64(7.0))


def test_none_is_allowed_only_where_it_means_something() -> None:
    assert find_control("steps").check(None) is None
    with pytest.raises(ParameterError, match="seed is None"):
        find_control("seed").check(None)


def test_an_unknown_control_lists_the_known_ones() -> None:
    with pytest.raises(ParameterError, match=r"no control 'sped'; there are: model, quality"):
        find_control("sped")


def test_render_settings_hold_exactly_the_controls_with_their_defaults() -> None:
    assert [field.name for field in fields(RenderSettings)] == ids
    settings = RenderSettings()
    for control in RENDER_CONTROLS:
        assert getattr(settings, control.name) == control.default


@pytest.mark.parametrize("control", [c for c in RENDER_CONTROLS if c.type is not str], ids=lambda c: c.name)
def test_render_settings_refuse_what_the_table_refuses(control: Control) -> None:
    with pytest.raises(ParameterError, match=control.name):
        RenderSettings(**{control.name: _outside(control)})


@pytest.mark.parametrize("value", [0, 1, "yes", None, 0.0])
def test_a_switch_is_true_or_false(value: Value) -> None:
    assert find_control("keep_low_band").check(False) is False
    with pytest.raises(ParameterError, match=r"keep_low_band is .+; expected True or False$"):
        find_control("keep_low_band").check(value)

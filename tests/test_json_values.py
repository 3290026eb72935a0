from __future__ import annotations

from audiosr_fx.json_values import finite


def test_a_result_that_json_cannot_say_is_told_as_nothing() -> None:
    told = {"peak_db": float("-inf"), "bands": (1.0, float("nan")), "inner": {"text": "x", "count": 3}}
    assert finite(told) == {"peak_db": None, "bands": [1.0, None], "inner": {"text": "x", "count": 3}}

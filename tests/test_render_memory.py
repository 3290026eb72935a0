"""Memory must not grow with length."""

from __future__ import annotations

import sys

import pytest

from audiosr_fx.bench_memory import measure_peak_memory


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="peak memory is read with getrusage")
@pytest.mark.timeout(3600)
def test_an_hour_needs_no_more_than_300_mb_above_a_minute() -> None:
    minute, hour = (measure_peak_memory(minutes, channels=1).peak_mb for minutes in (1, 60))
    assert minute > 100  # the measure works: Python with torch needs that much
    assert hour - minute < 300

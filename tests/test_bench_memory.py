from __future__ import annotations

import numpy as np
import pytest

from audiosr_fx.bench_memory import NoiseSource, measure_peak_memory


def test_the_made_up_source_is_the_same_in_any_order_of_reading() -> None:
    onwards, backwards = NoiseSource(200_000, 2), NoiseSource(200_000, 2)
    late = backwards.read(150_000, 160_000)
    whole = onwards.read(0, 200_000)
    np.testing.assert_array_equal(late, whole[:, 150_000:160_000])


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_an_hour_takes_no_more_than_100_mb_above_a_minute() -> None:
    minute, hour = (measure_peak_memory(minutes, channels=1) for minutes in (1, 60))
    assert minute.peak_mb > 100  # the measure works: Python with torch needs that much
    assert hour.peak_mb - minute.peak_mb <= 100  # one channel of it alone is 691

from __future__ import annotations

import numpy as np
import pytest
from nightly import IS_NIGHT

from audiosr_fx.bench_memory import NoiseSource, measure_peak_memory


def test_the_made_up_source_is_the_same_in_any_order_of_reading() -> None:
    onwards, backwards = NoiseSource(200_000, 2), NoiseSource(200_000, 2)
    late = backwards.read(150_000, 160_000)
    whole = onwards.read(0, 200_000)
    np.testing.assert_array_equal(late, whole[:, 150_000:160_000])


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("minutes", "more_mb"), [(60, 100) if IS_NIGHT else (20, 60)])
def test_a_long_recording_takes_hardly_more_than_a_minute(minutes: int, more_mb: int) -> None:
    short, long = (measure_peak_memory(count, channels=1) for count in (1, minutes))
    assert short.peak_mb > 100  # the measure works: Python with torch needs that much
    assert long.peak_mb - short.peak_mb <= more_mb  # one channel of it alone is 11.5 a minute

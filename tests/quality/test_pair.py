from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from audiosr_fx.bandwidth import crossover, judge
from audiosr_fx.quality.comparison import compare
from audiosr_fx.quality.pair import align, band_of
from audiosr_fx.sources import ArraySource, Audio, ResampledSource

RATE = 48_000


def noise(seconds: float = 2.0, channels: int = 2, rate: int = RATE) -> Audio:
    wave = np.random.default_rng(0).standard_normal((channels, round(seconds * rate))) * 0.1
    return wave.astype(np.float32)


def test_a_late_output_is_put_in_step() -> None:
    before = noise()
    source, output = ArraySource(before, RATE), ArraySource(np.roll(before, 441, axis=1), RATE)
    pair = align(source, output, start_s=0.0, loud_s=1.0, band=None)
    assert pair.lag == 441
    start, stop = 1000, 50_000
    np.testing.assert_array_equal(pair.before.read(start, stop), pair.after.read(start, stop))


def test_an_output_at_another_rate_nulls_against_its_resampled_source() -> None:
    source = ArraySource(noise(rate=44_100), 44_100)
    resampled = ResampledSource(source, RATE)
    output = ArraySource(resampled.read(0, resampled.frames), RATE)
    pair = align(source, output, start_s=0.0, loud_s=1.0, band=None)
    assert compare(pair.before, pair.after).null.difference_dbfs < -130.0


@pytest.mark.parametrize("start_s", [0.5, 0.123])
def test_a_region_is_held_against_its_own_part_of_the_source(start_s: float) -> None:
    before = noise()
    start = round(start_s * RATE)
    output = ArraySource(before[:, start : start + RATE], RATE)
    pair = align(ArraySource(before, RATE), output, start_s=start_s, loud_s=0.5, band=None)
    assert (pair.lag, pair.before.frames) == (0, RATE)
    np.testing.assert_array_equal(pair.before.read(0, RATE), pair.after.read(0, RATE))
    assert pair.missing_s == pytest.approx(2.0 - start_s - 1.0, abs=1e-4)


def test_mono_that_became_stereo_is_comparable_and_stereo_that_became_mono_is_not() -> None:
    mono, stereo = ArraySource(noise(channels=1), RATE), ArraySource(noise(channels=2), RATE)
    assert align(mono, stereo, start_s=0.0, loud_s=1.0, band=None).is_comparable
    assert not align(stereo, mono, start_s=0.0, loud_s=1.0, band=None).is_comparable


@pytest.mark.parametrize("samples", [0, 1, 64, 65])
def test_short_recordings_can_be_paired(samples: int) -> None:
    source = ArraySource(np.zeros((1, samples), np.float32), RATE)
    assert align(source, source, start_s=0.0, loud_s=0.0, band=None).before.frames == samples


def test_the_band_is_the_render_s_own_where_the_cutoff_is(signals: Any) -> None:
    wave = signals.noise(2 * RATE, RATE, cutoff_hz=6000.0)
    source = ArraySource(wave, RATE)
    verdict = judge(source)
    assert verdict.cutoff_hz is not None
    assert band_of(source, verdict.cutoff_hz) == crossover(verdict)
    other = band_of(source, 3000.0)
    assert other is not None
    assert other.frequency_hz == pytest.approx(2928.0)
    assert band_of(source, None) is None

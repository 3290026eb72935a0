"""Training segments: reproducible, finite, levelled, dull above their cutoff."""

from __future__ import annotations

import numpy as np

from audiosr_fx.training.data import Clip
from audiosr_fx.training.segments import AugmentSettings, SegmentMaker

SETTINGS = AugmentSettings(seconds=0.32)


def test_segments_are_a_function_of_the_seed(clips: list[Clip]) -> None:
    maker = SegmentMaker(clips, SETTINGS)
    first, again, other = (maker.make(np.random.default_rng(seed)) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first.target, again.target)
    np.testing.assert_array_equal(first.dull, again.dull)
    assert not np.array_equal(first.target, other.target)


def test_segments_are_finite_of_one_length_and_levelled(clips: list[Clip]) -> None:
    maker = SegmentMaker(clips, SETTINGS)
    for seed in range(40):
        segment = maker.make(np.random.default_rng(seed))
        assert segment.target.shape == segment.dull.shape == (15_360,)
        assert segment.target.dtype == segment.dull.dtype == np.float32
        assert np.isfinite(segment.target).all()
        assert np.abs(segment.dull).max() <= 0.5 * 10 ** (1.0 / 20) + 1e-4
        assert 12_000.0 < segment.limit_hz <= 24_000.0


def test_a_segment_is_dull_above_its_cutoff_and_true_below(clips: list[Clip]) -> None:
    maker = SegmentMaker(clips, AugmentSettings(seconds=0.32, cutoff_range_hz=(5_000.0, 5_000.1)))
    for seed in range(8):
        segment = maker.make(np.random.default_rng(seed))
        target, dull = (np.abs(np.fft.rfft(x)) ** 2 for x in (segment.target, segment.dull))
        assert dull[5_000:].sum() < 0.2 * target[5_000:].sum()  # a bin is 3.125 Hz: from 15.6 kHz up
        np.testing.assert_allclose(dull[:300].sum(), target[:300].sum(), rtol=0.2)

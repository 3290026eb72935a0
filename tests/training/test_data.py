"""Training audio: what is trusted, what is held out, what a segment is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from audiosr_fx.errors import AudioFormatError
from audiosr_fx.training.data import AugmentSettings, Clip, SegmentMaker, load_corpus, split_corpus

SETTINGS = AugmentSettings(seconds=0.32)


def test_limits_follow_rate_and_codec(clips: list[Clip]) -> None:
    limits = {clip.name: clip.limit_hz for clip in clips}
    assert limits["drums/hits_001.flac"] == 24_000.0
    assert limits["speech/voice_001.flac"] == 22_000.0
    assert limits["mix/codec_001.flac"] == 15_500.0


def test_held_out_sources_are_in_no_training_clip(clips: list[Clip]) -> None:
    training, validation, test = split_corpus(clips)
    assert [clip.source for clip in (*validation, *test)] == ["sms"]
    assert len(training) == 4
    assert all(clip.source != "sms" for clip in training)


def test_a_folder_without_an_index_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AudioFormatError, match=r"has no INDEX\.csv"):
        load_corpus(tmp_path)


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

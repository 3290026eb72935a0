from __future__ import annotations

import numpy as np

from audiosr_fx.quality.stretch import Stretch
from audiosr_fx.sources import ArraySource

COUNT = ArraySource(np.arange(1, 11, dtype=np.float32)[None], 48_000)


def test_a_stretch_begins_where_it_is_told_and_ends_with_silence() -> None:
    stretch = Stretch(COUNT, 3, 5)
    assert (stretch.sample_rate, stretch.channels, stretch.frames) == (48_000, 1, 5)
    assert stretch.read(-2, 7)[0].tolist() == [0, 0, 4, 5, 6, 7, 8, 0, 0]


def test_a_stretch_may_reach_beyond_the_signal() -> None:
    assert Stretch(COUNT, -2, 4).read(0, 4)[0].tolist() == [0, 0, 1, 2]
    assert Stretch(COUNT, 8, 4).read(0, 4)[0].tolist() == [9, 10, 0, 0]
    assert Stretch(COUNT, 20, -3).frames == 0


def test_mono_can_be_read_as_stereo() -> None:
    assert Stretch(COUNT, 0, 2, channels=2).read(0, 2).tolist() == [[1, 2], [1, 2]]

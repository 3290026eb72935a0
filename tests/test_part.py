from __future__ import annotations

import numpy as np

from audiosr_fx.part import PartSource
from audiosr_fx.sources import ArraySource

COUNT = ArraySource(np.arange(1, 11, dtype=np.float32)[None], 48_000)


def test_a_part_begins_where_it_is_told_and_ends_with_silence() -> None:
    part = PartSource(COUNT, 3, 8)
    assert (part.sample_rate, part.channels, part.frames) == (48_000, 1, 5)
    assert part.read(-2, 7)[0].tolist() == [0, 0, 4, 5, 6, 7, 8, 0, 0]


def test_a_part_may_reach_beyond_the_signal() -> None:
    assert PartSource(COUNT, -2, 2).read(0, 4)[0].tolist() == [0, 0, 1, 2]
    assert PartSource(COUNT, 8, 12).read(0, 4)[0].tolist() == [9, 10, 0, 0]
    assert PartSource(COUNT, 20, 17).frames == 0


def test_mono_can_be_read_as_stereo() -> None:
    assert PartSource(COUNT, 0, 2, channels=2).read(0, 2).tolist() == [[1, 2], [1, 2]]

from __future__ import annotations

import numpy as np
import pytest

from audiosr_fx.headroom import Headroom
from audiosr_fx.sources import Audio

RATE = 48_000
CEILING = 1.0 - 2.0**-22


def reach() -> int:
    return Headroom(CEILING, RATE).reach


def fitted(kept: Audio, added: Audio, headroom: Headroom | None = None) -> Audio:
    """The whole of a sum, with silence around it."""
    wide = [np.pad(part, ((0, 0), (reach(), reach()))) for part in (kept, added)]
    return (headroom or Headroom(CEILING, RATE)).fit(wide[0] + wide[1], *wide)


def one_peak(frames: int = 4801, place: int = 2400) -> tuple[Audio, Audio]:
    """Two channels; the left goes 0.2 over full scale at one sample, the right has room."""
    kept, added = np.full((2, frames), 0.1, np.float32), np.full((2, frames), 0.4, np.float32)
    kept[0, place] = 0.8
    return kept, added


@pytest.mark.parametrize("seed", range(5))
def test_no_sum_goes_over_where_the_signal_alone_does_not(seed: int) -> None:
    random = np.random.default_rng(seed)
    kept = random.uniform(-1, 1, (2, 9001)).astype(np.float32) * np.float32(CEILING)
    added = (0.3 * random.standard_normal((2, 9001))).astype(np.float32)
    assert np.abs(kept + added).max() > 1.2
    assert np.abs(fitted(kept, added)).max() <= CEILING + 2.0**-24  # half a step of float32


def test_what_is_added_is_untouched_away_from_a_peak_and_falls_smoothly_towards_it() -> None:
    kept, added = one_peak()
    headroom = Headroom(CEILING, RATE)
    out = fitted(kept, added, headroom)
    near = np.abs(np.arange(4801) - 2400) <= reach()
    assert np.array_equal(out[:, ~near], (kept + added)[:, ~near])
    assert (out[:, near] < (kept + added)[:, near]).any()
    gain = (out - kept) / added
    assert gain.min() == pytest.approx(0.5, abs=1e-5)
    assert np.abs(np.diff(gain)).max() < 0.01
    assert 0 < headroom.frames <= near.sum()
    assert headroom.lift_db == pytest.approx(20 * np.log10(1.2), abs=1e-4)


def test_channels_share_the_gain() -> None:
    kept, added = one_peak()
    gain = (fitted(kept, added) - kept) / added
    np.testing.assert_allclose(gain[0], gain[1], atol=1e-6)


def test_a_signal_that_is_over_by_itself_stays_as_it_is() -> None:
    kept, added = one_peak()
    kept[:, 2400] = [1.5, -1.5]
    assert np.array_equal(fitted(kept, added), kept + added)  # clipped either way
    kept[0, 2400] = 0.1
    assert np.array_equal(fitted(kept, added), kept + added)  # what brings a signal back does not give way


def test_blocks_fit_to_the_bit() -> None:
    random = np.random.default_rng(7)
    kept = (0.5 * random.standard_normal((2, 6000))).clip(-0.99, 0.99).astype(np.float32)
    added = (0.1 * random.standard_normal((2, 6000))).astype(np.float32)
    whole = Headroom(CEILING, RATE)
    expected = whole.fit(kept + added, kept, added)
    blocks = Headroom(CEILING, RATE)
    pieces = []
    for start, stop in ((0, 1), (1, 900), (900, 4017), (4017, expected.shape[1])):
        part = slice(start, stop + 2 * reach())
        pieces.append(blocks.fit((kept + added)[:, part], kept[:, part], added[:, part]))
    assert np.array_equal(np.concatenate(pieces, axis=1), expected)
    assert not np.array_equal(expected, (kept + added)[:, reach() : -reach()])
    assert (blocks.frames, blocks.lift_db) == (whole.frames, whole.lift_db)


def test_a_signal_with_room_is_the_plain_sum() -> None:
    kept, added = (np.full((1, 4000), value, np.float32) for value in (0.6, 0.3))
    headroom = Headroom(CEILING, RATE)
    assert np.array_equal(fitted(kept, added, headroom), kept + added)
    assert (headroom.frames, headroom.lift_db) == (0, 0.0)

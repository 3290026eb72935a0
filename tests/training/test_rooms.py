"""Rooms: in place, decaying, darker with time."""

from __future__ import annotations

import numpy as np
import pytest

from audiosr_fx.training.rooms import apply_room, draw_room


def test_a_room_is_a_direct_sound_and_less() -> None:
    for seed in range(20):
        room = draw_room(np.random.default_rng(seed))
        assert room[0] == 1.0
        assert 0.14 * 48_000 < len(room) <= 1.2 * 48_000 + 1
        wet_db = 10 * np.log10(np.square(room[1:]).sum())
        assert -24.5 < wet_db < -5.5
        early, late = np.array_split(room[1:], 2)
        assert np.square(late).sum() < 0.1 * np.square(early).sum()


def test_highs_die_away_sooner() -> None:
    shares = []
    for seed in range(20):
        for part in np.array_split(draw_room(np.random.default_rng(seed))[3_000:], 2):
            power = np.square(np.abs(np.fft.rfft(part)))
            shares.append(power[len(power) // 2 :].sum() / power.sum())
    assert np.mean(shares[1::2]) < 0.6 * np.mean(shares[::2])


def test_rooms_are_a_function_of_the_seed() -> None:
    first, again, other = (draw_room(np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert len(first) != len(other)


@pytest.mark.parametrize("samples", [1, 64, 65, 8_193])
def test_the_direct_sound_stays_in_place(samples: int) -> None:
    click = np.zeros(samples, np.float32)
    click[samples // 2] = 1.0
    wet = apply_room(click, draw_room(np.random.default_rng(0)))
    assert wet.shape == click.shape
    assert wet.dtype == np.float32
    assert int(np.argmax(np.abs(wet))) == samples // 2
    assert np.abs(wet[: samples // 2]).max(initial=0.0) < 1e-6

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pedalboard
import pytest
from effects import HoldsBack, Passes, WholeOnly
from pedalboard import (
    BrickwallLimiter,
    Delay,
    Gain,
    HighpassFilter,
    Invert,
    MP3Compressor,
    Pedalboard,
    Reverb,
)
from test_board import ALL, RATE

from audiosr_fx.board import Board
from audiosr_fx.errors import ParameterError
from audiosr_fx.mix import Mix
from audiosr_fx.sources import Audio


def impulse(position: int) -> Audio:
    audio = np.zeros((2, 20_000), np.float32)
    audio[:, position] = 0.5
    return audio


def streamed(board: Board, audio: Audio, chunk: int) -> Audio:
    padded = np.pad(audio, ((0, 0), (0, 20_000)))
    board.reset()
    chunks = [padded[:, i : i + chunk] for i in range(0, padded.shape[1], chunk)]
    out = np.concatenate([board.process(piece, RATE, reset=False) for piece in chunks], axis=1)
    return out[:, : audio.shape[1]]


@ALL
def test_branches_are_summed_as_they_sound_alone(
    make: Callable[[], pedalboard.Plugin], stereo: Audio
) -> None:
    expected = stereo + make()(stereo, RATE)
    assert np.array_equal(Mix([Board(), make()])(stereo, RATE), expected)
    assert np.array_equal(Board([pedalboard.Mix([Pedalboard(), make()])])(stereo, RATE), expected)


def test_where_nothing_is_held_back_it_is_pedalboards_mix_bit_for_bit(stereo: Audio) -> None:
    def effects() -> list[pedalboard.Plugin]:
        return [Gain(-3), Reverb(), Pedalboard([HighpassFilter(500), BrickwallLimiter(-6.0)])]

    expected = Pedalboard([Delay(0.01), pedalboard.Mix(effects()), Gain(1)])(stereo, RATE)
    assert np.array_equal(Board([Delay(0.01), Mix(effects()), Gain(1)])(stereo, RATE), expected)
    assert np.array_equal(Board([Delay(0.01), pedalboard.Mix(effects()), Gain(1)])(stereo, RATE), expected)


@pytest.mark.parametrize("kind", [Mix, pedalboard.Mix])
@pytest.mark.parametrize("make", [MP3Compressor, lambda: BrickwallLimiter(-0.1), lambda: Gain(0)])
def test_branches_stay_aligned_to_the_end(
    make: Callable[[], pedalboard.Plugin], kind: type, stereo: Audio
) -> None:
    board = Board([Invert(), kind([Gain(-3), make(), Gain(3)]), Gain(1)])
    mixed = Gain(-3)(-stereo, RATE) + make()(-stereo, RATE) + Gain(3)(-stereo, RATE)
    expected = Gain(1)(mixed, RATE)
    assert np.array_equal(board(stereo, RATE), expected)
    for chunk in (4800, 777):
        assert np.array_equal(streamed(board, stereo, chunk), expected)


def test_a_stream_through_pedalboards_own_mix_falls_apart() -> None:
    native = Pedalboard([pedalboard.Mix([Gain(0), BrickwallLimiter(-0.1)])])
    chunks = [
        native.process(impulse(10_000)[:, i : i + 4800], RATE, reset=False) for i in range(0, 20_000, 4800)
    ]
    assert np.count_nonzero(np.abs(np.concatenate(chunks, axis=1)[0]) > 0.2) == 2
    ours = streamed(Board([pedalboard.Mix([Gain(0), BrickwallLimiter(-0.1)])]), impulse(10_000), 4800)
    assert np.flatnonzero(np.abs(ours[0]) > 0.2).tolist() == [10_000]


def test_python_effects_stand_in_branches_aligned(stereo: Audio) -> None:
    board = Board([Mix([Board(), Board([HoldsBack(700), Invert()])]), Passes()])
    assert not board(stereo, RATE).any()
    assert not streamed(board, stereo, 1000).any()


def test_mixes_nest(stereo: Audio) -> None:
    inner = Mix([Board([Gain(0)]), Board([HoldsBack(5), Gain(0)])])
    board = Mix([inner, Mix([Invert(), Invert()]), pedalboard.Mix([Gain(0)])])
    assert np.array_equal(board(stereo, RATE), stereo)


def test_no_branches_are_silence_and_no_effect_is_the_dry_signal(stereo: Audio) -> None:
    assert not Mix()(stereo, RATE).any()
    assert not Board([Gain(3), Mix([])])(stereo, RATE).any()
    assert np.array_equal(Mix([None])(stereo, RATE) * 0, stereo * 0)
    dry = [None, Board(), Pedalboard([])]
    for branch in dry:
        assert np.array_equal(Mix([branch, Board([Invert()])])(stereo, RATE), stereo * 0)


def test_a_native_mix_that_grew_does_not_crash(stereo: Audio) -> None:
    grown = pedalboard.Mix([Gain(0)])
    grown.append(Invert())
    assert not Board([grown])(stereo, RATE).any()


def test_offline_branches_take_whole_signals_only(stereo: Audio) -> None:
    mix = Mix([WholeOnly(), WholeOnly()])
    assert mix.is_offline
    assert np.array_equal(mix(stereo, RATE), stereo)
    with pytest.raises(ParameterError, match="WholeOnly, WholeOnly can only take a whole signal"):
        mix(stereo, RATE, reset=False)


def test_an_effect_in_two_branches_is_refused(stereo: Audio) -> None:
    gain = Gain(1)
    with pytest.raises(ParameterError, match="stands in 2 places"):
        Mix([gain, Board([gain])])(stereo, RATE)
    mix = Mix([gain])
    with pytest.raises(ParameterError, match="Mix cannot hold itself"):
        mix.append(Board([mix]))


def test_slices_of_a_mix_are_mixes() -> None:
    mix = Mix([Gain(1), Gain(2)])
    assert type(mix[:1]) is Mix
    assert type(mix + Board([Gain(3)])) is Mix
    assert Mix() != Board()
    assert repr(Mix()) == "<Mix with 0 plugins: []>"

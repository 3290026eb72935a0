from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from effects import HoldsBack, Passes, WholeOnly
from pedalboard import Gain, Reverb

from audiosr_fx import bounce, spool
from audiosr_fx.board import Board
from audiosr_fx.bounce import CHUNK_FRAMES, Bounce
from audiosr_fx.errors import AudioFormatError, NoRoom
from audiosr_fx.limiter import TruePeakLimiter
from audiosr_fx.loudness import LoudnessNormalize
from audiosr_fx.mastering import MasterTo
from audiosr_fx.mix import Mix
from audiosr_fx.sources import ArraySource, Audio
from audiosr_fx.spool import SpoolSource

RATE = 48_000


def bounced(board: Board, audio: Audio, rate: int = RATE) -> Audio:
    blocks = list(Bounce(board.compile(), ArraySource(audio, rate)))
    return np.concatenate([audio[:, :0], *blocks], axis=1)


@pytest.mark.parametrize("samples", [0, 1, 64, CHUNK_FRAMES, CHUNK_FRAMES + 1, 3 * RATE + 7])
@pytest.mark.parametrize("channels", [1, 2, 5])
def test_a_bounce_is_as_long_as_its_source(samples: int, channels: int, signals: type) -> None:
    audio = signals.noise(samples, RATE, channels=channels)
    for board in (Board(), Board([Gain(0)]), Board([HoldsBack(100), Mix([Board(), Mix([]), WholeOnly()])])):
        assert bounced(board, audio).shape == audio.shape


@pytest.mark.parametrize(
    "board",
    [
        lambda: Board([TruePeakLimiter(-20.0), Gain(3), TruePeakLimiter(-1.0)]),
        lambda: Board([Reverb(), LoudnessNormalize(-30.0), TruePeakLimiter(-6.0)]),
        lambda: Board([Gain(-12), MasterTo(-23.0), Gain(-1)]),
        lambda: Board([Mix([Board(), Board([TruePeakLimiter(-20.0), Reverb()])])]),
    ],
)
def test_loudness_and_limiting_in_blocks_are_those_of_the_whole(board: object, signals: type) -> None:
    assert callable(board)
    audio = signals.noise(3 * RATE + 7, RATE, channels=2)
    assert np.array_equal(bounced(board(), audio), board()(audio, RATE))


def test_branches_in_step_keep_no_more_than_what_is_held_back(
    signals: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Counts(Passes):
        pass

    first, second = Counts(), Counts()
    board = Board([Mix([first, Board([HoldsBack(100_000), second])])])
    blocks = iter(Bounce(board.compile(), ArraySource(signals.noise(20 * CHUNK_FRAMES, RATE), RATE)))
    for _ in range(6):
        next(blocks)
        assert abs(first.calls - second.calls) <= 3


def test_nothing_is_read_before_it_is_needed(signals: type) -> None:
    effect = Passes()
    blocks = iter(
        Bounce(Board([effect]).compile(), ArraySource(signals.noise(20 * CHUNK_FRAMES, RATE), RATE))
    )
    next(blocks)
    assert effect.calls == 1


def test_a_spool_gives_back_what_went_in(signals: type, tmp_path: Path) -> None:
    audio = signals.noise(10_001, RATE, channels=3)
    kept = SpoolSource(RATE, 3, tmp_path)
    for start in range(0, 10_001, 1234):
        kept.append(audio[:, start : start + 1234])
    assert (kept.frames, kept.channels, kept.sample_rate) == (10_001, 3, RATE)
    assert np.array_equal(kept.read(0, 10_001), audio)
    assert np.array_equal(kept.read(500, 777), audio[:, 500:777])
    padded = kept.read(-5, 10_010)
    assert np.array_equal(padded[:, 5:-9], audio)
    assert not padded[:, :5].any()
    assert not padded[:, -9:].any()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_clear_line(
    signals: type, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    board = Board([Gain(1), LoudnessNormalize(-23.0)])
    with Path("/dev/full").open("r+b", buffering=0) as full:
        monkeypatch.setattr(spool, "TemporaryFile", lambda dir: full)
        with pytest.raises(NoRoom, match=r"a temporary file cannot be written .*No space left"):
            bounced(board, signals.noise(RATE, RATE))
    monkeypatch.undo()
    with pytest.raises(AudioFormatError, match="a temporary file cannot be written"):
        SpoolSource(RATE, 1, tmp_path / "missing")


def test_the_chunk_divides_into_whole_buffers() -> None:
    assert CHUNK_FRAMES % bounce.BUFFER_SIZE == 0

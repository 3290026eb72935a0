"""Code as users write it: a strict type checker finds nothing wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableSequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pedalboard import Chain, Gain, HighpassFilter, Limiter, Reverb, VST3Plugin

from audiosr_fx import VST3, AudioSR, Board, Mix
from audiosr_fx.contract import Effect
from audiosr_fx.file_job import RenderedFile
from audiosr_fx.plugins import VST3Settings
from audiosr_fx.progress import ProgressEvent


class Fade:
    """An effect of one's own."""

    def process(
        self,
        input_array: NDArray[np.float32],
        sample_rate: float,
        buffer_size: int = 8192,
        reset: bool = True,
    ) -> NDArray[np.float32]:
        ramp = np.linspace(0.0, 1.0, input_array.shape[1], dtype=np.float32)
        return input_array * ramp


def calls(audio: NDArray[np.float32], wide: NDArray[np.float64]) -> NDArray[np.float32]:
    board = Board([HighpassFilter(30), AudioSR(quality="draft"), Fade(), Limiter()])
    first: NDArray[np.float32] = board(audio, 48_000)
    second: NDArray[np.float32] = board.process(wide, 44_100.0, buffer_size=512, reset=True)
    board.reset()
    return Mix([Board(), Board([Reverb(), Gain(-12)]), None])(first + second, sample_rate=48_000)


def lists(board: Board) -> Board:
    effects: MutableSequence[Effect] = board
    iterator: Iterator[Effect] = iter(effects)
    first: Effect = board[0]
    rest: Board = board[1:]
    board.append(first)
    board.extend([Gain(), Fade()])
    board.extend(gains())
    board.insert(0, Chain([Gain()]))
    board[0] = Board()
    board[1:2] = [Mix(), AudioSR()]
    del board[-1], board[::2]
    popped: Effect = board.pop()
    board += [popped, next(iterator)]
    index: int = board.index(first)
    same: bool = board == rest and first in board and index == 0
    more = [Fade()]
    return rest + more if same else more + board.copy()


def gains() -> Iterable[Gain]:
    return (Gain(step) for step in range(3))


def plugins(loaded: VST3Plugin) -> Board:
    tube = VST3("/usr/lib/vst3/ZamTube.vst3", {"tube_drive": 3.5, "tone_stack_model": "JTM 45"})
    tube.set_parameters({"bass": 2, "insane_boost": True})
    settings: VST3Settings = tube.settings
    return Board(
        [tube, loaded, VST3(Path("a.vst3"), preset=Path("b.vstpreset")), VST3.from_settings(settings)]
    )


def files(board: Board) -> tuple[int, str]:
    def hear(event: ProgressEvent) -> None:
        assert 0.0 <= event.seconds_done <= event.seconds_total

    done: RenderedFile = board.render_file(
        "in.wav", Path("out.flac"), 48_000, on_event=hear, should_cancel=lambda: False
    )
    apart = board.render_file("in.wav", "out.wav", None, isolated=True, timeout_s=60)
    return done.frames, apart.verdicts[0].reason

"""Mistakes that a type checker finds: each line with one names the kind of error after ``E:``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pedalboard import Gain

from audiosr_fx import VST3, AudioSR, Board, Mix


class Incomplete:
    def process(self, input_array: NDArray[np.float32]) -> NDArray[np.float32]:
        return input_array


class Wordy:
    def process(
        self,
        input_array: NDArray[np.float32],
        sample_rate: float,
        buffer_size: int = 8192,
        reset: bool = True,
    ) -> str:
        return "no audio"


def what_is_no_effect(board: Board, mix: Mix) -> None:
    Board(["Gain"])  # E: list-item
    Board([Incomplete()])  # E: list-item
    Board(Gain())  # E: arg-type
    board.append(Wordy())  # E: arg-type
    board.append(lambda audio: audio)  # E: arg-type
    board.insert(Gain(), 0)  # E: arg-type,arg-type
    board[0] = 3  # E: call-overload
    mix.extend([1.0])  # E: list-item
    more = [object()]
    print(board + more)  # E: operator


def what_is_no_call(board: Board, audio: NDArray[np.float32]) -> None:
    board(audio)  # E: call-arg
    board("audio", 48_000)  # E: arg-type
    board(audio, "48000")  # E: arg-type
    board.process(audio, 48_000, buffersize=512)  # E: call-arg
    words: str = board(audio, 48_000)  # E: assignment
    one: Board = board[0]  # E: assignment
    print(words, one)


def what_is_no_setting(board: Board) -> None:
    VST3("a.vst3", {"gain": [1]})  # E: dict-item
    VST3("a.vst3", gain=1)  # E: call-arg
    VST3(3)  # E: arg-type
    AudioSR(quality=3)  # E: arg-type
    board.render_file("in.wav")  # E: call-arg
    board.render_file("in.wav", "out.wav", "48k")  # E: arg-type
    board.render_file("in.wav", "out.wav", on_event=3)  # E: arg-type
    print(board.render_file("in.wav", "out.wav", isolated=True).samples)  # E: attr-defined

"""Effects in Python for the tests of what holds effects, importable by a child process too."""

from __future__ import annotations

import os
import signal
import time

import numpy as np

from audiosr_fx.sources import Audio


def in_layouts(stereo: Audio) -> dict[str, np.ndarray]:
    """Two channels, or one of them, as (channels, samples) and in every other way that callers lay them."""
    return {
        "(n,)": stereo[0],
        "(1, n)": stereo[:1],
        "(n, 1)": stereo[:1].T,
        "(2, n)": stereo,
        "(n, 2)": stereo.T,
        "fortran": np.asfortranarray(stereo),
        "strided": np.repeat(stereo, 2, axis=1)[:, ::2],
        "float64": stereo.astype(np.float64),
        "big-endian": stereo.astype(">f4"),
    }


class Passes:
    """Hands on what it gets, and counts."""

    def __init__(self) -> None:
        self.calls = 0

    def process(
        self, input_array: Audio, sample_rate: float, buffer_size: int = 8192, reset: bool = True
    ) -> Audio:
        self.calls += 1
        return input_array


class WholeOnly(Passes):
    """Halves a whole signal."""

    is_offline = True

    def process(
        self, input_array: Audio, sample_rate: float, buffer_size: int = 8192, reset: bool = True
    ) -> Audio:
        assert reset
        self.calls += 1
        return input_array / 2


class HoldsBack:
    """Passes audio on unchanged, but in a stream some samples late, as a limiter with lookahead does."""

    def __init__(self, latency_samples: int) -> None:
        self.latency_samples = latency_samples
        self._held: Audio | None = None

    def process(
        self, input_array: Audio, sample_rate: float, buffer_size: int = 8192, reset: bool = True
    ) -> Audio:
        if reset:
            self.reset()
            return input_array.copy()
        held = input_array if self._held is None else np.concatenate([self._held, input_array], axis=1)
        ready = max(0, held.shape[1] - self.latency_samples)
        self._held = held[:, ready:]
        return held[:, :ready]

    def reset(self) -> None:
        self._held = None


class Crashes(Passes):
    """Dies as a plugin with a bad pointer does."""

    def process(
        self, input_array: Audio, sample_rate: float, buffer_size: int = 8192, reset: bool = True
    ) -> Audio:
        os.kill(os.getpid(), signal.SIGSEGV)
        return input_array


class Hangs(Passes):
    """Never comes back."""

    def process(
        self, input_array: Audio, sample_rate: float, buffer_size: int = 8192, reset: bool = True
    ) -> Audio:
        while True:
            time.sleep(1)

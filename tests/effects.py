"""Effects in Python for the tests of what holds effects, importable by a child process too."""

from __future__ import annotations

import os
import signal
import time

import numpy as np

from audiosr_fx.sources import Audio


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

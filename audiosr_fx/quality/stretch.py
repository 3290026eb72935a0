"""A part of a recording as a source of its own, so that two recordings can be read in step."""

from __future__ import annotations

import numpy as np

from audiosr_fx.sources import Audio, Source


class Stretch:
    """What lies from one sample on, of any source; zeros where it reaches beyond the signal."""

    def __init__(self, source: Source, start: int, frames: int, *, channels: int | None = None) -> None:
        """Begin at a sample.

        Args:
            source: of any length.
            start: its first sample, which may lie before the signal.
            frames: samples per channel.
            channels: as many as the source has, or, of a mono source, how often it is repeated.
        """
        assert channels in (None, source.channels) or source.channels == 1
        self._source = source
        self._start = start
        self.sample_rate = source.sample_rate
        self.channels = channels or source.channels
        self.frames = max(frames, 0)

    def read(self, start: int, stop: int) -> Audio:
        """See ``Source.read``."""
        out = np.zeros((self.channels, stop - start), np.float32)
        low, high = max(start, 0), min(stop, self.frames)
        if low < high:
            out[:, low - start : high - start] = self._source.read(self._start + low, self._start + high)
        return out

"""A part of a source: which samples are wanted, which are kept in the end, and that part as a source."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audiosr_fx.settings import Region
from audiosr_fx.sources import Audio, Source, native_rate_of, position_at_rate, speakers_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What is made of a source that holds more, in samples of its rate.

    Attributes:
        start, stop: the samples to give, and after which they end.
        kept_start, kept_stop: the samples among them that remain in the end. What is given before and behind
            is there for the effects that follow to settle on; decisions about levels are for what remains.
    """

    start: int
    stop: int
    kept_start: int
    kept_stop: int

    @classmethod
    def whole(cls, frames: int) -> Part:
        """All of a source."""
        return cls(start=0, stop=frames, kept_start=0, kept_stop=frames)

    @property
    def frames(self) -> int:
        """How many samples are given."""
        return self.stop - self.start

    @property
    def region(self) -> Region:
        """What is given, as a region; there must be a sample in it."""
        return Region(self.start, self.stop)

    def is_whole(self, frames: int) -> bool:
        """Whether it is all of a source of so many frames."""
        return self == Part.whole(frames)

    def given(self, source: Source) -> PartSource:
        """The samples to give, as a source."""
        return PartSource(source, self.start, self.stop)

    def kept(self, source: Source) -> PartSource:
        """The samples that remain, as a source."""
        return PartSource(source, self.kept_start, self.kept_stop)

    def from_its_start(self) -> Part:
        """The same part of a source that begins where it begins."""
        return Part(
            start=0,
            stop=self.frames,
            kept_start=self.kept_start - self.start,
            kept_stop=self.kept_stop - self.start,
        )


def region_at_rate(region: Region, source: Source, sample_rate: int) -> Region:
    """A region of a source in samples of another rate; regions that touch still touch.

    Raises:
        ParameterError: it reaches beyond the end, or has no sample at that rate.
    """
    start, stop = region.within(source.frames)
    first, end = (position_at_rate(place, source.sample_rate, sample_rate) for place in (start, stop))
    return Region(first, end)


class PartSource:
    """The samples of a source from ``start`` to ``stop``, counted from 0; zeros beside them and beyond it."""

    def __init__(self, source: Source, start: int, stop: int, *, channels: int | None = None) -> None:
        """Begin at a sample.

        Args:
            source: of any length.
            start: its first sample, which may lie before the signal.
            stop: where it ends; nothing is left where that is not behind the start.
            channels: as many as the source has, or, of a mono source, how often it is repeated.
        """
        assert channels in (None, source.channels) or source.channels == 1
        self.sample_rate = source.sample_rate
        self.native_rate = native_rate_of(source)
        self.channels = channels or source.channels
        self.frames = max(0, stop - start)
        self.speakers = speakers_of(source) if channels in (None, source.channels) else None
        self._source = source
        self._start = start

    def read(self, start: int, stop: int) -> Audio:
        """See ``Source.read``."""
        out = np.zeros((self.channels, max(0, stop - start)), np.float32)
        low, high = max(start, 0), min(stop, self.frames)
        if low < high:
            out[:, low - start : high - start] = self._source.read(self._start + low, self._start + high)
        return out

"""What is remembered for a while: of a source, so that it is read once, and of other things made by index."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from audiosr_fx.progress import ShouldCancel, stop_if_asked
from audiosr_fx.sources import Audio, GridSource, Source, native_rate_of, speakers_of

T = TypeVar("T")


class Recent(Generic[T]):
    """The last few things that were made, by index."""

    def __init__(self, make: Callable[[int], T], kept: int) -> None:
        """``make`` gives the same for an index each time; ``kept`` are the most that are remembered."""
        self._make = make
        self._kept = kept
        self._made: OrderedDict[int, T] = OrderedDict()

    def __call__(self, index: int) -> T:
        """The thing of that index: remembered, or made now."""
        if index not in self._made:
            self._made[index] = self._make(index)
            if len(self._made) > self._kept:
                self._made.popitem(last=False)
        self._made.move_to_end(index)
        return self._made[index]


class RecentSource(GridSource):
    """A source that keeps its last seconds, so that what it reads from is read in one direction and once.

    It refuses to read on, with RenderCancelled, once should_cancel says so.
    """

    def __init__(self, source: Source, seconds: float, should_cancel: ShouldCancel | None = None) -> None:
        """``seconds``: how far its reader may step back."""
        super().__init__(
            sample_rate=source.sample_rate,
            channels=source.channels,
            frames=source.frames,
            block_frames=source.sample_rate,
            blocks_kept=math.ceil(seconds) + 1,
            speakers=speakers_of(source),
            native_rate=native_rate_of(source),
        )
        self._source = source
        self._should_cancel = should_cancel

    def _make_block(self, index: int) -> Audio:
        """See ``GridSource``."""
        stop_if_asked(self._should_cancel)
        return self._source.read(index * self._block_frames, (index + 1) * self._block_frames)

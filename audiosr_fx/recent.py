"""A source that remembers: what a render reads several times is read from the file once."""

from __future__ import annotations

import math
from collections.abc import Callable

from audiosr_fx.errors import RenderCancelled
from audiosr_fx.sources import Audio, GridSource, Source


class RecentSource(GridSource):
    """A source that keeps its last seconds, so that what it reads from is read in one direction and once.

    It refuses to read on, with RenderCancelled, once should_cancel says so.
    """

    def __init__(
        self, source: Source, seconds: float, should_cancel: Callable[[], bool] | None = None
    ) -> None:
        """``seconds``: how far its reader may step back."""
        super().__init__(
            sample_rate=source.sample_rate,
            channels=source.channels,
            frames=source.frames,
            block_frames=source.sample_rate,
            blocks_kept=math.ceil(seconds) + 1,
        )
        self._source = source
        self._should_cancel = should_cancel

    def _make_block(self, index: int) -> Audio:
        """See ``GridSource``."""
        stop_if_asked(self._should_cancel)
        return self._source.read(index * self._block_frames, (index + 1) * self._block_frames)


def stop_if_asked(should_cancel: Callable[[], bool] | None) -> None:
    """Raise RenderCancelled when should_cancel says so."""
    if should_cancel is not None and should_cancel():
        raise RenderCancelled("the render was cancelled")

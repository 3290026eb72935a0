"""A cleaned recording and its new band as a source: what takes the place of a signal that is to be cleaned.

The cleaner runs over blocks of 448 mel frames on a grid fixed to frame 0, with enough context on both sides
that blocks fit exactly. The new band is made from what it leaves, so no hiss is continued upwards.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from audiosr_fx.cache_key import digest
from audiosr_fx.highband import BLOCK_FRAMES, HighBand, fade_to_silence
from audiosr_fx.meltrack import HOP, SAMPLE_RATE, BandPlan, read_mirrored
from audiosr_fx.sources import Audio, GridSource, Source

if TYPE_CHECKING:
    from audiosr_fx.cache import RenderCache
    from audiosr_fx.engine import Engine
    from audiosr_fx.settings import RenderSettings

_MIRRORED = 10 * HOP  # samples beyond an end, for the windows there; of what is steady they say nothing new


class CleanedSource(GridSource):
    """A recording at 48 kHz without its steady tones and hiss; digital silence stays what it is."""

    def __init__(
        self,
        source: Source,
        engine: Engine,
        gains: NDArray[np.float32],
        *,
        should_cancel: Callable[[], bool] | None = None,
        cache: RenderCache | None = None,
    ) -> None:
        """``gains`` (channels,) bring each channel's peak in the whole file to that the cleaner knows."""
        super().__init__(
            sample_rate=SAMPLE_RATE,
            channels=source.channels,
            frames=source.frames,
            block_frames=BLOCK_FRAMES * HOP,
            blocks_kept=4 + engine.batch_size // source.channels,  # windows ahead, and those around a block
        )
        self._source = source
        self._engine = engine
        self._gains = gains[:, None]
        self._should_cancel = should_cancel
        self._cache = cache

    def _make_block(self, index: int) -> Audio:
        """See ``GridSource``: kept from before, or cleaned anew."""
        context = self._engine.cleaner_context * HOP
        start = index * self._block_frames
        end = -(-self.frames // HOP) * HOP + _MIRRORED
        first, last = max(start - context, -_MIRRORED), min(start + self._block_frames + context, end)
        stretch = read_mirrored(self._source, first, last)
        if self._cache is None:
            return self._cleaned(stretch, start, start - first)
        key = digest("cleaned", self._engine.fingerprint, self._gains, index, end, stretch)
        kept = self._cache.load(key)
        if kept is None:
            kept = self._cleaned(stretch, start, start - first)
            self._cache.save(key, kept)
        return kept

    def _cleaned(self, stretch: Audio, start: int, before: int) -> Audio:
        """The block that begins at sample ``start``, ``before`` samples into its stretch."""
        cleaned = self._engine.clean(stretch * self._gains, self._should_cancel) / self._gains
        cleaned *= fade_to_silence(stretch)
        block = np.zeros((self.channels, self._block_frames), np.float32)
        count = min(self._block_frames, self.frames - start)
        block[:, :count] = cleaned[:, before : before + count]
        return block


class CleanBand(HighBand):
    """What a recording becomes where it is cleaned: without tones and hiss, and with its new band."""

    def __init__(
        self,
        source: Source,
        engine: Engine,
        settings: RenderSettings,
        plan: BandPlan,
        *,
        on_window: Callable[[int], None] = lambda index: None,
        should_cancel: Callable[[], bool] | None = None,
        cache: RenderCache | None = None,
    ) -> None:
        """``source`` is the input at 48 kHz."""
        super().__init__(
            CleanedSource(source, engine, plan.gains, should_cancel=should_cancel, cache=cache),
            engine,
            settings,
            plan,
            on_window=on_window,
            should_cancel=should_cancel,
            cache=cache,
        )

    def _make_block(self, index: int) -> Audio:
        """See ``HighBand``."""
        start = index * self._block_frames
        return self._source.read(start, start + self._block_frames) + super()._make_block(index)

"""A cleaned recording as a source.

The cleaner runs over blocks of 448 mel frames on a grid fixed to frame 0, with enough context on both sides
that blocks fit exactly.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from audiosr_fx.cache_key import digest
from audiosr_fx.highband import BLOCK_FRAMES, fade_to_silence, loudest_blocks
from audiosr_fx.meltrack import HOP, SAMPLE_RATE, read_mirrored
from audiosr_fx.sources import Audio, GridSource, Source, native_rate_of

if TYPE_CHECKING:
    from audiosr_fx.cache import RenderCache
    from audiosr_fx.engine import Engine

_TELLING = 16  # blocks
_MOST_KEPT = 1 << 26  # bytes
_MIRRORED = 10 * HOP  # samples beyond an end, for the windows there; of what is steady they say nothing new
_MOST_DB = 9.0  # by which a recording becomes softer; loud tones beside a voice cost up to 8
_NOTHING_DBFS = -100.0


@dataclass(frozen=True, slots=True)
class Taken:
    """RMS in dB of full scale, -240 for nothing: what a cleaner takes away, of what, and what is left."""

    dbfs: float
    from_dbfs: float
    left_dbfs: float

    @property
    def is_nothing(self) -> bool:
        """Whether it is too little to speak of."""
        return self.dbfs < _NOTHING_DBFS

    @property
    def is_most(self) -> bool:
        """Whether little is left: then it was held notes, or a recording of noise."""
        return self.left_dbfs < self.from_dbfs - _MOST_DB


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
        """``source`` is at 48 kHz; ``gains`` (channels,) bring each channel's peak in it to what is known."""
        ahead = 4 + engine.batch_size // source.channels  # windows ahead, and those around a block
        block_bytes = 4 * BLOCK_FRAMES * HOP * source.channels
        super().__init__(
            sample_rate=SAMPLE_RATE,
            channels=source.channels,
            frames=source.frames,
            block_frames=BLOCK_FRAMES * HOP,
            blocks_kept=max(ahead, min(_TELLING, _MOST_KEPT // block_bytes)),
            native_rate=native_rate_of(source),
        )
        self._source = source
        self._engine = engine
        self._gains = gains[:, None]
        self._should_cancel = should_cancel
        self._cache = cache

    def telling_parts(self) -> list[tuple[int, int]]:
        """(start, stop) of the 16 loudest blocks, which are enough to judge the whole by.

        The last comes first: of blocks that are kept, the earliest are there when a render begins.

        Raises:
            RenderCancelled: should_cancel said so.
        """
        size = self._block_frames
        count = -(-self.frames // size)
        indices: Sequence[int] = range(count)
        if count > _TELLING:
            indices = loudest_blocks(self._source, _TELLING, self._should_cancel)
        return [(index * size, min((index + 1) * size, self.frames)) for index in reversed(indices)]

    def taken(self, parts: Sequence[tuple[int, int]]) -> Taken:
        """How much is taken away in parts that were just read.

        Of a wide file, of which few blocks are kept, the last of them tell.
        """
        power = np.zeros(3)
        samples = 0
        for start, stop in parts[-self._blocks_kept :]:
            given = self._source.read(start, stop)
            left = self.read(start, stop)
            power += [float(np.square(one, dtype=np.float64).sum()) for one in (given - left, given, left)]
            samples += given.size
        return Taken(*(10.0 * math.log10(max(one / max(samples, 1), 1e-24)) for one in power.tolist()))

    def _make_block(self, index: int) -> Audio:
        """See ``GridSource``: kept from before, or cleaned anew."""
        context = self._engine.cleaner_context * HOP
        start = index * self._block_frames
        end = -(-self.frames // HOP) * HOP + _MIRRORED
        first, last = max(start - context, -_MIRRORED), min(start + self._block_frames + context, end)
        stretch = read_mirrored(self._source, first, last)
        before, count = start - first, min(self._block_frames, self.frames - start)
        if self._cache is None:
            return self._cleaned(stretch, before, count)
        key = digest("cleaned", self._engine.fingerprint, self._gains, before, count, stretch)
        kept = self._cache.load(key)
        if kept is None:
            kept = self._cleaned(stretch, before, count)
            self._cache.save(key, kept)
        return kept

    def _cleaned(self, stretch: Audio, before: int, count: int) -> Audio:
        """A block of ``count`` samples, the rest zeros, that begins ``before`` samples into its stretch."""
        after = stretch.shape[1] - before - count
        margins = (before // HOP, after // HOP)
        cleaned = self._engine.clean(stretch * self._gains, margins, self._should_cancel)[:, :count]
        block = np.zeros((self.channels, self._block_frames), np.float32)
        block[:, :count] = cleaned / self._gains * fade_to_silence(stretch)[:, before : before + count]
        return block

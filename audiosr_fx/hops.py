"""Powers of a signal by hops of 5 ms, on a grid fixed to sample 0, and their way back to samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from audiosr_fx.sources import Audio

HOP: Final = 240  # samples at 48 kHz

Powers = NDArray[np.float64]


def hop_powers(audio: Audio) -> Powers:
    """Mean power of each hop in its loudest channel: (channels, hops * 240) -> (hops,)."""
    by_hop = np.square(audio, dtype=np.float64).reshape(audio.shape[0], -1, HOP).mean(axis=2)
    powers: Powers = by_hop.max(axis=0)
    return powers


def hops_around(start: int, stop: int) -> tuple[int, int]:
    """First and last plus one of the hops that samples ``start`` to ``stop`` lie between."""
    return start // HOP - 1, stop // HOP + 1


def read_pair(
    of_block: Callable[[int], Sequence[Powers] | Powers],
    start: int,
    stop: int,
    *,
    block_hops: int,
    hops: int,
    outside: float,
) -> Powers:
    """Two powers of each hop from ``start`` to ``stop``, put together from blocks: (2, stop - start).

    Args:
        of_block: both of a block by its index, (block_hops,) each, or fewer in the last.
        start: may lie before the signal, which has ``hops`` of them.
        stop: may lie behind it.
        block_hops: in each block.
        hops: in the whole signal.
        outside: the powers where there is no signal.
    """
    out = np.full((2, stop - start), outside)
    low, high = max(start, 0), min(stop, hops)
    for index in range(low // block_hops, -(-high // block_hops)):
        first = index * block_hops
        begin, end = max(low, first), min(high, first + block_hops)
        for row, powers in zip(out, of_block(index), strict=True):
            row[begin - start : end - start] = powers[begin - first : end - first]
    return out


def at_samples(by_hop: Powers, start: int, stop: int) -> NDArray[np.float64]:
    """Values of the hops of :func:`hops_around`, in straight lines from middle to middle: (stop - start,)."""
    first, last = hops_around(start, stop)
    places = (np.arange(start, stop) - (first * HOP + HOP / 2)) / HOP
    values: NDArray[np.float64] = np.interp(places, np.arange(last - first), by_hop)
    return values

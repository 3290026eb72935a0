"""Audio as every stage sees it: float32 (channels, samples), read by absolute position from a ``Source``.

A source hands out any stretch of a signal without holding all of it. Sources that work in blocks keep
them on a grid fixed to sample 0, so a stretch has the same bits whatever was read before it. Files as sources
are in ``audiosr_fx.files``.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from typing import Any, Protocol, TypeAlias

import numpy as np
import soxr
from numpy.typing import NDArray

from audiosr_fx.errors import AudioFormatError

Audio: TypeAlias = NDArray[np.float32]

MIN_SAMPLE_RATE = 1_000
MAX_SAMPLE_RATE = 768_000
MAX_CHANNELS = 32


class Source(Protocol):
    """Anything that hands out samples by absolute position.

    It may have two things on top: ``speakers``, a mask of who plays its channels, see
    ``audiosr_fx.speakers``; and ``native_rate``, see ``native_rate_of``.
    """

    @property
    def sample_rate(self) -> int:
        """In Hz."""

    @property
    def channels(self) -> int:
        """1 to 32."""

    @property
    def frames(self) -> int:
        """Samples per channel."""

    def read(self, start: int, stop: int) -> Audio:
        """Samples ``start`` to ``stop``: a new float32 (channels, stop - start), zeros outside the signal."""


def speakers_of(source: Source) -> int | None:
    """The mask of who plays the channels of a source; None where that is not known."""
    speakers: int | None = getattr(source, "speakers", None)
    return speakers


def native_rate_of(source: Source) -> int:
    """The lowest rate in Hz that the samples of a source have been at: half of it is all they can reach.

    It is less than ``sample_rate`` where a source was resampled upwards.
    """
    rate: int = getattr(source, "native_rate", source.sample_rate)
    return rate


def check_sample_rate(sample_rate: float, rates: range = range(MIN_SAMPLE_RATE, MAX_SAMPLE_RATE + 1)) -> int:
    """Return the rate as an int, or raise AudioFormatError unless it is a whole number of Hz we can take."""
    if not rates[0] <= sample_rate <= rates[-1] or sample_rate != int(sample_rate):
        raise AudioFormatError(
            f"sample_rate is {sample_rate}; expected whole Hz from {rates[0]} to {rates[-1]}"
        )
    return int(sample_rate)


def position_at_rate(position: int, rate: int, rate_out: int) -> int:
    """The first sample at another rate that is not before a position; regions that touch still touch."""
    return -(-position * rate_out // rate)


def check_audio(array: NDArray[Any], sample_rate: float) -> Audio:
    """Make sure an array is audio we can process.

    Args:
        array: floating point (channels, samples), full scale ±1.0; zero samples are allowed.
        sample_rate: in Hz.

    Returns:
        The same samples as C-contiguous float32; the argument itself when it already is that.

    Raises:
        AudioFormatError: another dtype, shape or channel count, NaN or Inf, or an absurd rate.
    """
    check_sample_rate(sample_rate)
    array = np.asarray(array)
    if array.dtype.kind != "f":
        raise AudioFormatError(
            f"audio is {array.dtype}; expected floating point with full scale ±1.0"
            " (divide integer samples by their range)"
        )
    if array.ndim != 2:
        raise AudioFormatError(f"audio has shape {array.shape}; expected (channels, samples)")
    if not 1 <= array.shape[0] <= MAX_CHANNELS:
        raise AudioFormatError(
            f"audio has shape {array.shape}; expected (channels, samples) with 1 to {MAX_CHANNELS} channels"
            " (transpose it if samples come first)"
        )
    with np.errstate(over="ignore"):
        audio = np.ascontiguousarray(array, dtype=np.float32)
    check_finite(audio, "audio holds")
    return audio


def check_finite(audio: NDArray[np.floating[Any]], who: str, first: int = 0, way_out: str = "") -> None:
    """Make sure that no sample is NaN or Inf.

    Args:
        audio: (channels, samples).
        who: holds or gives it, with that verb, for the message.
        first: place of its first sample in what it is a part of.
        way_out: to end the message with.

    Raises:
        AudioFormatError: the first that is, with its place.
    """
    finite = np.isfinite(audio)
    if not finite.all():
        channel, sample = (int(i) for i in np.argwhere(~finite)[0])
        raise AudioFormatError(
            f"{who} {audio[channel, sample]} at sample {first + sample} of channel {channel};"
            f" expected finite values{way_out}"
        )


class ArraySource:
    """A source over an array in memory, which it neither copies nor changes."""

    def __init__(
        self,
        audio: NDArray[Any],
        sample_rate: float,
        speakers: int | None = None,
        *,
        native_rate: int | None = None,
    ) -> None:
        """``audio``: floating point (channels, samples). Raises AudioFormatError as ``check_audio`` does."""
        self.speakers = speakers
        self._audio = check_audio(audio, sample_rate)
        self.sample_rate = int(sample_rate)
        self.native_rate = native_rate or self.sample_rate
        self.channels, self.frames = self._audio.shape

    def read(self, start: int, stop: int) -> Audio:
        """See ``Source.read``."""
        out = np.zeros((self.channels, _length(start, stop)), np.float32)
        low, high = max(start, 0), min(stop, self.frames)
        if low < high:
            out[:, low - start : high - start] = self._audio[:, low:high]
        return out


class GridSource(ABC):
    """A source made of equal blocks that begin at multiples of ``block_frames``.

    Any read is put together from whole blocks, and the last few blocks are kept. So the samples never depend
    on the order of reads, and a reader that steps back a little (for filter context) costs nothing.
    """

    def __init__(
        self,
        *,
        sample_rate: int,
        channels: int,
        frames: int,
        block_frames: int,
        blocks_kept: int = 4,
        speakers: int | None = None,
        native_rate: int | None = None,
    ) -> None:
        self.sample_rate = sample_rate
        self.native_rate = native_rate or sample_rate
        self.channels = channels
        self.frames = frames
        self.speakers = speakers
        self._block_frames = block_frames
        self._blocks_kept = blocks_kept
        self._blocks: OrderedDict[int, Audio] = OrderedDict()
        self._lock = Lock()

    @abstractmethod
    def _make_block(self, index: int) -> Audio:
        """Block ``index`` as (channels, block_frames), zeros past the end of the signal."""

    def read(self, start: int, stop: int) -> Audio:
        """See ``Source.read``. Safe to call from several threads, which take turns."""
        out = np.zeros((self.channels, _length(start, stop)), np.float32)
        low, high = max(start, 0), min(stop, self.frames)
        position = low
        while position < high:
            index, offset = divmod(position, self._block_frames)
            take = min(self._block_frames - offset, high - position)
            out[:, position - start : position - start + take] = self._block(index)[:, offset : offset + take]
            position += take
        return out

    def _block(self, index: int) -> Audio:
        with self._lock:
            block = self._blocks.get(index)
            if block is None:
                block = self._make_block(index)
                self._blocks[index] = block
                if len(self._blocks) > self._blocks_kept:
                    self._blocks.popitem(last=False)
            else:
                self._blocks.move_to_end(index)
            return block


class ChannelSource:
    """One channel of a source."""

    def __init__(self, source: Source, channel: int) -> None:
        """``channel``: from 0."""
        self.sample_rate, self.channels, self.frames = source.sample_rate, 1, source.frames
        self.native_rate = native_rate_of(source)
        self._source, self._channel = source, channel

    def read(self, start: int, stop: int) -> Audio:
        """See ``Source.read``."""
        return self._source.read(start, stop)[self._channel : self._channel + 1]


class WeightedSum:
    """Sources of one rate, width and length, each times its weight, added up."""

    def __init__(self, terms: Sequence[tuple[float, Source]]) -> None:
        """``terms``: (weight, source), at least one."""
        first = terms[0][1]
        self.sample_rate, self.channels, self.frames = first.sample_rate, first.channels, first.frames
        self._terms = [(np.float32(weight), source) for weight, source in terms]

    def read(self, start: int, stop: int) -> Audio:
        """See ``Source.read``."""
        out = np.zeros((self.channels, _length(start, stop)), np.float32)
        for weight, source in self._terms:
            out += weight * source.read(start, stop)
        return out


class ResampledSource(GridSource):
    """A source at another sample rate, by soxr's VHQ recipe (linear phase, no delay).

    One block is a whole number of periods of the rate ratio, about a second long, and is resampled with
    enough context on both sides that the joined blocks agree with one call over the whole signal to below
    -120 dBFS.
    The length is ``ceil(frames * sample_rate / source.sample_rate)``.
    """

    _CONTEXT_SAMPLES = 512  # of the lower rate; VHQ's impulse response has fallen below -160 dB after 130

    def __init__(self, source: Source, sample_rate: float) -> None:
        """Raises AudioFormatError for a rate we cannot take."""
        rate = check_sample_rate(sample_rate)
        self._source = source
        divisor = math.gcd(source.sample_rate, rate)
        self._period_in = source.sample_rate // divisor
        self._period_out = rate // divisor
        self._periods = max(1, divisor)
        lower = min(self._period_in, self._period_out)
        self._context_periods = math.ceil(self._CONTEXT_SAMPLES / lower)
        super().__init__(
            sample_rate=rate,
            channels=source.channels,
            frames=position_at_rate(source.frames, source.sample_rate, rate),
            block_frames=self._periods * self._period_out,
            speakers=speakers_of(source),
            native_rate=min(native_rate_of(source), rate),
        )

    def read(self, start: int, stop: int) -> Audio:
        """See ``Source.read``. At the source's own rate the samples pass through untouched."""
        if self._period_in == self._period_out:
            return self._source.read(start, stop)
        return super().read(start, stop)

    def _make_block(self, index: int) -> Audio:
        context = self._context_periods if index > 0 else 0  # soxr starts a signal in its own way, so let it
        first = index * self._periods - context
        last = (index + 1) * self._periods + self._context_periods
        stretch = self._source.read(first * self._period_in, last * self._period_in)
        resampled = soxr.resample(
            stretch.T, self._source.sample_rate, self.sample_rate, quality="VHQ"
        )  # (samples, channels)
        skip = context * self._period_out
        block = np.asarray(resampled, np.float32)[skip : skip + self._block_frames]
        return np.ascontiguousarray(block.T)


def _length(start: int, stop: int) -> int:
    if stop < start:
        raise ValueError(f"cannot read samples {start} to {stop}: the end lies before the start")
    return stop - start

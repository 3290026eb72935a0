"""A limiter that keeps the waveform, between the samples too, under a ceiling, and leaves the rest alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from audiosr_fx.checked_settings import Setting, check_settings, describe_settings
from audiosr_fx.contract import BUFFER_SIZE, Layout, OwnEffect, check_call
from audiosr_fx.errors import AudioFormatError, ParameterError
from audiosr_fx.peaks import AFTER, BEFORE, FRAME, interval_peaks
from audiosr_fx.sources import Audio

HOP_FRAMES: Final = 4096  # a grid from the stream's first sample, so blocks of any size give the same bits
HOLD_MS: Final = 12.5  # half a period of 40 Hz: the gain stands still on a bass note, and does not distort it

QUICK: Final = 0.1
"""Of the release time: how fast the gain returns after a single peak."""

_MARGIN: Final = 10.0 ** (-0.03 / 20.0)  # what is turned down at all lands so far below the ceiling
_LEAST_NEPER: Final = 1e-5  # 0.0001 dB: where a release ends
_MOST: Final = 1e6  # +120 dBFS


@dataclass(frozen=True, slots=True, kw_only=True)
class LimiterSettings:
    """Controls of the limiter; see ``audiosr_fx.params``."""

    ceiling_dbtp: float = -1.0
    lookahead_ms: float = 5.0
    release_ms: float = 100.0
    link: str = "all"

    def __post_init__(self) -> None:
        check_settings(self)

    @property
    def ceiling(self) -> float:
        """The ceiling as a magnitude."""
        return float(10.0 ** (self.ceiling_dbtp / 20.0))

    def lookahead_samples(self, sample_rate: int) -> int:
        """How long before a peak the gain begins to fall; 8 or more, whatever the rate."""
        return max(8, round(self.lookahead_ms * sample_rate / 1000.0))

    def latency_samples(self, sample_rate: int) -> int:
        """How many samples a stream holds back."""
        return HOP_FRAMES + FRAME + self.lookahead_samples(sample_rate)


class TruePeakLimiter(OwnEffect):
    """Keeps the true peak under a ceiling; what is under it already comes out bit for bit.

    The gain begins to fall ``lookahead_ms`` before a peak, is down when the peak comes, stays down for
    12.5 ms, and returns with the time constant ``release_ms`` where limiting has lasted, ten times as fast
    after a single peak. There is no make-up gain and no clipping.
    It streams: with ``reset=False`` a call returns what is ready, ``latency_samples`` behind, and ``flush``
    (or as many zeros) brings the rest. Changed controls count from the next reset.

    Args:
        ceiling_dbtp: the highest true peak, -40 to 0.
        lookahead_ms: 1 to 20.
        release_ms: 5 to 5000.
        link: ``all`` turns all channels down together, ``none`` each for itself.

    Raises:
        ParameterError: a control outside its range.
    """

    is_offline = False

    __slots__ = ("__weakref__", "_layout", "_stream", "largest_reduction_db", "settings")

    ceiling_dbtp = Setting[float]()
    lookahead_ms = Setting[float]()
    release_ms = Setting[float]()
    link = Setting[str]()

    def __init__(
        self,
        ceiling_dbtp: float = -1.0,
        lookahead_ms: float = 5.0,
        release_ms: float = 100.0,
        link: str = "all",
    ) -> None:
        self.settings = LimiterSettings(
            ceiling_dbtp=ceiling_dbtp, lookahead_ms=lookahead_ms, release_ms=release_ms, link=link
        )
        self._stream: LimiterStream | None = None
        self._layout: Layout | None = None
        self.largest_reduction_db = 0.0

    @property
    def latency_samples(self) -> int:
        """How many samples a stream holds back; before the first call, at 48 kHz."""
        return self.settings.latency_samples(48_000) if self._stream is None else self._stream.latency_samples

    def process(
        self,
        input_array: NDArray[Any],
        sample_rate: float,
        buffer_size: int = BUFFER_SIZE,
        reset: bool = True,
    ) -> Audio:
        """Limit a signal, or continue a stream.

        Args:
            input_array: float32 or float64, (samples,), (channels, samples) or (samples, channels).
            sample_rate: in Hz.
            buffer_size: for the sake of the contract; 1 or more.
            reset: True takes the array as one whole signal. False continues the stream of the last call, and
                returns fewer samples than it was given until ``latency_samples`` have gone in.

        Returns:
            A new float32 array, laid out as the one that came in.

        Raises:
            AudioFormatError: as ``AudioSR.process``, and for samples beyond +120 dBFS.
            ParameterError: a buffer of less than one sample, or a stream that changes its rate or channels.
        """
        if reset:
            self.reset()
        call = check_call(input_array, sample_rate, buffer_size, self._layout)
        stream = self._stream or LimiterStream(self.settings, call.sample_rate, call.layout.channels)
        limited = stream.push(call.audio, call.sample_rate)
        if reset:
            limited = np.concatenate([limited, stream.flush()], axis=1)
        else:
            self._stream, self._layout = stream, call.layout
        self.largest_reduction_db = stream.largest_reduction_db
        return call.layout.restore(limited)

    def flush(self) -> Audio:
        """End the stream: what is still held back, laid out as what went in; (0,) where nothing went in."""
        if self._stream is None or self._layout is None:
            return np.zeros(0, np.float32)
        rest = self._layout.restore(self._stream.flush())
        self.largest_reduction_db = self._stream.largest_reduction_db
        self.reset()
        return rest

    def reset(self) -> None:
        """Forget the stream."""
        self._stream = None
        self._layout = None

    def __repr__(self) -> str:
        return describe_settings(self)


class LimiterStream:
    """One signal on its way through the limiter, in blocks of any size; memory does not grow.

    Work is done in hops of ``HOP_FRAMES`` on a grid fixed to the first sample. ``largest_reduction_db`` is
    the most the gain has been turned down so far.
    """

    def __init__(self, settings: LimiterSettings, sample_rate: int, channels: int) -> None:
        self._ceiling = settings.ceiling
        self._rate, self._channels = sample_rate, channels
        self._lookahead = settings.lookahead_samples(sample_rate)
        self.latency_samples = settings.latency_samples(sample_rate)
        self._curve = GainCurve(settings, sample_rate, channels)
        self._waiting: list[Audio] = []
        self._past = np.zeros((channels, self._lookahead + FRAME + BEFORE), np.float32)
        self._last_peak = np.zeros((channels, 1), np.float32)
        self._ready = np.zeros((channels, 0), np.float32)
        self._taken = self._given = 0
        self._to_drop = self._lookahead + FRAME

    @property
    def largest_reduction_db(self) -> float:
        """In dB, 0 or more."""
        return 20.0 / math.log(10.0) * self._curve.largest

    def push(self, audio: Audio, sample_rate: int) -> Audio:
        """Take samples (channels, samples), and give out all but the newest ``latency_samples``.

        Raises:
            ParameterError: another rate than the stream's.
            AudioFormatError: samples beyond +120 dBFS.
        """
        if sample_rate != self._rate:
            raise ParameterError(
                f"sample_rate is {sample_rate} in a stream at {self._rate};"
                " keep to it, or begin anew with reset()"
            )
        if audio.shape[1] and float(np.max(np.abs(audio))) > _MOST:
            raise AudioFormatError("audio rises above +120 dBFS; expected full scale ±1.0: divide it")
        self._taken += audio.shape[1]
        self._run(audio)
        return self._give(self._taken - self.latency_samples)

    def flush(self) -> Audio:
        """Give out the rest; the stream is at its end then."""
        missing = -(self._taken + self.latency_samples) % HOP_FRAMES
        self._run(np.zeros((self._channels, self.latency_samples + missing), np.float32))
        return self._give(self._taken)

    def _run(self, audio: Audio) -> None:
        self._waiting.append(audio.copy())
        if sum(piece.shape[1] for piece in self._waiting) < HOP_FRAMES:
            return
        joined = np.concatenate(self._waiting, axis=1)
        whole = joined.shape[1] // HOP_FRAMES * HOP_FRAMES
        done = [self._ready]
        for start in range(0, whole, HOP_FRAMES):
            done.append(self._hop(joined[:, start : start + HOP_FRAMES]))
        self._waiting = [joined[:, whole:].copy()]
        self._ready = np.concatenate(done, axis=1)

    def _hop(self, new: Audio) -> Audio:
        known = np.concatenate([self._past, new], axis=1)
        self._past = known[:, HOP_FRAMES:].copy()
        start = self._lookahead  # of the stretch whose peaks can be told now, FRAME behind the newest
        stretch = known[:, start : start + BEFORE + HOP_FRAMES + AFTER]
        after = interval_peaks(stretch, self._ceiling, wary=True)
        before = np.concatenate([self._last_peak, after[:, :-1]], axis=1)
        self._last_peak = after[:, -1:].copy()
        gain = self._curve.advance(np.maximum(before, after))
        out = known[:, BEFORE : BEFORE + HOP_FRAMES]
        limited = out if gain is None else (out * gain).astype(np.float32)
        dropped, self._to_drop = self._to_drop, max(self._to_drop - HOP_FRAMES, 0)
        return limited[:, dropped:]

    def _give(self, until: int) -> Audio:
        count = max(until - self._given, 0)
        out, self._ready = self._ready[:, :count].copy(), self._ready[:, count:].copy()
        self._given += count
        return out


class GainCurve:
    """From peaks to gain: never above what a peak allows, and never in a hurry.

    In nepers of reduction: a peak asks for some, the most asked for is held, it decays after that, and the
    mean over the lookahead smooths the way down. As the hold is at least as long as the lookahead, everything
    that is averaged at a peak is as much as that peak asks for.
    """

    def __init__(self, settings: LimiterSettings, sample_rate: int, channels: int) -> None:
        self._ceiling = settings.ceiling
        self._groups = channels if settings.link == "none" else 1
        lookahead = settings.lookahead_samples(sample_rate)
        hold = max(lookahead, round(HOLD_MS * sample_rate / 1000.0))
        self._half_hold = (hold + 1) // 2
        self._decay = 1000.0 / (settings.release_ms * sample_rate)
        window = np.hanning(lookahead + 3)[1:-1]
        self._window: NDArray[np.float64] = (window / window.sum())[np.newaxis]
        self.largest = 0.0
        self._forget()

    def _forget(self) -> None:
        self._asked = np.zeros((self._groups, 2 * self._half_hold))
        self._held = np.zeros((self._groups, self._window.size - 1))
        self._log_quick = np.full((self._groups, 1), -np.inf)
        self._slow = np.zeros((self._groups, 1))
        self._is_idle = True

    def advance(self, peaks: Audio) -> NDArray[np.float64] | None:
        """Take the peaks at HOP_FRAMES samples; give the gain for as many, the lookahead behind.

        Args:
            peaks: (channels, HOP_FRAMES) magnitudes.

        Returns:
            (channels or 1, HOP_FRAMES), 1.0 and below; None where all of it is 1.0.
        """
        if self._groups == 1:
            peaks = peaks.max(axis=0, keepdims=True)
        over = peaks > self._ceiling
        if self._is_idle and not over.any():
            return None
        from scipy import ndimage, signal

        self._is_idle = False
        asked: NDArray[np.float64] = np.zeros(peaks.shape)
        asked[over] = np.log(peaks[over] / (self._ceiling * _MARGIN))
        self.largest = max(self.largest, float(asked.max()))
        history = np.concatenate([self._asked, asked], axis=1)
        self._asked = history[:, -2 * self._half_hold :]
        most = ndimage.maximum_filter1d(history, 2 * self._half_hold + 1, axis=1)
        released = self._release(most[:, self._half_hold : self._half_hold + asked.shape[1]])
        held = np.concatenate([self._held, released], axis=1)
        self._held = held[:, 1 - self._window.size :]
        if not held.any():
            self._forget()
            return None
        smooth: NDArray[np.float64] = signal.fftconvolve(held, self._window, mode="valid", axes=1)
        return np.exp(-np.clip(smooth, 0.0, None))

    def _release(self, held: NDArray[np.float64]) -> NDArray[np.float64]:
        """Let go quickly of a single peak, and slowly of what has lasted.

        The quick way is an exponential decay from every maximum: a running maximum, once the decay is tilted
        level. Its mean over the release time is the slow way, which a single peak hardly moves.
        """
        from scipy import signal

        tilt: NDArray[np.float64] = self._decay / QUICK * np.arange(1, held.shape[-1] + 1)
        with np.errstate(divide="ignore"):
            level = np.maximum.accumulate(np.maximum(np.log(held) + tilt, self._log_quick), axis=1) - tilt
        quick = np.exp(level)
        self._log_quick = level[:, -1:]
        keep = math.exp(-self._decay)
        slow, self._slow = signal.lfilter([1.0 - keep], [1.0, -keep], quick, axis=1, zi=self._slow)
        released: NDArray[np.float64] = np.maximum(quick, slow)
        released[released < _LEAST_NEPER] = 0.0
        return released

"""Meters of a finished signal, block by block: loudness as EBU R 128 has it, sample peak and true peak.

pyloudnorm gives the K weighting, and is what the tests hold integrated loudness against. Gating is our own,
because pyloudnorm wants the whole signal in memory, knows neither momentary nor short-term loudness nor true
peaks, stops at five channels, counts a last block that is not full, and reads up to 0.5 LU more at low rates
than the same sound at 48 kHz. A meter keeps 160 bytes for every second: 0.6 MB for an hour.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from audiosr_fx.errors import AudioFormatError
from audiosr_fx.peaks import AFTER, BEFORE, FRAME, decibels, interval_peaks
from audiosr_fx.progress import ShouldCancel, stop_if_asked
from audiosr_fx.sources import Audio, Source, check_audio, check_sample_rate, speakers_of
from audiosr_fx.speakers import known_layouts, loudness_weights

GATING_BLOCK_S: Final = 0.4
LOWEST_RATE: Final = 4_000
"""In Hz; the shelf of the K weighting turns at 1.7 kHz."""

_STANDARD_RATE: Final = 48_000  # at which the weighting is given
_LEAST_PLAIN_RATE: Final = 40_000  # below, the formulas of its filters bend: by 0.02 dB at 32 kHz, 0.5 at 8
_BINS_PER_S: Final = 100  # a burst of 400 ms at any place reads within 0.05 LU
_MOMENTARY_BINS: Final = 40
_SHORT_TERM_BINS: Final = 300
_GATING_STEP_BINS: Final = 10
_ABSOLUTE_GATE_LUFS: Final = -70.0
_INTEGRATED_GATE_LU: Final = -10.0
_RANGE_GATE_LU: Final = -20.0
_OFFSET_LU: Final = -0.691
_BLOCK_FRAMES: Final = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """What a signal measures.

    Loudness is -inf for silence (what stays below the gate of -70 LUFS), and None where it is not defined:
    for a signal shorter than 0.4 s (3 s for short-term loudness and range), a rate below 4 kHz, or channels
    whose weights nobody knows. Peaks are -inf for digital silence.
    """

    integrated_lufs: float | None
    max_short_term_lufs: float | None
    max_momentary_lufs: float | None
    loudness_range_lu: float | None
    sample_peak_dbfs: float
    true_peak_dbtp: float


class Meter:
    """Measures a signal that arrives in blocks of any size.

    Source: ITU-R BS.1770-4 for integrated loudness and true peak; EBU Tech 3341 for momentary and short-term
    loudness, read 100 times a second; EBU Tech 3342 for the range.
    """

    def __init__(
        self, sample_rate: float, channels: int, *, channel_weights: Sequence[float] | None = None
    ) -> None:
        """Begin a measurement.

        Args:
            sample_rate: in Hz.
            channels: 1 to 32.
            channel_weights: one per channel; None takes what ``loudness_weights`` has for so many.

        Raises:
            AudioFormatError: an absurd rate, or another number of weights than of channels.
        """
        self.sample_rate = check_sample_rate(sample_rate)
        self.channels = channels
        self._frames = 0
        self._peaks = _PeakMeter(channels)
        self._gating = array("d")
        self._short_term = array("d")
        self._max_momentary = self._max_short_term = 0.0
        self._bins = np.zeros(0)
        self._open_bin = 0.0
        self._closed_bins = 0
        weights = loudness_weights(channels) if channel_weights is None else tuple(channel_weights)
        if weights is not None and len(weights) != channels:
            raise AudioFormatError(
                f"{len(weights)} channel_weights for {channels} channels; give one for each"
            )
        self._weights = None if weights is None or self.sample_rate < LOWEST_RATE else np.array(weights)
        self._sections = _k_weighting(self.sample_rate)
        self._state = np.zeros((len(self._sections), channels, 2))

    def write(self, audio: NDArray[Any]) -> None:
        """Take a block, floating point (channels, samples).

        Raises:
            AudioFormatError: as ``check_audio``, or another number of channels.
        """
        audio = check_audio(audio, self.sample_rate)
        if len(audio) != self.channels:
            raise AudioFormatError(f"a block has {len(audio)} channels; the meter began with {self.channels}")
        for start in range(0, audio.shape[1], _BLOCK_FRAMES):
            block = audio[:, start : start + _BLOCK_FRAMES]
            self._peaks.write(block)
            if self._weights is not None:
                self._write_power(block, self._weights)
            self._frames += block.shape[1]

    def levels(self) -> Levels:
        """What all blocks so far measure together; more may follow."""
        return Levels(
            integrated_lufs=integrated_lufs([self]),
            max_short_term_lufs=_lufs(self._max_short_term) if self._short_term else None,
            max_momentary_lufs=_lufs(self._max_momentary) if self._gating else None,
            loudness_range_lu=_loudness_range(np.array(self._short_term)),
            sample_peak_dbfs=decibels(self._peaks.sample_peak),
            true_peak_dbtp=decibels(self._peaks.true_peak()),
        )

    @property
    def momentary_lufs(self) -> NDArray[np.float64]:
        """Loudness of every 0.4 s, one value per 100 ms; -inf for silence."""
        return _lufs_of(self._gating)

    @property
    def short_term_lufs(self) -> NDArray[np.float64]:
        """Loudness of every 3 s, one value per 100 ms; -inf for silence."""
        return _lufs_of(self._short_term)

    def _write_power(self, audio: Audio, weights: NDArray[np.float64]) -> None:
        from scipy import signal  # 70 MB, for who measures

        filtered, self._state = signal.sosfilt(self._sections, audio.astype(np.float64), zi=self._state)
        power = weights @ np.square(filtered)
        end = self._frames + power.size
        last = (
            _BINS_PER_S * (end + 1) - _BINS_PER_S // 2 - 1
        ) // self.sample_rate  # with its edge at the end
        edges = [self._edge(k) - self._frames for k in range(self._closed_bins + 1, last + 1)]
        sums = [float(part.sum()) for part in np.split(power, edges)]
        sums[0] += self._open_bin
        self._open_bin = sums.pop()
        self._take_bins(np.array(sums))

    def _edge(self, index: int) -> int:
        """The sample where a bin begins, so that bins stay in step at any rate."""
        return (index * self.sample_rate + _BINS_PER_S // 2) // _BINS_PER_S

    def _take_bins(self, new: NDArray[np.float64]) -> None:
        first = self._closed_bins
        self._closed_bins += new.size
        known = np.concatenate([self._bins, new])
        self._bins = known[max(known.size - _SHORT_TERM_BINS + 1, 0) :]
        if not new.size:
            return
        momentary = self._windows(known, _MOMENTARY_BINS, first)
        short_term = self._windows(known, _SHORT_TERM_BINS, first)
        self._max_momentary = max(self._max_momentary, momentary.max(initial=0.0))
        self._max_short_term = max(self._max_short_term, short_term.max(initial=0.0))
        for kept, windows in ((self._gating, momentary), (self._short_term, short_term)):
            ends = np.arange(self._closed_bins - windows.size, self._closed_bins) + 1
            kept.extend(windows[ends % _GATING_STEP_BINS == 0])

    def _windows(self, known: NDArray[np.float64], bins: int, first: int) -> NDArray[np.float64]:
        """Mean power of every window of so many bins that ends with bin ``first`` or a later one."""
        start = max(known.size - (self._closed_bins - first) - bins + 1, 0)
        if known.size - start < bins:
            return np.zeros(0)
        energy = sliding_window_view(known[start:], bins).sum(axis=1)
        ends = range(self._closed_bins - energy.size + 1, self._closed_bins + 1)
        samples = [self._edge(end) - self._edge(end - bins) for end in ends]
        mean: NDArray[np.float64] = energy / np.array(samples)
        return mean


class _PeakMeter:
    """Sample and true peak of a signal in blocks."""

    def __init__(self, channels: int) -> None:
        self.sample_peak = 0.0
        self._true_peak = 0.0
        self._tail = np.zeros((channels, BEFORE), np.float32)

    def write(self, audio: Audio) -> None:
        self.sample_peak = max(self.sample_peak, float(np.max(np.abs(audio), initial=0.0)))
        known = np.concatenate([self._tail, audio], axis=1)
        whole = max(known.shape[1] - BEFORE - AFTER, 0) // FRAME * FRAME
        self._true_peak = self._highest(known[:, : BEFORE + whole + AFTER], whole)
        self._tail = known[:, whole:].copy()

    def true_peak(self) -> float:
        """With silence behind what has come so far."""
        missing = -(self._tail.shape[1] - BEFORE) % FRAME
        known = np.pad(self._tail, ((0, 0), (0, missing + AFTER)))
        return self._highest(known, known.shape[1] - BEFORE - AFTER)

    def _highest(self, known: Audio, samples: int) -> float:
        floor = max(self._true_peak, self.sample_peak)
        return max(floor, float(interval_peaks(known, floor).max(initial=0.0))) if samples else floor


def measure(
    source: Source,
    *,
    channel_weights: Sequence[float] | None = None,
    should_cancel: ShouldCancel | None = None,
) -> Levels:
    """Measure a source of any length, a block at a time; RenderCancelled once should_cancel says so."""
    return meter_source(source, channel_weights=channel_weights, should_cancel=should_cancel).levels()


def meter_source(
    source: Source,
    *,
    channel_weights: Sequence[float] | None = None,
    should_cancel: ShouldCancel | None = None,
) -> Meter:
    """The meter that has seen all of a source, for questions about several of them."""
    weights = weights_of(source) if channel_weights is None else channel_weights
    meter = Meter(source.sample_rate, source.channels, channel_weights=weights)
    for block in read_blocks(source, should_cancel):
        meter.write(block)
    return meter


def weights_of(source: Source) -> tuple[float, ...] | None:
    """How much each channel of a source counts, by its speakers where those are known."""
    return loudness_weights(source.channels, speakers_of(source))


def read_blocks(source: Source, should_cancel: ShouldCancel | None) -> Iterator[Audio]:
    """A source from its first sample to its last, float32 (channels, n)."""
    for start in range(0, source.frames, _BLOCK_FRAMES):
        stop_if_asked(should_cancel)
        yield source.read(start, min(start + _BLOCK_FRAMES, source.frames))


def integrated_lufs(meters: Iterable[Meter]) -> float | None:
    """Gated loudness of all that these meters have seen, as if it had been one programme.

    Returns:
        LUFS; -inf for silence; None where not one of them could measure loudness.

    Source: ITU-R BS.1770-4, equations 3 to 7.
    """
    power = np.concatenate([np.zeros(0), *(np.array(meter._gating) for meter in meters)])
    if not power.size:
        return None
    heard = power[power >= _power(_ABSOLUTE_GATE_LUFS)]
    if not heard.size:
        return -math.inf
    gate = heard.mean() * 10.0 ** (_INTEGRATED_GATE_LU / 10.0)
    return _lufs(float(heard[heard > gate].mean()))


def measure_loudness(
    audio: NDArray[Any], sample_rate: float, *, channel_weights: Sequence[float] | None = None
) -> float:
    """Measure gated programme loudness.

    Args:
        audio: floating point (channels, samples), full scale ±1.0.
        sample_rate: in Hz.
        channel_weights: as for ``Meter``.

    Returns:
        Loudness in LUFS; -inf for silence and for what stays below the gate of -70 LUFS.

    Raises:
        AudioFormatError: shorter than one 400 ms gating block, channels without known weights, or a rate
            below 4 kHz, where the weighting has no meaning.

    Source: ITU-R BS.1770-4, equations 1 to 7.
    """
    audio = check_audio(audio, sample_rate)
    channels, samples = audio.shape
    why = why_undefined(sample_rate, channels, samples, channel_weights)
    if why:
        raise AudioFormatError(why)
    meter = Meter(sample_rate, channels, channel_weights=channel_weights)
    meter.write(audio)
    loudness = integrated_lufs([meter])
    assert loudness is not None
    return loudness


def why_undefined(
    sample_rate: float, channels: int, samples: int, channel_weights: Sequence[float] | None
) -> str:
    """One line on why a signal has no loudness; empty where it has one."""
    needed = math.ceil(GATING_BLOCK_S * sample_rate)
    if sample_rate < LOWEST_RATE:
        return f"sample_rate is {sample_rate}; loudness needs {LOWEST_RATE} or more"
    if channel_weights is None and loudness_weights(channels) is None:
        known = ", ".join(map(str, known_layouts()))
        return f"audio has {channels} channels; loudness is known for {known}: give channel_weights"
    if samples < needed:
        return (
            f"audio is {samples} samples long; loudness needs {needed} or more"
            f" ({1000 * GATING_BLOCK_S:.0f} ms)"
        )
    return ""


def sample_peak_dbfs(audio: NDArray[Any]) -> float:
    """Largest magnitude of a (channels, samples) array in dBFS; -inf for silence."""
    return decibels(float(np.max(np.abs(audio), initial=0.0)))


def true_peak_dbtp(audio: NDArray[Any], sample_rate: float) -> float:
    """Largest magnitude between the samples, at 16 points per sample.

    Args:
        audio: floating point (channels, samples).
        sample_rate: in Hz.

    Returns:
        dBTP, never less than the sample peak; -inf for silence.

    Source: ITU-R BS.1770-4, annex 2.
    """
    audio = check_audio(audio, sample_rate)
    meter = _PeakMeter(len(audio))
    for start in range(0, audio.shape[1], _BLOCK_FRAMES):
        meter.write(audio[:, start : start + _BLOCK_FRAMES])
    return decibels(meter.true_peak())


def _k_weighting(sample_rate: int) -> NDArray[np.float64]:
    """The two filters as second-order sections: the coefficients of the standard, carried to any rate."""
    from pyloudnorm.iirfilter import IIRfilter

    rate = sample_rate if sample_rate >= _LEAST_PLAIN_RATE else _STANDARD_RATE
    shelf = IIRfilter(3.99984385397, 0.7071752369554193, 1681.9744509555319, rate, "high_shelf_DeMan")
    high_pass = IIRfilter(0.0, 0.5003270373253953, 38.13547087613982, rate, "high_pass_DeMan")
    sections = np.array([np.concatenate([stage.b, stage.a]) for stage in (shelf, high_pass)])
    return sections if rate == sample_rate else _carried(sections, rate / sample_rate)


def _carried(sections: NDArray[np.float64], ratio: float) -> NDArray[np.float64]:
    """The K weighting at a rate so many times lower, with the response that it has at the higher one.

    Poles keep their frequencies, and so do the two zeros at 0 Hz of the high-pass; the other two zeros, and
    the gain, are fitted to the power response: within 0.04 dB up to half of 8 kHz.
    """
    angle = np.linspace(0.0, np.pi, 513)[1:]
    poles = [np.poly(np.roots(section[3:]) ** ratio).real for section in sections]
    zeros = sections[1, :3]
    known = _response(zeros, poles[1], angle) / np.abs(np.polyval(poles[0], np.exp(1j * angle)))
    wanted = np.prod([_response(part[:3], part[3:], angle / ratio) for part in sections], axis=0) / known
    cosines = np.cos(np.outer(angle, np.arange(3)))  # power of three taps: c0 + c1 cos w + c2 cos 2w
    c0, c1, c2 = np.linalg.lstsq(cosines / wanted[:, np.newaxis] ** 2, np.ones(angle.size), rcond=None)[0]
    roots = np.roots([c2 / 2.0, c1 / 2.0, c0, c1 / 2.0, c2 / 2.0])
    taps = np.poly(roots[np.abs(roots) < 1.0]).real
    taps *= math.sqrt(c0 + c1 + c2) / taps.sum()
    return np.array([np.concatenate([taps, poles[0]]), np.concatenate([zeros, poles[1]])])


def _response(
    numerator: NDArray[np.floating[Any]], denominator: NDArray[np.floating[Any]], angle: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Magnitude of a filter whose numerator and denominator are of one length."""
    z = np.exp(1j * angle)
    magnitude: NDArray[np.float64] = np.abs(np.polyval(numerator, z) / np.polyval(denominator, z))
    return magnitude


def _loudness_range(short_term: NDArray[np.float64]) -> float | None:
    """Source: EBU Tech 3342, section 3."""
    heard = short_term[short_term >= _power(_ABSOLUTE_GATE_LUFS)]
    if not heard.size:
        return None
    heard = heard[heard >= heard.mean() * 10.0 ** (_RANGE_GATE_LU / 10.0)]
    low, high = np.percentile(heard, (10.0, 95.0), method="nearest")
    return 10.0 * math.log10(high / low)


def _lufs_of(power: Sequence[float]) -> NDArray[np.float64]:
    with np.errstate(divide="ignore"):
        lufs: NDArray[np.float64] = _OFFSET_LU + 10.0 * np.log10(np.array(power))
    return lufs


def _lufs(power: float) -> float:
    return _OFFSET_LU + 10.0 * math.log10(power) if power > 0.0 else -math.inf


def _power(lufs: float) -> float:
    return float(10.0 ** ((lufs - _OFFSET_LU) / 10.0))

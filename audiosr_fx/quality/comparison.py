"""Two recordings in step, before and after: does the low band null, does mono hold, and what changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from audiosr_fx.bandwidth import Crossover, complement, lowpass_fir
from audiosr_fx.errors import AudioFormatError
from audiosr_fx.null_sum import END_S, away_from
from audiosr_fx.progress import ShouldCancel, stop_if_asked
from audiosr_fx.quality.mono import MonoMeter, MonoSum
from audiosr_fx.quality.null import Null, NullMeter
from audiosr_fx.sources import Audio, Source

_SHARE_OF_LOW_BAND: Final = 0.04  # the filter's flank, as wide as the crossover's own at a cliff
_NARROWEST_HZ: Final = 100.0
_NOTHING: Final = 1e-12  # of the power, -120 dB: a change below that is none


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What differs between two recordings.

    Attributes:
        null: of what lies below ``null_below_hz``.
        null_below_hz: None where all of the spectrum was compared.
        mono_before, mono_after: of stereo recordings; None for others and for silence.
        mono_added: of what came out above the crossover; None where there is no crossover, or nothing above.
        change: power per second of what one gain does not explain, (seconds,).
        power: of what came out, (seconds,).
    """

    null: Null
    null_below_hz: float | None
    mono_before: MonoSum | None
    mono_after: MonoSum | None
    mono_added: MonoSum | None
    change: NDArray[np.float64]
    power: NDArray[np.float64]


def compare(
    before: Source,
    after: Source,
    *,
    crossover: Crossover | None = None,
    should_cancel: ShouldCancel | None = None,
) -> Comparison:
    """Compare two recordings, a second at a time; bounded memory whatever their length.

    Args:
        before: what went in.
        after: what came out: the same rate, channels and length, and in step.
        crossover: where a generated band begins; None compares the whole spectrum.
        should_cancel: asked every second.

    Raises:
        AudioFormatError: rates, channels or lengths that differ.
        RenderCancelled: once should_cancel says so.
    """
    shapes = [(source.sample_rate, source.channels, source.frames) for source in (before, after)]
    if shapes[0] != shapes[1]:
        raise AudioFormatError(f"rate, channels, samples are {shapes[0]} and {shapes[1]}; expected the same")
    bands = _Bands(crossover, before.sample_rate)
    end = round(END_S * before.sample_rate)
    null, mono = NullMeter(), [MonoMeter() for _ in range(3)]
    sums: list[tuple[float, float, float]] = []
    for start in range(0, before.frames, before.sample_rate):
        stop_if_asked(should_cancel)
        stop = min(start + before.sample_rate, before.frames)
        wide = [source.read(start - bands.margin, stop + bands.margin) for source in (before, after)]
        plain = [bands.within(audio) for audio in wide]
        inside = away_from((0, before.frames), bands.reach + end, start, stop - start)
        null.write(bands.low(wide[0]), bands.low(wide[1]), inside)
        if before.channels == 2:
            for meter, audio in zip(mono, (*plain, bands.high(wide[1])), strict=True):
                meter.write(audio)
        sums.append(_products(*plain))
    change, power = _changes(np.array(sums).reshape(-1, 3))
    return Comparison(
        null=null.null(),
        null_below_hz=bands.null_below_hz,
        mono_before=mono[0].mono_sum(),
        mono_after=mono[1].mono_sum(),
        mono_added=mono[2].mono_sum() if crossover is not None else None,
        change=change,
        power=power,
    )


class _Bands:
    """Filters around a crossover, or none.

    ``margin`` is the context that a stretch needs on both sides, ``reach`` what the low band's filter needs.
    """

    def __init__(self, crossover: Crossover | None, sample_rate: int) -> None:
        self.null_below_hz: float | None = None
        self._low = self._high = np.ones(1)
        if crossover is not None:
            self._low, self.null_below_hz = _low_band(crossover, sample_rate)
            self._high = _high_band(crossover, sample_rate)
        self.reach = self._low.size // 2
        self.margin = max(self._low.size, self._high.size) // 2

    def within(self, wide: Audio) -> NDArray[np.float64]:
        """The stretch without its context."""
        return wide[:, self.margin : wide.shape[1] - self.margin].astype(np.float64)

    def low(self, wide: Audio) -> NDArray[np.float64]:
        """What lies below the crossover."""
        return self._filtered(wide, self._low)

    def high(self, wide: Audio) -> NDArray[np.float64]:
        """What lies above it."""
        return self._filtered(wide, self._high)

    def _filtered(self, wide: Audio, taps: NDArray[np.float64]) -> NDArray[np.float64]:
        spare = self.margin - taps.size // 2
        stretch = wide[:, spare : wide.shape[1] - spare].astype(np.float64)
        if taps.size == 1:
            return np.asarray(stretch * taps[0])
        filtered: NDArray[np.float64] = signal.oaconvolve(stretch, taps[np.newaxis], mode="valid", axes=1)
        return filtered


def _low_band(crossover: Crossover, sample_rate: int) -> tuple[NDArray[np.float64], float]:
    """A low-pass whose stop-band begins where the crossover does, and where its own pass-band ends."""
    edge_hz = min(crossover.lower_hz, 0.49 * sample_rate)
    width_hz = min(max(_SHARE_OF_LOW_BAND * edge_hz, _NARROWEST_HZ), edge_hz / 2.0)
    taps = lowpass_fir(edge_hz - width_hz / 2.0, sample_rate, transition_hz=width_hz)
    return taps, edge_hz - width_hz


def _high_band(crossover: Crossover, sample_rate: int) -> NDArray[np.float64]:
    """A high-pass whose stop-band ends where the crossover does; nothing where there is no room above."""
    edge_hz = crossover.frequency_hz + crossover.transition_hz / 2.0
    width_hz = max(_SHARE_OF_LOW_BAND * edge_hz, _NARROWEST_HZ)
    if edge_hz + width_hz >= 0.5 * sample_rate:
        return np.zeros(1)
    return complement(lowpass_fir(edge_hz + width_hz / 2.0, sample_rate, transition_hz=width_hz))


def _products(before: NDArray[np.float64], after: NDArray[np.float64]) -> tuple[float, float, float]:
    return float(np.vdot(before, before)), float(np.vdot(before, after)), float(np.vdot(after, after))


def _changes(sums: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Per second: the power that one gain for the whole does not explain, and the power that came out."""
    inputs, both, outputs = sums.T
    gain = both.sum() / inputs.sum() if inputs.any() else 0.0
    change = outputs - 2.0 * gain * both + gain**2 * inputs
    change[change < _NOTHING * np.maximum(outputs, gain**2 * inputs)] = 0.0
    return change, outputs

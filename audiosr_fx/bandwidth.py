"""How far up a recording reaches: its long-term spectrum, where it was cut off, and whether it needs us.

Also the linear-phase filters that part a signal at that place: ``lowpass_fir`` and its exact complement.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from audiosr_fx.errors import ParameterError
from audiosr_fx.sources import Audio, Source

FULL_BAND_HZ = 20_000.0
MIN_CUTOFF_HZ = 1_000.0
_SILENCE_POWER = 10.0 ** (-100.0 / 10.0)

Kind = Literal["cliff", "slope", "nyquist", "given", "full_band", "no_cutoff", "silent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LongTermSpectrum:
    """Power over frequency of a whole signal, channels summed: what ``measure_spectrum`` returns.

    ``power`` float64 (n_fft / 2 + 1): mean power per bin, full-scale sine = 0.5 over its bins; ``frames``: how
    many stretches of ``n_fft`` samples were averaged (0 for an empty signal).
    """

    sample_rate: int
    n_fft: int
    power: NDArray[np.float64]
    frames: int

    @property
    def frequency_hz(self) -> NDArray[np.float64]:
        """Centre of each bin."""
        return np.arange(self.power.size) * (self.sample_rate / self.n_fft)

    @property
    def level_db(self) -> NDArray[np.float64]:
        """Power in dB, -200 where there is none."""
        return 10.0 * np.log10(np.maximum(self.power, 1e-20))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cutoff:
    """Where a spectrum ends: the edge, how steep, how deep, and how sure (0 to 1)."""

    cutoff_hz: float
    slope_db_per_octave: float
    drop_db: float
    confidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether a recording needs its top octaves restored, and from where.

    ``cutoff_hz`` is None when none was found or given; ``process`` says what to do, ``reason`` why, in one line.
    ``has_junk_above``: what stands above the cutoff is no music (codec holes, aliases) and should be low-passed
    away first. ``confidence`` 0 to 1. ``spectrum`` is there to be plotted.
    """

    cutoff_hz: float | None
    process: bool
    reason: str
    kind: Kind
    has_junk_above: bool = False
    confidence: float = 0.0
    slope_db_per_octave: float = 0.0
    drop_db: float = 0.0
    spectrum: LongTermSpectrum | None = None


# --- filters --------------------------------------------------------------------------------------


def lowpass_fir(
    cutoff_hz: float, sample_rate: int, *, transition_hz: float, attenuation_db: float = 106.0
) -> NDArray[np.float64]:
    """Linear-phase low-pass by a Kaiser window; -6 dB at ``cutoff_hz``.

    Args:
        cutoff_hz: middle of the transition, more than half of it away from 0 and from half the sample rate.
        sample_rate: in Hz.
        transition_hz: from pass-band to stop-band.
        attenuation_db: of the stop-band; the pass-band is as flat as the stop-band is deep.

    Returns:
        float64 taps of odd number whose sum is 1; the delay is ``(taps.size - 1) / 2`` samples.

    Raises:
        ParameterError: a transition that does not fit between 0 and half the sample rate.

    Source: Kaiser 1974, "Nonrecursive digital filter design using the I0-sinh window function".
    """
    nyquist = sample_rate / 2.0
    if not (transition_hz > 0.0 and transition_hz / 2.0 < cutoff_hz < nyquist - transition_hz / 2.0):
        raise ParameterError(
            f"cutoff_hz is {cutoff_hz} with a transition of {transition_hz} Hz; expected the transition to lie"
            f" between 0 and {nyquist} Hz"
        )
    half = math.ceil((attenuation_db - 7.95) / (2.285 * 2.0 * math.pi * transition_hz / sample_rate) / 2.0)
    position = np.arange(-half, half + 1)
    ideal = 2.0 * cutoff_hz / sample_rate * np.sinc(2.0 * cutoff_hz / sample_rate * position)
    taps: NDArray[np.float64] = ideal * np.kaiser(2 * half + 1, 0.1102 * (attenuation_db - 8.7))
    return taps / taps.sum()


def complement(taps: NDArray[np.float64]) -> NDArray[np.float64]:
    """The filter that adds up with ``taps`` (odd, linear phase) to a pure delay: the high-pass of a low-pass."""
    if taps.ndim != 1 or taps.size % 2 == 0:
        raise ParameterError(f"taps has shape {taps.shape}; expected an odd number of taps")
    result = -taps
    result[taps.size // 2] += 1.0
    return result


def highpass_fir(
    cutoff_hz: float, sample_rate: int, *, transition_hz: float, attenuation_db: float = 106.0
) -> NDArray[np.float64]:
    """The exact complement of ``lowpass_fir`` with the same arguments."""
    return complement(
        lowpass_fir(cutoff_hz, sample_rate, transition_hz=transition_hz, attenuation_db=attenuation_db)
    )


def apply_fir(audio: NDArray[np.floating[Any]], taps: NDArray[np.float64]) -> Audio:
    """Filter a stretch that brings its own context, without delay.

    Args:
        audio: (channels, samples + taps.size - 1): ``(taps.size - 1) / 2`` samples of context on each side.
        taps: odd number, linear phase.

    Returns:
        float32 (channels, samples); computed in float64, and the same for the same shape every time.
    """
    wanted = audio.shape[1] - taps.size + 1
    if wanted <= 0:
        return np.zeros((audio.shape[0], 0), np.float32)
    filtered = signal.oaconvolve(audio.astype(np.float64), taps[np.newaxis], mode="valid", axes=1)
    return np.ascontiguousarray(filtered, dtype=np.float32)


# --- the spectrum and the verdict -----------------------------------------------------------------


def measure_spectrum(source: Source) -> LongTermSpectrum:
    """Mean power spectrum of a source, read in blocks."""
    n_fft = 4096 if source.sample_rate >= 24_000 else 2048
    window = np.hanning(n_fft)
    power = np.zeros(n_fft // 2 + 1)
    frames = 0
    for start in range(0, source.frames, n_fft // 2):
        block = source.read(start, start + n_fft).astype(np.float64)
        power += np.sum(np.abs(np.fft.rfft(block * window, axis=1)) ** 2, axis=0)
        frames += 1
    scale = 2.0 / (n_fft * float(np.sum(window**2)) * max(frames, 1))
    return LongTermSpectrum(sample_rate=source.sample_rate, n_fft=n_fft, power=power * scale, frames=frames)


def find_cutoff(spectrum: LongTermSpectrum) -> Cutoff | None:
    """The steepest sustained drop of a spectrum, or None where there is none."""
    frequency = spectrum.frequency_hz
    grid = np.geomspace(MIN_CUTOFF_HZ, spectrum.sample_rate / 2.0, 200)
    cumulative = np.concatenate([[0.0], np.cumsum(spectrum.power)])
    edges = np.searchsorted(frequency, grid)
    width = 6
    level = np.array(
        [
            10.0 * math.log10(max((cumulative[b] - cumulative[a]) / max(b - a, 1), 1e-20))
            for a, b in zip(edges[:-width], edges[width:], strict=True)
        ]
    )
    if level.max() < 10.0 * math.log10(_SILENCE_POWER) - 30.0:
        return None
    drop = level[:-width] - level[width:]
    best = int(np.argmax(drop))
    if drop[best] < 10.0:
        return None
    slope = float(drop[best]) / math.log2(grid[best + width] / grid[best])
    return Cutoff(
        cutoff_hz=float(grid[best + width]),
        slope_db_per_octave=slope,
        drop_db=float(drop[best]),
        confidence=min(1.0, float(drop[best]) / 40.0),
    )


def judge(source: Source, *, cutoff_hz: float | None = None) -> Verdict:
    """Decide whether and from where a source should be restored; ``cutoff_hz`` given by hand overrides."""
    if cutoff_hz is not None:
        return Verdict(
            cutoff_hz=cutoff_hz,
            process=True,
            reason=f"cutoff given: {cutoff_hz:.0f} Hz",
            kind="given",
            has_junk_above=True,
            confidence=1.0,
        )
    spectrum = measure_spectrum(source)
    if float(spectrum.power.sum()) < _SILENCE_POWER:
        return Verdict(cutoff_hz=None, process=False, reason="silent", kind="silent", spectrum=spectrum)
    cutoff = find_cutoff(spectrum)
    if cutoff is None:
        if source.sample_rate <= 40_000:
            return Verdict(
                cutoff_hz=source.sample_rate / 2.0 * 0.95,
                process=True,
                reason=f"the sample rate ends it at {source.sample_rate / 2.0:.0f} Hz",
                kind="nyquist",
                spectrum=spectrum,
            )
        return Verdict(
            cutoff_hz=None, process=False, reason="no cutoff found", kind="no_cutoff", spectrum=spectrum
        )
    if cutoff.cutoff_hz >= FULL_BAND_HZ:
        return Verdict(
            cutoff_hz=cutoff.cutoff_hz,
            process=False,
            reason=f"reaches {cutoff.cutoff_hz:.0f} Hz already",
            kind="full_band",
            spectrum=spectrum,
        )
    return Verdict(
        cutoff_hz=cutoff.cutoff_hz,
        process=True,
        reason=f"cut off at {cutoff.cutoff_hz:.0f} Hz",
        kind="cliff",
        has_junk_above=True,
        confidence=cutoff.confidence,
        slope_db_per_octave=cutoff.slope_db_per_octave,
        drop_db=cutoff.drop_db,
        spectrum=spectrum,
    )


@dataclass(frozen=True, slots=True)
class Crossover:
    """Where the generated band takes over: -6 dB point, width, and whether to low-pass the input there first."""

    frequency_hz: float
    transition_hz: float
    lowpass_first: bool


def crossover(verdict: Verdict) -> Crossover:
    """Suggest where the generated band should be joined to the recording. Needs a ``cutoff_hz``."""
    if verdict.cutoff_hz is None:
        raise ParameterError(
            "crossover of a verdict without a cutoff_hz; expected one that was found or given"
        )
    transition = max(200.0, 0.05 * verdict.cutoff_hz)
    return Crossover(verdict.cutoff_hz - transition / 2.0, transition, verdict.has_junk_above)


def crossover_hz(verdict: Verdict) -> float:
    """The -6 dB point of ``crossover``."""
    return crossover(verdict).frequency_hz

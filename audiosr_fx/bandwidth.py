"""How far up a recording reaches, and whether it needs its top octaves restored.

``judge`` gives the verdict on a source, ``crossover`` where to join what is restored, and ``lowpass_fir``
with its exact complement parts a signal there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from audiosr_fx.cutoff import Cutoff, band_centres_hz, band_levels_db, find_cutoff
from audiosr_fx.errors import ParameterError
from audiosr_fx.sources import Audio, ChannelSource, Source, native_rate_of
from audiosr_fx.spectrum import LongTermSpectrum, measure_spectrum, power_beside_offset

__all__ = [
    "FULL_BAND_HZ",
    "Crossover",
    "Junk",
    "Kind",
    "Verdict",
    "apply_fir",
    "complement",
    "crossover",
    "crossover_hz",
    "judge",
    "lowpass_fir",
    "measure_spectrum",
    "reach_hz",
]

FULL_BAND_HZ: Final = 20_000.0
MIN_CUTOFF_HZ: Final = 1_000.0
MAX_CUTOFF_HZ: Final = 24_000.0

_MEASURED_SHARE: Final = 0.975  # of a true cutoff that a measurement may give and still count as it
_LOWEST_FOUND_HZ: Final = 1_800.0  # below, it is a lone tone or a bass more often than a cutoff
_SILENCE_POWER: Final = 1e-10  # -100 dBFS
_SHORTEST_S: Final = 0.05
_NOTHING_S: Final = 0.010  # a mel frame: less has no band to speak of
_LEAST_EVIDENCE: Final = 2.0  # one unfiltered recording in eighty reaches this
_LEAST_CONFIDENCE: Final = 0.5
_PLACES_PER_OCTAVE: Final = 100  # 0.7 % apart
_CLIFF_DB_PER_OCTAVE: Final = 60.0
_BAND_LIMITED_RATE: Final = 40_000  # below this the sample rate itself is a cutoff
_NYQUIST_SHARE: Final = 0.95  # of half the rate, that resamplers leave intact
_GUARD: Final = 1.02  # of half the rate a source came from, above which a resampler leaves nothing
_NEW_ABOVE_DB: Final = 40.0  # compressors and gates leave less than this, a shift of pitch more
_JUNK_BELOW_DB: Final = 90.0
_JUNK_FLOOR_DB: Final = -130.0
_CLEAR_OF_EDGE: Final = 1.2  # of the cutoff: from there on little of a cliff's own edge is left
_HIGHEST_HZ: Final = 22_000.0  # of what can be told from junk
_FLOOR_POWER: Final = 1e-24
_USUAL_STEP_DB: Final = 3.0
_OCTAVES_HZ: Final = (0.0, 1_000.0, 2_000.0, 4_000.0, 8_000.0, 16_000.0)
_UNLIKE_DB: Final = 20.0
_STOP_BAND_DB: Final = 106.0  # how far down it is, and how flat the pass-band

Kind = Literal["cliff", "slope", "nyquist", "given", "full_band", "no_cutoff", "too_short", "silent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether a recording needs its top octaves restored, and from where.

    ``cutoff_hz``: -3 dB, None when none was found or given. ``process`` says what to do, ``reason`` why, in
    one line. ``kind``: a steep "cliff", a gentle "slope", "nyquist" (the sample rate is the limit), "given"
    by hand, or why nothing is to be done. ``has_junk_above``: what stands above a cliff is no music (codec
    holes, aliases, the remains of a filter) and should be low-passed away first. ``confidence`` 0 to 1.
    ``fade_hz``: where the roll-off reaches -1 dB and -20 dB. ``spectrum`` is there to be plotted.
    ``is_cleaned``: of tones and hiss, and it was judged without them.
    """

    cutoff_hz: float | None
    process: bool
    reason: str
    kind: Kind
    has_junk_above: bool = False
    confidence: float = 0.0
    slope_db_per_octave: float = 0.0
    drop_db: float = 0.0
    fade_hz: tuple[float, float] | None = None
    spectrum: LongTermSpectrum | None = None
    is_cleaned: bool = False

    @property
    def is_untouched(self) -> bool:
        """Whether the recording comes out as it went in."""
        return not (self.process or self.is_cleaned)


@dataclass(frozen=True, slots=True)
class Junk:
    """What usually stands above a cutoff that was found: ``usual_db`` of mean square from ``from_hz`` up."""

    from_hz: float
    usual_db: float


@dataclass(frozen=True, slots=True)
class Crossover:
    """Where the generated band takes over.

    Attributes:
        frequency_hz: the -6 dB point of both sides.
        transition_hz: width between pass band and stop band.
        known_hz: up to here the recording can be trusted; the model predicts from here.
        lowpass_first: take what the input has above away before the generated band is added.
        junk: what is taken away usually, so that what is clearly more can stay; None: all goes.
    """

    frequency_hz: float
    transition_hz: float
    known_hz: float
    lowpass_first: bool
    junk: Junk | None = None

    @property
    def lower_hz(self) -> float:
        """Where the transition begins: below, the recording is alone."""
        return self.frequency_hz - self.transition_hz / 2.0


def judge(
    source: Source, *, cutoff_hz: float | None = None, parts: Sequence[tuple[int, int]] | None = None
) -> Verdict:
    """Decide whether a source should be restored, and from where. All channels share the verdict.

    Its reason says so where the two channels of a stereo source end more than an octave apart.

    A source that was resampled upwards is judged by the rate it came from, unless something stands above that
    by now; so a file of a low rate gets the verdict at 48 kHz that it gets at its own.

    Args:
        source: any rate from 1 kHz up and any length.
        cutoff_hz: given by hand, 1000 to 24000: restore from there, whatever the spectrum says.
        parts: (start, stop) of what is listened to, where it costs too much to hear all.

    Raises:
        ParameterError: ``cutoff_hz`` out of range.
    """
    if cutoff_hz is not None:
        return _given(source, cutoff_hz)
    if source.frames == 0:
        return Verdict(
            cutoff_hz=None, process=False, reason="empty: no samples", kind="silent", confidence=1.0
        )
    spectrum = measure_spectrum(source, parts)
    silent = _of_silence(spectrum)
    if silent is not None:
        return silent
    if source.frames < _NOTHING_S * source.sample_rate:
        return Verdict(
            cutoff_hz=None,
            process=False,
            reason="too short to judge: less than 10 ms",
            kind="too_short",
            spectrum=spectrum,
        )
    verdict = _of_sound(source, spectrum)
    return replace(verdict, reason=verdict.reason + _ends_apart(source, spectrum, parts))


def reach_hz(spectrum: LongTermSpectrum) -> float:
    """Frequency up to which a spectrum stands above its own floor, or above -90 dB of its strongest band."""
    level = band_levels_db(spectrum)
    level = level[: int(np.searchsorted(band_centres_hz(), spectrum.sample_rate / 2.0))]
    if level.size == 0:
        return spectrum.sample_rate / 2.0
    top, bottom = float(level.max()), float(level.min())
    threshold = bottom - 1.0 if top - bottom < 30.0 else max(bottom + 6.0, top - 90.0)
    return float(band_centres_hz()[int(np.nonzero(level > threshold)[0][-1])])


def crossover(verdict: Verdict) -> Crossover:
    """Suggest where the generated band should be joined to the recording.

    At a cliff the join is narrow and lies just below it, so that all above it is new. Along a gentle roll-off
    the recording is kept as it is, and the generated band fades in where the recording fades out.

    Raises:
        ParameterError: a verdict without ``cutoff_hz``.
    """
    if verdict.cutoff_hz is None:
        raise ParameterError("cutoff_hz is None; expected a verdict with a cutoff that was found or given")
    cutoff_hz = min(verdict.cutoff_hz, MAX_CUTOFF_HZ)
    if verdict.kind == "slope" and verdict.fade_hz is not None:
        start, end = verdict.fade_hz
        middle = min(math.sqrt(start * end), 0.98 * MAX_CUTOFF_HZ)
        width = min(2.0 * (middle - start), 1.96 * (MAX_CUTOFF_HZ - middle))
        width = max(width, 100.0)
        return Crossover(middle, width, known_hz=middle - width / 2.0, lowpass_first=False)
    width = min(max(0.04 * cutoff_hz, 100.0), 600.0)
    return Crossover(
        cutoff_hz - 0.6 * width,
        width,
        known_hz=cutoff_hz - 0.4 * width,
        lowpass_first=verdict.has_junk_above,
        junk=_junk(verdict) if verdict.has_junk_above else None,
    )


def crossover_hz(verdict: Verdict) -> float:
    """The -6 dB point of ``crossover``."""
    return crossover(verdict).frequency_hz


# --- filters --------------------------------------------------------------------------------------


def lowpass_fir(cutoff_hz: float, sample_rate: int, *, transition_hz: float) -> NDArray[np.float64]:
    """Linear-phase low-pass by a Kaiser window; -6 dB at ``cutoff_hz``, 106 dB down in the stop-band.

    Args:
        cutoff_hz: middle of the transition, more than half of it away from 0 and from half the sample rate.
        sample_rate: in Hz.
        transition_hz: from pass-band to stop-band.

    Returns:
        float64 taps of odd number whose sum is 1; the delay is ``(taps.size - 1) / 2`` samples.

    Raises:
        ParameterError: a transition that does not fit between 0 and half the sample rate.

    Source: Kaiser 1974, "Nonrecursive digital filter design using the I0-sinh window function".
    """
    nyquist = sample_rate / 2.0
    if not (transition_hz > 0.0 and transition_hz / 2.0 < cutoff_hz < nyquist - transition_hz / 2.0):
        raise ParameterError(
            f"cutoff_hz is {cutoff_hz} with a transition of {transition_hz} Hz;"
            f" expected the transition to lie between 0 and {nyquist} Hz"
        )
    half = math.ceil((_STOP_BAND_DB - 7.95) / (2.285 * 2.0 * math.pi * transition_hz / sample_rate) / 2.0)
    position = np.arange(-half, half + 1)
    ideal = 2.0 * cutoff_hz / sample_rate * np.sinc(2.0 * cutoff_hz / sample_rate * position)
    taps: NDArray[np.float64] = ideal * np.kaiser(2 * half + 1, 0.1102 * (_STOP_BAND_DB - 8.7))
    normalised: NDArray[np.float64] = taps / taps.sum()
    return normalised


def complement(taps: NDArray[np.float64]) -> NDArray[np.float64]:
    """The filter that adds up with ``taps`` (odd, linear phase) to a pure delay: a low-pass's high-pass."""
    if taps.ndim != 1 or taps.size % 2 == 0:
        raise ParameterError(f"taps has shape {taps.shape}; expected an odd number of taps")
    result = -taps
    result[taps.size // 2] += 1.0
    return result


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


# --- verdicts -------------------------------------------------------------------------------------


def _given(source: Source, cutoff_hz: float) -> Verdict:
    if not MIN_CUTOFF_HZ <= cutoff_hz <= MAX_CUTOFF_HZ:
        raise ParameterError(f"cutoff_hz is {cutoff_hz}; expected {MIN_CUTOFF_HZ:.0f} to {MAX_CUTOFF_HZ:.0f}")
    rate = native_rate_of(source)
    nyquist = rate / 2.0
    limited = min(float(cutoff_hz), _NYQUIST_SHARE * nyquist)
    note = "" if limited == cutoff_hz else f", more than {rate} Hz can hold: {limited:.0f} Hz taken"
    return Verdict(
        cutoff_hz=limited,
        process=True,
        reason=f"cutoff given: {cutoff_hz:.0f} Hz{note}, and what stands above it is replaced",
        kind="given",
        has_junk_above=True,
        confidence=1.0,
    )


def _reach(source: Source, spectrum: LongTermSpectrum) -> tuple[int, float]:
    """The rate that a source is to be judged by, and up to where its spectrum is there to be looked at."""
    rate = native_rate_of(source)
    whole = source.sample_rate, source.sample_rate / 2.0
    if rate >= _BAND_LIMITED_RATE or rate == source.sample_rate:
        return whole
    nyquist = rate / 2.0
    below = spectrum.mean_level_db[spectrum.frequency_hz < nyquist]
    above = spectrum.mean_level_db[spectrum.frequency_hz > _GUARD * nyquist]
    near = below[int(0.7 * below.size) :]
    is_new_above = above.size > 0 and float(above.max()) > float(near.max()) - _NEW_ABOVE_DB
    return whole if is_new_above else (rate, _NYQUIST_SHARE * nyquist)


def _of_silence(spectrum: LongTermSpectrum) -> Verdict | None:
    """The verdict on what has nothing to hear, or None."""
    if float(spectrum.power.sum()) < _SILENCE_POWER:
        reason = "silent: below -100 dBFS"
    elif float(power_beside_offset(spectrum).sum()) < _SILENCE_POWER:
        reason = "silent: a constant offset, and below -100 dBFS beside it"
    else:
        return None
    return Verdict(
        cutoff_hz=None, process=False, reason=reason, kind="silent", confidence=1.0, spectrum=spectrum
    )


def _of_sound(source: Source, spectrum: LongTermSpectrum) -> Verdict:
    rate, end_hz = _reach(source, spectrum)
    is_long = source.frames >= _SHORTEST_S * source.sample_rate
    found = find_cutoff(spectrum, below_hz=end_hz) if is_long else None
    if found is not None and (found.evidence < _LEAST_EVIDENCE or found.confidence < _LEAST_CONFIDENCE):
        found = None
    if found is not None and found.cutoff_hz < _LOWEST_FOUND_HZ:
        found = None
    if found is not None:
        found = _placed(found)
    if rate < _BAND_LIMITED_RATE:
        return _of_low_rate(rate, spectrum, found)
    if found is None:
        return _without_cutoff(spectrum)
    return _of_cutoff(spectrum, found)


def _ends_apart(source: Source, spectrum: LongTermSpectrum, parts: Sequence[tuple[int, int]] | None) -> str:
    """What to say where one of two channels ends an octave or more before the other."""
    if source.channels != 2 or not _are_unlike(spectrum):
        return ""
    verdicts = [judge(ChannelSource(source, channel), parts=parts) for channel in (0, 1)]
    left_hz, right_hz = (_end_hz(verdict) for verdict in verdicts)
    if left_hz is None or right_hz is None or max(left_hz, right_hz) < 2.0 * min(left_hz, right_hz):
        return ""
    return (
        f"; the left channel by itself ends at {left_hz / 1000.0:.1f} kHz, the right at"
        f" {right_hz / 1000.0:.1f} kHz: split the file to restore each as it needs"
    )


def _are_unlike(spectrum: LongTermSpectrum) -> bool:
    """Whether one of two channels loses much more than the other from some octave to another."""
    if float(spectrum.channel_power.sum(axis=1).min()) < _SILENCE_POWER:
        return False
    edges = np.searchsorted(spectrum.frequency_hz, _OCTAVES_HZ)
    power = np.add.reduceat(spectrum.channel_power, edges[edges < spectrum.power.size], axis=1)
    left_db, right_db = 10.0 * np.log10(np.maximum(power, 0.01 * _SILENCE_POWER))
    return float(np.ptp(left_db - right_db)) > _UNLIKE_DB


def _end_hz(verdict: Verdict) -> float | None:
    """Where a recording plainly ends, or None."""
    if verdict.cutoff_hz is None and verdict.kind == "full_band" and verdict.spectrum is not None:
        return reach_hz(verdict.spectrum)
    return verdict.cutoff_hz


def _placed(found: Cutoff) -> Cutoff:
    """A cutoff on a grid much finer than its error: an edit elsewhere in a file must not move it."""
    cutoff_hz = 2.0 ** (round(_PLACES_PER_OCTAVE * math.log2(found.cutoff_hz)) / _PLACES_PER_OCTAVE)
    start, end = (edge_hz * cutoff_hz / found.cutoff_hz for edge_hz in found.fade_hz)
    # Rounded, or the last bit of the ratio would carry on what the grid has taken away.
    return replace(found, cutoff_hz=round(cutoff_hz, 3), fade_hz=(round(start, 3), round(end, 3)))


def _of_low_rate(sample_rate: int, spectrum: LongTermSpectrum, found: Cutoff | None) -> Verdict:
    """Below 40 kHz something is always missing: above a cutoff of its own, or above half the rate."""
    nyquist = sample_rate / 2.0
    if found is not None and found.cutoff_hz < 0.85 * nyquist:
        return _of_cutoff(spectrum, found)
    cutoff_hz = _NYQUIST_SHARE * nyquist if found is None else min(found.cutoff_hz, _NYQUIST_SHARE * nyquist)
    return Verdict(
        cutoff_hz=cutoff_hz,
        process=True,
        reason=f"a sample rate of {sample_rate} Hz holds nothing above {nyquist:.0f} Hz",
        kind="nyquist",
        has_junk_above=False,
        confidence=1.0,
        spectrum=spectrum,
    )


def _without_cutoff(spectrum: LongTermSpectrum) -> Verdict:
    reach = reach_hz(spectrum)
    if reach >= FULL_BAND_HZ:
        return Verdict(
            cutoff_hz=None,
            process=False,
            reason=f"full band: reaches {reach / 1000.0:.1f} kHz already",
            kind="full_band",
            confidence=1.0,
            spectrum=spectrum,
        )
    return Verdict(
        cutoff_hz=None,
        process=False,
        reason=f"no cutoff found: fades out by itself towards {reach / 1000.0:.1f} kHz;"
        " give a cutoff to restore it all the same",
        kind="no_cutoff",
        spectrum=spectrum,
    )


def _of_cutoff(spectrum: LongTermSpectrum, found: Cutoff) -> Verdict:
    if found.cutoff_hz >= _MEASURED_SHARE * FULL_BAND_HZ:
        return Verdict(
            cutoff_hz=found.cutoff_hz,
            process=False,
            reason=f"full band: reaches {found.cutoff_hz / 1000.0:.1f} kHz already",
            kind="full_band",
            confidence=found.confidence,
            spectrum=spectrum,
        )
    is_cliff = found.slope_db_per_octave >= _CLIFF_DB_PER_OCTAVE
    has_junk = is_cliff and _has_junk(spectrum, found)
    can_stay = has_junk and _clear_of_edge_hz(found.cutoff_hz, found.fade_hz) <= _HIGHEST_HZ
    stays = "; what is more than a codec leaves above stays" if can_stay else ""
    return Verdict(
        cutoff_hz=found.cutoff_hz,
        process=True,
        reason=f"cut off at {found.cutoff_hz / 1000.0:.2f} kHz ({'steeply' if is_cliff else 'gently'},"
        f" {found.slope_db_per_octave:.0f} dB per octave){stays}",
        kind="cliff" if is_cliff else "slope",
        has_junk_above=has_junk,
        confidence=found.confidence,
        slope_db_per_octave=found.slope_db_per_octave,
        drop_db=found.drop_db,
        fade_hz=found.fade_hz,
        spectrum=spectrum,
    )


def _has_junk(spectrum: LongTermSpectrum, found: Cutoff) -> bool:
    """Whether anything but a noise floor out of hearing is left above a cliff."""
    frequency, level = spectrum.frequency_hz, spectrum.level_db
    below = level[(frequency > 0.7 * found.cutoff_hz) & (frequency < 0.95 * found.cutoff_hz)]
    above = level[frequency > found.fade_hz[1] + 0.04 * found.cutoff_hz]  # clear of the measuring error
    if below.size == 0 or above.size == 0:
        return False
    loudest = float(above.max())
    return loudest > _JUNK_FLOOR_DB and loudest > float(below.max()) - _JUNK_BELOW_DB


def _junk(verdict: Verdict) -> Junk | None:
    """What usually stands above a cliff; None where a cutoff was given, or there is no room to look at."""
    spectrum, cutoff_hz, fade_hz = verdict.spectrum, verdict.cutoff_hz, verdict.fade_hz
    if spectrum is None or cutoff_hz is None or fade_hz is None:
        return None
    from_hz = _clear_of_edge_hz(cutoff_hz, fade_hz)
    if from_hz > _HIGHEST_HZ:
        return None
    above = (spectrum.frequency_hz > from_hz) & (spectrum.frequency_hz < MAX_CUTOFF_HZ)
    usual = float(np.sum(10.0 ** (spectrum.mean_level_db[above] / 10.0)))
    usual_db = 10.0 * math.log10(max(usual, _FLOOR_POWER))
    # On a grid as the cutoff is: an edit elsewhere in a file must not move it.
    return Junk(from_hz, _USUAL_STEP_DB * round(usual_db / _USUAL_STEP_DB))


def _clear_of_edge_hz(cutoff_hz: float, fade_hz: tuple[float, float]) -> float:
    return max(_CLEAR_OF_EDGE * cutoff_hz, 1.1 * fade_hz[1])

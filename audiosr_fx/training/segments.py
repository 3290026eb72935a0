"""Training examples: clips cut, varied, mixed, put in rooms and made dull, endless, a function of a seed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import soxr
import torch
from torch import Tensor

from audiosr_fx.errors import ParameterError
from audiosr_fx.training.data import SAMPLE_RATE, Clip
from audiosr_fx.training.degrade import (
    LOWPASS_ONLY,
    Degradation,
    DegradeSettings,
    apply_degradation,
    draw_degradation,
    happens,
)
from audiosr_fx.training.ranges import check_range
from audiosr_fx.training.rooms import apply_room, draw_room

EQUALISER_HZ = (20.0, 60.0, 180.0, 540.0, 1_600.0, 4_800.0, 14_000.0, 24_000.0)
"""Points of a random equaliser, an octave and a half apart."""

_RESAMPLED_LIMIT_HZ = 0.93 * SAMPLE_RATE / 2
"""Where a change of speed begins to fall off; in any quality of soxr it is 3 dB down at 95 % of the band."""
_RANGES = (
    ("speed_range", 0.25, 4.0),
    ("layer_gain_db_range", -120.0, 60.0),
    ("level_db_range", -120.0, 60.0),
)
_ONSET_HOP = 480
_ALIGN_WITHIN_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One training example: bright target and dull input, each true up to the frequency given."""

    target: np.ndarray = field(repr=False)
    dull: np.ndarray = field(repr=False)
    cutoff_hz: float
    limit_hz: float


class Batch(NamedTuple):
    """Segments side by side: waveforms (B, T), cutoff and limit in Hz (B,)."""

    target: Tensor
    dull: Tensor
    cutoff_hz: Tensor
    limit_hz: Tensor


def collate(segments: Sequence[Segment]) -> Batch:
    """Stack segments of equal length."""
    return Batch(
        torch.from_numpy(np.stack([s.target for s in segments])),
        torch.from_numpy(np.stack([s.dull for s in segments])),
        torch.tensor([s.cutoff_hz for s in segments], dtype=torch.float32),
        torch.tensor([s.limit_hz for s in segments], dtype=torch.float32),
    )


def misjudge(random: np.random.Generator, cutoff_hz: Tensor) -> Tensor:
    """Cutoffs as a detector tells them, (B,): it errs by a few per cent, rather low than high."""
    return cutoff_hz * torch.from_numpy(random.uniform(0.85, 1.03, len(cutoff_hz))).to(cutoff_hz)


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentSettings:
    """How hard clips are varied. Ranges are (lowest, highest).

    ``room_probability`` is that of a mixture standing in a room, ``align_probability`` that of a layer being
    moved, by half a second at most, to where its onsets meet those it is laid over. ``PLAIN`` does neither.

    Raises:
        ParameterError: a value outside its range, a range upside down, or weights that are no shares.
    """

    seconds: float = 2.56
    layer_weights: tuple[float, ...] = (0.5, 0.25, 0.15, 0.1)
    speed_range: tuple[float, float] = (0.8, 1.25)
    speed_probability: float = 0.5
    layer_gain_db_range: tuple[float, float] = (-18.0, 0.0)
    level_db_range: tuple[float, float] = (-12.0, 1.0)
    equaliser_probability: float = 0.4
    equaliser_db: float = 8.0
    room_probability: float = 0.15
    align_probability: float = 0.3
    degrade: DegradeSettings = field(default_factory=DegradeSettings)

    def __post_init__(self) -> None:
        for name in ("speed", "equaliser", "room", "align"):
            check_range(self, f"{name}_probability", 0.0, 1.0)
        check_range(self, "seconds", 0.01, 600.0)
        check_range(self, "equaliser_db", 0.0, 60.0)
        for name, lowest, highest in _RANGES:
            low, high = getattr(self, name)
            if not lowest <= low <= high <= highest:
                raise ParameterError(
                    f"{name} is {low:g} to {high:g}; expected two rising values of {lowest:g} to {highest:g}"
                )
        shares = self.layer_weights
        if not (all(share >= 0.0 for share in shares) and math.isclose(sum(shares), 1.0, abs_tol=1e-9)):
            raise ParameterError(f"layer_weights is {list(shares)}; expected shares that add up to 1")


PLAIN = AugmentSettings(room_probability=0.0, align_probability=0.0, degrade=LOWPASS_ONLY)
"""No rooms, no alignment, and the paper's low-pass filters alone."""


class SegmentMaker:
    """Endless varied segments from a set of clips, reproducible from a seed."""

    is_on_device = False

    def __init__(
        self,
        clips: Sequence[Clip],
        settings: AugmentSettings,
        kind_weights: Mapping[str, float] | None = None,
    ) -> None:
        self.settings = settings
        self._by_source = clips_by_source(clips)
        self._sources = list(self._by_source)
        weights = [source_weight(self._by_source[key], kind_weights or {}) for key in self._sources]
        self._weights = shares_of(weights)

    def make_batch(self, random: np.random.Generator, size: int) -> Batch:
        """So many segments, on the CPU."""
        return collate([self.make(random) for _ in range(size)])

    def make(self, random: np.random.Generator) -> Segment:
        """One segment: layers of clips, summed, equalised, degraded and levelled."""
        s = self.settings
        length = round(s.seconds * SAMPLE_RATE)
        layers = 1 + int(random.choice(len(s.layer_weights), p=s.layer_weights))
        mixture = np.zeros(length, np.float32)
        limit = float(SAMPLE_RATE / 2)
        for index in range(layers):
            is_aligned = index > 0 and happens(random, s.align_probability)
            spare = round(_ALIGN_WITHIN_S * SAMPLE_RATE) if is_aligned else 0
            layer, layer_limit = self._layer(random, length + spare)
            layer = _align(layer, mixture)
            gain_db = 0.0 if index == 0 else random.uniform(*s.layer_gain_db_range)
            mixture += layer * np.float32(10 ** (gain_db / 20))
            limit = min(limit, layer_limit)
        if happens(random, s.room_probability):
            mixture = apply_room(mixture, draw_room(random))
        return self._finish(random, mixture, limit, draw_degradation(random, s.degrade))

    def _finish(
        self, random: np.random.Generator, mixture: np.ndarray, limit_hz: float, degradation: Degradation
    ) -> Segment:
        s = self.settings
        bright = mixture
        if random.random() < s.equaliser_probability:
            frequencies = np.fft.rfftfreq(len(mixture), 1 / SAMPLE_RATE)
            gains = equaliser_gains(draw_equaliser(random, s.equaliser_db), frequencies)
            bright = np.fft.irfft(np.fft.rfft(mixture) * gains, len(mixture))
        dull, cutoff_hz = apply_degradation(bright, degradation)
        level = 0.5 * 10 ** (random.uniform(*s.level_db_range) / 20)
        gain = level / max(float(np.abs(dull).max()), 1e-4)
        return Segment(
            target=(bright * gain).astype(np.float32),
            dull=(dull * gain).astype(np.float32),
            cutoff_hz=cutoff_hz,
            limit_hz=limit_hz,
        )

    def _layer(self, random: np.random.Generator, length: int) -> tuple[np.ndarray, float]:
        """Clips of one source, one after the other, until ``length`` is full."""
        s = self.settings
        clips = self._by_source[self._sources[int(random.choice(len(self._sources), p=self._weights))]]
        ratio = random.uniform(*s.speed_range) if random.random() < s.speed_probability else 1.0
        needed = int(length * ratio) + 64
        line = np.zeros(needed, np.float32)
        limit = float(SAMPLE_RATE / 2)
        position = -int(random.integers(0, SAMPLE_RATE)) if random.random() < 0.5 else 0
        while position < needed:
            clip = clips[int(random.integers(len(clips)))]
            start = max(0, -position)
            if position <= 0 and len(clip.samples) > needed:
                start = int(random.integers(0, len(clip.samples) - needed + 1))
                position = 0
            at = max(position, 0)
            piece = clip.samples[start : start + needed - at].astype(np.float32) / 32768
            line[at : at + len(piece)] += piece
            if len(piece):
                limit = min(limit, clip.limit_hz)
            position = at + len(piece) if len(piece) else position + len(clip.samples)
            if random.random() < 0.3:
                position += int(random.exponential(0.2) * SAMPLE_RATE)
        if ratio != 1.0:
            line = soxr.resample(line, SAMPLE_RATE * ratio, SAMPLE_RATE, quality="MQ")
            limit = min(limit * ratio, _RESAMPLED_LIMIT_HZ * min(ratio, 1.0))
        fitted = np.zeros(length, np.float32)
        fitted[: min(length, len(line))] = line[:length]
        return fitted, limit


def clips_by_source(clips: Sequence[Clip]) -> dict[tuple[str, str], list[Clip]]:
    """The clips of each kind and source, in their order."""
    found: dict[tuple[str, str], list[Clip]] = {}
    for clip in clips:
        found.setdefault((clip.kind, clip.source), []).append(clip)
    return found


def source_weight(clips: Sequence[Clip], kind_weights: Mapping[str, float]) -> float:
    """How often a source is drawn beside others: by its length, how high it can be trusted, and its kind."""
    seconds = sum(clip.seconds for clip in clips)
    trust = float(np.mean([clip.limit_hz for clip in clips])) / 22_000.0
    folder = float(np.mean([clip.weight for clip in clips]))
    return float(np.sqrt(seconds) * trust**2 * folder * kind_weights.get(clips[0].kind, 1.0))


def shares_of(weights: Sequence[float]) -> np.ndarray:
    """Weights of sources as probabilities.

    Raises:
        ParameterError: all are 0, so that nothing can be drawn.
    """
    total = float(np.sum(weights))
    if total <= 0.0:
        raise ParameterError("data.kind_weights is 0 for every kind of the data; expected one above 0")
    return np.array(weights) / total


def _align(layer: np.ndarray, mixture: np.ndarray) -> np.ndarray:
    """As much of a longer layer as the mixture is long, from where its onsets fit the mixture's best."""
    lags = (len(layer) - len(mixture)) // _ONSET_HOP + 1
    if lags == 1:
        return layer[: len(mixture)]
    mine, theirs = _onsets(layer), _onsets(mixture)
    fits = [float(mine[lag : lag + len(theirs)] @ theirs) for lag in range(lags)]
    start = int(np.argmax(fits)) * _ONSET_HOP
    return layer[start : start + len(mixture)]


def _onsets(waveform: np.ndarray) -> np.ndarray:
    """Rises of the level, in tens of dB, a value a hop."""
    hops = waveform[: len(waveform) // _ONSET_HOP * _ONSET_HOP].reshape(-1, _ONSET_HOP)
    level = np.log10(np.square(hops).mean(axis=1) + 1e-6)
    return np.asarray(np.maximum(np.diff(level, prepend=level[:1]), 0.0))


def draw_equaliser(random: np.random.Generator, range_db: float, curves: int | None = None) -> np.ndarray:
    """Gains in dB at ``EQUALISER_HZ``, of one curve (8,) or of several (curves, 8)."""
    shape = (len(EQUALISER_HZ),) if curves is None else (curves, len(EQUALISER_HZ))
    gains_db = random.uniform(-range_db, range_db, shape)
    gains_db[..., -1] = gains_db[..., -2]
    return gains_db


def equaliser_gains(gains_db: np.ndarray, frequencies_hz: np.ndarray) -> np.ndarray:
    """The smooth curve through the points of one equaliser, as amplitudes at ``frequencies_hz``."""
    curve = np.interp(np.log(np.maximum(frequencies_hz, EQUALISER_HZ[0])), np.log(EQUALISER_HZ), gains_db)
    return np.asarray(10 ** (curve / 20))

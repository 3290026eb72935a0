"""Training examples made where the training is: whole batches by the device that also trains.

A GPU trains a small model faster than a dozen processor cores can make its examples. So all clips lie in the
device's memory, and a batch is cut, sped up, mixed, equalised and low-passed there in a few operations.
Rooms, alignment, codecs, resamplers and saturation are left to the ``SegmentMaker`` of ``segments.py``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from audiosr_fx.errors import ParameterError
from audiosr_fx.training.data import SAMPLE_RATE, Clip
from audiosr_fx.training.degrade import FAMILIES, DegradeSettings, prototype_magnitude
from audiosr_fx.training.segments import (
    EQUALISER_HZ,
    AugmentSettings,
    Batch,
    clips_by_source,
    draw_equaliser,
    equaliser_gains,
    shares_of,
    source_weight,
)

_DEGRADATIONS = (
    "codec_share",
    "resampler_share",
    "saturation_probability",
    "tone_probability",
    "hiss_probability",
)
_READERS = 8  # threads that decode clips
_LIMIT_STEP_HZ = 500.0  # clips of one source that are trusted as high as that are one line
_GAP_SHARE, _GAP_MEAN_S = 0.3, 0.2
_TAPS = 48  # of the interpolation that changes a clip's speed
_STRETCHED_LIMIT_HZ = 21_500.0  # where that interpolation begins to fall off; lower where it slows down
_ORDERS = range(2, 11)
_GRID = 16_384  # places of a stored response
_LOG_PLACES = (math.log(1e-3), math.log(1e4))  # the first and last of them, in cutoffs


class DeviceSegmentMaker:
    """Endless varied batches from a set of clips, reproducible from a seed: bit for bit on a CPU.

    A GPU adds up layers in any order, so that there the last bits differ.
    """

    is_on_device = True

    def __init__(
        self,
        clips: Sequence[Clip],
        settings: AugmentSettings,
        kind_weights: Mapping[str, float] | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        """Decode all clips and put them on ``device``: 6 MB a minute.

        Raises:
            ParameterError: settings that ask for what is not done here.
            AudioFormatError: a clip that can no longer be read.
        """
        check_augment(settings)
        self.settings = settings
        self.device = torch.device(device)
        self._lines = _Lines.of(clips, kind_weights or {}, self.device)
        self._lowpasses = _LowPasses(settings.degrade, self.device)
        self._length = round(settings.seconds * SAMPLE_RATE)
        frequencies_hz = np.fft.rfftfreq(self._length, 1 / SAMPLE_RATE)
        log10 = [np.log10(equaliser_gains(20.0 * row, frequencies_hz)) for row in np.eye(len(EQUALISER_HZ))]
        self._equaliser = torch.from_numpy(np.stack(log10)).float().to(self.device)  # of 1 = 20 dB each
        warped = np.tan(np.pi / SAMPLE_RATE * np.clip(frequencies_hz, 1e-3, SAMPLE_RATE / 2 - 1e-3))
        self._warped = torch.from_numpy(np.log(warped)).to(self.device)

    def make_batch(self, random: np.random.Generator, size: int) -> Batch:
        """So many segments, on the device: layers of clips, summed, equalised, low-passed and levelled."""
        s = self.settings
        mixture, limit_hz = self._mix(random, size)
        spectrum = torch.fft.rfft(mixture)
        gains_db = draw_equaliser(random, s.equaliser_db, size)
        gains_db *= (random.random(size) < s.equaliser_probability)[:, None]
        curve = self._to(gains_db / 20.0) @ self._equaliser
        bright = spectrum * torch.pow(10.0, curve)
        response, cutoff_hz = self._lowpasses.draw(random, size, self._warped)
        dull = torch.fft.irfft(bright * response, self._length)
        level = 0.5 * self._to(10 ** (random.uniform(*s.level_db_range, size) / 20))
        gain = (level / dull.abs().amax(dim=1).clamp(min=1e-4))[:, None]
        return Batch(
            torch.fft.irfft(bright, self._length) * gain, dull * gain, self._to(cutoff_hz), self._to(limit_hz)
        )

    def _mix(self, random: np.random.Generator, size: int) -> tuple[Tensor, np.ndarray]:
        """Waveforms (size, T), and how high each can be trusted in Hz."""
        s = self.settings
        layers = 1 + random.choice(len(s.layer_weights), size, p=s.layer_weights)
        owner = np.repeat(np.arange(size), layers)
        is_first = np.diff(owner, prepend=-1) > 0
        line = random.choice(len(self._lines.weights), len(owner), p=self._lines.weights)
        is_changed = random.random(len(owner)) < s.speed_probability
        ratio = np.where(is_changed, random.uniform(*s.speed_range, len(owner)), 1.0)
        gain_db = np.where(is_first, 0.0, random.uniform(*s.layer_gain_db_range, len(owner)))
        sound = self._lines.read(line, random.random(len(owner)), ratio, self._length)
        sound *= self._to(10 ** (gain_db / 20))[:, None]
        mixture = torch.zeros(size, self._length, device=self.device)
        mixture.index_add_(0, torch.from_numpy(owner).to(self.device), sound)
        most_hz = np.where(ratio == 1.0, SAMPLE_RATE / 2, _STRETCHED_LIMIT_HZ * np.minimum(ratio, 1.0))
        limits = np.minimum(self._lines.limit_hz[line] * ratio, most_hz)
        return mixture, np.minimum.reduceat(limits, np.flatnonzero(is_first))

    def _to(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.asarray(values, np.float32)).to(self.device)


def check_augment(settings: AugmentSettings) -> None:
    """Refuse what is not done on a device.

    Raises:
        ParameterError: settings that ask for it.
    """
    for name in ("room_probability", "align_probability"):
        if getattr(settings, name) > 0.0:
            raise ParameterError(
                f"augment.{name} is {getattr(settings, name)}; expected 0 with data.on_device"
            )
    for name in _DEGRADATIONS:
        value = getattr(settings.degrade, name)
        if value > 0.0:
            raise ParameterError(f"augment.degrade.{name} is {value}; expected 0 with data.on_device")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lines:
    """Clips of one source, trusted alike, one after the other; all lines in one stretch of memory.

    Attributes:
        samples: int16 (N,), on the device.
        start, length: of each line, in samples.
        limit_hz: up to which each line is trusted.
        weights: how often each line is drawn; their sum is 1.
    """

    samples: Tensor
    start: np.ndarray
    length: np.ndarray
    limit_hz: np.ndarray
    weights: np.ndarray

    @classmethod
    def of(cls, clips: Sequence[Clip], kind_weights: Mapping[str, float], device: torch.device) -> _Lines:
        lines: list[list[Clip]] = []
        weights: list[float] = []
        for members in clips_by_source(clips).values():
            by_limit: dict[int, list[Clip]] = {}
            for clip in members:
                by_limit.setdefault(int(clip.limit_hz // _LIMIT_STEP_HZ), []).append(clip)
            whole = sum(clip.seconds for clip in members)
            for alike in by_limit.values():
                lines.append(alike)
                share = sum(clip.seconds for clip in alike) / whole
                weights.append(source_weight(members, kind_weights) * share)
        random = np.random.default_rng(0)
        with ThreadPoolExecutor(_READERS) as readers:
            read = [list(readers.map(_as_int16, line)) for line in lines]
        joined = [_join(pieces, random) for pieces in read]
        length = np.array([len(line) for line in joined])
        return cls(
            samples=torch.from_numpy(np.concatenate(joined)).to(device),
            start=np.concatenate([[0], np.cumsum(length)[:-1]]),
            length=length,
            limit_hz=np.array([min(clip.limit_hz for clip in line) for line in lines]),
            weights=shares_of(weights),
        )

    def read(self, line: np.ndarray, place: np.ndarray, ratio: np.ndarray, length: int) -> Tensor:
        """Stretches of lines from ``place`` (0 to 1), ``ratio`` times as fast: (n,) -> float (n, length).

        A line that ends begins anew.
        """
        device = self.samples.device
        starts = torch.from_numpy(self.start[line]).to(device)[:, None]
        lengths = torch.from_numpy(self.length[line]).to(device)[:, None]
        offsets = torch.from_numpy((place * self.length[line]).astype(np.int64)).to(device)[:, None]
        speeds = torch.from_numpy(ratio).to(device)[:, None]
        steps = torch.arange(length, device=device)
        sound = torch.empty(len(line), length, device=device)
        plain, changed = (
            torch.from_numpy(np.flatnonzero(rows)).to(device) for rows in (ratio == 1.0, ratio != 1.0)
        )
        sound[plain] = self.samples[starts[plain] + (offsets[plain] + steps) % lengths[plain]].float()
        position = steps * speeds[changed]  # float64: exact to far below a sample
        sound[changed] = self._stretch(
            starts[changed], lengths[changed], offsets[changed], speeds[changed], position
        )
        return sound / 32_768.0

    def _stretch(
        self, start: Tensor, length: Tensor, offset: Tensor, speed: Tensor, position: Tensor
    ) -> Tensor:
        """Samples between samples: ``position`` (n, T) counts from ``offset``; all others are (n, 1)."""
        whole = position.floor()
        part = (position - whole).float()
        first = offset + whole.long()
        cutoff = (1.0 / speed).clamp(max=1.0).float()  # of the lower of both rates
        sound = torch.zeros(part.shape, device=start.device)
        for tap in range(1 - _TAPS // 2, _TAPS // 2 + 1):
            distance = tap - part
            weight = cutoff * torch.sinc(cutoff * distance)
            weight *= 0.5 + 0.5 * torch.cos(distance * (2.0 * math.pi / _TAPS))
            sound += weight * self.samples[start + (first + tap) % length].float()
        return sound


def _as_int16(clip: Clip) -> np.ndarray:
    samples = clip.samples[: len(clip.samples)]
    rounded: np.ndarray = np.clip(np.rint(samples), -32_768, 32_767).astype(np.int16)
    return rounded


def _join(pieces: Sequence[np.ndarray], random: np.random.Generator) -> np.ndarray:
    """One after the other in random order, with a silence behind some."""
    joined: list[np.ndarray] = []
    for index in random.permutation(len(pieces)):
        joined.append(pieces[index])
        if random.random() < _GAP_SHARE:
            joined.append(np.zeros(int(random.exponential(_GAP_MEAN_S) * SAMPLE_RATE), np.int16))
    return np.concatenate(joined)


class _LowPasses:
    """Low-pass responses of every family, order and cutoff, on the device.

    The designs are bilinear transforms of one analogue prototype each, so a response at any cutoff is the
    prototype's at f' = tan(pi f / rate) / tan(pi cutoff / rate), and one table a prototype holds them all.
    """

    def __init__(self, settings: DegradeSettings, device: torch.device) -> None:
        self._range_hz = settings.cutoff_range_hz
        self._even_octaves = settings.even_octaves
        self._device = device
        places = np.exp(np.linspace(*_LOG_PLACES, _GRID))
        tables = [prototype_magnitude(family, order, places) for family in FAMILIES for order in _ORDERS]
        self._tables = torch.from_numpy(np.stack(tables)).float().to(device)

    def draw(self, random: np.random.Generator, size: int, warped: Tensor) -> tuple[Tensor, np.ndarray]:
        """Amplitudes (size, bins) at log tan(pi f / rate) of each bin, and the cutoffs in Hz (size,)."""
        design = torch.from_numpy(random.integers(len(self._tables), size=size)).to(self._device)
        low, high = np.log(self._range_hz) if self._even_octaves else self._range_hz
        cutoff_hz = random.uniform(low, high, size)
        cutoff_hz = np.exp(cutoff_hz) if self._even_octaves else cutoff_hz
        both_ways = torch.from_numpy(random.random(size) < 0.5).to(self._device)
        centre = torch.from_numpy(np.log(np.tan(np.pi * cutoff_hz / SAMPLE_RATE))).to(self._device)
        first, last = _LOG_PLACES
        place = (warped - centre[:, None] - first) * ((_GRID - 1) / (last - first))
        place = place.clamp(0.0, _GRID - 1.001)
        below = place.long()
        stored = self._tables[design]
        response = torch.lerp(stored.gather(1, below), stored.gather(1, below + 1), (place - below).float())
        return torch.where(both_ways[:, None], response.square(), response), cutoff_hz

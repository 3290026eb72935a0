"""The restored log-mel of a whole signal, window by window, and what is decided once for a file.

A window is 512 mel frames (5.12 s) and begins every 448, on a grid fixed to frame 0, so a stretch has the
same bits whatever was read before it. Its low-passed input is brought to a peak of 0.5, which is undone as
an offset of its log-mel; neighbours cross-fade over 64 frames, as log-mel.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from audiosr_fx.bandwidth import Crossover, apply_fir, complement, lowpass_fir
from audiosr_fx.cache_key import digest
from audiosr_fx.model.noise import NoiseField
from audiosr_fx.progress import stop_if_asked
from audiosr_fx.recent import Recent
from audiosr_fx.sources import Audio, Source

if TYPE_CHECKING:
    from audiosr_fx.cache import RenderCache
    from audiosr_fx.engine import Engine
    from audiosr_fx.settings import RenderSettings

SAMPLE_RATE = 48_000
HOP = 480
WINDOW_FRAMES = 512
OVERLAP_FRAMES = 64
WINDOW_HOP = WINDOW_FRAMES - OVERLAP_FRAMES

_MEL_CONTEXT = 784  # samples that a frame's window reaches beyond its hop, on each side
_WINDOW_PEAK = 0.5
_SILENT_WINDOW = 1e-6
_MAX_GAIN = 10_000.0  # 80 dB: bands keep their level under recordings down to some -85 dBFS
_MIRRORED = 2 * SAMPLE_RATE  # samples: as far as a predictor looks


@dataclass(frozen=True, slots=True, kw_only=True)
class BandPlan:
    """What is decided once for a file.

    Attributes:
        crossover: where and how the generated band takes over.
        gains: of each channel of the whole file in front of the vocoder, (channels,).
    """

    crossover: Crossover
    gains: NDArray[np.float32]

    @property
    def mel_lowpass(self) -> NDArray[np.float64]:
        """The one filter in front of the model: flat up to ``crossover.known_hz``."""
        transition_hz = self.crossover.transition_hz
        middle_hz = (
            min(self.crossover.known_hz, SAMPLE_RATE / 2.0 - 1.01 * transition_hz) + transition_hz / 2.0
        )
        return lowpass_fir(middle_hz, SAMPLE_RATE, transition_hz=transition_hz)

    @property
    def lowpass(self) -> NDArray[np.float64]:
        """The one filter in front of the vocoder, which fills all that lies above ``crossover.lower_hz``."""
        return lowpass_fir(
            self.crossover.frequency_hz, SAMPLE_RATE, transition_hz=self.crossover.transition_hz
        )

    @property
    def highpass(self) -> NDArray[np.float64]:
        """Its complement behind the vocoder: what is added to the recording."""
        return complement(self.lowpass)


class MelTrack:
    """The restored log-mel of a whole signal at its own level, made window by window when asked for."""

    def __init__(
        self,
        source: Source,
        engine: Engine,
        settings: RenderSettings,
        plan: BandPlan,
        on_window: Callable[[int], None],
        should_cancel: Callable[[], bool] | None,
        cache: RenderCache | None,
    ) -> None:
        """``source`` is at 48 kHz; ``on_window`` hears the index of each window when it is done."""
        self.frames = -(-source.frames // HOP)
        self.windows = window_count(self.frames)
        self._source = source
        self._engine = engine
        self._sampling = engine.sampling(settings)
        self._noise = NoiseField(settings.seed)
        self._cutoff_hz = plan.crossover.known_hz
        self._lowpass = plan.mel_lowpass
        self._on_window = on_window
        self._should_cancel = should_cancel
        self._cache = cache
        self._made_from = (
            settings.seed,
            self._sampling,
            plan.crossover.known_hz,
            plan.crossover.transition_hz,
        )
        self._key = Recent(self._make_key, 4)
        mel = engine.config.mel
        self._bands = mel.n_mels
        self.floor = math.log(mel.log_floor)
        self._silence = self.floor - math.log(_MAX_GAIN)
        self._per_group = min(self.windows, max(1, engine.batch_size // source.channels))
        self._batch = min(engine.batch_size, self._per_group * source.channels)
        self._group = Recent(self._make_group, 1 + -(-3 // self._per_group))

    def read(self, start: int, stop: int) -> Audio:
        """Frames ``start`` to ``stop``: float32 (channels, stop - start, M).

        Outside the signal its first and last frame go on, so that what is made of them is whole at the ends.
        """
        out = np.full((self._source.channels, stop - start, self._bands), self._silence, np.float32)
        low, high = max(start, 0), min(stop, self.frames)
        if low >= high:  # beyond an end altogether
            return out
        out[:, low - start : high - start] = 0.0
        for index in self._windows_of(low, high):
            first = index * WINDOW_HOP
            begin, end = max(low, first), min(high, first + WINDOW_FRAMES)
            weight = self._weight(index)[begin - first : end - first, None]
            out[:, begin - start : end - start] += (
                weight * self._window(index)[:, begin - first : end - first]
            )
        out[:, : low - start] = out[:, low - start, None]
        out[:, high - start :] = out[:, high - start - 1, None]
        return out

    def key(self, start: int, stop: int) -> str:
        """The hash of all that ``read`` would put together; it runs no model."""
        low, high = max(start, 0), min(stop, self.frames)
        windows = [
            (index, self._key(index), index == self.windows - 1) for index in self._windows_of(low, high)
        ]
        return digest(start, stop, low, high, windows)

    def _windows_of(self, low: int, high: int) -> range:
        """The windows that some frames of the signal lie in."""
        if low >= high:
            return range(0)
        first = max(0, (low - WINDOW_FRAMES) // WINDOW_HOP + 1)
        return range(first, min(self.windows, (high - 1) // WINDOW_HOP + 1))

    def _weight(self, index: int) -> Audio:
        """How much a window counts at each of its frames; neighbours add up to one."""
        weight = np.ones(WINDOW_FRAMES, np.float32)
        rise = 0.5 - 0.5 * np.cos(
            np.pi * (np.arange(OVERLAP_FRAMES, dtype=np.float32) + 0.5) / OVERLAP_FRAMES
        )
        if index > 0:
            weight[:OVERLAP_FRAMES] = rise
        if index < self.windows - 1:
            weight[-OVERLAP_FRAMES:] = 1.0 - rise
        return weight

    def _window(self, index: int) -> Audio:
        """One window as float32 (channels, 512, M)."""
        group, place = divmod(index, self._per_group)
        window: Audio = self._group(group)[place]
        return window

    def _make_group(self, group: int) -> Audio:
        """The windows that share a batch: float32 (windows, channels, 512, M)."""
        first = group * self._per_group
        count = min(self._per_group, self.windows - first)
        made = np.full((count, self._source.channels, WINDOW_FRAMES, self._bands), self._silence, np.float32)
        mels, levels, places = [], [], []
        for place in range(count):
            stop_if_asked(self._should_cancel)
            kept = self._kept(first + place)
            if kept is not None:
                made[place] = kept
                continue
            lowpassed = self._lowpassed((first + place) * WINDOW_HOP)
            peaks = np.abs(lowpassed).max(axis=1)
            if (peaks > _SILENT_WINDOW).any():
                mels.append(self._engine.log_mel(lowpassed * normalising_gains(peaks)[:, None]))
                levels.append(peaks)
                places.append(place)
        if places:
            frames = [(first + place) * WINDOW_HOP for place in places for _ in range(self._source.channels)]
            restored = self._engine.restore_mel(
                np.concatenate(mels),
                cutoff_hz=self._cutoff_hz,
                settings=self._sampling,
                noise=self._noise,
                start_frames=frames,
                batch=self._batch,
                should_cancel=self._should_cancel,
            ).reshape(len(places), *made.shape[1:])
            for place, peaks, mel in zip(places, levels, restored, strict=True):
                sounding = peaks > _SILENT_WINDOW
                made[place, sounding] = (mel - np.log(normalising_gains(peaks))[:, None, None])[sounding]
                if self._cache is not None:
                    self._cache.save(self._key(first + place), made[place])
        for place in range(count):
            self._on_window(first + place)
        return made

    def _kept(self, index: int) -> Audio | None:
        """A window that was made before."""
        return None if self._cache is None else self._cache.load(self._key(index))

    def _make_key(self, index: int) -> str:
        """The hash of all that a window is made from."""
        start_frame = index * WINDOW_HOP
        return digest(
            "window", self._fingerprint, self._made_from, self._batch, start_frame, self._stretch(start_frame)
        )

    @functools.cached_property
    def _fingerprint(self) -> str:
        return self._engine.fingerprint

    def _lowpassed(self, start_frame: int) -> Audio:
        """The low-passed input of a window with the context its mel needs."""
        return apply_fir(self._stretch(start_frame), self._lowpass)

    def _stretch(self, start_frame: int) -> Audio:
        """The input of a window with the context that its low-passed mel needs."""
        margin = _MEL_CONTEXT + len(self._lowpass) // 2
        start = start_frame * HOP
        return read_mirrored(self._source, start - margin, start + WINDOW_FRAMES * HOP + margin)


def window_count(frames: int) -> int:
    """How many windows cover that many mel frames; none begins within the overlap of the last."""
    return max(1, -(-(frames - OVERLAP_FRAMES) // WINDOW_HOP))


def normalising_gains(peaks: NDArray[np.float32]) -> NDArray[np.float32]:
    """What brings each channel to a peak of 0.5, at most 80 dB: (channels,) -> (channels,).

    Channels are levelled one by one: the model's answer depends a little on level, and what is panned must
    stay where it is in the new band.
    """
    return np.minimum(_WINDOW_PEAK / np.maximum(peaks, 1e-9), _MAX_GAIN).astype(np.float32)


def read_mirrored(source: Source, start: int, stop: int) -> Audio:
    """Read a stretch; beyond the ends of the source the first 2 s are its mirror image, the rest zeros.

    An attack at the first sample then has a full window around it, as it would inside a recording.
    """
    audio = source.read(start, stop).copy()
    last = source.frames - 1
    before = min(_MIRRORED, last, -start)
    if before > 0 and stop > 0:
        audio[:, -start - before : -start] = source.read(1, 1 + before)[:, ::-1]
    after = min(_MIRRORED, last, stop - source.frames)
    if after > 0 and start <= last:
        audio[:, last + 1 - start :][:, :after] = source.read(last - after, last)[:, ::-1]
    return audio

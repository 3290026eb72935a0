"""The generated upper band as a source: what the model adds to a signal, at 48 kHz, by absolute position.

Everything lies on grids fixed to sample 0, so a stretch has the same bits whatever was read before it, and a
region renders like the same region of the whole.

- A window is 512 mel frames (5.12 s) and begins every 448. Its low-passed input is brought to a peak of 0.5,
  which is undone as an offset of its log-mel; neighbours cross-fade over 64 frames, as log-mel.
- The vocoder runs over blocks of 448 frames of the joined mel, with enough context on both sides that blocks
  fit exactly. It is not linear in gain, so every block of a file shares one gain, taken from the file's peak.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from audiosr_fx.bandwidth import Crossover, apply_fir, highpass_fir, lowpass_fir
from audiosr_fx.errors import RenderCancelled
from audiosr_fx.model.noise import NoiseField
from audiosr_fx.sources import Audio, GridSource, Source

if TYPE_CHECKING:
    from audiosr_fx.engine import Engine
    from audiosr_fx.settings import RenderSettings

SAMPLE_RATE = 48_000
HOP = 480
MEL_CONTEXT = 784
WINDOW_FRAMES = 512
OVERLAP_FRAMES = 64
WINDOW_HOP = WINDOW_FRAMES - OVERLAP_FRAMES
BLOCK_FRAMES = 448

WINDOW_PEAK = 0.5
SILENCE = 1e-7  # at or below (-140 dBFS) a sample counts as digital silence
_MAX_GAIN = 1024.0  # 60 dB
_SILENT_WINDOW = 1e-6
_FADE = 96  # samples: 2 ms
_EDGE_FADE = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class BandPlan:
    """What is decided once for a file.

    Attributes:
        crossover: where and how the generated band takes over.
        gain: of the whole file in front of the vocoder; a power of two, so that undoing it is exact.
    """

    crossover: Crossover
    gain: float

    @property
    def cutoff_hz(self) -> float:
        """What the model is told: up to here the low-passed input is as flat as the input itself."""
        return self.crossover.frequency_hz - self.crossover.transition_hz / 2.0

    @property
    def lowpass(self) -> NDArray[np.float64]:
        """The one filter in front of the model."""
        return lowpass_fir(
            self.crossover.frequency_hz, SAMPLE_RATE, transition_hz=self.crossover.transition_hz
        )

    @property
    def highpass(self) -> NDArray[np.float64]:
        """Its complement behind the vocoder."""
        return highpass_fir(
            self.crossover.frequency_hz, SAMPLE_RATE, transition_hz=self.crossover.transition_hz
        )


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
    ) -> None:
        """``source`` is at 48 kHz; ``on_window`` hears the index of each window when it is done."""
        self.frames = -(-source.frames // HOP)
        self.windows = window_count(self.frames)
        self._source = source
        self._engine = engine
        self._sampling = engine.sampling(settings)
        self._noise = NoiseField(settings.seed)
        self._cutoff_hz = plan.cutoff_hz
        self._lowpass = plan.lowpass
        self._on_window = on_window
        self._should_cancel = should_cancel
        mel = engine.config.mel
        self._bands = mel.n_mels
        self.floor = math.log(mel.log_floor)
        self._silence = self.floor - math.log(_MAX_GAIN)
        self._per_group = min(self.windows, max(1, engine.batch_size // source.channels))
        self._batch = min(engine.batch_size, self._per_group * source.channels)
        self._groups: OrderedDict[int, Audio] = OrderedDict()
        self._groups_kept = 1 + -(-3 // self._per_group)

    def read(self, start: int, stop: int) -> Audio:
        """Frames ``start`` to ``stop``: float32 (channels, stop - start, M), silence outside the signal."""
        out = np.full((self._source.channels, stop - start, self._bands), self._silence, np.float32)
        low, high = max(start, 0), min(stop, self.frames)
        if low >= high:
            return out
        out[:, low - start : high - start] = 0.0
        for index in range(max(0, (low - WINDOW_FRAMES) // WINDOW_HOP + 1), self.windows):
            first = index * WINDOW_HOP
            begin, end = max(low, first), min(high, first + WINDOW_FRAMES)
            if begin >= end:
                break
            weight = self._weight(index)[begin - first : end - first, None]
            out[:, begin - start : end - start] += (
                weight * self._window(index)[:, begin - first : end - first]
            )
        return out

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
        made = self._groups.get(group)
        if made is None:
            made = self._make_group(group)
            self._groups[group] = made
            if len(self._groups) > self._groups_kept:
                self._groups.popitem(last=False)
        self._groups.move_to_end(group)
        window: Audio = made[place]
        return window

    def _make_group(self, group: int) -> Audio:
        """The windows that share a batch: float32 (windows, channels, 512, M)."""
        first = group * self._per_group
        count = min(self._per_group, self.windows - first)
        made = np.full((count, self._source.channels, WINDOW_FRAMES, self._bands), self._silence, np.float32)
        mels, log_gains, places = [], [], []
        for place in range(count):
            stop_if_asked(self._should_cancel)
            lowpassed = self._lowpassed((first + place) * WINDOW_HOP)
            peak = float(np.abs(lowpassed).max())
            if peak > _SILENT_WINDOW:
                gain = min(WINDOW_PEAK / peak, _MAX_GAIN)
                mels.append(self._engine.log_mel(lowpassed * np.float32(gain)))
                log_gains.append(np.float32(math.log(gain)))
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
            for place, log_gain, mel in zip(places, log_gains, restored, strict=True):
                made[place] = mel - log_gain
        for place in range(count):
            self._on_window(first + place)
        return made

    def _lowpassed(self, start_frame: int) -> Audio:
        """The low-passed input of a window with the context its mel needs."""
        margin = MEL_CONTEXT + len(self._lowpass) // 2
        start = start_frame * HOP
        stretch = self._source.read(start - margin, start + WINDOW_FRAMES * HOP + margin)
        return apply_fir(stretch, self._lowpass)


class HighBand(GridSource):
    """What a render adds to its input, at 48 kHz: nothing below the cutoff, zeros beside digital silence."""

    def __init__(
        self,
        source: Source,
        engine: Engine,
        settings: RenderSettings,
        plan: BandPlan,
        *,
        on_window: Callable[[int], None] = lambda index: None,
        should_cancel: Callable[[], bool] | None = None,
    ) -> None:
        """``source`` is the input at 48 kHz."""
        super().__init__(
            sample_rate=SAMPLE_RATE,
            channels=source.channels,
            frames=source.frames,
            block_frames=BLOCK_FRAMES * HOP,
            blocks_kept=2,
        )
        self.mel = MelTrack(source, engine, settings, plan, on_window, should_cancel)
        self._source = source
        self._engine = engine
        self._seed = settings.seed
        self._plan = plan
        self._lowpass = plan.lowpass
        self._highpass = plan.highpass
        self._reach = len(self._highpass) // 2
        self._margin = engine.vocoder_context + -(-self._reach // HOP)
        self._should_cancel = should_cancel

    def _make_block(self, index: int) -> Audio:
        """See ``GridSource``: generate, fade towards silence, and keep what lies above the cutoff."""
        stop_if_asked(self._should_cancel)
        first = index * BLOCK_FRAMES
        frames = min(BLOCK_FRAMES, self.mel.frames - first)
        start, stop = first * HOP, (first + frames) * HOP
        block = np.zeros((self.channels, BLOCK_FRAMES * HOP), np.float32)
        reach = self._reach + _FADE
        sounding = self._source.read(start - reach, stop + reach)
        distance = distance_to_sound(sounding)
        silent = distance[:, reach:-reach] >= reach
        if silent.all():
            return block
        added = self._generated(first, frames) * _fade(distance[:, _FADE:-_FADE])
        if self._plan.crossover.lowpass_first:
            added -= sounding[:, _FADE:-_FADE]
        band = apply_fir(added, self._highpass)
        band[silent] = 0.0
        block[:, : stop - start] = band * self._edge_fade(start, stop)
        return block

    def _edge_fade(self, start: int, stop: int) -> Audio:
        """Zero at and beyond the signal's ends, one 1 ms within: a band cut hard reaches below itself."""
        places = np.arange(start, stop)
        inside = np.clip(np.minimum(places, self.frames - 1 - places) / _EDGE_FADE, 0.0, 1.0)
        fade: Audio = (0.5 - 0.5 * np.cos(np.pi * inside)).astype(np.float32)
        return fade

    def _generated(self, first: int, frames: int) -> Audio:
        """The vocoder's answer for some frames and the reach of the high-pass on both sides."""
        start_frame, stop_frame = first - self._margin, first + frames + self._margin
        mel = self.mel.read(start_frame, stop_frame) + np.float32(math.log(self._plan.gain))
        reach = len(self._lowpass) // 2
        stretch = self._source.read(start_frame * HOP - reach, stop_frame * HOP + reach)
        gain = np.float32(self._plan.gain)
        stop_if_asked(self._should_cancel)
        waveform = self._engine.vocode(
            np.maximum(mel, np.float32(self.mel.floor)),
            apply_fir(stretch, self._lowpass) * gain,
            cutoff_hz=self._plan.cutoff_hz,
            start_frame=start_frame,
            seed=self._seed,
            batch=min(self.channels, self._engine.batch_size),
        )
        cut = self._margin * HOP - self._reach
        return waveform[:, cut : waveform.shape[1] - cut] / gain


def window_count(frames: int) -> int:
    """How many windows cover that many mel frames; none begins within the overlap of the last."""
    return max(1, -(-(frames - OVERLAP_FRAMES) // WINDOW_HOP))


def file_gain(peak: float) -> float:
    """The power of two that brings a peak to between 0.25 and 0.5, at most 60 dB."""
    if peak <= 0.0:
        return 1.0
    return float(min(2.0 ** math.floor(math.log2(WINDOW_PEAK / peak)), _MAX_GAIN))


def stop_if_asked(should_cancel: Callable[[], bool] | None) -> None:
    """Raise RenderCancelled when should_cancel says so."""
    if should_cancel is not None and should_cancel():
        raise RenderCancelled("the render was cancelled")


def distance_to_sound(audio: Audio) -> NDArray[np.int64]:
    """Samples from each sample to the nearest that is not digital silence, seen within this stretch."""
    count = audio.shape[1]
    places = np.arange(count)
    sounds = np.abs(audio) > SILENCE
    far = 2 * count
    before = places - np.maximum.accumulate(np.where(sounds, places, -far), axis=1)
    after = np.minimum.accumulate(np.where(sounds, places, far + count)[:, ::-1], axis=1)[:, ::-1] - places
    distance: NDArray[np.int64] = np.minimum(before, after)
    return distance


def _fade(distance: NDArray[np.int64]) -> Audio:
    """One on sound, zero 2 ms away from it, a raised cosine between."""
    return (0.5 + 0.5 * np.cos(np.pi * np.minimum(distance, _FADE) / _FADE)).astype(np.float32)

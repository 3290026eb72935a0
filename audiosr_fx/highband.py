"""The generated upper band as a source: what the model adds to a signal, at 48 kHz, by absolute position.

The vocoder runs over blocks of 448 frames of the joined mel, on a grid fixed to frame 0 and with enough
context on both sides that blocks fit exactly. It is not linear in gain, so all blocks of a channel share one
gain, taken from the channel's peak in the whole file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from audiosr_fx.bandwidth import apply_fir
from audiosr_fx.meltrack import HOP, SAMPLE_RATE, BandPlan, MelTrack, read_mirrored
from audiosr_fx.recent import stop_if_asked
from audiosr_fx.sources import Audio, GridSource, Source

if TYPE_CHECKING:
    from audiosr_fx.engine import Engine
    from audiosr_fx.settings import RenderSettings

BLOCK_FRAMES = 448

_SILENCE = 1e-7  # at or below (-140 dBFS) a sample counts as digital silence
_FADE = 96  # samples: 2 ms
_EDGE_FADE = 48


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
        generated = self._generated(first, first + frames) * _fade(distance[:, _FADE:-_FADE])
        band = self._part(generated, sounding[:, _FADE:-_FADE], start, stop)
        band[silent] = 0.0
        block[:, : stop - start] = band
        return block

    def _part(self, generated: Audio, recorded: Audio, start: int, stop: int) -> Audio:
        """What goes out, from samples ``start`` to ``stop`` and the filter's reach on both sides of each."""
        added = generated - recorded if self._plan.crossover.lowpass_first else generated
        return apply_fir(added, self._highpass) * self._edge_fade(start, stop)

    def _edge_fade(self, start: int, stop: int) -> Audio:
        """Zero at and beyond the signal's ends, one 1 ms within: a band cut hard reaches below itself."""
        places = np.arange(start, stop)
        inside = np.clip(np.minimum(places, self.frames - 1 - places) / _EDGE_FADE, 0.0, 1.0)
        fade: Audio = (0.5 - 0.5 * np.cos(np.pi * inside)).astype(np.float32)
        return fade

    def _generated(self, first: int, stop: int) -> Audio:
        """The vocoder's answer for some frames and the reach of the high-pass on both sides."""
        start_frame, stop_frame = first - self._margin, stop + self._margin
        gains = self._plan.gains[:, None]
        mel = self.mel.read(start_frame, stop_frame) + np.log(gains)[..., None]
        floor = np.float32(self.mel.floor)
        if (mel <= floor).all():
            return np.zeros((self.channels, (stop - first) * HOP + 2 * self._reach), np.float32)
        reach = len(self._lowpass) // 2
        stretch = read_mirrored(self._source, start_frame * HOP - reach, stop_frame * HOP + reach)
        stop_if_asked(self._should_cancel)
        waveform = self._engine.vocode(
            np.maximum(mel, floor),
            apply_fir(stretch, self._lowpass) * gains,
            cutoff_hz=self._plan.crossover.lower_hz,
            start_frame=start_frame,
            seed=self._seed,
            batch=min(self.channels, self._engine.batch_size),
        )
        cut = self._margin * HOP - self._reach
        return waveform[:, cut : waveform.shape[1] - cut] / gains


def distance_to_sound(audio: Audio) -> NDArray[np.int64]:
    """Samples from each sample to the nearest that is not digital silence, seen within this stretch."""
    count = audio.shape[1]
    places = np.arange(count)
    sounds = np.abs(audio) > _SILENCE
    far = 2 * count
    before = places - np.maximum.accumulate(np.where(sounds, places, -far), axis=1)
    after = np.minimum.accumulate(np.where(sounds, places, far + count)[:, ::-1], axis=1)[:, ::-1] - places
    distance: NDArray[np.int64] = np.minimum(before, after)
    return distance


def _fade(distance: NDArray[np.int64]) -> Audio:
    """One on sound, zero 2 ms away from it, a raised cosine between."""
    return (0.5 + 0.5 * np.cos(np.pi * np.minimum(distance, _FADE) / _FADE)).astype(np.float32)

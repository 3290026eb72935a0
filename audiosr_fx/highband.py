"""The generated upper band as a source: what the model adds to a signal, at 48 kHz, by absolute position.

The vocoder runs over blocks of 448 frames of the joined mel, on a grid fixed to frame 0 and with enough
context on both sides that blocks fit exactly. It is not linear in gain, so all blocks of a channel share one
gain, taken from the channel's peak in the whole file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from audiosr_fx import hops, width
from audiosr_fx.band_tone import pad_taps, toned_highpass
from audiosr_fx.bandwidth import apply_fir
from audiosr_fx.cache_key import digest
from audiosr_fx.deesser import Deesser, Levels
from audiosr_fx.hops import hop_powers
from audiosr_fx.meltrack import HOP, SAMPLE_RATE, BandPlan, MelTrack, read_mirrored
from audiosr_fx.progress import stop_if_asked
from audiosr_fx.recent import Recent
from audiosr_fx.recorded import Recorded, around
from audiosr_fx.sources import Audio, GridSource, Source

if TYPE_CHECKING:
    from audiosr_fx.cache import RenderCache
    from audiosr_fx.engine import Engine
    from audiosr_fx.settings import RenderSettings

BLOCK_FRAMES = 448

_SILENCE = 1e-7  # at or below (-140 dBFS) a sample counts as digital silence
_FADE = 96  # samples: 2 ms
_EDGE_FADE = 48


class Stretch(NamedTuple):
    """A block of a band with the context around it, each (channels, n).

    ``generated`` fades out towards digital silence; ``recorded`` is the input. ``distance``, without context,
    is how far sound is in samples.
    """

    generated: Audio
    recorded: Audio
    distance: NDArray[np.int64]


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
        cache: RenderCache | None = None,
    ) -> None:
        """``source`` is the input at 48 kHz; ``settings.mix`` is for who adds the two.

        What the model makes is taken from ``cache`` where it is there, and kept in it.
        """
        super().__init__(
            sample_rate=SAMPLE_RATE,
            channels=source.channels,
            frames=source.frames,
            block_frames=BLOCK_FRAMES * HOP,
            blocks_kept=2,
        )
        self.mel = MelTrack(source, engine, settings, plan, self._window_done, should_cancel, cache)
        self.made: set[int] = set()
        self.reused: set[int] = set()
        self._cache = cache
        self._on_window = on_window
        self._source = source
        self._engine = engine
        self._seed = settings.seed
        self._batch = min(source.channels, engine.batch_size)
        self._plan = plan
        self._lowpass = plan.lowpass
        self._set_filters(settings)
        self._stretch = Recent(self._make_stretch, 2)
        self._deesser = self._make_deesser(settings.deess_db) if settings.deess_db > 0.0 else None
        self._should_cancel = should_cancel
        self._recorded = self._make_recorded()

    def _window_done(self, index: int) -> None:
        self._on_window(index)

    def _set_filters(self, settings: RenderSettings) -> None:
        """Choose what parts the band off; the context around a block is the same whatever its tone."""
        highpass = self._plan.highpass
        self._context = -(-(len(highpass) // 2) // HOP) * HOP
        self._margin = self._engine.vocoder_context + self._context // HOP
        if self.channels == 2:  # whole steps, with what narrowing takes beyond the context
            self._margin = -(-(self._margin + width.REACH // HOP) * HOP // width.STEP) * width.STEP // HOP
        frequency_hz = self._plan.crossover.frequency_hz
        self._tone = toned_highpass(highpass, frequency_hz, SAMPLE_RATE, settings, size=2 * self._context + 1)
        self._highpass = pad_taps(highpass, len(self._tone))
        self._is_plain = np.array_equal(self._tone, self._highpass)
        self._reach = len(self._tone) // 2

    def _make_block(self, index: int) -> Audio:
        """See ``GridSource``: what lies above the cutoff, and nothing where the input is silent."""
        stop_if_asked(self._should_cancel)
        start, stop = self._samples_of(index)
        block = np.zeros((self.channels, BLOCK_FRAMES * HOP), np.float32)
        stretch = self._stretch(index)
        if stretch is None:
            return block
        band = self._part(stretch, start, stop)
        band[stretch.distance >= self._reach + _FADE] = 0.0
        block[:, : stop - start] = band
        return block

    def _part(self, stretch: Stretch, start: int, stop: int) -> Audio:
        """What goes out, from samples ``start`` to ``stop``."""
        generated = self._deessed(self._cut(stretch.generated), start, stop)
        recorded = self._cut(stretch.recorded)
        added = self._joined(generated, recorded)
        if self._recorded is not None:
            share = self._recorded.share(start - self._reach, stop + self._reach)
            if share.any():
                faded = self._joined(generated * (1.0 - share), recorded * (1.0 - share))
                most, least = around(share, self._reach)
                added = np.where(most > 0.0, faded, added)
                added[:, least == 1.0] = 0.0
        return added * self._edge_fade(start, stop)

    def _joined(self, generated: Audio, recorded: Audio) -> Audio:
        """The generated band above the crossover, less what is recorded there if it is to go."""
        if self._plan.crossover.lowpass_first and self._is_plain:
            return apply_fir(generated - recorded, self._highpass)
        added = apply_fir(generated, self._tone)
        if self._plan.crossover.lowpass_first:
            added -= apply_fir(recorded, self._highpass)
        return added

    def _deessed(self, generated: Audio, start: int, stop: int) -> Audio:
        """What was generated for a block and the filter's reach around it, its sibilants turned down."""
        if self._deesser is None:
            return generated
        return generated * self._deesser.gain(start - self._reach, stop + self._reach)

    def _cut(self, stretch: Audio) -> Audio:
        """A stretch without the context that the filter does not reach."""
        spare = self._context - self._reach
        return stretch[:, spare : stretch.shape[1] - spare]

    def _edge_fade(self, start: int, stop: int) -> Audio:
        """Zero at and beyond the signal's ends, one 1 ms within: a band cut hard reaches below itself."""
        places = np.arange(start, stop)
        inside = np.clip(np.minimum(places, self.frames - 1 - places) / _EDGE_FADE, 0.0, 1.0)
        fade: Audio = (0.5 - 0.5 * np.cos(np.pi * inside)).astype(np.float32)
        return fade

    def _samples_of(self, index: int) -> tuple[int, int]:
        """Where a block begins and where it ends, in whole frames."""
        first = index * BLOCK_FRAMES
        return first * HOP, min(first + BLOCK_FRAMES, self.mel.frames) * HOP

    def _make_stretch(self, index: int) -> Stretch | None:
        """A block with its context; None where nothing sounds that could be heard in it."""
        start, stop = self._samples_of(index)
        reach = self._context + _FADE
        sounding = self._source.read(start - reach, stop + reach)
        distance = distance_to_sound(sounding)
        within = distance[:, reach:-reach]
        if (within >= reach).all():
            return None
        generated = self._generated(index) * _fade(distance[:, _FADE:-_FADE])
        return Stretch(generated, sounding[:, _FADE:-_FADE], within)

    def _generated(self, index: int) -> Audio:
        """What the model makes for a block and the context on both sides of it: kept from before, or anew."""
        if self._cache is None:
            return self._generate(index)
        key = self._key(index)
        kept = self._cache.load(key)
        if kept is None:
            self.made.add(index)
            kept = self._generate(index)
            self._cache.save(key, kept)
        elif index not in self.made:
            self.reused.add(index)
            self._window_done(index)
        return kept

    def _key(self, index: int) -> str:
        """The hash of all that a block is made from; its tone is none of it, so another costs little."""
        start, stop = (sample // HOP for sample in self._samples_of(index))
        start_frame, stop_frame = start - self._margin, stop + self._margin
        crossover = self._plan.crossover
        return digest(
            "block",
            self.mel.key(start_frame, stop_frame),
            (crossover.frequency_hz, crossover.transition_hz),
            self._plan.gains,
            (self._seed, self._batch),
            self._stretch_of_vocoder(start_frame, stop_frame),
        )

    def _stretch_of_vocoder(self, start_frame: int, stop_frame: int) -> Audio:
        """The input of some frames, with the reach of the low-pass."""
        reach = len(self._lowpass) // 2
        return read_mirrored(self._source, start_frame * HOP - reach, stop_frame * HOP + reach)

    def _generate(self, index: int) -> Audio:
        """The vocoder's answer for a block and the context on both sides of it."""
        start, stop = (sample // HOP for sample in self._samples_of(index))
        start_frame, stop_frame = start - self._margin, stop + self._margin
        gains = self._plan.gains[:, None]
        mel = self.mel.read(start_frame, stop_frame) + np.log(gains)[..., None]
        floor = np.float32(self.mel.floor)
        if (mel <= floor).all():
            return np.zeros((self.channels, (stop - start) * HOP + 2 * self._context), np.float32)
        recorded = apply_fir(self._stretch_of_vocoder(start_frame, stop_frame), self._lowpass)
        stop_if_asked(self._should_cancel)
        waveform = self._engine.vocode(
            np.maximum(mel, floor),
            recorded * gains,
            cutoff_hz=self._plan.crossover.lower_hz,
            start_frame=start_frame,
            seed=self._seed,
            batch=self._batch,
        )
        waveform /= gains
        if self.channels == 2:
            waveform = width.narrowed(waveform, recorded, self._plan.crossover.lower_hz)
        cut = self._margin * HOP - self._context
        return waveform[:, cut : waveform.shape[1] - cut]

    def _make_recorded(self) -> Recorded | None:
        """What tells where recorded highs stay; None where all above the crossover goes, or none does."""
        crossover = self._plan.crossover
        if crossover.junk is None:
            return None
        peak = 0.5 / float(self._plan.gains.min())
        return Recorded(self._source, crossover, crossover.junk, peak=peak, block_samples=BLOCK_FRAMES * HOP)

    def _make_deesser(self, most_db: float) -> Deesser:
        return Deesser(
            Recent(self._levels, 3),
            block_hops=BLOCK_FRAMES * HOP // hops.HOP,
            hops=self.mel.frames * HOP // hops.HOP,
            most_db=most_db,
        )

    def _levels(self, index: int) -> Levels:
        """What a de-esser looks at in a block: the new band as it was made, and the recording."""
        stretch = self._stretch(index)
        if stretch is None:
            start, stop = self._samples_of(index)
            return Levels(*np.zeros((2, (stop - start) // hops.HOP)))
        context = self._context
        band = apply_fir(self._cut(stretch.generated), self._highpass)
        return Levels(hop_powers(band), hop_powers(stretch.recorded[:, context:-context]))


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


def loudest_blocks(source: Source, most: int, should_cancel: Callable[[], bool] | None) -> list[int]:
    """Indices of the loudest blocks of the grid, in order; of equally loud ones the first.

    Raises:
        RenderCancelled: should_cancel said so.
    """
    size = BLOCK_FRAMES * HOP
    energies = []
    for start in range(0, source.frames, size):
        stop_if_asked(should_cancel)
        block = source.read(start, min(start + size, source.frames))
        energies.append(float(np.square(block, dtype=np.float64).sum()))
    return sorted(sorted(range(len(energies)), key=lambda index: -energies[index])[:most])


def fade_to_silence(audio: Audio) -> Audio:
    """A gain for each sample: one on sound, zero in digital silence more than 2 ms away from any."""
    return _fade(distance_to_sound(audio))


def _fade(distance: NDArray[np.int64]) -> Audio:
    """One on sound, zero 2 ms away from it, a raised cosine between."""
    return (0.5 + 0.5 * np.cos(np.pi * np.minimum(distance, _FADE) / _FADE)).astype(np.float32)

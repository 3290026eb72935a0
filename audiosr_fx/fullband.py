"""The model's whole band as a source: what takes the place of a signal whose low band is not to be kept."""

from __future__ import annotations

import numpy as np

from audiosr_fx.bandwidth import apply_fir, complement
from audiosr_fx.highband import HighBand, Stretch, loudest_blocks
from audiosr_fx.sources import Audio

_MOST_GAIN = 10 ** (24.0 / 20.0)
_INAUDIBLE = 1e-6  # RMS


class FullBand(HighBand):
    """What the model makes of a signal, all of it, at 48 kHz; zeros beside digital silence.

    A vocoder's level is not the recording's, so one gain for the whole file, shared by all channels, brings
    the two together: by their RMS below the crossover in the loudest block, where noise counts least.
    """

    _gain: float | None = None

    def _window_done(self, index: int) -> None:
        if self._gain is not None:  # windows of the block that is measured come out of turn
            super()._window_done(index)

    def _make_recorded(self) -> None:
        """All is made anew, so that nothing recorded stays."""

    def _part(self, stretch: Stretch, start: int, stop: int) -> Audio:
        """See ``HighBand``."""
        if self._gain is None:
            self._gain = self._measure_gain()
        if self._is_plain and self._deesser is None:
            whole = stretch.generated[:, self._context : self._context + stop - start]
        else:
            generated = self._cut(stretch.generated)
            whole = apply_fir(generated, complement(self._highpass))
            whole += apply_fir(self._deessed(generated, start, stop), self._tone)
        out: Audio = whole * np.float32(self._gain)
        return out

    def _measure_gain(self) -> float:
        """What the generated signal needs to be as loud as the recording below the crossover."""
        [index] = loudest_blocks(self._source, 1, self._should_cancel)
        start, stop = self._samples_of(index)
        reach = len(self._lowpass) // 2
        spare = self._context - reach
        recorded = self._source.read(start - reach, stop + reach)
        generated = self._generated(index)[:, spare : stop - start + self._context + reach]
        levels = [
            float(np.sqrt(np.mean(np.square(apply_fir(audio, self._lowpass)))))
            for audio in (recorded, generated)
        ]
        if min(levels) < _INAUDIBLE:
            return 1.0
        return float(np.clip(levels[0] / levels[1], 1.0 / _MOST_GAIN, _MOST_GAIN))

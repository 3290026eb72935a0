from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib.image import imread

from audiosr_fx.quality.pictures import curve_frequencies_hz, draw_pixels, loudest_db, mean_curve_db
from audiosr_fx.quality.spectrogram import Panel, measure_panel
from audiosr_fx.sources import ArraySource

RATE = 48_000


def sine(frequency_hz: float, samples: int = RATE) -> Panel:
    wave = 0.5 * np.sin(2 * np.pi * frequency_hz * np.arange(samples) / RATE)
    return measure_panel(ArraySource(wave.astype(np.float32)[None], RATE), "", max_columns=50)


def test_a_tone_is_the_brightest_row_at_its_height() -> None:
    panel = sine(6000.0)
    pixels = imread(io.BytesIO(draw_pixels(panel, loudest_db(panel))), format="png")
    assert pixels.shape[:2] == (256, 50)
    brightness = pixels[..., :3].sum(axis=(1, 2))
    assert int(np.argmax(brightness)) in (191, 192)  # from above, of 256 for 24 kHz


def test_equal_levels_have_equal_colours_in_both_pictures() -> None:
    loud, quiet = sine(3000.0), sine(3000.0)
    assert draw_pixels(loud, loudest_db(loud, quiet)) == draw_pixels(quiet, loudest_db(loud, quiet))
    assert loudest_db(loud) == -5.0  # the next step above -6


def test_a_curve_peaks_at_its_tone_and_has_its_level_down_low() -> None:
    for frequency_hz in (93.75, 6000.0):
        curve = mean_curve_db(sine(frequency_hz))
        peak_hz = curve_frequencies_hz(24_000.0)[int(np.argmax(curve))]
        assert peak_hz == pytest.approx(frequency_hz, rel=0.06)
    assert mean_curve_db(sine(93.75)).max() == pytest.approx(-6.0, abs=0.5)


@pytest.mark.parametrize("samples", [1, 64, 65, 8193])
def test_short_recordings_can_be_drawn(samples: int) -> None:
    panel = sine(1000.0, samples)
    assert draw_pixels(panel, loudest_db(panel)).startswith(b"\x89PNG")
    assert np.isfinite(mean_curve_db(panel)).all()

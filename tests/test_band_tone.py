from __future__ import annotations

import numpy as np
import pytest

from audiosr_fx.band_tone import pad_taps, toned_highpass
from audiosr_fx.bandwidth import apply_fir, complement, lowpass_fir
from audiosr_fx.settings import RenderSettings

RATE = 48_000
CROSSOVER_HZ = 6000.0
TRANSITION_HZ = 240.0
HIGHPASS = complement(lowpass_fir(CROSSOVER_HZ, RATE, transition_hz=TRANSITION_HZ))
FREQUENCY_HZ = np.fft.rfftfreq(1 << 16, 1 / RATE)


def toned(settings: RenderSettings, highpass: np.ndarray = HIGHPASS) -> np.ndarray:
    return toned_highpass(highpass, CROSSOVER_HZ, RATE, settings, size=max(961, highpass.size))


def level_db(taps: np.ndarray) -> np.ndarray:
    return 20 * np.log10(np.abs(np.fft.rfft(taps, 1 << 16)) + 1e-12)


def at(taps: np.ndarray, frequency_hz: float) -> float:
    return float(np.interp(frequency_hz, FREQUENCY_HZ, level_db(taps)))


def test_without_a_tone_the_filter_is_the_same() -> None:
    assert toned(RenderSettings()) is HIGHPASS


def test_brightness_is_a_gain() -> None:
    assert np.allclose(toned(RenderSettings(brightness_db=-6.0)), 10 ** (-6 / 20) * HIGHPASS, rtol=1e-12)


@pytest.mark.parametrize("tilt", [-12.0, -3.0, 6.0])
def test_the_tilt_begins_at_the_crossover_and_is_as_steep_as_asked(tilt: float) -> None:
    taps = toned(RenderSettings(tilt_db_per_octave=tilt))
    for frequency_hz in (6300.0, 8000.0, 12_000.0, 20_000.0):
        assert at(taps, frequency_hz) == pytest.approx(tilt * np.log2(frequency_hz / CROSSOVER_HZ), abs=0.1)
    assert at(taps, CROSSOVER_HZ) == pytest.approx(-6.02, abs=0.15)


@pytest.mark.parametrize("ceiling_hz", [8000.0, 12_000.0, 20_000.0])
def test_the_ceiling_is_3_db_down_and_falls_by_24_db_per_octave(ceiling_hz: float) -> None:
    taps = toned(RenderSettings(ceiling_hz=ceiling_hz))
    assert at(taps, ceiling_hz) == pytest.approx(-3.01, abs=0.1)
    if ceiling_hz <= 12_000.0:
        assert at(taps, 1.95 * ceiling_hz) == pytest.approx(-23.3, abs=0.5)


EXTREMES = [
    RenderSettings(brightness_db=12.0),
    RenderSettings(brightness_db=12.0, tilt_db_per_octave=6.0),
    RenderSettings(tilt_db_per_octave=-12.0),
    RenderSettings(brightness_db=12.0, tilt_db_per_octave=6.0, ceiling_hz=24_000.0),
    RenderSettings(brightness_db=12.0, ceiling_hz=2000.0),
    RenderSettings(brightness_db=-24.0, tilt_db_per_octave=-12.0, ceiling_hz=2000.0),
]


@pytest.mark.parametrize("transition_hz", [100.0, TRANSITION_HZ, 3000.0])
@pytest.mark.parametrize("settings", EXTREMES)
def test_no_tone_reaches_below_the_crossover_or_shifts(
    settings: RenderSettings, transition_hz: float
) -> None:
    highpass = complement(lowpass_fir(CROSSOVER_HZ, RATE, transition_hz=transition_hz))
    taps = toned(settings, highpass)
    below = level_db(taps)[FREQUENCY_HZ + transition_hz / 2 <= CROSSOVER_HZ]
    assert below.max() < -105.0 + max(settings.brightness_db, 0.0)
    assert np.allclose(taps, taps[::-1], atol=1e-12)


def test_padding_changes_no_sample() -> None:
    audio = np.random.default_rng(0).standard_normal((1, 5001)).astype(np.float32)
    padded = pad_taps(HIGHPASS, HIGHPASS.size + 200)
    assert np.allclose(apply_fir(audio, padded), apply_fir(audio[:, 100:-100], HIGHPASS), atol=1e-6)

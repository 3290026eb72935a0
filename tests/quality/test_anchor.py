"""The low-pass anchor, held against the figures of BS.1534-3."""

from __future__ import annotations

import numpy as np
import pytest
from listening import RATE, noise
from scipy import signal

from audiosr_fx.errors import ParameterError
from audiosr_fx.quality.anchor import anchor_filter, lowpass_anchor


@pytest.mark.parametrize(
    ("cutoff_hz", "rate"), [(3500, 48_000), (7000, 48_000), (3500, 44_100), (200, 8_000)]
)
def test_the_filter_is_within_the_mask(cutoff_hz: int, rate: int) -> None:
    frequency_hz, response = signal.freqz(anchor_filter(rate, cutoff_hz), worN=65_536, fs=rate)
    level_db = 20 * np.log10(np.abs(response) + 1e-12)
    ratio = frequency_hz / (cutoff_hz / 3.5)  # in kHz for the anchor of 3.5 kHz
    assert np.abs(level_db[ratio <= 3.5]).max() < 0.1
    assert level_db[ratio >= 4.0].max() < -25.0
    assert level_db[ratio >= 4.5].max() < -50.0


@pytest.mark.parametrize("samples", [1, 64, 65, 8193])
def test_the_anchor_is_as_long_as_the_reference(samples: int) -> None:
    assert lowpass_anchor(noise(1.0, channels=2)[:, :samples], RATE).shape == (2, samples)


def test_the_anchor_does_not_move_in_time() -> None:
    click = np.zeros((1, 8193), np.float32)
    click[0, 4000] = 1.0
    anchor = lowpass_anchor(click, RATE)[0]
    assert int(np.argmax(np.abs(anchor))) == 4000
    assert anchor[3000:5001] == pytest.approx(anchor[3000:5001][::-1], abs=1e-7)


@pytest.mark.parametrize("cutoff_hz", [0, 199, 16_001])
def test_an_anchor_outside_the_range_is_refused(cutoff_hz: int) -> None:
    with pytest.raises(ParameterError, match=f"lowpass:{cutoff_hz}; expected 200 to 16000 Hz"):
        lowpass_anchor(noise(), RATE, cutoff_hz)


def test_an_anchor_beyond_nyquist_is_refused() -> None:
    with pytest.raises(ParameterError, match="at a sample rate of 8000"):
        lowpass_anchor(noise(), 8_000, 3500)

"""Null test, mono sum and change over time, on signals whose answers are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import signal

from audiosr_fx.bandwidth import Crossover
from audiosr_fx.errors import AudioFormatError, RenderCancelled
from audiosr_fx.quality.comparison import Comparison, compare
from audiosr_fx.sources import ArraySource, Audio

RATE = 48_000
AT_8_KHZ = Crossover(8000.0, 320.0, known_hz=8000.0, lowpass_first=False)


def noise(samples: int = 2 * RATE + 65, channels: int = 2, *, level: float = 0.1, seed: int = 0) -> Audio:
    wave = np.random.default_rng(seed).standard_normal((channels, samples)) * level
    return wave.astype(np.float32)


def highs(samples: int, *, level: float = 0.05, seed: int = 9) -> Audio:
    """Noise from 9 kHz up, faded at its ends, where a hard cut would reach down to 0 Hz."""
    sections = signal.ellip(12, 0.1, 120.0, 9000.0, "highpass", fs=RATE, output="sos")
    wave = signal.sosfilt(sections, noise(samples, level=level, seed=seed))
    return (wave * signal.windows.tukey(samples, 0.1)).astype(np.float32)


def compared(before: Audio, after: Audio, crossover: Crossover | None = None, rate: int = RATE) -> Comparison:
    return compare(ArraySource(before, rate), ArraySource(after, rate), crossover=crossover)


# --- null -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("samples", [1, 64, 8193, RATE + 65])
@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
def test_a_copy_nulls_to_the_bit(samples: int, rate: int) -> None:
    null = compared(noise(samples), noise(samples), AT_8_KHZ, rate).null
    assert (null.outcome, null.difference_dbfs, null.depth_db) == ("kept", -math.inf, -math.inf)


def test_what_is_added_above_the_crossover_leaves_the_null_alone() -> None:
    before = noise()
    done = compared(before, before + highs(before.shape[1]), AT_8_KHZ)
    assert done.null.outcome == "kept"
    assert done.null.difference_dbfs < -115.0
    assert done.null_below_hz == pytest.approx(0.96 * 7840.0)
    assert compared(before, before + highs(before.shape[1])).null.outcome == "changed"


@pytest.mark.parametrize("gain_db", [6.0, -12.0, 0.2])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_gain_is_named_and_nulls(gain_db: float, sign: float) -> None:
    before = noise()
    null = compared(before, np.float32(sign * 10 ** (gain_db / 20)) * before, AT_8_KHZ).null
    assert null.outcome == "gain"
    assert null.gain_db == pytest.approx(gain_db, abs=1e-4)
    assert null.is_inverted is (sign < 0)
    assert null.depth_db < -110.0


def test_peaks_at_the_ends_are_told_apart_and_count_in_the_level() -> None:
    before, click = noise(), np.zeros((2, 2 * RATE + 65), np.float32)
    click[:, 3], click[:, RATE] = 1e-4, 1e-6
    null = compared(before, before + click).null
    assert null.ends_peak_dbfs == pytest.approx(-80.0, abs=0.1)
    assert null.peak_dbfs == pytest.approx(-120.0, abs=0.5)
    assert null.difference_dbfs == pytest.approx(-80.0 - 10 * math.log10(2 * RATE + 65), abs=0.1)


def test_one_inverted_channel_is_a_change() -> None:
    before = noise()
    null = compared(before, before * np.float32([[1.0], [-1.0]])).null
    assert null.outcome == "changed"
    assert null.depth_db > 20.0  # the best gain is next to nothing, and explains next to nothing


def test_a_change_in_the_low_band_has_its_size() -> None:
    before = noise()
    null = compared(before, before + noise(level=0.001, seed=1)).null
    assert null.outcome == "changed"
    assert null.depth_db == pytest.approx(-40.0, abs=0.1)
    assert null.difference_dbfs == pytest.approx(-60.0, abs=0.1)


def test_dither_of_16_bits_still_counts_as_kept() -> None:
    before = noise()
    steps = np.random.default_rng(2).random((2, *before.shape))
    dithered = np.rint(before * 32_768 + steps[0] - steps[1]) / 32_768
    null = compared(before, dithered.astype(np.float32)).null
    assert null.outcome == "kept"
    assert null.difference_dbfs == pytest.approx(-96.3 + 20 * math.log10(math.sqrt(3 / 12) * 2), abs=0.5)


def test_a_delayed_copy_does_not_null() -> None:
    before = noise()
    null = compared(before, np.roll(before, 5, axis=1)).null
    assert null.outcome == "changed"
    assert null.depth_db > 20.0


def test_a_quiet_recording_does_not_null_with_another() -> None:
    null = compared(noise(level=1e-5), noise(level=1e-5, seed=1)).null
    assert null.difference_dbfs < -90.0
    assert null.outcome == "changed"


def test_silence_is_called_silence() -> None:
    silence = np.zeros((2, 8193), np.float32)
    assert compared(silence, noise(8193)).null.outcome == "silent"
    assert compared(np.zeros((1, 0), np.float32), np.zeros((1, 0), np.float32)).null.outcome == "silent"


# --- mono -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("right", "level_db", "correlation"),
    [(1.0, 0.0, 1.0), (-1.0, -math.inf, -1.0), (0.0, -10 * math.log10(2), 0.0), (0.5, -0.4576, 1.0)],
)
def test_mono_sums_of_known_pairs(right: float, level_db: float, correlation: float) -> None:
    wave = noise(channels=1)
    mono = compared(noise(), np.concatenate([wave, np.float32(right) * wave])).mono_after
    assert mono is not None
    assert mono.level_db == pytest.approx(level_db, abs=1e-3)
    assert mono.correlation == pytest.approx(correlation, abs=1e-6)
    assert mono.cancels is (right == -1.0)


def test_independent_channels_lose_half() -> None:
    mono = compared(noise(), noise()).mono_before
    assert mono is not None
    assert mono.level_db == pytest.approx(-3.01, abs=0.05)
    assert mono.correlation == pytest.approx(0.0, abs=0.01)


def test_an_added_band_that_cancels_is_seen_apart_from_the_rest() -> None:
    before = np.tile(noise(channels=1), (2, 1))
    added = highs(before.shape[1])[:1] * np.float32([[1.0], [-1.0]])
    done = compared(before, before + added, AT_8_KHZ)
    assert done.mono_before is not None
    assert done.mono_after is not None
    assert done.mono_added is not None
    assert not done.mono_before.cancels
    quiet = np.tile(noise(channels=1, level=1e-4), (2, 1))
    alone = compared(quiet, quiet + added, AT_8_KHZ).mono_added
    assert alone is not None
    assert alone.cancels


def test_only_stereo_has_a_mono_sum() -> None:
    mono = compared(noise(channels=1), noise(channels=1))
    assert (mono.mono_before, mono.mono_after, mono.mono_added) == (None, None, None)


# --- change, and what is refused --------------------------------------------------------------------


def test_change_is_told_by_the_second_whatever_the_gain() -> None:
    before = noise(4 * RATE)
    after = np.float32(2.0) * before
    assert not compared(before, after).change.any()
    after[:, 2 * RATE : 3 * RATE] += noise(RATE, seed=3)
    done = compared(before, after)
    assert int(np.argmax(done.change)) == 2
    assert done.power.shape == (4,)


def test_recordings_of_other_shapes_are_refused() -> None:
    with pytest.raises(AudioFormatError, match="expected the same"):
        compared(noise(64), noise(65))


def test_a_comparison_can_be_cancelled() -> None:
    source = ArraySource(noise(64), RATE)
    with pytest.raises(RenderCancelled):
        compare(source, source, should_cancel=lambda: True)

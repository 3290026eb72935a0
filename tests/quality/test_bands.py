"""Band levels, flatness and mel distances against values worked out by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from audiosr_fx.quality.bands import (
    band_levels_db,
    envelope_error_db,
    flatness_db,
    flatness_error_db,
    log_mel_distance_db,
    tonality_error_db,
)
from audiosr_fx.quality.spectra import SpectrumPair

Error = Callable[[SpectrumPair, float, float], float]
BINS_HZ = np.arange(1025) * 48_000 / 2048


def pair(reference: np.ndarray, estimate: np.ndarray) -> SpectrumPair:
    return SpectrumPair(frequencies_hz=BINS_HZ, reference=reference, estimate=estimate)


def flat(level_db: float, frames: int = 3) -> np.ndarray:
    return np.full((1025, frames), 10 ** (level_db / 10))


def test_a_gain_above_the_cutoff_is_the_envelope_error() -> None:
    louder = flat(0.0)
    louder[BINS_HZ >= 4_000] *= 10 ** (7 / 10)
    assert envelope_error_db(pair(flat(0.0), louder), 4_000.0, 24_000.0) == pytest.approx(7.0)
    assert envelope_error_db(pair(flat(0.0), flat(0.0)), 4_000.0, 24_000.0) == 0.0


def test_bands_are_as_wide_on_a_logarithmic_axis() -> None:
    """From 6 to 24 kHz, two octaves: what is 8 dB too loud in the upper octave only weighs one half."""
    louder = flat(0.0)
    louder[BINS_HZ >= 12_000] *= 10 ** (8 / 10)
    assert envelope_error_db(pair(flat(0.0), louder), 6_000.0, 24_000.0) == pytest.approx(4.0)


def test_every_frame_counts_alike_and_errors_do_not_cancel() -> None:
    estimate = flat(0.0, frames=2)
    estimate[:, 0] *= 10 ** (6 / 10)
    estimate[:, 1] *= 10 ** (-2 / 10)
    assert envelope_error_db(pair(flat(0.0, frames=2), estimate), 4_000.0, 24_000.0) == pytest.approx(4.0)


def test_levels_under_80_db_below_the_loudest_bin_are_not_told_apart() -> None:
    reference = flat(-90.0)
    reference[10] = 1.0
    assert envelope_error_db(pair(reference, flat(-100.0)), 4_000.0, 24_000.0) == 0.0
    assert envelope_error_db(pair(reference, flat(-70.0)), 4_000.0, 24_000.0) == pytest.approx(10.0)


def test_a_band_of_less_than_a_bin_takes_the_nearest() -> None:
    levels = band_levels_db(flat(-3.0), BINS_HZ, 23_990.0, 24_000.0)
    assert levels.shape == (32, 3)
    np.testing.assert_allclose(levels, -3.0)
    assert band_levels_db(flat(0.0), BINS_HZ, 8_000.0, 8_000.0).shape == (0, 3)


def test_flatness_is_the_geometric_over_the_arithmetic_mean() -> None:
    power = np.array([[1.0, 1.0], [100.0, 1.0]])
    assert flatness_db(power) == pytest.approx([10 - 10 * np.log10(50.5), 0.0])


def test_white_noise_has_a_flatness_of_minus_2_5_db() -> None:
    power = np.random.default_rng(0).exponential(size=(100_000, 1))
    assert flatness_db(power)[0] == pytest.approx(-10 * np.euler_gamma / np.log(10), abs=0.05)


@pytest.mark.parametrize("error", [flatness_error_db, tonality_error_db])
def test_flatness_does_not_hear_a_gain_and_only_what_is_above_the_cutoff(error: Error) -> None:
    reference = np.random.default_rng(0).exponential(size=(1025, 4))
    louder = 100.0 * reference
    louder[BINS_HZ < 4_000] = 1e6
    assert error(pair(reference, louder), 4_000.0, 24_000.0) == pytest.approx(0.0, abs=1e-9)


def test_tonality_tells_noise_from_a_constant_where_band_levels_are_alike() -> None:
    noise = pair(np.random.default_rng(0).exponential(size=(1025, 400)), flat(0.0, 400))
    assert tonality_error_db(noise, 4_000.0, 24_000.0) == pytest.approx(2.5, abs=0.1)
    assert flatness_error_db(noise, 4_000.0, 24_000.0) < 0.5


def test_half_of_the_bands_20_db_lower_are_a_flatness_of_minus_7_db() -> None:
    """Of levels 1 and 0.01 the geometric mean is 0.1, the arithmetic one 0.505."""
    estimate = flat(0.0)
    estimate[BINS_HZ >= 12_000] *= 0.01
    error = flatness_error_db(pair(flat(0.0), estimate), 6_000.0, 24_000.0)
    assert error == pytest.approx(10 * np.log10(0.505 / 0.1))


def test_the_mel_distance_of_a_gain_is_the_gain() -> None:
    assert log_mel_distance_db(pair(flat(0.0), flat(5.0)), 4_000.0, 24_000.0) == pytest.approx(5.0)


def test_where_nothing_counts_there_is_no_number() -> None:
    nothing = pair(np.zeros((1025, 0)), np.zeros((1025, 0)))
    for distance in (envelope_error_db, flatness_error_db, tonality_error_db, log_mel_distance_db):
        assert np.isnan(distance(nothing, 4_000.0, 24_000.0))
        assert np.isnan(distance(pair(flat(0.0), flat(0.0)), 8_000.0, 4_000.0))

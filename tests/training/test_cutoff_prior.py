from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiosr_fx.cutoff import band_centres_hz
from audiosr_fx.training.cutoff_prior import learn_prior, main

BANDS = 110


def test_mean_and_spread_of_smooth_spectra_are_found() -> None:
    rng = np.random.default_rng(0)
    slope = np.linspace(1.0, -1.0, BANDS)
    tilts = rng.normal(20.0, 5.0, (4000, 1))
    levels = tilts * slope + rng.normal(-40.0, 10.0, (4000, 1))
    mean, covariance = learn_prior(levels)
    np.testing.assert_allclose(mean, 20.0 * slope, atol=0.5)
    np.testing.assert_allclose(covariance, 25.0 * np.outer(slope, slope), atol=2.5)
    np.testing.assert_allclose(covariance, covariance.T, atol=1e-9)
    assert np.linalg.eigvalsh(covariance).min() > -1e-9


def test_what_is_rough_in_each_alone_is_no_part_of_the_spread() -> None:
    rng = np.random.default_rng(0)
    _, covariance = learn_prior(rng.normal(0.0, 4.0, (300, BANDS)))
    assert np.diag(covariance).mean() < 16.0 / 2


def test_a_folder_of_recordings_becomes_a_file_like_the_packaged_one(tmp_path: Path) -> None:
    for number in range(3):
        noise = np.random.default_rng(number).normal(0.0, 0.1, 48_001)
        soundfile.write(tmp_path / f"{number}.flac", noise, 48_000)
    main(str(tmp_path), str(tmp_path / "prior.npz"))
    with np.load(tmp_path / "prior.npz") as made:
        bands = len(band_centres_hz())
        assert made["mean"].shape == (bands,)
        assert made["covariance"].shape == (bands, bands)
        assert made["mean"][:100] == pytest.approx(0.0, abs=1.5), "white noise has a flat spectrum"

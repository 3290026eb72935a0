"""Window and block joins must be statistically like everywhere else."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from audiosr_fx.engine import Engine
from audiosr_fx.meltrack import HOP, OVERLAP_FRAMES, WINDOW_HOP
from audiosr_fx.render import RenderSettings, render_array

SECONDS = 50  # eleven windows, ten joins
N_FFT = 1024


def spectrogram(band: np.ndarray) -> np.ndarray:
    """Magnitudes above 6 kHz, a row per hop of 480 samples."""
    rows = np.lib.stride_tricks.sliding_window_view(band, N_FFT)[::HOP] * np.hanning(N_FFT)
    return np.abs(np.fft.rfft(rows))[:, 6000 * N_FFT // 48_000 :]


def energy_db(band: np.ndarray) -> np.ndarray:
    return 10 * np.log10(np.sum(np.square(spectrogram(band)), axis=1) + 1e-12)


def level_step_db(band: np.ndarray) -> np.ndarray:
    """How the mean level of the 20 frames after a frame differs from that of the 20 before."""
    energy = energy_db(band)
    mean = np.convolve(energy, np.ones(20) / 20, mode="full")
    step = np.zeros_like(energy)
    step[20:-20] = np.abs(mean[39:-20] - mean[19:-40])[: energy.size - 40]
    return step


def flux(band: np.ndarray) -> np.ndarray:
    """Root mean square change of the log spectrum from one frame to the next."""
    change = np.diff(np.log(spectrogram(band) + 1e-5), axis=0)
    return np.concatenate([[0.0], np.sqrt(np.mean(np.square(change), axis=1))])


def compare(measure: Callable[[np.ndarray], np.ndarray], band: np.ndarray) -> dict[str, tuple[float, float]]:
    """Mean at overlaps, around their ends, and at block joins; each in standard deviations from elsewhere."""
    values = measure(band)
    frame = np.arange(values.size)
    phase = frame % WINDOW_HOP
    inner = (frame > OVERLAP_FRAMES) & (frame < values.size - OVERLAP_FRAMES)
    places = {
        "overlap": phase < OVERLAP_FRAMES,
        "block join": (phase <= 1) | (phase >= WINDOW_HOP - 3),
        "end of overlap": np.abs(phase - OVERLAP_FRAMES) <= 2,
    }
    elsewhere = values[inner & (phase > OVERLAP_FRAMES + 16) & (phase < WINDOW_HOP - 16)]
    return {
        name: (
            float((values[inner & here].mean() - elsewhere.mean()) / elsewhere.std()),
            float(np.mean(values[inner & here] > np.percentile(elsewhere, 99))),
        )
        for name, here in places.items()
    }


@pytest.fixture(scope="module", params=["noise", "chord"])
def band(request: pytest.FixtureRequest, engine: Engine, signals: type) -> np.ndarray:
    """What a render adds to a stationary signal."""
    if request.param == "noise":
        audio = signals.noise(SECONDS * 48_000, 48_000, cutoff_hz=5800.0)
    else:
        audio = signals.chord(SECONDS * 48_000, 48_000, below_hz=5600.0)
    settings = RenderSettings(cutoff_hz=6000.0, steps=2, guidance_scale=1.0)
    return (render_array(audio, 48_000, settings, engine=engine).audio - audio)[0]


@pytest.mark.parametrize("measure", [energy_db, level_step_db, flux])
def test_joins_are_like_elsewhere(measure: Callable[[np.ndarray], np.ndarray], band: np.ndarray) -> None:
    for place, (shift, outliers) in compare(measure, band).items():
        # 50 to 640 frames at the joins, neighbours overlapping by half: a standard error of up to 0.2.
        assert abs(shift) < 0.75, place
        assert outliers < 0.25, place  # 1 % elsewhere, by definition; a chance one at a join counts as 10 %


def test_the_measures_see_seams_that_are_planted(band: np.ndarray) -> None:
    number = np.arange(band.size) // (WINDOW_HOP * HOP)
    clicks = np.where(number % 2, -band, band)
    assert compare(flux, clicks)["block join"][0] > 3.0
    steps = np.where(number % 2, 10 ** (1.0 / 20), 1.0) * band
    assert compare(level_step_db, steps)["block join"][0] > 3.0
    dips = band * np.where(np.arange(band.size) % (WINDOW_HOP * HOP) < OVERLAP_FRAMES * HOP, 0.9, 1.0)
    assert compare(energy_db, dips)["overlap"][0] < -1.5

"""The cleaner's training: the noise it hears, what it is judged by, and that it learns."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import WITH_PREDICTOR
from tiny_training import recipe_of

from audiosr_fx.errors import ParameterError
from audiosr_fx.training.assemble import build_stage, fresh_model, stages_of
from audiosr_fx.training.cleaner import (
    CleanerSettings,
    CleanerStage,
    compressed_error,
    distortion,
    draw_noise,
    hearing_weights,
    noise_floor_db,
    residual_db,
)
from audiosr_fx.training.data import Clip
from audiosr_fx.training.degrade import DegradeSettings
from audiosr_fx.training.segments import AugmentSettings

RATE = 48_000
WITHOUT = replace(WITH_PREDICTOR, cleaner=None)
QUIET = CleanerSettings(steps=1, tone_probability=0.0, hiss_probability=0.0, hum_probability=0.0)


def drawn(size: int, **changes: object) -> np.ndarray:
    settings = replace(QUIET, **changes)  # type: ignore[arg-type]
    return draw_noise(np.random.default_rng(0), (size, RATE), settings).numpy()


def test_only_what_was_asked_for_is_there() -> None:
    assert not drawn(4).any()
    assert drawn(4, hiss_probability=1.0).any(axis=1).all()
    some = drawn(200, tone_probability=0.25).any(axis=1)
    assert 0.15 < some.mean() < 0.35


def test_a_tone_is_one_line_of_the_amplitude_drawn() -> None:
    noise = drawn(20, tone_probability=1.0, tone_amplitude_range=(0.1, 0.1), tone_hz_range=(1e3, 8e3))
    spectrum = np.abs(np.fft.rfft(noise * np.hanning(RATE))) / (0.25 * RATE)
    peaks = spectrum.argmax(axis=1)  # bins of 1 Hz
    assert ((peaks >= 1_000) & (peaks <= 8_000)).all()
    assert len(set(peaks)) == 20
    np.testing.assert_allclose(np.abs(noise).max(axis=1), 0.1, atol=1e-3)


@pytest.mark.parametrize("slope_db", [-6.0, 0.0, 3.0])
def test_hiss_has_the_level_and_the_slope_drawn(slope_db: float) -> None:
    [noise] = drawn(
        1, hiss_probability=1.0, hiss_amplitude_range=(0.01, 0.01), hiss_slope_db_range=(slope_db, slope_db)
    )
    assert np.sqrt(np.mean(noise**2)) == pytest.approx(0.01, rel=1e-3)
    power = np.abs(np.fft.rfft(noise)) ** 2
    octaves_db = 10.0 * np.log10(power[4_000:8_000].mean() / power[1_000:2_000].mean()) / 2.0
    assert octaves_db == pytest.approx(slope_db, abs=0.3)


def test_hum_is_of_mains_and_its_partials() -> None:
    noise = drawn(6, hum_probability=1.0, hum_amplitude_range=(0.02, 0.02))
    spectrum = np.abs(np.fft.rfft(noise * np.hanning(RATE))) / (0.25 * RATE)
    lowest = spectrum[:, 45:65].argmax(axis=1) + 45
    assert set(lowest) <= {49, 50, 51, 59, 60, 61}
    assert ((spectrum[:, 45:65].max(axis=1) > 0.01) & (spectrum[:, 45:65].max(axis=1) < 0.0205)).all()
    second = spectrum[:, 95:125].max(axis=1)
    assert ((second > 1e-4) & (second < 0.02)).all()
    assert spectrum[:, 1_200:].max() < 1e-5


def test_the_floor_is_that_of_the_noise_between_sounds() -> None:
    random = np.random.default_rng(0)
    beeps = np.sin(2 * np.pi * 1_000.0 * np.arange(2 * RATE) / RATE) * (
        np.arange(2 * RATE) % RATE < RATE // 2
    )
    floors = [
        noise_floor_db((16_384 * (beeps + amplitude * random.standard_normal(2 * RATE))).astype(np.int16))
        for amplitude in (0.001, 0.01)
    ]
    assert floors == pytest.approx(
        [-65.0, -45.0], abs=2.5
    )  # the lowest tenth of a second is some 5 dB softer
    assert noise_floor_db((16_384 * beeps).astype(np.int16)) < -90.0
    assert noise_floor_db(np.zeros(RATE, np.int16)) == -math.inf
    assert noise_floor_db(np.ones(100, np.int16)) == -math.inf
    nearly_silent = np.zeros(RATE, np.int16)
    nearly_silent[-40:] = 1_000
    assert noise_floor_db(nearly_silent) == -math.inf


def test_what_has_noise_of_its_own_is_not_learned_from(caplog: pytest.LogCaptureFixture) -> None:
    random = np.random.default_rng(0)
    hiss = (3_000 * random.standard_normal(RATE)).astype(np.int16)
    noisy = [Clip(name=kind, kind=kind, source=kind, limit_hz=24e3, samples=hiss) for kind in ("fx", "mix")]
    assert CleanerStage.choose(noisy, QUIET) == noisy[1:], "what sounds on in a mix may be its notes"
    assert CleanerStage.choose(noisy[:1], QUIET) == noisy[:1], "better than nothing"
    assert "all clips have noise of their own above floor_db, -64" in caplog.text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tone_probability": 1.5}, "tone_probability is 1.5"),
        ({"hum_probability": -0.1}, "hum_probability is -0.1"),
        ({"floor_db": 3.0}, "floor_db is 3.0"),
        ({"hiss_amplitude_range": (0.02, 0.01)}, "hiss_amplitude_range is .*two rising values"),
        ({"tone_hz_range": (0.0, 100.0)}, "tone_hz_range is .*above 0"),
        ({"hiss_slope_db_range": (3.0, -3.0)}, "hiss_slope_db_range is .*two rising values"),
        ({"tone_hz_range": (100.0, 30_000.0)}, "tone_hz_range is .*at most 24000"),
        (
            {"augment": AugmentSettings(degrade=DegradeSettings(hiss_probability=0.5))},
            "augment.degrade adds noise to what a cleaner learns to leave alone",
        ),
    ],
)
def test_settings_out_of_range_are_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        replace(QUIET, **changes)  # type: ignore[arg-type]


def test_the_error_is_least_where_the_gain_undoes_the_noise() -> None:
    wanted = torch.rand(1, 5, 9) + 0.1
    noisy = 4.0 * wanted
    right, half, none = (
        float(compressed_error(noisy, torch.full_like(noisy, gain), wanted, torch.ones(9)))
        for gain in (-np.log(4.0), -np.log(2.0), 0.0)
    )
    assert right < 1e-10 < half < none


def test_an_octave_of_lows_counts_as_what_is_as_wide_to_the_ear() -> None:
    frequency_hz = torch.linspace(0.0, 24_000.0, 1_025)
    weights = hearing_weights(frequency_hz)
    assert float(weights.mean()) == pytest.approx(1.0)
    mels = 2_595.0 * torch.log10(1.0 + frequency_hz / 700.0)
    for low, high in ((0.0, 1_000.0), (3_000.0, 6_000.0)):
        inside = (frequency_hz >= low) & (frequency_hz < high)
        share = float(mels[inside].max() - mels[inside].min()) / float(mels[-1])
        assert float(weights[inside].sum() / weights.sum()) == pytest.approx(share, rel=0.03)


def test_distortion_counts_what_is_loud() -> None:
    wanted = torch.tensor([[[1.0, 0.01]]])
    unchanged = torch.zeros_like(wanted)
    loud, soft = torch.tensor([[[-1.0, 0.0]]]), torch.tensor([[[0.0, -1.0]]])
    assert float(distortion(wanted, unchanged, wanted)) == pytest.approx(-5.0, abs=1e-3)
    assert float(distortion(wanted, soft, wanted)) < -4.0 < float(distortion(wanted, loud, wanted))
    assert float(distortion(1.1 * wanted, unchanged, wanted)) == pytest.approx(-2.0, abs=0.01)


def test_the_residual_is_in_db_of_the_recording() -> None:
    target = torch.randn(2, 1000, generator=torch.Generator().manual_seed(0))
    assert residual_db(1.1 * target, target) == pytest.approx(-20.0, abs=0.01)
    assert residual_db(target, target) == -80.0


def test_only_models_that_have_one_train_it(clips: list[Clip]) -> None:
    assert "cleaner" not in stages_of(WITHOUT)
    assert stages_of(WITH_PREDICTOR)[-1] == "cleaner"
    with pytest.raises(ParameterError, match="has no cleaner to train"):
        build_stage("cleaner", fresh_model(WITHOUT), recipe_of(WITHOUT), clips, clips)

"""Low-pass filters where the designs put them; degradations drawn by settings and applied in place."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from audiosr_fx.errors import ParameterError
from audiosr_fx.training import degrade
from audiosr_fx.training.codecs import Codec
from audiosr_fx.training.degrade import (
    FAMILIES,
    LOWPASS_ONLY,
    Degradation,
    DegradeSettings,
    LowPass,
    apply_degradation,
    apply_lowpass,
    draw_degradation,
    draw_lowpass,
)
from audiosr_fx.training.impairments import Noise, Resampling


@pytest.mark.parametrize(
    ("family", "loss_db"), [("butterworth", 3.01), ("bessel", 3.01), ("chebyshev", 0.1), ("elliptic", 0.1)]
)
@pytest.mark.parametrize("order", [2, 5, 10])
def test_loss_at_the_cutoff(family: str, loss_db: float, order: int) -> None:
    lowpass = LowPass(family=family, order=order, cutoff_hz=5_000.0)
    gain = lowpass.magnitude(np.array([5_000.0]))[0]
    assert -20 * np.log10(gain) == pytest.approx(loss_db, abs=0.1)


@pytest.mark.parametrize("family", FAMILIES)
def test_both_ways_doubles_the_loss(family: str) -> None:
    frequencies = np.array([1_000.0, 4_000.0, 7_000.0])
    once = LowPass(family=family, order=4, cutoff_hz=5_000.0)
    twice = LowPass(family=family, order=4, cutoff_hz=5_000.0, both_ways=True)
    np.testing.assert_allclose(twice.magnitude(frequencies), once.magnitude(frequencies) ** 2, rtol=2e-3)


def test_filtering_shifts_nothing_and_leaves_its_argument_alone() -> None:
    click = np.zeros(4_801, np.float32)
    click[2_400] = 1.0
    dull = apply_lowpass(click, LowPass(family="butterworth", order=6, cutoff_hz=3_000.0))
    assert int(np.argmax(np.abs(dull))) == 2_400
    assert click.sum() == 1.0


def test_draws_cover_all_families_and_stay_in_range() -> None:
    random = np.random.default_rng(0)
    drawn = [draw_lowpass(random) for _ in range(300)]
    assert {lowpass.family for lowpass in drawn} == set(FAMILIES)
    assert {lowpass.order for lowpass in drawn} == set(range(2, 11))
    assert all(2_000.0 <= lowpass.cutoff_hz <= 16_000.0 for lowpass in drawn)


def test_an_unknown_family_is_named() -> None:
    with pytest.raises(ParameterError, match="'brick'; expected one of butterworth"):
        LowPass(family="brick", order=2, cutoff_hz=3_000.0).magnitude(np.zeros(1))


def _noise(samples: int = 24_000) -> np.ndarray:
    return (0.1 * np.random.default_rng(0).standard_normal(samples)).astype(np.float32)


def test_the_papers_own_simulation_is_drawn_as_ever() -> None:
    for seed in range(50):
        drawn = draw_degradation(np.random.default_rng(seed), LOWPASS_ONLY)
        assert drawn == Degradation(lowpass=draw_lowpass(np.random.default_rng(seed)))


def test_shares_are_kept_to() -> None:
    random = np.random.default_rng(0)
    drawn = [draw_degradation(random, DegradeSettings()) for _ in range(2_000)]
    codecs = [d.codec for d in drawn if d.codec is not None]
    assert np.mean([d.codec is not None for d in drawn]) == pytest.approx(0.15, abs=0.03)
    assert np.mean([d.resampling is not None for d in drawn]) == pytest.approx(0.15, abs=0.03)
    assert np.mean([d.saturation_drive > 0.0 for d in drawn]) == pytest.approx(0.1, abs=0.03)
    assert {codec.name for codec in codecs} == set(degrade.available_codecs())
    assert np.mean([d.lowpass is not None for d in drawn if d.codec]) == pytest.approx(0.5, abs=0.12)
    assert {d.resampling.up for d in drawn if d.resampling} == {"LQ", "MQ", "HQ", "VHQ", "linear", "hold"}
    assert all(d.noise is None for d in drawn)


def test_tones_and_hiss_are_drawn_in_the_papers_ranges() -> None:
    random = np.random.default_rng(0)
    noisy = DegradeSettings(tone_probability=0.5, hiss_probability=0.5)
    noises = [n for n in (draw_degradation(random, noisy).noise for _ in range(400)) if n is not None]
    tones = [n for n in noises if n.tone_amplitude > 0.0]
    hisses = [n for n in noises if n.hiss_amplitude > 0.0]
    assert len(noises) / 400 == pytest.approx(0.75, abs=0.08)
    assert all(100.0 <= n.tone_hz <= 15_000.0 and 0.001 <= n.tone_amplitude <= 0.2 for n in tones)
    assert all(0.001 <= n.hiss_amplitude <= 0.02 for n in hisses)
    assert len(tones) / 400 == pytest.approx(0.5, abs=0.08)


def test_a_machine_without_codecs_draws_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(degrade, "available_codecs", lambda: ())
    settings = DegradeSettings(codec_share=1.0, resampler_share=0.0)
    assert draw_degradation(np.random.default_rng(0), settings).lowpass is not None


@pytest.mark.parametrize("seed", range(12))
def test_every_degradation_is_reproducible_in_place_and_dull_above_its_cutoff(seed: int) -> None:
    settings = DegradeSettings(
        codec_share=0.5, resampler_share=0.5, codecs=("mp3", "vorbis"), lowpass_before_codec=0.0
    )
    bright = _noise(24_001)
    kept = bright.copy()
    degradation = draw_degradation(np.random.default_rng(seed), settings)
    dull, cutoff_hz = apply_degradation(bright, degradation)
    assert dull.shape == bright.shape
    assert dull.dtype == np.float32
    np.testing.assert_array_equal(dull, apply_degradation(bright, degradation).waveform)
    np.testing.assert_array_equal(bright, kept)
    assert 1_000.0 <= cutoff_hz <= 24_000.0
    place = round(cutoff_hz * len(bright) / 48_000)
    before, after = (np.fft.rfft(x) for x in (bright, dull))
    assert np.square(np.abs(after[place + 2 :])).sum() < 1e-6 * np.square(np.abs(after)).sum()
    likeness = np.vdot(before[: place // 2], after[: place // 2]).real
    assert likeness > 0.7 * np.square(np.abs(before[: place // 2])).sum()


def test_a_cutoff_is_the_filters_own_or_measured_where_there_is_none() -> None:
    lowpass = LowPass(family="butterworth", order=4, cutoff_hz=3_000.0)
    codec = Codec(name="mp3", bitrate_kbps=96.0, sample_rate=22_050)
    assert apply_degradation(_noise(), Degradation(lowpass=lowpass)).cutoff_hz == 3_000.0
    assert apply_degradation(_noise(), Degradation(codec=codec)).cutoff_hz == pytest.approx(10_300, abs=500)
    assert apply_degradation(_noise(), Degradation(lowpass=lowpass, codec=codec)).cutoff_hz <= 3_000.0
    for up in ("VHQ", "linear", "hold"):
        resampled = Degradation(resampling=Resampling(sample_rate=16_000, up=up))
        assert apply_degradation(_noise(), resampled).cutoff_hz == pytest.approx(7_500, abs=400)


def test_a_gentle_fall_before_a_codec_stays_gentle() -> None:
    lowpass = LowPass(family="butterworth", order=2, cutoff_hz=4_000.0)
    codec = Codec(name="vorbis", bitrate_kbps=96.0, sample_rate=32_000)
    dull, cutoff_hz = apply_degradation(_noise(), Degradation(lowpass=lowpass, codec=codec))
    filtered = apply_lowpass(_noise(), lowpass)
    assert cutoff_hz == 4_000.0
    after, before = (np.square(np.abs(np.fft.rfft(x))) for x in (dull, filtered))  # a bin is 2 Hz
    assert after[4_000:5_000].sum() > 0.5 * before[4_000:5_000].sum()
    assert after[8_000:].sum() < 1e-3 * before[8_000:].sum()


def test_a_codec_that_fills_every_band_follows_a_filter() -> None:
    random = np.random.default_rng(0)
    settings = DegradeSettings(codec_share=1.0, resampler_share=0.0, codecs=("opus",))
    drawn = [draw_degradation(random, settings) for _ in range(100)]
    full = [d.lowpass is not None for d in drawn if d.codec is not None and d.codec.sample_rate == 48_000]
    assert len(full) > 5
    assert all(full)


def test_noise_stands_in_what_comes_out() -> None:
    tone = 0.5 * np.sin(2 * np.pi * 440.0 * np.arange(24_000) / 48_000)
    lowpass = LowPass(family="chebyshev", order=8, cutoff_hz=6_000.0)
    noise = Noise(tone_hz=2_000.0, tone_amplitude=0.1, hiss_amplitude=0.01)
    noisy = apply_degradation(tone, Degradation(lowpass=lowpass, noise=noise)).waveform
    clean = apply_degradation(tone, Degradation(lowpass=lowpass)).waveform
    added = np.abs(np.fft.rfft(noisy - clean)) / 12_000
    assert added[1_000] == pytest.approx(0.1, rel=0.02)
    assert added[1_200:2_900].mean() > 100 * added[6_000:].mean()  # a bin is 2 Hz


@pytest.mark.parametrize("share", [0.0, 1.0])
@pytest.mark.parametrize("cutoff_hz", [500.0, 23_000.0])
def test_whatever_cutoffs_are_allowed_can_be_drawn_and_made(cutoff_hz: float, share: float) -> None:
    settings = replace(LOWPASS_ONLY, cutoff_range_hz=(cutoff_hz, cutoff_hz), resampler_share=share)
    random = np.random.default_rng(0)
    noise = random.standard_normal(4_800)
    for _ in range(60):
        assert np.isfinite(apply_degradation(noise, draw_degradation(random, settings)).waveform).all()


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"codec_share": 1.5}, "codec_share is 1.5; expected 0 to 1"),
        ({"codec_share": 0.6, "resampler_share": 0.6}, "add up to 1.2; expected 1 at most"),
        (
            {"cutoff_range_hz": (8_000.0, 4_000.0)},
            r"cutoff_range_hz is \(8000.0, 4000.0\); expected two rising",
        ),
        ({"cutoff_range_hz": (2_000.0, 24_000.0)}, "24000.0[)]; expected two values of 500 to 23000"),
        ({"cutoff_range_hz": (400.0, 4_000.0)}, "4000.0[)]; expected two values of 500 to 23000"),
        ({"codecs": ("mp3", "wma")}, "codecs holds 'wma'; expected some of mp3, vorbis, opus, aac"),
    ],
)
def test_settings_check_themselves(wrong: dict[str, object], text: str) -> None:
    with pytest.raises(ParameterError, match=text):
        DegradeSettings(**wrong)  # type: ignore[arg-type]

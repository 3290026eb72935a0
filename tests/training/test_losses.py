"""Adversarial losses by hand-made judgements, losses of levels by the measures they stand for."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from audiosr_fx.quality.bands import envelope_error_db, flatness_error_db
from audiosr_fx.quality.spectra import SpectrumPair, power_spectrum
from audiosr_fx.training.discriminators import Judgement
from audiosr_fx.training.losses import (
    band_losses,
    discriminator_loss,
    feature_matching_loss,
    generator_loss,
    long_term_log_mel,
)
from audiosr_fx.training.predictor import falling_on, flatness_error, level_error


def _judgements(*scores: float) -> list[Judgement]:
    """One critic a score, with two hidden layers of that value and twice it."""
    return [
        (torch.full((2, 1, 3), score), [torch.full((2, 4), score), torch.full((2, 8), 2 * score)])
        for score in scores
    ]


def test_a_critic_that_is_right_has_no_loss_and_one_that_is_wrong_has_two() -> None:
    assert discriminator_loss(_judgements(1.0), _judgements(0.0)) == 0.0
    assert discriminator_loss(_judgements(0.0), _judgements(1.0)) == 2.0
    assert discriminator_loss(_judgements(1.0, 0.0), _judgements(0.0, 1.0)) == 1.0


def test_a_generator_wants_to_pass_for_real() -> None:
    assert generator_loss(_judgements(1.0, 1.0)) == 0.0
    assert generator_loss(_judgements(0.0)) == 1.0
    assert generator_loss(_judgements(0.5, 1.0)) == pytest.approx(0.125)


def test_features_are_compared_layer_by_layer() -> None:
    assert feature_matching_loss(_judgements(0.3, 0.7), _judgements(0.3, 0.7)) == 0.0
    assert feature_matching_loss(_judgements(0.0), _judgements(1.0)) == pytest.approx(1.5)


def test_features_of_recordings_get_no_gradient() -> None:
    real, fake = torch.ones(2, 3, requires_grad=True), torch.zeros(2, 3, requires_grad=True)
    feature_matching_loss([(real, [real])], [(fake, [fake])]).backward()
    assert real.grad is None
    assert fake.grad is not None
    assert (fake.grad < 0).all()


def test_critics_must_be_the_same_on_both_sides() -> None:
    with pytest.raises(ValueError, match="zip"):
        discriminator_loss(_judgements(1.0, 1.0), _judgements(0.0))


def test_band_losses_are_the_errors_that_are_reported() -> None:
    random = np.random.default_rng(0)
    target, estimate = (
        (0.1 * random.standard_normal(48_000) * np.linspace(1.0, scale, 48_000)).astype(np.float32)
        for scale in (0.5, 2.0)
    )
    envelope, flatness, _ = band_losses(
        torch.from_numpy(estimate)[None],
        torch.from_numpy(target)[None],
        torch.tensor([4_000.0]),
        torch.tensor([20_000.0]),
    )
    powers = [power_spectrum(sound, 2048, 512) for sound in (target, estimate)]
    pair = SpectrumPair(
        frequencies_hz=np.fft.rfftfreq(2048, 1 / 48_000), reference=powers[0], estimate=powers[1]
    )
    assert 10.0 * float(envelope) == pytest.approx(envelope_error_db(pair, 4_000.0, 20_000.0), rel=0.03)
    assert 10.0 * float(flatness) == pytest.approx(flatness_error_db(pair, 4_000.0, 20_000.0), rel=0.03)


def test_band_losses_are_nothing_for_what_is_right_and_lead_there() -> None:
    torch.manual_seed(0)
    target = 0.1 * torch.randn(2, 24_000)
    edges_hz = torch.tensor([4_000.0, 12_000.0]), torch.tensor([24_000.0, 13_000.0])
    assert [float(loss) for loss in band_losses(target, target, *edges_hz)] == [0.0, 0.0, 0.0]
    soft = (0.3 * target).requires_grad_()
    envelope, _, _ = band_losses(soft, target, *edges_hz)
    envelope.backward()
    assert float(envelope.detach()) == pytest.approx(-2.0 * np.log10(0.3), rel=0.01)
    assert soft.grad is not None
    louder = soft.detach() - 1e-3 * soft.grad / soft.grad.abs().max()
    assert float(band_losses(louder, target, *edges_hz)[0]) < float(envelope.detach())


def test_frames_that_differ_may_come_to_the_same_level() -> None:
    torch.manual_seed(2)
    edges_hz = torch.tensor([4_000.0]), torch.tensor([20_000.0])
    swell = torch.linspace(0.1, 1.0, 96_000)
    target, backwards = (0.1 * torch.randn(1, 96_000) * gain for gain in (swell, swell.flip(0)))
    envelope, _, level = band_losses(backwards, target, *edges_hz)
    assert float(envelope) > 0.5
    assert float(level) < 0.05
    _, _, level = band_losses(0.5 * target, target, *edges_hz)
    assert float(level) == pytest.approx(-2.0 * np.log10(0.5), rel=0.01)


def test_the_mean_power_of_medians_is_low_and_the_level_error_says_by_how_much() -> None:
    random = torch.Generator().manual_seed(3)
    target = -5.0 + 0.7 * torch.randn((2, 4_000, 3), generator=random)  # 6 dB to either side
    medians = target.median(dim=1, keepdim=True).values.expand_as(target)
    weight = torch.tensor([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    assert float(level_error(medians, target, weight)) == pytest.approx(0.7**2, rel=0.1)  # 4.3 dB
    right = long_term_log_mel(target)[:, None].expand_as(target)
    assert float(level_error(right, target, weight)) == pytest.approx(0.0, abs=1e-5)
    wrong = target.clone()
    wrong[:, :, 2] += 1.0
    wrong[1, :, 1] += 1.0
    assert float(level_error(wrong, target, weight)) == 0.0


def test_above_its_limit_a_recording_is_taken_to_fall_on_from_its_last_bands() -> None:
    centre_hz = torch.arange(15_250.0, 24_000.0, 500.0)
    per_db = np.log(10.0) / 20.0
    target = -5.0 - centre_hz.expand(4, 3, -1) / 1000.0 * 1.3 * per_db  # falls as recordings do on the whole
    limit_hz = torch.tensor([18_000.0, 21_000.0, 24_000.0, 16_000.0])
    nothing_above = torch.where(centre_hz > limit_hz[:, None, None], -11.5, target)
    wanted, guessed = falling_on(nothing_above, centre_hz, limit_hz)
    assert (guessed[0] == (centre_hz > 20_000.0)).all()
    assert (guessed[1] == (centre_hz > 20_000.0)).all()  # a converter rolls off there
    assert not guessed[2:].any()  # one says it all, the other too little
    there = guessed[:, None, :].expand_as(target)
    assert torch.allclose(wanted[there], target[there], atol=1e-4)
    assert (wanted[~there] == nothing_above[~there]).all()


def test_a_recording_that_cannot_be_trusted_above_its_cutoff_does_not_count() -> None:
    target = torch.randn(2, 9_600, generator=torch.Generator().manual_seed(1))
    estimate = (target + 0.1).requires_grad_(True)
    losses = band_losses(
        estimate, target, torch.tensor([8_000.0, 8_000.0]), torch.tensor([20_000.0, 7_000.0])
    )
    torch.stack(losses).sum().backward()
    assert estimate.grad is not None
    assert torch.isfinite(estimate.grad).all()
    assert (estimate.grad[1] == 0.0).all()


def test_the_flatness_error_sees_how_far_bands_stand_apart_and_not_how_loud_they_are() -> None:
    random = torch.Generator().manual_seed(4)
    target = torch.randn((2, 50, 6), generator=random)
    bands = torch.tensor([[1.0, 2.0, 1.0, 1.0, 1.0, 0.0], [1.0, 1.0, 0.0, 0.0, 0.0, 0.0]])
    frames = torch.ones((2, 50))
    assert float(flatness_error(target + 3.0, target, bands, frames)) == pytest.approx(0.0, abs=1e-5)
    outside = target.clone()
    outside[0, :, 5] += 1.0
    outside[1, :, 2:] -= 1.0
    assert float(flatness_error(outside, target, bands, frames)) == pytest.approx(0.0, abs=1e-6)
    even = torch.zeros((1, 4, 2))
    tilted = torch.tensor([0.0, -4.0]).expand(1, 4, 2)
    expected = (
        0.5 * np.log((1 + np.exp(-8.0)) / 2) + 2.0
    )  # geometric over arithmetic mean of powers 1 and e^-8
    assert float(flatness_error(tilted, even, torch.ones((1, 2)), torch.ones((1, 4)))) == pytest.approx(
        expected
    )
    deep = torch.tensor([0.0, -4.0, -30.0, -60.0]).expand(1, 4, 4)
    deeper = torch.tensor([0.0, -4.0, -60.0, -90.0]).expand(1, 4, 4)  # both under the floor of 80 dB
    assert float(flatness_error(deeper, deep, torch.ones((1, 4)), torch.ones((1, 4)))) == 0.0


def test_frames_that_do_not_count_have_no_flatness_error_and_gradients_stay_finite() -> None:
    target = torch.randn((1, 3, 4), generator=torch.Generator().manual_seed(5))
    predicted = (target - 50.0 * (torch.arange(3) == 1)[None, :, None]).requires_grad_()
    frames = torch.tensor([[1.0, 0.0, 1.0]])
    error = flatness_error(predicted, target, torch.ones((1, 4)), frames)
    assert float(error.detach()) == pytest.approx(0.0, abs=1e-6)
    error.backward()
    assert predicted.grad is not None
    assert torch.isfinite(predicted.grad).all()

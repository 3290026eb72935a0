"""Adversarial losses by hand-made judgements, losses of levels by the measures they stand for."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from audiosr_fx.quality.bands import envelope_error_db, flatness_error_db
from audiosr_fx.quality.spectra import SpectrumPair, power_spectrum
from audiosr_fx.training.discriminators import Judgement
from audiosr_fx.training.losses import (
    discriminator_loss,
    envelope_losses,
    feature_matching_loss,
    generator_loss,
)


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


def test_envelope_losses_are_the_errors_that_are_reported() -> None:
    random = np.random.default_rng(0)
    target, estimate = (
        (0.1 * random.standard_normal(48_000) * np.linspace(1.0, scale, 48_000)).astype(np.float32)
        for scale in (0.5, 2.0)
    )
    envelope, flatness = envelope_losses(
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


def test_envelope_losses_are_nothing_for_what_is_right_and_lead_there() -> None:
    torch.manual_seed(0)
    target = 0.1 * torch.randn(2, 24_000)
    edges_hz = torch.tensor([4_000.0, 12_000.0]), torch.tensor([24_000.0, 13_000.0])
    assert [float(loss) for loss in envelope_losses(target, target, *edges_hz)] == [0.0, 0.0]
    soft = (0.3 * target).requires_grad_()
    envelope, _ = envelope_losses(soft, target, *edges_hz)
    envelope.backward()
    assert float(envelope.detach()) == pytest.approx(-2.0 * np.log10(0.3), rel=0.01)
    assert soft.grad is not None
    louder = soft.detach() - 1e-3 * soft.grad / soft.grad.abs().max()
    assert float(envelope_losses(louder, target, *edges_hz)[0]) < float(envelope.detach())


def test_a_recording_that_cannot_be_trusted_above_its_cutoff_does_not_count() -> None:
    target = torch.randn(2, 9_600, generator=torch.Generator().manual_seed(1))
    estimate = (target + 0.1).requires_grad_(True)
    envelope, flatness = envelope_losses(
        estimate, target, torch.tensor([8_000.0, 8_000.0]), torch.tensor([20_000.0, 7_000.0])
    )
    (envelope + flatness).backward()
    assert estimate.grad is not None
    assert torch.isfinite(estimate.grad).all()
    assert (estimate.grad[1] == 0.0).all()

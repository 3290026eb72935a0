"""Adversarial losses by hand-made judgements."""

from __future__ import annotations

import pytest
import torch

from audiosr_fx.training.discriminators import Judgement
from audiosr_fx.training.losses import discriminator_loss, feature_matching_loss, generator_loss


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

"""Critics: shapes, lengths, gradients, and that they tell one sound from another."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from audiosr_fx.errors import AudioFormatError
from audiosr_fx.training.discriminators import (
    MultiPeriodDiscriminator,
    MultiResolutionDiscriminator,
    PatchDiscriminator,
)
from audiosr_fx.training.losses import discriminator_loss, generator_loss


@pytest.mark.parametrize("samples", [1_025, 8_192, 8_193])
@pytest.mark.parametrize(
    ("critic", "critics", "layers"),
    [(MultiPeriodDiscriminator(width=2), 5, 5), (MultiResolutionDiscriminator(width=2), 3, 5)],
)
def test_every_critic_answers_for_any_length(
    critic: nn.Module, critics: int, layers: int, samples: int
) -> None:
    judged = critic(torch.randn(2, samples))
    assert len(judged) == critics
    for logits, features in judged:
        assert logits.shape[:2] == (2, 1)
        assert len(features) == layers
        assert all(feature.shape[0] == 2 for feature in features)


@pytest.mark.parametrize("samples", [1, 64, 65])
def test_periods_can_be_judged_in_a_few_samples(samples: int) -> None:
    for (logits, _), period in zip(
        MultiPeriodDiscriminator(width=1)(torch.ones(1, samples)), (2, 3, 5, 7, 11), strict=True
    ):
        assert logits.shape[-1] == period


def test_a_spectrum_of_too_few_samples_is_refused_with_the_length() -> None:
    with pytest.raises(AudioFormatError, match="1024 samples; expected more than 1024"):
        MultiResolutionDiscriminator(width=1)(torch.zeros(1, 1_024))


@pytest.mark.parametrize("frames", [64, 65, 127])
def test_patches_of_a_mel_are_judged(frames: int) -> None:
    ((logits, features),) = PatchDiscriminator(width=4)(torch.randn(3, 1, frames, 256))
    assert logits.shape == (3, 1, frames // 8 - 2, 30)
    assert [feature.shape[1] for feature in features] == [4, 8, 16, 32]


def test_the_published_widths_have_the_published_sizes() -> None:
    def count(module: nn.Module) -> float:
        return sum(p.numel() for p in module.parameters()) / 1e6

    assert count(MultiPeriodDiscriminator()) == pytest.approx(41.1, abs=0.1)
    assert count(MultiResolutionDiscriminator()) == pytest.approx(0.28, abs=0.02)
    assert count(PatchDiscriminator()) == pytest.approx(2.77, abs=0.05)


@pytest.mark.parametrize(
    ("critic", "shape"),
    [
        (MultiPeriodDiscriminator(width=2), (2, 4_097)),
        (MultiResolutionDiscriminator(width=2), (2, 4_097)),
        (PatchDiscriminator(width=4), (2, 1, 64, 64)),
    ],
)
def test_gradients_reach_the_sound_and_every_weight(critic: nn.Module, shape: tuple[int, ...]) -> None:
    sound = torch.zeros(shape, requires_grad=True)  # silence: where a root would have no slope
    generator_loss(critic(sound)).backward()
    assert sound.grad is not None
    assert torch.isfinite(sound.grad).all()
    for name, weight in critic.named_parameters():
        assert weight.grad is not None, name
        assert torch.isfinite(weight.grad).all(), name


def _sines(count: int) -> Tensor:
    time = torch.arange(4_096) / 48_000
    frequencies_hz = 200.0 + 2_000.0 * torch.rand(count, 1)
    return 0.3 * torch.sin(2 * torch.pi * frequencies_hz * time)


@pytest.mark.parametrize("kind", [MultiPeriodDiscriminator, MultiResolutionDiscriminator])
def test_a_small_critic_learns_to_tell_tones_from_tones_with_hiss(
    kind: type[MultiPeriodDiscriminator] | type[MultiResolutionDiscriminator],
) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        critic = kind(4)
        optimizer = torch.optim.Adam(critic.parameters(), lr=3e-3)
        for _ in range(80):
            clean, hissing = _sines(4), _sines(4) + 0.2 * torch.randn(4, 4_096)
            loss = discriminator_loss(critic(clean), critic(hissing))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            real, fake = critic(_sines(8)), critic(_sines(8) + 0.2 * torch.randn(8, 4_096))
    for (genuine, _), (made, _) in zip(real, fake, strict=True):
        assert genuine.mean() > made.mean() + 0.3

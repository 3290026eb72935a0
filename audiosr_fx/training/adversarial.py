"""Training against critics: which ones, from when on, and what each side minimises."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from audiosr_fx.errors import ParameterError
from audiosr_fx.training.discriminators import Judgement
from audiosr_fx.training.losses import discriminator_loss, feature_matching_loss, generator_loss
from audiosr_fx.training.ranges import check_betas


@dataclass(frozen=True, slots=True, kw_only=True)
class AdversarialSettings:
    """How a stage is trained against critics.

    Attributes:
        start_step: the critics are trained and listened to from here on.
        weight: of what they say, beside the stage's other losses.
        feature_weight: of the distance between their hidden layers for real and for made.
        width: of the critics' layers.
        learning_rate: theirs; it warms up and falls as the stage's own.
        betas: of their optimiser.

    Raises:
        ParameterError: a value outside its range.
    """

    start_step: int = 0
    weight: float = 1.0
    feature_weight: float = 2.0
    width: int = 32
    learning_rate: float = 2e-4
    betas: tuple[float, float] = (0.8, 0.99)

    def __post_init__(self) -> None:
        if self.start_step < 0 or self.width < 1:
            raise ParameterError(
                f"start_step is {self.start_step} and width {self.width}; expected 0 or more and 1 or more"
            )
        amounts = (self.weight, self.feature_weight, self.learning_rate)
        if not (all(0.0 <= amount < math.inf for amount in amounts) and self.learning_rate):
            raise ParameterError(
                f"weight is {self.weight}, feature_weight {self.feature_weight}, learning_rate"
                f" {self.learning_rate}; expected 0 or more, the last above 0"
            )
        check_betas(self.betas)


class Adversary:
    """Critics of one kind of thing, a waveform or a mel."""

    def __init__(self, critics: Sequence[nn.Module], settings: AdversarialSettings) -> None:
        self.critics = nn.ModuleList(critics)
        self.settings = settings

    def losses(self, real: Tensor, made: Tensor, step: int) -> Mapping[str, Tensor]:
        """What both sides minimise: ``adversarial`` (weighted, for the stage's total) and ``critics``.

        Both come from the same critics, before either side takes its step. Before ``start_step`` there
        is neither.
        """
        if step < self.settings.start_step:
            return {}
        of_real = self._judge(real)
        critics = discriminator_loss(of_real, self._judge(made.detach()))
        with _held(self.critics):
            of_made = self._judge(made)
        fooling = self.settings.weight * generator_loss(of_made)
        if self.settings.feature_weight:
            fooling = fooling + self.settings.feature_weight * feature_matching_loss(of_real, of_made)
        return {"adversarial": fooling, "critics": critics}

    def _judge(self, signal: Tensor) -> list[Judgement]:
        return [judgement for critic in self.critics for judgement in critic(signal)]


@contextmanager
def _held(module: nn.Module) -> Iterator[None]:
    """Keep gradients of what runs inside from the module's own weights."""
    module.requires_grad_(False)
    try:
        yield
    finally:
        module.requires_grad_(True)


def band_between(waveform: Tensor, lowest_hz: Tensor, highest_hz: Tensor, sample_rate: int) -> Tensor:
    """What of waveforms (B, T) lies between two frequencies (B,), without phase shift."""
    frequencies = torch.fft.rfftfreq(waveform.shape[-1], 1.0 / sample_rate, device=waveform.device)
    inside = (frequencies >= lowest_hz[:, None]) & (frequencies <= highest_hz[:, None])
    band: Tensor = torch.fft.irfft(torch.fft.rfft(waveform) * inside, waveform.shape[-1])
    return band

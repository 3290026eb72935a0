"""Losses more than one stage uses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from audiosr_fx.quality.bands import BAND_FLOOR_DB, BANDS
from audiosr_fx.quality.lsd import POWER_FLOOR
from audiosr_fx.training.data import SAMPLE_RATE
from audiosr_fx.training.discriminators import Judgement

RESOLUTIONS = (512, 1024, 2048)
_BAND_FFT = 2048
DB_PER_NEPER = 20.0 / math.log(10.0)
"""Log-mels are natural logarithms of amplitudes: times this they are decibels."""


def weighted_mean(error: Tensor, weight: Tensor) -> Tensor:
    """Mean of ``error`` under a weight that broadcasts against it."""
    weight = weight.expand_as(error)
    return (error * weight).sum() / weight.sum().clamp(min=1e-6)


def long_term_log_mel(log_mel: Tensor) -> Tensor:
    """The root of each band's mean power over time, as a logarithm: (B, L, M) -> (B, M)."""
    return 0.5 * (torch.logsumexp(2.0 * log_mel, dim=1) - math.log(log_mel.shape[1]))


def spectral_loss(estimate: Tensor, target: Tensor, lowest_hz: Tensor, highest_hz: Tensor) -> Tensor:
    """Log-spectral distance between two frequencies, mean over several resolutions.

    Args:
        estimate: (B, T) at 48 kHz.
        target: (B, T)
        lowest_hz: (B,)
        highest_hz: (B,)

    Source: Yamamoto et al. 2020, "Parallel WaveGAN", multi-resolution STFT loss, its logarithmic part.
    """
    losses = []
    for n_fft in RESOLUTIONS:
        frequencies = torch.fft.rfftfreq(n_fft, 1 / SAMPLE_RATE, device=estimate.device)
        band = (frequencies >= lowest_hz[:, None]) & (frequencies <= highest_hz[:, None])
        difference = log10_power(estimate, n_fft) - log10_power(target, n_fft)
        counted = band[:, :, None].to(difference.dtype)
        squares = (difference.square() * counted).sum(dim=1) / counted.sum(dim=1).clamp(min=1.0)
        losses.append((squares + 1e-6).sqrt().mean())
    return torch.stack(losses).mean()


class BandLosses(NamedTuple):
    """Errors in bands above the cutoff, in tens of dB.

    Attributes:
        envelope: of a band's level, frame by frame.
        flatness: of the flatness of those levels, frame by frame.
        level: of a band's mean power over the whole example. Frame by frame the safest guess is the median,
            and the mean power of medians is some dB low: bands right in each frame are dull as a whole.
    """

    envelope: Tensor
    flatness: Tensor
    level: Tensor


def band_losses(estimate: Tensor, target: Tensor, lowest_hz: Tensor, highest_hz: Tensor) -> BandLosses:
    """Errors of band levels and of their flatness, as of ``quality/bands.py``, and of what they come to.

    Frames more than 60 dB below the loudest of their example do not count, nor levels more than 80 dB below
    its loudest bin.

    Args:
        estimate: (B, T) at 48 kHz.
        target: (B, T)
        lowest_hz: (B,), where the lowest of 32 bands begins.
        highest_hz: (B,), where the highest ends.
    """
    frequencies = torch.fft.rfftfreq(_BAND_FFT, 1 / SAMPLE_RATE, device=estimate.device)
    place = torch.log(frequencies.clamp(min=1.0) / lowest_hz[:, None])
    place = place / torch.log(highest_hz / lowest_hz).clamp(min=1e-3)[:, None] * BANDS
    index = torch.arange(BANDS, device=estimate.device)[:, None]
    member = (place[:, None, :] >= index) & (place[:, None, :] < index + 1)
    member &= (highest_hz > lowest_hz)[:, None, None]
    counted = member.sum(dim=2)
    share = member.float() / counted.clamp(min=1)[:, :, None]
    real, made = (10.0 ** log10_power(sound, _BAND_FFT) for sound in (target, estimate))
    floor = real.amax(dim=(1, 2), keepdim=True) * 10.0 ** (BAND_FLOOR_DB / 10.0)
    real_level, made_level = (torch.log10(share @ power + floor) for power in (real, made))
    frame = real.sum(dim=1)
    loud = (frame >= frame.amax(dim=1, keepdim=True) * 1e-6).float()
    there = (counted > 0).float()[:, :, None]
    envelope = weighted_mean((made_level - real_level).abs(), there * loud[:, None, :])
    real_mean, made_mean = (
        torch.log10((share @ power).mean(dim=2, keepdim=True) + floor) for power in (real, made)
    )
    level = weighted_mean((made_mean - real_mean).abs(), there)
    number = there.sum(dim=1).clamp(min=1.0)
    real_flatness, made_flatness = (
        (level * there).sum(dim=1) / number
        - torch.log10(((10.0**level * there).sum(dim=1) / number).clamp(min=torch.finfo(level.dtype).tiny))
        for level in (real_level, made_level)
    )
    flatness = weighted_mean((made_flatness - real_flatness).abs(), loud * there.amax(dim=1))
    return BandLosses(envelope, flatness, level)


def log10_power(waveform: Tensor, n_fft: int) -> Tensor:
    """log10 of floored power, hop n_fft / 4: (B, T) -> (B, n_fft / 2 + 1, frames)."""
    window = torch.hann_window(n_fft, device=waveform.device)
    spectrum = torch.stft(waveform, n_fft, n_fft // 4, window=window, return_complex=True)
    return torch.log10(spectrum.abs().square() + POWER_FLOOR)


def discriminator_loss(real: Sequence[Judgement], fake: Sequence[Judgement]) -> Tensor:
    """Least squares: real ones should score 1, made ones 0; mean over the critics.

    Args:
        real: what the critics say of recordings.
        fake: what they say of what the generator made, detached from it.

    Source: Mao et al. 2017, "Least Squares Generative Adversarial Networks", as in Kong et al. 2020,
    "HiFi-GAN", equation 1, which sums over the critics.
    """
    squares = [
        (1.0 - genuine).square().mean() + made.square().mean()
        for (genuine, _), (made, _) in zip(real, fake, strict=True)
    ]
    return torch.stack(squares).mean()


def generator_loss(fake: Sequence[Judgement]) -> Tensor:
    """Least squares: what was made should score 1; mean over the critics.

    Source: Kong et al. 2020, "HiFi-GAN", equation 2, which sums over the critics.
    """
    return torch.stack([(1.0 - made).square().mean() for made, _ in fake]).mean()


def feature_matching_loss(real: Sequence[Judgement], fake: Sequence[Judgement]) -> Tensor:
    """Mean absolute difference of the critics' hidden layers, mean over layers and critics.

    No gradient reaches what is behind ``real``.

    Source: Kong et al. 2020, "HiFi-GAN", equation 4, which sums over layers and critics.
    """
    distances = [
        (genuine.detach() - made).abs().mean()
        for (_, originals), (_, copies) in zip(real, fake, strict=True)
        for genuine, made in zip(originals, copies, strict=True)
    ]
    return torch.stack(distances).mean()

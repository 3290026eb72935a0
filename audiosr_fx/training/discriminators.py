"""Critics for adversarial training: of waveforms by period and by spectrum, of log-mels by patch."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Final, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import weight_norm

from audiosr_fx.errors import AudioFormatError
from audiosr_fx.model.convnext import LOG_MEL_CENTRE, LOG_MEL_SPREAD

Judgement: TypeAlias = tuple[Tensor, list[Tensor]]
"""Logits of one critic, (B, 1, ...), high for what it takes for real, and what its hidden layers say."""

PERIODS = (2, 3, 5, 7, 11)
RESOLUTIONS = ((512, 128), (1024, 256), (2048, 512))
"""(n_fft, hop_length) of each spectrum."""

_COMPRESSION = 0.3
_SLOPE = 0.1
_POWER_FLOOR = 1e-8


class MultiPeriodDiscriminator(nn.Module):
    """One critic per period p, which sees every p-th sample side by side.

    Args:
        width: channels of the first layer, 32 as published (41 M parameters); cost grows with its square.

    Source: Kong et al. 2020, "HiFi-GAN", section 2.3.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.critics = nn.ModuleList(_PeriodCritic(period, width) for period in PERIODS)

    def forward(self, waveform: Tensor) -> list[Judgement]:
        """Judge waveforms (B, T); the logits are (B, 1, about T / 81 p, p)."""
        return [critic(waveform) for critic in self.critics]


class MultiResolutionDiscriminator(nn.Module):
    """One critic per spectrum, in amplitudes raised to 0.3 so that quiet highs count beside loud lows.

    Args:
        width: channels of every layer, 32 as published.

    Source: Jang et al. 2021, "UnivNet", section 2.2; the compression is this project's.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.critics = nn.ModuleList(_SpectrumCritic(*resolution, width) for resolution in RESOLUTIONS)

    def forward(self, waveform: Tensor) -> list[Judgement]:
        """Judge waveforms (B, T); the logits are (B, 1, frames, n_fft / 16).

        Raises:
            AudioFormatError: shorter than half of the longest window.
        """
        return [critic(waveform) for critic in self.critics]


class PatchDiscriminator(nn.Module):
    """Judges every patch of a log-mel, 70 frames by 70 bands with three layers.

    Args:
        width: channels of the first layer, 64 as published.

    Source: Isola et al. 2017, "Image-to-Image Translation with Conditional Adversarial Networks", appendix
    6.1.2, as in latent diffusion's autoencoders; weights are normalised here instead of batches.
    """

    FEWEST: Final = 24
    """Frames and bands that three layers need."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        channels = [1, width, 2 * width, 4 * width, 8 * width]
        strides = [2, 2, 2, 1]
        self.layers = nn.ModuleList(
            weight_norm(nn.Conv2d(before, after, 4, stride, padding=1))
            for (before, after), stride in zip(pairwise(channels), strides, strict=True)
        )
        self.last = weight_norm(nn.Conv2d(channels[-1], 1, 4, padding=1))

    def forward(self, mel: Tensor) -> list[Judgement]:
        """Judge log-mels (B, 1, L, M), L and M at least 24; the logits are (B, 1, L / 8 - 2, M / 8 - 2)."""
        return [_judge((mel - LOG_MEL_CENTRE) / LOG_MEL_SPREAD, self.layers, self.last)]


class _PeriodCritic(nn.Module):
    def __init__(self, period: int, width: int) -> None:
        super().__init__()
        self.period = period
        channels = [1, width, 4 * width, 16 * width, 32 * width, 32 * width]
        strides = [3, 3, 3, 3, 1]
        self.layers = nn.ModuleList(
            weight_norm(nn.Conv2d(before, after, (5, 1), (stride, 1), padding=(2, 0)))
            for (before, after), stride in zip(pairwise(channels), strides, strict=True)
        )
        self.last = weight_norm(nn.Conv2d(channels[-1], 1, (3, 1), padding=(1, 0)))

    def forward(self, waveform: Tensor) -> Judgement:
        padded = functional.pad(waveform, (0, -waveform.shape[-1] % self.period))
        return _judge(padded.view(len(waveform), 1, -1, self.period), self.layers, self.last)


class _SpectrumCritic(nn.Module):
    window: Tensor

    def __init__(self, n_fft: int, hop_length: int, width: int) -> None:
        super().__init__()
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)
        shapes = [((3, 9), (1, 1))] + [((3, 9), (1, 2))] * 3 + [((3, 3), (1, 1))]
        self.layers = nn.ModuleList(
            weight_norm(nn.Conv2d(1 if i == 0 else width, width, kernel, stride, (1, kernel[1] // 2)))
            for i, (kernel, stride) in enumerate(shapes)
        )
        self.last = weight_norm(nn.Conv2d(width, 1, 3, padding=1))

    def forward(self, waveform: Tensor) -> Judgement:
        return _judge(self._amplitudes(waveform)[:, None], self.layers, self.last)

    def _amplitudes(self, waveform: Tensor) -> Tensor:
        """Compressed magnitudes (B, frames, n_fft / 2 + 1)."""
        if waveform.shape[-1] <= self.n_fft // 2:
            raise AudioFormatError(
                f"the waveform has {waveform.shape[-1]} samples; expected more than {self.n_fft // 2}"
            )
        spectrum = torch.stft(
            waveform.float(), self.n_fft, self.hop_length, window=self.window, return_complex=True
        )
        power = spectrum.real.square() + spectrum.imag.square()
        return (power + _POWER_FLOOR).pow(_COMPRESSION / 2).transpose(1, 2)


def _judge(x: Tensor, layers: Iterable[nn.Module], last: nn.Module) -> Judgement:
    features = []
    for layer in layers:
        x = functional.leaky_relu(layer(x), _SLOPE)
        features.append(x)
    return last(x), features

"""HiFi-GAN: log-mel to waveform, as published with AudioSR."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from audiosr_fx.model.config import HiFiGANConfig

_SLOPE = 0.1
_LAST_SLOPE = 0.01  # the published weights were trained with this one before the last convolution


class HiFiGAN(nn.Module):
    """The generator; its state-dict names are those of the published ``first_stage_model.vocoder``.

    Source: Kong et al. 2020, section 2.2 and appendix A.
    """

    def __init__(self, config: HiFiGANConfig, n_mels: int = 256) -> None:
        super().__init__()
        self.config = config
        widths = [config.base_channels >> stage for stage in range(len(config.upsample_rates) + 1)]
        self.conv_pre = nn.Conv1d(n_mels, widths[0], 7, padding=3)
        self.ups = nn.ModuleList(
            nn.ConvTranspose1d(widths[stage], widths[stage + 1], kernel, rate, padding=(kernel - rate) // 2)
            for stage, (rate, kernel) in enumerate(
                zip(config.upsample_rates, config.upsample_kernels, strict=True)
            )
        )
        self.resblocks = nn.ModuleList(
            _ResidualBlock(width, kernel, config.resblock_dilations)
            for width in widths[1:]
            for kernel in config.resblock_kernels
        )
        self.conv_post = nn.Conv1d(widths[-1], 1, 7, padding=3)

    def forward(self, mel: Tensor) -> Tensor:
        """Synthesise a waveform.

        Args:
            mel: natural-log mel (B, M, L).

        Returns:
            (B, 1, T): T is the product of the upsampling rates times L, plus the few samples by which odd
            differences of kernel and rate lengthen the signal (480 L + 16 for the published config).
        """
        hidden = self.conv_pre(mel)
        kernels = len(self.config.resblock_kernels)
        for stage, upsample in enumerate(self.ups):
            hidden = upsample(functional.leaky_relu(hidden, _SLOPE))
            blocks = self.resblocks[stage * kernels : (stage + 1) * kernels]
            hidden = sum(block(hidden) for block in blocks) / kernels
        waveform: Tensor = torch.tanh(self.conv_post(functional.leaky_relu(hidden, _LAST_SLOPE)))
        return waveform

    @property
    def context_frames(self) -> int:
        """Mel frames on each side that a sample's value can depend on."""
        config = self.config
        reach, samples_per_frame = 3.0, 1
        block_reach = max(
            sum((kernel - 1) // 2 * (dilation + 1) for dilation in config.resblock_dilations)
            for kernel in config.resblock_kernels
        )
        for rate, kernel in zip(config.upsample_rates, config.upsample_kernels, strict=True):
            reach += kernel / rate / samples_per_frame
            samples_per_frame *= rate
            reach += (block_reach + 1) / samples_per_frame
        return math.ceil(reach + 3 / samples_per_frame)


class _ResidualBlock(nn.Module):
    """Pairs of dilated and plain convolutions, each pair inside a residual connection."""

    def __init__(self, channels: int, kernel: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.convs1 = nn.ModuleList(
            nn.Conv1d(channels, channels, kernel, dilation=dilation, padding=dilation * (kernel - 1) // 2)
            for dilation in dilations
        )
        self.convs2 = nn.ModuleList(
            nn.Conv1d(channels, channels, kernel, padding=(kernel - 1) // 2) for _ in dilations
        )

    def forward(self, x: Tensor) -> Tensor:
        for dilated, plain in zip(self.convs1, self.convs2, strict=True):
            hidden = dilated(functional.leaky_relu(x, _SLOPE))
            x = x + plain(functional.leaky_relu(hidden, _SLOPE))
        return x

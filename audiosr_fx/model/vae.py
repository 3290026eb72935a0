"""Mel autoencoder: log-mel to a latent an eighth of its size in both axes, and back."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from audiosr_fx.model.config import VAEConfig


@dataclass(frozen=True, slots=True)
class Posterior:
    """Diagonal Gaussian over latents; both tensors (B, Z, L/8, F), the log-variance clamped to [-30, 20]."""

    mean: Tensor
    log_variance: Tensor

    @property
    def mode(self) -> Tensor:
        """The most likely latent (B, Z, L/8, F)."""
        return self.mean

    def sample(self, noise: Tensor) -> Tensor:
        """The latent that standard normal ``noise`` of the same shape picks."""
        return self.mean + torch.exp(0.5 * self.log_variance) * noise


class Encoder(nn.Module):
    """Log-mel (B, 1, L, M) to features (B, 2 Z, L/8, F); L and M multiples of ``config.downsampling``."""

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        widths = [config.base_channels * multiplier for multiplier in config.multipliers]
        self.conv_in = nn.Conv2d(1, config.base_channels, 3, padding=1)
        self.down = nn.ModuleList(
            _Level(
                [channels_in] + [channels] * config.blocks_per_level,
                config.norm_groups,
                downsample=_Downsample(channels) if index < len(widths) - 1 else None,
            )
            for index, (channels_in, channels) in enumerate(pairwise([config.base_channels, *widths]))
        )
        self.mid = _Middle(widths[-1], config.norm_groups)
        self.norm_out = _norm(widths[-1], config.norm_groups)
        self.conv_out = nn.Conv2d(widths[-1], 2 * config.latent_channels, 3, padding=1)

    def forward(self, mel: Tensor) -> Tensor:
        hidden = self.conv_in(mel)
        for level in self.down:
            hidden = level(hidden)
        hidden = self.mid(hidden)
        output: Tensor = self.conv_out(functional.silu(self.norm_out(hidden)))
        return output


class Decoder(nn.Module):
    """Latent (B, Z, L/8, F) to log-mel (B, 1, L, M); the levels of ``up`` count from the finest."""

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        widths = [config.base_channels * multiplier for multiplier in config.multipliers]
        self.conv_in = nn.Conv2d(config.latent_channels, widths[-1], 3, padding=1)
        self.mid = _Middle(widths[-1], config.norm_groups)
        self.up = nn.ModuleList(
            _Level(
                [channels_in] + [channels] * (config.blocks_per_level + 1),
                config.norm_groups,
                upsample=_Upsample(channels) if index > 0 else None,
            )
            for index, (channels, channels_in) in enumerate(pairwise([*widths, widths[-1]]))
        )
        self.norm_out = _norm(widths[0], config.norm_groups)
        self.conv_out = nn.Conv2d(widths[0], 1, 3, padding=1)

    def forward(self, latent: Tensor) -> Tensor:
        hidden = self.mid(self.conv_in(latent))
        for level in reversed(self.up):
            hidden = level(hidden)
        output: Tensor = self.conv_out(functional.silu(self.norm_out(hidden)))
        return output


class LatentEncoder(nn.Module):
    """Encoder and the 1 x 1 convolution that makes its features the moments of a Gaussian."""

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.quant_conv = nn.Conv2d(2 * config.latent_channels, 2 * config.latent_channels, 1)

    def encode(self, mel: Tensor) -> Posterior:
        """Posterior of a log-mel.

        Args:
            mel: (B, 1, L, M), L and M multiples of ``config.downsampling``.

        Returns:
            Mean and log-variance, each (B, Z, L/8, F).

        Source: Kingma and Welling 2014, section 3; AudioSR's published autoencoder for the layout.
        """
        mean, log_variance = self.quant_conv(self.encoder(mel)).chunk(2, dim=1)
        return Posterior(mean, log_variance.clamp(-30.0, 20.0))


class VAE(LatentEncoder):
    """The whole autoencoder; its state-dict names are those of the published ``first_stage_model``."""

    def __init__(self, config: VAEConfig) -> None:
        super().__init__(config)
        self.post_quant_conv = nn.Conv2d(config.latent_channels, config.latent_channels, 1)
        self.decoder = Decoder(config)

    def decode(self, latent: Tensor) -> Tensor:
        """Log-mel of a latent: (B, Z, L/8, F) -> (B, 1, L, M)."""
        mel: Tensor = self.decoder(self.post_quant_conv(latent))
        return mel

    def forward(self, mel: Tensor) -> Tensor:
        """The reconstruction through the posterior's mode: (B, 1, L, M) -> (B, 1, L, M)."""
        return self.decode(self.encode(mel).mode)


class _Level(nn.Module):
    """The residual blocks of one resolution, then a change of resolution if there is one."""

    def __init__(
        self,
        widths: list[int],
        norm_groups: int,
        *,
        downsample: nn.Module | None = None,
        upsample: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.block = nn.ModuleList(_ResidualBlock(a, b, norm_groups) for a, b in pairwise(widths))
        self.downsample = downsample
        self.upsample = upsample

    def forward(self, hidden: Tensor) -> Tensor:
        for block in self.block:
            hidden = block(hidden)
        if self.downsample is not None:
            hidden = self.downsample(hidden)
        if self.upsample is not None:
            hidden = self.upsample(hidden)
        return hidden


class _Middle(nn.Module):
    """Residual block, attention over all positions, residual block."""

    def __init__(self, channels: int, norm_groups: int) -> None:
        super().__init__()
        self.block_1 = _ResidualBlock(channels, channels, norm_groups)
        self.attn_1 = _Attention(channels, norm_groups)
        self.block_2 = _ResidualBlock(channels, channels, norm_groups)

    def forward(self, hidden: Tensor) -> Tensor:
        output: Tensor = self.block_2(self.attn_1(self.block_1(hidden)))
        return output


class _ResidualBlock(nn.Module):
    def __init__(self, channels_in: int, channels_out: int, norm_groups: int) -> None:
        super().__init__()
        self.norm1 = _norm(channels_in, norm_groups)
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, padding=1)
        self.norm2 = _norm(channels_out, norm_groups)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1)
        self.nin_shortcut = nn.Conv2d(channels_in, channels_out, 1) if channels_in != channels_out else None

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.conv1(functional.silu(self.norm1(x)))
        hidden = self.conv2(functional.silu(self.norm2(hidden)))
        shortcut = x if self.nin_shortcut is None else self.nin_shortcut(x)
        output: Tensor = shortcut + hidden
        return output


class _Attention(nn.Module):
    """One-headed self-attention over all time and frequency positions."""

    def __init__(self, channels: int, norm_groups: int) -> None:
        super().__init__()
        self.norm = _norm(channels, norm_groups)
        self.q = nn.Conv2d(channels, channels, 1)
        self.k = nn.Conv2d(channels, channels, 1)
        self.v = nn.Conv2d(channels, channels, 1)
        self.proj_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.norm(x)
        query, key, value = (
            projection(hidden).flatten(2).transpose(1, 2).unsqueeze(1)
            for projection in (self.q, self.k, self.v)
        )
        attended = functional.scaled_dot_product_attention(query, key, value)
        output: Tensor = x + self.proj_out(attended.squeeze(1).transpose(1, 2).reshape(x.shape))
        return output


class _Downsample(nn.Module):
    """Halves both axes; pads only at the ends of time and frequency, as the published weights expect."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.conv(functional.pad(x, (0, 1, 0, 1)))
        return output


class _Upsample(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.conv(functional.interpolate(x, scale_factor=2.0, mode="nearest"))
        return output


def _norm(channels: int, norm_groups: int) -> nn.GroupNorm:
    return nn.GroupNorm(norm_groups, channels, eps=1e-6)

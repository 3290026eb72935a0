"""Transformer U-Net: predicts the diffusion's v from a noisy latent beside its condition."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from audiosr_fx.errors import ParameterError
from audiosr_fx.model.config import UNetConfig


class UNet(nn.Module):
    """The denoiser; its state-dict names are those of the published ``model.diffusion_model``.

    Source: AudioSR (Liu et al. 2023, arXiv 2309.07314), after Ho et al. 2020 and Rombach et al. 2022;
    the condition enters on the channel axis and every transformer attends to itself alone.
    """

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        base, time_channels = config.base_channels, 4 * config.base_channels
        self.time_embed = nn.Sequential(
            nn.Linear(base, time_channels), nn.SiLU(), nn.Linear(time_channels, time_channels)
        )

        def stage(channels_in: int, channels: int, downsampling: int) -> list[nn.Module]:
            blocks: list[nn.Module] = [
                _ResidualBlock(channels_in, channels, time_channels, config.norm_groups)
            ]
            if downsampling in config.attention_downsampling:
                blocks += [_transformer(channels, config) for _ in range(2)]
            return blocks

        self.input_blocks = nn.ModuleList([_Stage(nn.Conv2d(config.in_channels, base, 3, padding=1))])
        channels, downsampling, skips = base, 1, [base]
        for level, multiplier in enumerate(config.multipliers):
            for _ in range(config.blocks_per_level):
                self.input_blocks.append(_Stage(*stage(channels, base * multiplier, downsampling)))
                channels = base * multiplier
                skips.append(channels)
            if level < len(config.multipliers) - 1:
                self.input_blocks.append(_Stage(_Downsample(channels)))
                downsampling *= 2
                skips.append(channels)

        self.middle_block = _Stage(
            _ResidualBlock(channels, channels, time_channels, config.norm_groups),
            _transformer(channels, config),
            _transformer(channels, config),
            _ResidualBlock(channels, channels, time_channels, config.norm_groups),
        )

        self.output_blocks = nn.ModuleList()
        for level, multiplier in reversed(list(enumerate(config.multipliers))):
            for index in range(config.blocks_per_level + 1):
                blocks = stage(channels + skips.pop(), base * multiplier, downsampling)
                channels = base * multiplier
                if level > 0 and index == config.blocks_per_level:
                    blocks.append(_Upsample(channels))
                    downsampling //= 2
                self.output_blocks.append(_Stage(*blocks))

        self.out = nn.Sequential(
            nn.GroupNorm(config.norm_groups, channels, eps=1e-5),
            nn.SiLU(),
            nn.Conv2d(channels, config.out_channels, 3, padding=1),
        )

    def forward(self, x: Tensor, timestep: Tensor) -> Tensor:
        """Predict v.

        Args:
            x: (B, C_in, L8, F): noisy latent and scaled condition on the channel axis;
                L8 and F multiples of 2 ** (number of levels - 1).
            timestep: (B,), whole or fractional.

        Returns:
            (B, C_out, L8, F)
        """
        features = timestep_embedding(timestep, self.config.base_channels).to(x.dtype)
        embedding = functional.silu(self.time_embed(features))
        hidden, skips = x, []
        for block in self.input_blocks:
            hidden = block(hidden, embedding)
            skips.append(hidden)
        hidden = self.middle_block(hidden, embedding)
        for block in self.output_blocks:
            hidden = block(torch.cat([hidden, skips.pop()], dim=1), embedding)
        output: Tensor = self.out(hidden)
        return output


def timestep_embedding(timestep: Tensor, channels: int) -> Tensor:
    """Sinusoidal embedding, cosines first: (B,) -> float32 (B, channels).

    Source: Vaswani et al. 2017, section 3.5; frequencies 10000 ** (-i / (channels / 2)).
    """
    half = channels // 2
    exponents = torch.arange(half, dtype=torch.float32, device=timestep.device) / half
    angles = timestep.float()[:, None] * torch.exp(-math.log(10_000.0) * exponents)
    return torch.cat([angles.cos(), angles.sin()], dim=1)


class _Stage(nn.ModuleList):
    """Modules in a row, of which the residual blocks also take the time embedding."""

    def __init__(self, *modules: nn.Module) -> None:
        super().__init__(modules)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        for module in self:
            x = module(x, embedding) if isinstance(module, _ResidualBlock) else module(x)
        return x


class _ResidualBlock(nn.Module):
    """Two convolutions with the (already activated) time embedding added between them."""

    def __init__(self, channels_in: int, channels_out: int, time_channels: int, norm_groups: int) -> None:
        super().__init__()
        self.in_layers = nn.Sequential(
            nn.GroupNorm(norm_groups, channels_in, eps=1e-5),
            nn.SiLU(),
            nn.Conv2d(channels_in, channels_out, 3, padding=1),
        )
        # Index 1 is the published name; the SiLU at index 0 is the same for all, and applied once outside.
        self.emb_layers = nn.Sequential(nn.Identity(), nn.Linear(time_channels, channels_out))
        # Index 2 is the published place of a dropout that inference does not have.
        self.out_layers = nn.Sequential(
            nn.GroupNorm(norm_groups, channels_out, eps=1e-5),
            nn.SiLU(),
            nn.Identity(),
            nn.Conv2d(channels_out, channels_out, 3, padding=1),
        )
        self.skip_connection = (
            nn.Conv2d(channels_in, channels_out, 1) if channels_in != channels_out else nn.Identity()
        )

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        hidden = self.in_layers(x) + self.emb_layers(embedding)[:, :, None, None]
        output: Tensor = self.skip_connection(x) + self.out_layers(hidden)
        return output


class _SpatialTransformer(nn.Module):
    """A transformer block over all positions (time-major), inside a residual connection."""

    def __init__(self, channels: int, head_channels: int, norm_groups: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(norm_groups, channels, eps=1e-6)
        self.proj_in = nn.Conv2d(channels, channels, 1)
        self.transformer_blocks = nn.ModuleList([_TransformerBlock(channels, head_channels)])
        self.proj_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, time, bands = x.shape
        tokens = self.proj_in(self.norm(x)).flatten(2).transpose(1, 2)  # (B, time * bands, C)
        for block in self.transformer_blocks:
            tokens = block(tokens)
        hidden = tokens.transpose(1, 2).reshape(batch, channels, time, bands)
        output: Tensor = x + self.proj_out(hidden)
        return output


class _TransformerBlock(nn.Module):
    """Two self-attentions (the published second one never gets a context) and a gated feed-forward."""

    def __init__(self, channels: int, head_channels: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels)
        self.attn1 = _SelfAttention(channels, head_channels)
        self.norm2 = nn.LayerNorm(channels)
        self.attn2 = _SelfAttention(channels, head_channels)
        self.norm3 = nn.LayerNorm(channels)
        self.ff = _FeedForward(channels)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.attn1(self.norm1(tokens))
        tokens = tokens + self.attn2(self.norm2(tokens))
        output: Tensor = tokens + self.ff(self.norm3(tokens))
        return output


class _SelfAttention(nn.Module):
    def __init__(self, channels: int, head_channels: int) -> None:
        super().__init__()
        self.heads = channels // head_channels
        self.to_q = nn.Linear(channels, channels, bias=False)
        self.to_k = nn.Linear(channels, channels, bias=False)
        self.to_v = nn.Linear(channels, channels, bias=False)
        self.to_out = nn.Sequential(nn.Linear(channels, channels))

    def forward(self, tokens: Tensor) -> Tensor:
        query, key, value = (
            projection(tokens).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for projection in (self.to_q, self.to_k, self.to_v)
        )
        attended = functional.scaled_dot_product_attention(query, key, value)
        output: Tensor = self.to_out(attended.transpose(1, 2).flatten(-2))
        return output


class _GatedLinear(nn.Module):
    """GEGLU (Shazeer 2020): half of the projection gates the other half."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.proj = nn.Linear(channels_in, 2 * channels_out)

    def forward(self, tokens: Tensor) -> Tensor:
        value, gate = self.proj(tokens).chunk(2, dim=-1)
        output: Tensor = value * functional.gelu(gate)
        return output


class _FeedForward(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        # Index 1 is the published place of a dropout.
        self.net = nn.Sequential(
            _GatedLinear(channels, 4 * channels), nn.Identity(), nn.Linear(4 * channels, channels)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        output: Tensor = self.net(tokens)
        return output


class _Downsample(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.op = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.op(x)
        return output


class _Upsample(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.conv(functional.interpolate(x, scale_factor=2.0, mode="nearest"))
        return output


def _transformer(channels: int, config: UNetConfig) -> _SpatialTransformer:
    if channels % config.head_channels:
        raise ParameterError(f"head_channels is {config.head_channels}; expected a divisor of {channels}")
    return _SpatialTransformer(channels, config.head_channels, config.norm_groups)

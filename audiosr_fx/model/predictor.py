"""Predict the missing upper bands of a log-mel in one pass.

The published model asks its diffusion to invent the upper bands from nothing but the low-passed
mel. This network answers first, with the median of what could be there; the diffusion then only
has to model what is left (see ``audiosr.py``).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from audiosr_fx.model.config import MelConfig, PredictorConfig
from audiosr_fx.model.mel import mel_band_edges_hz

_CENTRE, _SPREAD = -6.0, 3.0  # of log-mel values, so that the network sees numbers around zero


class Predictor(nn.Module):
    """ConvNeXt blocks over time with the mel bands as channels.

    Sources: Liu et al. 2022, "A ConvNet for the 2020s", for the block; Siuzdak 2023, "Vocos", for its
    one-dimensional form.
    """

    upper_edges_hz: Tensor

    def __init__(self, config: PredictorConfig, mel: MelConfig) -> None:
        super().__init__()
        edges = torch.from_numpy(mel_band_edges_hz(mel)).float()
        self.register_buffer("upper_edges_hz", edges[2:].clone(), persistent=False)
        self.project_in = nn.Conv1d(2 * mel.n_mels, config.width, 3, padding=1)
        self.blocks = nn.ModuleList(
            ConvNeXtBlock(config.width, config.kernel_size, config.expansion) for _ in range(config.depth)
        )
        self.norm = nn.LayerNorm(config.width)
        self.project_out = nn.Linear(config.width, mel.n_mels)

    def forward(self, lowpass_mel: Tensor, cutoff_hz: Tensor) -> Tensor:
        """Complete a log-mel.

        Args:
            lowpass_mel: (B, L, M); what stands above the cutoff is not looked at.
            cutoff_hz: (B,)

        Returns:
            (B, L, M): the input below the cutoff, the prediction above it.
        """
        known = self.known_bands(cutoff_hz)[:, None, :].expand_as(lowpass_mel)
        seen = torch.where(known, (lowpass_mel - _CENTRE) / _SPREAD, torch.zeros_like(lowpass_mel))
        h = self.project_in(torch.cat([seen, known.to(seen.dtype)], dim=-1).transpose(1, 2))
        for block in self.blocks:
            h = block(h)
        predicted = self.project_out(self.norm(h.transpose(1, 2))) * _SPREAD + _CENTRE
        return torch.where(known, lowpass_mel, predicted)

    def known_bands(self, cutoff_hz: Tensor) -> Tensor:
        """True for the mel bands that lie wholly below the cutoff: (B,) in Hz -> bool (B, M)."""
        known: Tensor = self.upper_edges_hz <= cutoff_hz[:, None]
        return known


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution over time, then a pointwise two-layer network: (B, C, L) -> (B, C, L)."""

    def __init__(self, width: int, kernel_size: int, expansion: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(width, width, kernel_size, padding=kernel_size // 2, groups=width)
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, expansion * width)
        self.activation = nn.GELU()
        self.contract = nn.Linear(expansion * width, width)
        self.scale = nn.Parameter(torch.full((width,), 1e-1))

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(self.depthwise(x).transpose(1, 2))
        h = self.contract(self.activation(self.expand(h))) * self.scale
        output: Tensor = x + h.transpose(1, 2)
        return output

"""Predict the missing upper bands of a log-mel in one pass.

The published model asks its diffusion to invent the upper bands from nothing but the low-passed
mel. This network answers first, with the median of what could be there; the diffusion then only
has to model what is left (see ``audiosr.py``).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from audiosr_fx.model.config import MelConfig, PredictorConfig
from audiosr_fx.model.convnext import LOG_MEL_CENTRE, LOG_MEL_SPREAD, ConvNeXtBlock
from audiosr_fx.model.mel import mel_band_edges_hz


class Predictor(nn.Module):
    """ConvNeXt blocks over time with the mel bands as channels."""

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
        seen = torch.where(
            known, (lowpass_mel - LOG_MEL_CENTRE) / LOG_MEL_SPREAD, torch.zeros_like(lowpass_mel)
        )
        h = self.project_in(torch.cat([seen, known.to(seen.dtype)], dim=-1).transpose(1, 2))
        for block in self.blocks:
            h = block(h)
        predicted = self.project_out(self.norm(h.transpose(1, 2))) * LOG_MEL_SPREAD + LOG_MEL_CENTRE
        return torch.where(known, lowpass_mel, predicted)

    def known_bands(self, cutoff_hz: Tensor) -> Tensor:
        """True for the mel bands that lie wholly below the cutoff: (B,) in Hz -> bool (B, M)."""
        known: Tensor = self.upper_edges_hz <= cutoff_hz[:, None]
        return known

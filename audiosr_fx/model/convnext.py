"""The block that the predictor and the light vocoder are made of, and the scale both see log-mels at."""

from __future__ import annotations

import torch
from torch import Tensor, nn

LOG_MEL_CENTRE, LOG_MEL_SPREAD = -6.0, 3.0
"""A log-mel less the one and over the other lies around zero."""


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution over time, then a pointwise two-layer network: (B, C, L) -> (B, C, L).

    Sources: Liu et al. 2022, "A ConvNet for the 2020s"; Siuzdak 2023, "Vocos", for its one-dimensional form.
    """

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

"""The block that the predictor and the light vocoder are made of, and the scale both see log-mels at."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

LOG_MEL_CENTRE, LOG_MEL_SPREAD = -6.0, 3.0
"""A log-mel less the one and over the other lies around zero."""


_BLOCK = 32  # frames a matrix product makes at once
_SHORT = 15  # taps that torch's own convolution is quick at on a CPU, as long as nothing is to learn


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
        h = self.norm(depthwise(x, self.depthwise).transpose(1, 2))
        h = self.contract(self.activation(self.expand(h))) * self.scale
        output: Tensor = x + h.transpose(1, 2)
        return output


def depthwise(x: Tensor, convolution: nn.Conv1d) -> Tensor:
    """What a depthwise convolution, as long afterwards as before, makes of ``x``: (B, C, L) -> (B, C, L).

    Torch's own takes nearly half of a block's time on a CPU where a kernel is long, and going back where it
    is short too. There it is one matrix product for each channel, of the same sums, in a few per cent.
    """
    (taps,) = convolution.kernel_size
    is_quick = taps <= _SHORT and not torch.is_grad_enabled()
    if is_quick or x.device.type != "cpu" or convolution.bias is None:
        output: Tensor = convolution(x)
        return output
    items, channels, length = x.shape
    window, blocks = _BLOCK + taps - 1, -(-length // _BLOCK)
    padded = functional.pad(x, (taps // 2, taps // 2 + blocks * _BLOCK - length))
    windows = padded.unfold(2, window, _BLOCK).transpose(0, 1).reshape(channels, items * blocks, window)
    made = torch.bmm(windows, _toeplitz(convolution.weight[:, 0], _BLOCK))
    made = made.view(channels, items, blocks * _BLOCK)[:, :, :length].transpose(0, 1)
    return made + convolution.bias[:, None]


def _toeplitz(kernels: Tensor, columns: int) -> Tensor:
    """Kernels (C, K) as matrices (C, columns + K - 1, columns): one column each, a row lower each time."""
    channels, taps = kernels.shape
    rows = functional.pad(kernels[:, None, :].expand(-1, columns, -1), (0, columns)).flatten(1)
    return rows[:, :-columns].view(channels, columns, columns + taps - 1).transpose(1, 2)

"""Short-time spectra by absolute position and back, and curves over mel bands laid onto their bins."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class ShortTime(nn.Module):
    """Hann-windowed STFT whose frame j is centred on the middle of hop j, and its inverse by overlap-add.

    J: frames, K: bins. Beyond the ends lies silence, so the outer n_fft samples on each side know nothing of
    what goes on there.
    """

    window: Tensor
    overlap_gain: Tensor

    def __init__(self, n_fft: int, hop_length: int) -> None:
        super().__init__()
        self.n_fft = n_fft
        self.hop_length = hop_length
        window = torch.hann_window(n_fft)
        self.register_buffer("window", window, persistent=False)
        self.register_buffer("overlap_gain", _overlap_gain(window, hop_length), persistent=False)

    def spectrum(self, waveform: Tensor) -> Tensor:
        """(B, hop_length * J) -> complex (B, J, K)."""
        left = (self.n_fft - self.hop_length) // 2
        padded = functional.pad(waveform, (left, self.n_fft - self.hop_length - left))
        frames = padded.unfold(-1, self.n_fft, self.hop_length)
        spectrum: Tensor = torch.fft.rfft(frames * self.window)
        return spectrum

    def inverse(self, spectrum: Tensor) -> Tensor:
        """Complex (B, J, K) -> (B, hop_length * J)."""
        n_fft, hop = self.n_fft, self.hop_length
        frames = torch.fft.irfft(spectrum, n_fft) * self.window
        length = hop * (frames.shape[1] - 1) + n_fft
        summed = functional.fold(frames.transpose(1, 2), (1, length), (1, n_fft), stride=(1, hop))
        left = (n_fft - hop) // 2
        kept = summed[:, 0, 0, left : left + hop * frames.shape[1]]
        waveform: Tensor = kept * self.overlap_gain.repeat(frames.shape[1])
        return waveform


def interpolation(from_hz: Tensor, to_hz: Tensor) -> Tensor:
    """Matrix (len(from), len(to)) that interpolates linearly between the centres ``from_hz``."""
    position = torch.searchsorted(from_hz, to_hz).clamp(1, len(from_hz) - 1)
    low, high = from_hz[position - 1], from_hz[position]
    share = ((to_hz - low) / (high - low)).clamp(0.0, 1.0)
    columns = torch.arange(len(to_hz))
    matrix = torch.zeros(len(from_hz), len(to_hz))
    matrix[position - 1, columns] = 1.0 - share
    matrix[position, columns] += share
    return matrix


def _overlap_gain(window: Tensor, hop_length: int) -> Tensor:
    """One hop of the inverse of the overlapping squared windows, starting where a frame's hop starts."""
    left = (len(window) - hop_length) // 2
    offsets = torch.arange(len(window)) - left
    total = torch.zeros(hop_length).index_add_(0, offsets % hop_length, window.square())
    return 1.0 / total

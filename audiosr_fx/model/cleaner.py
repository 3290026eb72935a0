"""Take steady tones and hiss out of a recording, before anything is made of it.

What is steady shows in how low each mel band falls within 2.5 s to either side. A small network looks at
the log-mel as at a picture, with that level beside it, and says how much of each band is noise; the
short-time spectrum is turned down accordingly. The phases stay and nothing is added: no band comes out
louder than it went in.

Source: Martin 2001, "Noise Power Spectral Density Estimation Based on Optimal Smoothing and Minimum
Statistics", for the level; the network on top is this project's.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from audiosr_fx.model.config import CleanerConfig, MelConfig
from audiosr_fx.model.convnext import LOG_MEL_CENTRE, LOG_MEL_SPREAD
from audiosr_fx.model.mel import mel_band_edges_hz, mel_filterbank
from audiosr_fx.model.stft import ShortTime, interpolation

_OPEN = 5.0  # of a network that has learned nothing: steady bands are turned down by 0.06 dB
_MOST_NEPERS = 40.0 / (20.0 / math.log(10.0))
_SMOOTHED, _REACH = 4, 250  # frames to either side
_NOWHERE = 40.0  # nepers: of frames of digital silence, which say nothing of what is steady
_FEATURES = 4
_DILATIONS = (1, 2, 4)


class Cleaner(nn.Module):
    """Convolutions over mel bands and frames, and a gain of -40 to 0 dB for each of them."""

    mel_to_bins: Tensor
    filterbank: Tensor
    places: Tensor

    def __init__(self, config: CleanerConfig, mel: MelConfig) -> None:
        super().__init__()
        if config.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size is {config.kernel_size}; expected an odd number")
        self.config = config
        self._floor = mel.log_floor
        self.stft = ShortTime(mel.n_fft, mel.hop_length)
        centres_hz = torch.from_numpy(mel_band_edges_hz(mel)[1:-1]).float()
        bins_hz = torch.arange(mel.n_fft // 2 + 1) * (mel.sample_rate / mel.n_fft)
        self.register_buffer("mel_to_bins", interpolation(centres_hz, bins_hz), persistent=False)
        self.register_buffer("filterbank", torch.from_numpy(mel_filterbank(mel)), persistent=False)
        self.register_buffer("places", torch.linspace(-1.0, 1.0, mel.n_mels), persistent=False)
        size = config.kernel_size
        self.project_in = nn.Conv2d(_FEATURES, config.width, size, padding=size // 2)
        self.blocks = nn.ModuleList(
            _Block(config, _DILATIONS[index % len(_DILATIONS)]) for index in range(config.depth)
        )
        self.project_out = nn.Conv2d(config.width, 1, 1)
        nn.init.zeros_(self.project_out.weight)
        assert self.project_out.bias is not None
        nn.init.constant_(self.project_out.bias, -_OPEN)

    @property
    def context_frames(self) -> int:
        """Mel frames at each end of a stretch that depend on what lies outside it."""
        dilations = sum(_DILATIONS[index % len(_DILATIONS)] for index in range(self.config.depth))
        convolutions = (1 + dilations) * (self.config.kernel_size // 2)
        windows = 2 * math.ceil(self.stft.n_fft / self.stft.hop_length)
        return _SMOOTHED + _REACH + convolutions + windows

    def forward(self, waveform: Tensor) -> Tensor:
        """Clean a stretch whose loudest sample is at about 0.5.

        Args:
            waveform: (B, hop_length * L) at 48 kHz.

        Returns:
            The same shape, exact but for ``context_frames`` at each end.
        """
        spectrum = self.stft.spectrum(waveform)
        return self.stft.inverse(spectrum * torch.exp(self.log_gain(spectrum.abs())))

    def log_gain(self, magnitude: Tensor) -> Tensor:
        """What each bin is turned down by, in nepers, 0 and below: (B, L, K) -> (B, L, K)."""
        mel = (magnitude @ self.filterbank.T).transpose(1, 2)
        sounding = (mel > self._floor).any(dim=1, keepdim=True).float()
        log_mel = torch.log(mel.clamp(min=self._floor))
        smooth = _mean(log_mel, sounding, _SMOOTHED)
        lowest_of = torch.where(sounding > 0.0, smooth, _NOWHERE)
        steady = -functional.max_pool1d(-lowest_of, 2 * _REACH + 1, 1, _REACH)
        above = (log_mel - steady).clamp(min=0.0)
        features = (
            (log_mel - LOG_MEL_CENTRE) / LOG_MEL_SPREAD,
            above,
            _mean(log_mel, sounding, _REACH) - steady,
            self.places[:, None].expand_as(log_mel),
        )
        h = self.project_in(torch.stack(features, dim=1).contiguous(memory_format=torch.channels_last))
        for block in self.blocks:
            h = block(h)
        closed = functional.softplus(self.project_out(h)[:, 0] - 2.0 * above)
        bands = -_MOST_NEPERS * torch.tanh(closed / _MOST_NEPERS)
        return bands.transpose(1, 2) @ self.mel_to_bins


class _Block(nn.Module):
    """A dilated convolution whose answer is added to what it saw: (B, C, M, L) -> (B, C, M, L)."""

    def __init__(self, config: CleanerConfig, dilation: int) -> None:
        super().__init__()
        margin = dilation * (config.kernel_size // 2)
        self.convolution = nn.Conv2d(
            config.width, config.width, config.kernel_size, padding=margin, dilation=dilation
        )

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = x + functional.relu(self.convolution(x))
        return output


def _mean(x: Tensor, weight: Tensor, reach: int) -> Tensor:
    """Over so many frames to either side, as far as they count: (B, M, L), (B, 1, L) -> (B, M, L)."""

    def pooled(values: Tensor) -> Tensor:
        return functional.avg_pool1d(values, 2 * reach + 1, 1, reach)

    return pooled(x * weight) / pooled(weight).clamp(min=1e-6)

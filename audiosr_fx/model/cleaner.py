"""Take steady tones and hiss out of a recording, before anything is made of it.

What is steady shows in how low each mel band falls within 5 s to either side. A small network looks at
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
_SMOOTHED, _REACH = 4, 500  # frames to either side
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
        for weight in self.parameters():
            if weight.dim() == 4:  # the order of h below, or a CPU turns them over at each call
                weight.data = weight.data.contiguous(memory_format=torch.channels_last)

    @property
    def context_frames(self) -> int:
        """Mel frames at each end of a stretch that depend on what lies outside it."""
        return _SMOOTHED + _REACH + self._near_frames

    @property
    def _near_frames(self) -> int:
        """Those of them that reach an output sample through convolutions and windows."""
        dilations = sum(_DILATIONS[index % len(_DILATIONS)] for index in range(self.config.depth))
        convolutions = (1 + dilations) * (self.config.kernel_size // 2)
        windows = 2 * math.ceil(self.stft.n_fft / self.stft.hop_length)
        return convolutions + windows

    def forward(self, waveform: Tensor, margins: tuple[int, int] = (0, 0)) -> Tensor:
        """Clean a stretch whose loudest sample is at about 0.5.

        Args:
            waveform: (B, hop_length * L) at 48 kHz.
            margins: frames at its beginning and end that are heard only.

        Returns:
            (B, hop_length * (L - sum(margins))), exact but for what is less than ``context_frames`` from an
            end of the waveform.
        """
        spectrum = self.stft.spectrum(waveform)
        begin, spare = (max(0, margin - self._near_frames) for margin in margins)
        made = slice(begin, spectrum.shape[1] - spare)
        cleaned = self.stft.inverse(spectrum[:, made] * torch.exp(self.log_gain(spectrum.abs(), made)))
        hop = self.stft.hop_length
        return cleaned[:, hop * (margins[0] - begin) : cleaned.shape[1] - hop * (margins[1] - spare)]

    def log_gain(self, magnitude: Tensor, made: slice = slice(None)) -> Tensor:
        """What each bin is turned down by in the frames of ``made``, in nepers, 0 and below.

        Shapes: (B, L, K) -> (B, frames made, K).
        """
        mel = (magnitude @ self.filterbank.T).transpose(1, 2)
        sounding = (mel > self._floor).any(dim=1, keepdim=True).float()
        log_mel = torch.log(mel.clamp(min=self._floor))
        smooth = _mean(log_mel, sounding, _SMOOTHED)
        lowest_of = torch.where(sounding > 0.0, smooth, _NOWHERE)
        steady = -functional.max_pool1d(-lowest_of, 2 * _REACH + 1, 1, _REACH)[..., made]
        usual = _mean(log_mel, sounding, _REACH)[..., made]
        log_mel = log_mel[..., made]
        above = (log_mel - steady).clamp(min=0.0)
        features = (
            (log_mel - LOG_MEL_CENTRE) / LOG_MEL_SPREAD,
            above,
            usual - steady,
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
    return _sum(x * weight, reach) / _sum(weight, reach).clamp(min=0.5)


def _sum(x: Tensor, reach: int) -> Tensor:
    """Over so many frames to either side, put together from sums over 1, 2, 4, 8 ... frames.

    Every frame takes the same additions, so that a part of a stretch comes out as in the whole.
    """
    count, width = x.shape[-1], 2 * reach + 1
    runs, length, begin = functional.pad(x, (reach, reach)), 1, 0
    total = torch.zeros_like(x)
    while length <= width:
        if width & length:
            total = total + runs[..., begin : begin + count]
            begin += length
        runs = runs[..., :-length] + runs[..., length:]
        length *= 2
    return total

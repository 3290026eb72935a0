"""Waveform to log-mel: the front end every model shares."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from audiosr_fx.model.config import MelConfig


class MelSpectrum(NamedTuple):
    """Log-mel (B, L, M) and STFT magnitude (B, L, n_fft / 2) of the same frames."""

    log_mel: Tensor
    magnitude: Tensor


class LogMel(nn.Module):
    """Natural log of a Slaney mel filterbank over STFT magnitudes.

    The window and the filterbank are buffers kept out of the state dict: they are derived from the config.

    Source: AudioSR's published front end; Slaney's Auditory Toolbox for the mel scale and area normalisation.
    """

    window: Tensor
    filterbank: Tensor

    def __init__(self, config: MelConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("window", torch.hann_window(config.win_length), persistent=False)
        self.register_buffer("filterbank", torch.from_numpy(mel_filterbank(config)), persistent=False)

    def forward(self, waveform: Tensor) -> MelSpectrum:
        """Analyse a whole signal, reflecting it at both ends.

        Args:
            waveform: (B, T), T a multiple of the hop length and longer than ``config.padding``.

        Returns:
            ``T / hop_length`` frames; the highest STFT bin is dropped from the magnitude.
        """
        padding = self.config.padding
        padded = functional.pad(waveform.unsqueeze(1), (padding, padding), mode="reflect").squeeze(1)
        magnitude = self._magnitude(padded)
        return MelSpectrum(self._log_mel(magnitude), magnitude[..., :-1])

    def frames(self, waveform: Tensor) -> Tensor:
        """Log-mel of a stretch that brings its own context.

        Args:
            waveform: (B, hop_length * L + 2 * padding); the first frame's hop starts at sample ``padding``.

        Returns:
            (B, L, M)
        """
        return self._log_mel(self._magnitude(waveform))

    def _magnitude(self, padded: Tensor) -> Tensor:
        spectrum = torch.stft(
            padded,
            self.config.n_fft,
            self.config.hop_length,
            self.config.win_length,
            self.window,
            center=False,
            return_complex=True,
        )
        return spectrum.abs().transpose(1, 2)

    def _log_mel(self, magnitude: Tensor) -> Tensor:
        return torch.log(torch.clamp(magnitude @ self.filterbank.T, min=self.config.log_floor))


def mel_filterbank(config: MelConfig) -> np.ndarray:
    """Triangular mel filters of equal area.

    Returns:
        float32 (n_mels, n_fft / 2 + 1)

    Source: Slaney 1998, "Auditory Toolbox": linear below 1 kHz, logarithmic above, area normalised.
    """
    edges = mel_band_edges_hz(config)
    bins = np.arange(config.n_fft // 2 + 1) * (config.sample_rate / config.n_fft)
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    area = 2.0 / (edges[2:] - edges[:-2])
    return np.asarray(triangles * area[:, None], np.float32)


def mel_band_edges_hz(config: MelConfig) -> np.ndarray:
    """Corner frequencies of the triangles in Hz: band i spans edges i to i + 2. Shape (n_mels + 2,)."""
    low, high = _hz_to_mel(np.array([config.f_min, config.f_max]))
    return _mel_to_hz(np.linspace(low, high, config.n_mels + 2))


def _hz_to_mel(frequency_hz: np.ndarray) -> np.ndarray:
    linear = frequency_hz * 3.0 / 200.0
    logarithmic = 15.0 + 27.0 * np.log(np.maximum(frequency_hz, 1.0) / 1000.0) / np.log(6.4)
    return np.where(frequency_hz < 1000.0, linear, logarithmic)


def _mel_to_hz(mel: np.ndarray) -> np.ndarray:
    return np.where(mel < 15.0, mel * 200.0 / 3.0, 1000.0 * np.exp((mel - 15.0) * np.log(6.4) / 27.0))

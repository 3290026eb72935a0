"""A light vocoder: shape an excitation made from the low band with the envelope a mel describes.

A mel spectrogram says how loud each band is but not where harmonics fall, when a transient starts,
or how the channels of a recording relate. The low band knows all three. So the upper band is made as
in spectral band replication: three excitations, two derived from the low band and one of noise, are
whitened, mixed and given the mel's envelope by a small network, then turned back by an inverse STFT.

Everything that reaches the output is a multiple of the low band's own complex spectrum, so a change of
polarity passes through unchanged, and channels that share noise keep their phase relation.

Source: Dietz et al. 2002, "Spectral Band Replication", for copying up; Siuzdak 2023, "Vocos", for the
inverse-STFT head. The combination is this project's.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from audiosr_fx.model.config import ExciterConfig, MelConfig
from audiosr_fx.model.convnext import LOG_MEL_CENTRE, LOG_MEL_SPREAD, ConvNeXtBlock
from audiosr_fx.model.mel import mel_band_edges_hz, mel_filterbank
from audiosr_fx.model.stft import ShortTime, interpolation

_EPSILON = 1e-8
_EXCITATIONS = 3  # copied up, harmonics, noise
_MIX_BANDS = 32
_WHITENING_HZ = 1_200.0


class Exciter(nn.Module):
    """Inverse-STFT vocoder with the low band as its excitation. J: STFT frames, K: STFT bins."""

    mel_to_bins: Tensor
    mix_to_bins: Tensor
    log_band_sum: Tensor
    bins_hz: Tensor
    upper_edges_hz: Tensor

    def __init__(self, config: ExciterConfig, mel: MelConfig) -> None:
        super().__init__()
        if mel.hop_length % config.hop_length:
            raise ValueError(f"hop_length is {config.hop_length}; expected a divisor of {mel.hop_length}")
        self.config = config
        self.mel_config = mel
        self.frames_per_mel = mel.hop_length // config.hop_length
        bins_hz = torch.arange(config.n_fft // 2 + 1) * (mel.sample_rate / config.n_fft)
        edges_hz = torch.from_numpy(mel_band_edges_hz(mel)).float()
        mix_hz = (torch.arange(_MIX_BANDS) + 0.5) * (mel.sample_rate / 2 / _MIX_BANDS)
        constants = {
            "bins_hz": bins_hz,
            "upper_edges_hz": edges_hz[2:].clone(),
            "mel_to_bins": interpolation(edges_hz[1:-1], bins_hz),
            "mix_to_bins": interpolation(mix_hz, bins_hz),
            "log_band_sum": torch.from_numpy(mel_filterbank(mel)).sum(dim=1).log(),
        }
        for name, value in constants.items():
            self.register_buffer(name, value, persistent=False)
        self.stft = ShortTime(config.n_fft, config.hop_length)
        features = 2 * mel.n_mels + _EXCITATIONS - 1
        self.project_in = nn.Conv1d(features, config.width, 3, padding=1)
        self.blocks = nn.ModuleList(
            ConvNeXtBlock(config.width, config.kernel_size, 4) for _ in range(config.depth)
        )
        self.norm = nn.LayerNorm(config.width)
        self.project_out = nn.Linear(config.width, mel.n_mels + _EXCITATIONS * _MIX_BANDS)
        nn.init.zeros_(self.project_out.weight)
        nn.init.zeros_(self.project_out.bias)

    @property
    def context_frames(self) -> int:
        """Mel frames at each end of a block that depend on what lies outside it."""
        convolutions = 1 + self.config.depth * (self.config.kernel_size // 2)
        windows = 2 * math.ceil(self.config.n_fft / self.config.hop_length)
        return math.ceil((convolutions + windows) / self.frames_per_mel)

    def forward(
        self, mel: Tensor, lowpass: Tensor, cutoff_hz: Tensor, noise: Tensor, start_frame: int = 0
    ) -> Tensor:
        """Make the band above the cutoff.

        Args:
            mel: (B, L, M) completed log-mel.
            lowpass: (B, hop_length * L), the waveform below the cutoff, aligned with the mel's frames.
            cutoff_hz: (B,)
            noise: (B or 1, hop_length * L), white, unit variance; share it among channels.
            start_frame: absolute index of the first mel frame, so that blocks fit together.

        Returns:
            (B, hop_length * L): nothing below the cutoff, the new band above it.
        """
        cutoff_bin = torch.clamp((cutoff_hz / self.bins_hz[1]).ceil().long(), 8, self.config.n_fft // 2 - 1)
        excitations = self._excitations(lowpass, cutoff_bin, noise, start_frame)  # 3 x (B, J, K)
        gain, mix = self._shape(mel, cutoff_hz, excitations)
        above = torch.arange(len(self.bins_hz), device=mel.device) >= cutoff_bin[:, None, None]
        spectrum = torch.zeros_like(excitations[0])
        for weight, excitation in zip(mix, excitations, strict=True):
            spectrum = spectrum + excitation * weight
        return self.stft.inverse(torch.where(above, spectrum * gain, torch.zeros_like(spectrum)))

    def _excitations(
        self, lowpass: Tensor, cutoff_bin: Tensor, noise: Tensor, start_frame: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Three whitened complex spectra (B, J, K) of about unit power above the cutoff."""
        low = self.stft.spectrum(lowpass)
        below = torch.arange(low.shape[-1], device=low.device) < cutoff_bin[:, None, None]
        copied = self._copy_up(self._whiten(low, below), cutoff_bin, start_frame)
        bent = self._whiten(self.stft.spectrum(_bend(lowpass, self.mel_config.hop_length)), ~below)
        phase = copied / (copied.abs() + _EPSILON)
        white = self.stft.spectrum(noise) / self.stft.window.square().sum().sqrt()
        return copied, bent, white * phase

    def _copy_up(self, whitened: Tensor, cutoff_bin: Tensor, start_frame: int) -> Tensor:
        """Repeat the octave below the cutoff all the way up, each copy modulated to its new place."""
        bins = torch.arange(whitened.shape[-1], device=whitened.device)
        width = (cutoff_bin // 2)[:, None]
        shift = ((bins - cutoff_bin[:, None]).div(width, rounding_mode="floor") + 1).clamp(min=0) * width
        source = (bins - shift)[:, None, :].expand_as(whitened)
        frames = torch.arange(whitened.shape[1], device=whitened.device) + start_frame * self.frames_per_mel
        turns = (shift[:, None, :] * self.config.hop_length * frames[:, None]) % self.config.n_fft
        angle = turns.float() * (2 * math.pi / self.config.n_fft)
        return torch.gather(whitened, 2, source) * torch.polar(torch.ones_like(angle), angle)

    def _whiten(self, spectrum: Tensor, where: Tensor) -> Tensor:
        """Divide by the local RMS over frequency, taken over the bins ``where`` is true."""
        reach = 2 * round(_WHITENING_HZ / 2 / float(self.bins_hz[1])) + 1
        power = torch.where(where, spectrum.abs().square(), 0.0)
        counted = where.expand(power.shape[0], 1, power.shape[2]).to(power.dtype)
        mean = _moving_mean(power, reach) / _moving_mean(counted, reach).clamp(min=1 / reach)
        return spectrum * torch.rsqrt(mean + _EPSILON)

    def _shape(
        self, mel: Tensor, cutoff_hz: Tensor, excitations: tuple[Tensor, Tensor, Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """Gain (B, J, K) and one mixing weight (B, J, K) per excitation, from the network."""
        known = (self.upper_edges_hz <= cutoff_hz[:, None])[:, None, :].expand_as(mel).to(mel.dtype)
        features = torch.cat([(mel - LOG_MEL_CENTRE) / LOG_MEL_SPREAD, known], dim=-1)
        features = features.repeat_interleave(self.frames_per_mel, dim=1)
        flatness = [torch.log(e.abs().square() + 1e-4).mean(dim=-1, keepdim=True) for e in excitations[:2]]
        h = self.project_in(torch.cat([features, *flatness], dim=-1).transpose(1, 2))
        for block in self.blocks:
            h = block(h)
        shaped = self.project_out(self.norm(h.transpose(1, 2)))
        correction, logits = shaped.split([mel.shape[-1], _EXCITATIONS * _MIX_BANDS], dim=-1)
        envelope = (mel - self.log_band_sum).repeat_interleave(self.frames_per_mel, dim=1)
        # A transform half as long sees noise 3 dB lower.
        ratio = 0.5 * math.log(self.config.n_fft / self.mel_config.n_fft)
        gain = torch.exp((envelope + correction + ratio) @ self.mel_to_bins)
        powers = logits.unflatten(-1, (_EXCITATIONS, _MIX_BANDS)).softmax(dim=-2)
        mix = [(powers[..., i, :] @ self.mix_to_bins + _EPSILON).sqrt() for i in range(_EXCITATIONS)]
        return gain, mix


def _bend(lowpass: Tensor, smoothing: int) -> Tensor:
    """X |x| at an even level: harmonics of what is in the low band, with the same polarity."""
    power = _moving_mean(lowpass.square()[:, None], 2 * smoothing + 1)[:, 0]
    even = lowpass * torch.rsqrt(power + _EPSILON)
    return even * even.abs()


def _moving_mean(x: Tensor, length: int) -> Tensor:
    """Mean over ``length`` (odd) neighbours along the last axis of (B, C, N), zeros outside.

    Sums of 1, 2, 4, ... neighbours make up the length as its bits say, in a few additions where pooling
    takes ``length`` of them; and everywhere in the same order, so that blocks fit together to the bit.
    """
    sums = functional.pad(x, (length // 2, length // 2))
    total, start = torch.zeros_like(x), 0
    for bit in range(length.bit_length()):
        span, half = 1 << bit, 1 << bit >> 1
        if half:
            sums = sums[..., :-half] + sums[..., half:]
        if length & span:
            total = total + sums[..., start : start + x.shape[-1]]
            start += span
    return total / length

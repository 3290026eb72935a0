"""The published pipeline, step for step and quirk for quirk, to hold this project's stages against.

Rendering does better than this (see ``audiosr_fx.render``): here the level is lost, one channel is kept,
and the low band is fitted to the generated one. What is mended even here are its crashes: lengths are
whole multiples of 5.12 s by integer arithmetic, and material with nothing above 1 kHz passes unfiltered.

Source: the behaviour of AudioSR 0.0.7 (Liu et al. 2023, arXiv 2309.07314).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from scipy import signal
from torch import Tensor
from torch.nn import functional

from audiosr_fx.errors import AudioFormatError
from audiosr_fx.model.audiosr import AudioSRModel, SamplerSettings

FilterType = Literal["butter", "cheby1", "ellip", "bessel"]

FILTER_TYPES: tuple[FilterType, ...] = ("butter", "cheby1", "ellip", "bessel")
SAMPLE_RATE = 48_000
UNIT = 245_760
"""Samples in 5.12 s: signals are padded to a multiple of this."""

_ROLL_OFF = 0.985
_FILTER_ORDER = 8
_LOWEST_CUTOFF_HZ = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What one run made on its way, for comparison stage by stage.

    Shapes: waveforms (1, N) at 48 kHz, mels (1, L, M), latents (1, Z, L/8, F), vocoder output (1, N + 16).
    """

    prepared: Tensor
    cutoff_hz: float
    filter_type: FilterType
    lowpass: Tensor
    lowpass_mel: Tensor
    condition: Tensor
    latent: Tensor
    decoded_mel: Tensor
    replaced_mel: Tensor
    vocoded: Tensor
    replaced: Tensor
    output: Tensor


@torch.inference_mode()
def run_as_published(
    model: AudioSRModel,
    audio: np.ndarray,
    sample_rate: int,
    *,
    seed: int = 42,
    steps: int = 50,
    guidance_scale: float = 3.5,
    eta: float = 1.0,
) -> Trace:
    """Restore the first channel of a recording, and keep what every stage made.

    Args:
        model: a model without a predictor, float32, on the CPU, in evaluation mode.
        audio: float32 (channels, samples).
        sample_rate: in Hz.
        seed: of the filter type and of all noise.
        steps: DDIM steps in reference spacing.
        guidance_scale: 1.0 takes the conditional answer alone.
        eta: fresh noise per step.
    """
    prepared = prepare(torch.from_numpy(audio), sample_rate)
    magnitude = model.mel(prepared).magnitude[0]
    cutoff_hz = cutoff_index(magnitude) / magnitude.shape[1] * (SAMPLE_RATE / 2)
    filter_type = choose_filter(seed)
    lowpass = low_pass(prepared, cutoff_hz, filter_type)
    lowpass_mel = model.mel(lowpass).log_mel

    generator = torch.Generator().manual_seed(seed)
    shape = (1, model.latent_channels, lowpass_mel.shape[1] // 8, model.latent_bands)

    def draw(_step: int = 0) -> Tensor:
        return torch.randn(shape, generator=generator)

    draw()  # the published code encodes the unfiltered mel as well and only looks at its shape
    condition = model.condition_encoder.encode(lowpass_mel[:, None]).sample(draw())
    settings = SamplerSettings(
        sampler="ddim", spacing="reference", steps=steps, guidance_scale=guidance_scale, eta=eta
    )
    latent = model.sample(condition, settings, draw(), draw)
    decoded_mel = model.decode(latent * (1.0 / model.scale_factor))
    replaced_mel = replace_mel_bands(decoded_mel, lowpass_mel)
    vocoded = model.vocoder(replaced_mel.transpose(1, 2)).squeeze(1)
    replaced = replace_low_band(vocoded, lowpass)
    return Trace(
        prepared=prepared,
        cutoff_hz=cutoff_hz,
        filter_type=filter_type,
        lowpass=lowpass,
        lowpass_mel=lowpass_mel,
        condition=condition,
        latent=latent,
        decoded_mel=decoded_mel,
        replaced_mel=replaced_mel,
        vocoded=vocoded,
        replaced=replaced,
        output=finish(replaced),
    )


def prepare(audio: Tensor, sample_rate: int) -> Tensor:
    """Resample, keep the first channel, centre, bring the peak to 0.5 and pad.

    Args:
        audio: float32 (channels, samples).
        sample_rate: in Hz.

    Returns:
        (1, N) at 48 kHz, N the next multiple of 245760.

    Raises:
        AudioFormatError: fewer than 101 samples.
    """
    if audio.shape[-1] <= 100:
        raise AudioFormatError(f"{audio.shape[-1]} samples are too few; expected at least 101")
    waveform = resample(audio, sample_rate, SAMPLE_RATE)[:1]
    waveform = waveform - waveform.mean()
    waveform = 0.5 * (waveform / (waveform.abs().max() + 1e-8))
    length = math.ceil(audio.shape[-1] * SAMPLE_RATE / (sample_rate * UNIT)) * UNIT
    return functional.pad(waveform, (0, length - waveform.shape[-1]))


def resample(audio: Tensor, rate_in: int, rate_out: int) -> Tensor:
    """Windowed-sinc resampling: Hann window, six zero crossings, roll-off 0.99.

    Args:
        audio: (channels, samples) at ``rate_in``.
        rate_in: in Hz.
        rate_out: in Hz.

    Returns:
        (channels, ceil(samples * rate_out / rate_in)); the input itself where the rates agree.

    Source: Julius Smith, "Digital Audio Resampling", in the parameters the published code uses.
    """
    if rate_in == rate_out:
        return audio
    divisor = math.gcd(rate_in, rate_out)
    old, new = rate_in // divisor, rate_out // divisor
    base, crossings = 0.99 * min(old, new), 6
    width = math.ceil(crossings * old / base)
    taps = np.arange(-width, width + old) / old
    time = np.clip(base * (taps[None, :] - np.arange(new)[:, None] / new), -crossings, crossings)
    kernels = np.sinc(time) * np.cos(np.pi * time / (2 * crossings)) ** 2 * base / old
    padded = functional.pad(audio[:, None], (width, width + old))
    phases = functional.conv1d(padded, torch.from_numpy(kernels).to(audio.dtype)[:, None], stride=old)
    length = -(-audio.shape[-1] * new // old)
    return phases.transpose(1, 2).reshape(audio.shape[0], -1)[:, :length]


def cutoff_index(spectrum: Tensor) -> int:
    """Highest bin below which less than 98.5 % of the summed magnitude lies.

    Args:
        spectrum: (frames, bins), magnitudes.
    """
    cumulative = np.cumsum(np.sum(np.abs(spectrum.numpy()), axis=0))
    below = np.flatnonzero(cumulative < cumulative[-1] * _ROLL_OFF)
    return int(below[-1]) if below.size else 0


def choose_filter(seed: int) -> FilterType:
    """The filter type the published code draws after seeding numpy's legacy generator."""
    drawn: int = np.random.RandomState(seed).randint(len(FILTER_TYPES))
    return FILTER_TYPES[drawn]


def design_low_pass(cutoff_hz: float, filter_type: FilterType) -> np.ndarray:
    """Second-order sections (4, 6) of the order-8 filter; ``cutoff_hz`` below 24000."""
    relative = cutoff_hz / (SAMPLE_RATE / 2)
    sections: np.ndarray
    match filter_type:
        case "butter":
            sections = signal.butter(_FILTER_ORDER, relative, output="sos")
        case "cheby1":
            sections = signal.cheby1(_FILTER_ORDER, 0.1, relative, output="sos")
        case "ellip":
            sections = signal.ellip(_FILTER_ORDER, 0.1, 60, relative, output="sos")
        case "bessel":
            sections = signal.bessel(_FILTER_ORDER, relative, output="sos")
    return sections


def low_pass(waveform: Tensor, cutoff_hz: float, filter_type: FilterType) -> Tensor:
    """Filter forwards and backwards, through a lower sampling rate and back, and filter again.

    Args:
        waveform: (1, N) at 48 kHz.
        cutoff_hz: rounded down to whole Hz; below 1 kHz the waveform comes back unfiltered.
        filter_type: one of ``FILTER_TYPES``.

    Returns:
        (1, N) float32
    """
    if cutoff_hz < _LOWEST_CUTOFF_HZ:
        return waveform
    whole_hz = int(cutoff_hz)
    sections = design_low_pass(whole_hz, filter_type)
    down_rate = int(whole_hz / (SAMPLE_RATE / 2) * SAMPLE_RATE)  # truncated: 3632 Hz gives 7263
    filtered = signal.sosfiltfilt(sections, waveform[0].numpy())
    lowered = signal.resample_poly(filtered, down_rate, SAMPLE_RATE)
    raised = signal.resample_poly(lowered, SAMPLE_RATE, down_rate)[: len(filtered)]
    raised = np.pad(raised, (0, len(filtered) - len(raised)))
    filtered = signal.sosfiltfilt(sections, raised)
    return torch.from_numpy(filtered.astype(np.float32))[None]


def replace_mel_bands(mel: Tensor, lowpass_mel: Tensor) -> Tensor:
    """The generated mel with the bands below the input's mel cutoff taken from the input.

    Args:
        mel: (1, L, M), generated.
        lowpass_mel: (1, L, M)

    Returns:
        (1, L, M)
    """
    cutoff = cutoff_index(lowpass_mel[0].exp())
    return torch.cat([lowpass_mel[..., :cutoff], mel[..., cutoff:]], dim=-1)


def replace_low_band(waveform: Tensor, lowpass: Tensor) -> Tensor:
    """The generated waveform with the STFT bins below the cutoff taken from the input.

    The input is divided by the ratio of the two at the cutoff bin, held within 0.8 to 1.2.

    Args:
        waveform: (1, N + 16), generated.
        lowpass: (1, N)

    Returns:
        (1, N + 16)
    """
    given, generated = _stft(lowpass), _stft(waveform)
    cutoff = cutoff_index(given[0].abs().T)
    ratio = given[0, cutoff].abs().sum() / generated[0, cutoff].abs().sum()
    low_band = given[:, :cutoff] / ratio.clamp(0.8, 1.2)
    joined = torch.cat([low_band, generated[:, cutoff:]], dim=1)
    return torch.istft(joined, 2048, 512, window=torch.hann_window(2048), length=waveform.shape[-1])


def finish(waveform: Tensor) -> Tensor:
    """Bring the peak to 0.5, then remove the mean: (1, N) -> (1, N)."""
    waveform = 0.5 * (waveform / waveform.abs().max())
    return waveform - waveform.mean()


def _stft(waveform: Tensor) -> Tensor:
    """Centred, zero-padded STFT, n_fft 2048, hop 512: (1, T) -> complex (1, 1025, frames)."""
    window = torch.hann_window(2048)
    return torch.stft(waveform, 2048, 512, window=window, pad_mode="constant", return_complex=True)

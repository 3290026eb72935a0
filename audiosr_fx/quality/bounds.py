"""What separates a model's stages: its predictor without a vocoder, and its vocoder without a predictor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from audiosr_fx.bandwidth import apply_fir, crossover, judge
from audiosr_fx.errors import ParameterError
from audiosr_fx.meltrack import HOP, SAMPLE_RATE, BandPlan, normalising_gains, read_mirrored
from audiosr_fx.model.audiosr import SamplerSettings
from audiosr_fx.model.config import MelConfig
from audiosr_fx.model.mel import mel_band_edges_hz, mel_filterbank
from audiosr_fx.model.noise import NoiseField
from audiosr_fx.quality.baselines import HOP_LENGTH, fill_with_envelope
from audiosr_fx.quality.spectra import Waveform
from audiosr_fx.sources import ArraySource, Audio

if TYPE_CHECKING:
    from audiosr_fx.engine import Engine


def predictor_with_noise(engine: Engine, dull: Waveform, cutoff_hz: float) -> Waveform:
    """The envelope that a model's first stage predicts, filled with noise: (T,) -> (T,), at 48 kHz.

    Raises:
        ParameterError: a model without a predictor.
    """
    if engine.model.predictor is None:
        raise ParameterError(f"model {engine.config.name} has no predictor; expected one like mini")
    gain = np.float32(0.5 / max(float(np.abs(dull).max()), 1e-4))
    [predicted] = engine.restore_mel(
        engine.log_mel(_padded(dull * gain, engine.config.mel)[None]),
        cutoff_hz=cutoff_hz,
        settings=SamplerSettings(steps=0),
        noise=NoiseField(0),
        start_frames=[0],
    )
    envelope = stft_envelope(predicted, engine.config.mel, len(dull)) / gain
    return fill_with_envelope(dull, SAMPLE_RATE, cutoff_hz, envelope)


def envelope_with_noise(bright: Waveform, dull: Waveform, cutoff_hz: float) -> Waveform:
    """The true envelope of 256 mel bands, filled with noise: what no predictor before noise can surpass."""
    import torch

    from audiosr_fx.model.mel import LogMel

    config = MelConfig()
    mel = LogMel(config).frames(torch.from_numpy(_padded(bright, config))[None])[0].numpy()
    return fill_with_envelope(dull, SAMPLE_RATE, cutoff_hz, stft_envelope(mel, config, len(dull)))


def vocoder_bound(engine: Engine, bright: Waveform, dull: Waveform, cutoff_hz: float) -> Waveform:
    """The true mel through a model's vocoder, joined to the low band as a render does: (T,) -> (T,).

    No predictor or diffusion before this vocoder can do better.
    """
    source = ArraySource(dull[None], SAMPLE_RATE)
    cross = crossover(judge(source, cutoff_hz=cutoff_hz))
    plan = BandPlan(crossover=cross, gains=normalising_gains(np.abs(dull[None]).max(axis=1)))
    gain = plan.gains[0]
    reach = len(plan.highpass) // 2
    margin = engine.vocoder_context + -(-reach // HOP)
    start, stop = -margin * HOP, (-(-len(dull) // HOP) + margin) * HOP
    context = engine.config.mel.padding
    truth = read_mirrored(ArraySource(bright[None], SAMPLE_RATE), start - context, stop + context)
    around = len(plan.lowpass) // 2
    lowpassed = apply_fir(read_mirrored(source, start - around, stop + around), plan.lowpass)
    made = engine.vocode(
        engine.log_mel(truth * gain),
        lowpassed * gain,
        cutoff_hz=cross.lower_hz,
        start_frame=-margin,
        seed=0,
    )
    first = margin * HOP - reach
    generated = made[:, first : first + len(dull) + 2 * reach] / gain
    recorded = source.read(-reach, len(dull) + reach) if cross.lowpass_first else 0.0
    return np.asarray(dull + apply_fir(generated - recorded, plan.highpass)[0], np.float32)


def above_crossover(dull: Waveform, cutoff_hz: float) -> Waveform:
    """What a render told this cutoff takes away from its input: (T,) -> (T,), at 48 kHz."""
    source = ArraySource(dull[None], SAMPLE_RATE)
    cross = crossover(judge(source, cutoff_hz=cutoff_hz))
    highpass = BandPlan(crossover=cross, gains=np.ones(1, np.float32)).highpass
    reach = len(highpass) // 2
    return np.asarray(apply_fir(source.read(-reach, len(dull) + reach), highpass)[0], np.float32)


def stft_envelope(log_mel: Audio, config: MelConfig, samples: int) -> NDArray[np.float32]:
    """The magnitudes that a log-mel (L, M) stands for, as :func:`fill_with_envelope` wants them."""
    levels = log_mel - np.log(mel_filterbank(config).sum(axis=1))
    centres_hz = mel_band_edges_hz(config)[1:-1]
    bins_hz = np.arange(config.n_fft // 2 + 1) * (SAMPLE_RATE / config.n_fft)
    bands = np.stack([np.interp(bins_hz, centres_hz, frame) for frame in levels])
    times = np.arange(len(bands)) * config.hop_length + config.hop_length / 2
    wanted = np.arange(samples // HOP_LENGTH + 3) * HOP_LENGTH
    after = np.clip(np.searchsorted(times, wanted), 1, max(len(bands) - 1, 1))
    before = after - 1
    after = np.minimum(after, len(bands) - 1)
    share = np.clip((wanted - times[before]) / config.hop_length, 0.0, 1.0)[:, None]
    return np.exp(bands[before] * (1 - share) + bands[after] * share).T.astype(np.float32)


def _padded(waveform: Waveform, config: MelConfig) -> Waveform:
    """With the context that whole mel frames need, zeros."""
    frames = -(-len(waveform) // config.hop_length)
    padded = np.zeros(frames * config.hop_length + 2 * config.padding, np.float32)
    padded[config.padding : config.padding + len(waveform)] = waveform
    return padded

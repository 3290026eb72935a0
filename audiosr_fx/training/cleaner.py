"""Train the cleaner: recordings with tones and hiss on top, against the recordings as they were."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d
from torch import Tensor, nn

from audiosr_fx.errors import ParameterError
from audiosr_fx.model.audiosr import AudioSRModel
from audiosr_fx.model.config import ModelConfig
from audiosr_fx.training.data import SAMPLE_RATE, Clip
from audiosr_fx.training.impairments import Noise, add_noise
from audiosr_fx.training.ranges import check_range
from audiosr_fx.training.segments import Batch
from audiosr_fx.training.stage import BatchMaker, Example, Stage, TrainSettings
from audiosr_fx.training.validation import SHOWN, mean_figure, validation_batches
from audiosr_fx.training.vocoder import sound_examples

logger = logging.getLogger(__name__)

_COMPRESSION = 0.3
_VALIDATION_NOISES = {
    "clean": None,
    "tone": Noise(tone_hz=1_500.0, tone_amplitude=0.02),
    "hiss": Noise(hiss_amplitude=0.005),
}
_INAUDIBLE = 1e-5  # of the power of a recording: what is off by less is not looked at
_LEAST_DB = -80.0  # of what may be left of a clip
_MAINS_HZ = (50.0, 60.0)
_HUM_PARTIALS = 16
_FLOOR_HZ = (300.0, 7_000.0)  # where a recording's own noise is looked for
_FLOOR_S = 30  # of its beginning


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanerSettings(TrainSettings):
    """How the cleaner is trained. Amplitudes are of full scale, drawn evenly over octaves.

    ``augment.level_db_range`` is the peak of an example in dB of 0.5, which that of a whole recording comes
    to: the lower it reaches, the softer the passages that noise is heard in.

    Attributes:
        tone_probability: of examples that get a steady tone.
        tone_hz_range: its frequency, drawn evenly over octaves.
        tone_amplitude_range: its peak.
        hiss_probability: of examples that get noise, drawn beside that of tones.
        hiss_amplitude_range: its RMS.
        hiss_slope_db_range: of its spectrum, in dB per octave: what hisses is seldom white.
        hum_probability: of examples that get the hum of mains: 50 or 60 Hz and 15 partials.
        hum_amplitude_range: the peak of its lowest.
        floor_db: the most that a recording's own steady noise may have (see ``noise_floor_db``); one with
            more would teach to leave noise alone.
        floor_kinds: the kinds of clips that this is asked of, those where what is steady is noise.
        distortion_weight: of what is done to the recording itself, beside what is left of the noise.
    """

    tone_probability: float = 0.5
    tone_hz_range: tuple[float, float] = (100.0, 15_000.0)
    tone_amplitude_range: tuple[float, float] = (0.001, 0.2)
    hiss_probability: float = 0.6
    hiss_amplitude_range: tuple[float, float] = (0.001, 0.02)
    hiss_slope_db_range: tuple[float, float] = (-6.0, 3.0)
    hum_probability: float = 0.15
    hum_amplitude_range: tuple[float, float] = (0.001, 0.05)
    floor_db: float = -64.0
    floor_kinds: tuple[str, ...] = ("speech", "vocals", "fx")
    distortion_weight: float = 0.005

    def __post_init__(self) -> None:
        TrainSettings.__post_init__(self)
        check_range(self, "tone_probability", 0.0, 1.0)
        check_range(self, "hiss_probability", 0.0, 1.0)
        check_range(self, "hum_probability", 0.0, 1.0)
        check_range(self, "floor_db", -200.0, 0.0)
        check_range(self, "distortion_weight", 0.0, 1e3)
        limits = {
            "tone_hz_range": SAMPLE_RATE / 2,
            "tone_amplitude_range": 1.0,
            "hiss_amplitude_range": 1.0,
            "hum_amplitude_range": 1.0,
        }
        for name, most in limits.items():
            low, high = getattr(self, name)
            if not 0.0 < low <= high <= most:
                raise ParameterError(
                    f"{name} is {(low, high)}; expected two rising values above 0, at most {most:g}"
                )
        low, high = self.hiss_slope_db_range
        if not -24.0 <= low <= high <= 24.0:
            raise ParameterError(f"hiss_slope_db_range is {(low, high)}; expected two rising values of ±24")
        degrade = self.augment.degrade
        if max(degrade.tone_probability, degrade.hiss_probability) > 0.0:
            raise ParameterError(
                "augment.degrade adds noise to what a cleaner learns to leave alone; set its tone_probability"
                " and hiss_probability to 0"
            )


class CleanerStage(Stage):
    """A dull recording with noise on top in, the recording out; judged by what is left of the noise."""

    name = "cleaner"

    def __init__(
        self,
        model: AudioSRModel,
        settings: CleanerSettings,
        maker: BatchMaker,
        validation: Sequence[Clip],
        device: torch.device,
    ) -> None:
        super().__init__(maker, device, settings.precision)
        if model.cleaner is None:
            raise ParameterError(f"model {model.config.name!r} has no cleaner to train")
        self._cleaner = model.cleaner.requires_grad_(True)
        self.module: nn.Module = self._cleaner
        self._settings = settings
        self._mel = model.mel
        bins = model.mel.config.n_fft // 2 + 1
        self._weights = hearing_weights(torch.linspace(0.0, SAMPLE_RATE / 2.0, bins)).to(device)
        self._validation = [batch for _, batch in islice(validation_batches(validation), 1)]

    def loss(self, batch: Batch, random: np.random.Generator, step: int) -> Mapping[str, Tensor]:
        clean = self.move(batch).dull
        noisy = clean + draw_noise(random, clean.shape, self._settings).to(self.device)
        with torch.no_grad():
            magnitude, wanted = (self._cleaner.stft.spectrum(sound).abs() for sound in (noisy, clean))
        with self.autocast():
            log_gain = self._cleaner.log_gain(magnitude)
        parts = {
            "compressed": compressed_error(magnitude, log_gain.float(), wanted, self._weights),
            "distortion": distortion(magnitude, log_gain.float(), wanted),
        }
        return {
            "total": parts["compressed"] + self._settings.distortion_weight * parts["distortion"],
            **parts,
        }

    @classmethod
    def choose(cls, clips: Sequence[Clip], settings: TrainSettings) -> Sequence[Clip]:
        """See ``Stage``: those without noise of their own; where there are none, all."""
        assert isinstance(settings, CleanerSettings)
        chosen = [
            clip
            for clip in clips
            if clip.kind not in settings.floor_kinds
            or noise_floor_db(clip.samples[: _FLOOR_S * SAMPLE_RATE]) <= settings.floor_db
        ]
        if not chosen:
            logger.warning(
                "cleaner: all clips have noise of their own above floor_db, %g; it learns from all of them",
                settings.floor_db,
            )
            return clips
        logger.info(
            "cleaner: %d of %d clips have noise of their own and are left out",
            len(clips) - len(chosen),
            len(clips),
        )
        return chosen

    @classmethod
    def figures(cls, config: ModelConfig) -> tuple[str, ...]:
        return ("residual_db", *(f"residual_db_{name}" for name in _VALIDATION_NOISES))

    def validate(self, module: nn.Module) -> Mapping[str, float]:
        residuals_db = {}
        for batch in self._validation:
            for name, noise in _VALIDATION_NOISES.items():
                clean, noisy = batch.dull, _with_noise(batch.dull, noise)
                residuals_db[f"residual_db_{name}"] = residual_db(module(noisy.to(self.device)).cpu(), clean)
        return mean_figure(residuals_db, "residual_db")

    def examples(self, module: nn.Module) -> Iterator[Example]:
        for batch in self._validation:
            clean = batch.dull[:SHOWN]
            for name, noise in _VALIDATION_NOISES.items():
                noisy = _with_noise(clean, noise).to(self.device)
                sounds = {"noisy": noisy, "cleaned": module(noisy), "true": clean.to(self.device)}
                yield from sound_examples(self._mel, sounds, name)


def draw_noise(random: np.random.Generator, shape: Sequence[int], settings: CleanerSettings) -> Tensor:
    """Tones, hiss and hum as the settings say, float32 of ``shape`` (B, T), zeros where none was drawn."""
    size, length = shape
    seconds = torch.arange(length, dtype=torch.float64) / SAMPLE_RATE

    def evenly(bounds: tuple[float, float]) -> Tensor:
        low, high = math.log(bounds[0]), math.log(bounds[1])
        return torch.exp(torch.as_tensor(random.uniform(low, high, (size, 1))))

    def chosen(probability: float) -> Tensor:
        return torch.as_tensor(random.random((size, 1)) < probability)

    tone_hz, tone = evenly(settings.tone_hz_range), evenly(settings.tone_amplitude_range)
    phase = torch.as_tensor(random.random((size, 1)))
    tones = tone * torch.sin(2.0 * math.pi * (tone_hz * seconds + phase)) * chosen(settings.tone_probability)
    slope_db = torch.as_tensor(random.uniform(*settings.hiss_slope_db_range, (size, 1)))
    spectrum = torch.fft.rfft(torch.from_numpy(random.standard_normal((size, length))))
    octaves = torch.log2(torch.fft.rfftfreq(length, 1.0 / SAMPLE_RATE).clamp(min=50.0) / 1_000.0)
    hiss = torch.fft.irfft(spectrum * torch.pow(10.0, slope_db * octaves / 20.0), length)
    hiss = hiss / hiss.square().mean(dim=1, keepdim=True).sqrt()
    hiss = hiss * evenly(settings.hiss_amplitude_range) * chosen(settings.hiss_probability)
    hum = evenly(settings.hum_amplitude_range) * chosen(settings.hum_probability)
    for row in hum.nonzero()[:, 0]:
        tones[row] += hum[row] * _draw_hum(random, seconds)
    noise: Tensor = (tones + hiss).float()
    return noise


def _draw_hum(random: np.random.Generator, seconds: Tensor) -> Tensor:
    """The hum of mains, a little off its frequency, its partials falling by 3 to 12 dB an octave."""
    lowest_hz = random.choice(_MAINS_HZ) * random.uniform(0.99, 1.01)
    fall = random.uniform(0.5, 2.0)
    hum = torch.zeros_like(seconds)
    for partial in range(1, _HUM_PARTIALS + 1):
        level = (random.uniform(0.1, 1.0) if partial > 1 else 1.0) * partial**-fall
        hum += level * torch.sin(2.0 * math.pi * (lowest_hz * partial * seconds + random.random()))
    return hum


def noise_floor_db(samples: NDArray[np.number[Any]]) -> float:
    """How loud what is steady in a recording is: the RMS of white noise as loud, in dB of the largest sample.

    That is the lowest power of each bin between 300 Hz and 7 kHz, of the mean over 0.1 s, and the mean of
    their decibels; of what is shorter, and of digital silence, it is -inf.
    """
    n_fft, hop, smoothed = 2048, 480, 9
    peak = float(np.abs(samples.astype(np.float32)).max(initial=0.0))
    if len(samples) < n_fft + smoothed * hop or peak == 0.0:
        return -math.inf
    window = np.hanning(n_fft).astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(samples, n_fft)[::hop]
    frames = frames[np.abs(frames).max(axis=1) > 0]
    if len(frames) < smoothed:
        return -math.inf
    first, last = (round(hz * n_fft / SAMPLE_RATE) for hz in _FLOOR_HZ)
    power = np.abs(np.fft.rfft(frames * window)[:, first:last]) ** 2 / np.square(window).sum()
    lowest = uniform_filter1d(power, smoothed, axis=0, mode="nearest").min(axis=0)
    return float(np.mean(10.0 * np.log10(np.maximum(lowest / peak**2, 1e-20))))


def hearing_weights(frequency_hz: Tensor) -> Tensor:
    """How much bins count so that bands as wide to the ear count alike; 1 in the mean: (K,) -> (K,).

    Source: the slope of the mel scale, O'Shaughnessy 1987, "Speech Communication".
    """
    weights = 1.0 / (1.0 + frequency_hz / 700.0)
    return weights / weights.mean()


def compressed_error(magnitude: Tensor, log_gain: Tensor, wanted: Tensor, weights: Tensor) -> Tensor:
    """Squared distance of magnitudes, one with gains in nepers, to the power of 0.3, of weighted bins.

    Compressed, what is soft counts nearly as much as what is loud. Shapes: three (B, L, K) and (K,) -> ().

    Source: Ephrat et al. 2018, "Looking to Listen at the Cocktail Party", for the power of 0.3.
    """
    cleaned = magnitude.pow(_COMPRESSION) * torch.exp(_COMPRESSION * log_gain)
    return (weights * (cleaned - wanted.pow(_COMPRESSION)).square()).mean()


def distortion(magnitude: Tensor, log_gain: Tensor, wanted: Tensor) -> Tensor:
    """The power by which magnitudes are off over that of ``wanted``, in tens of dB: three (B, L, K) -> ().

    It counts what is loud, so that a recording is not spoilt for a little less hiss.
    """
    error = (magnitude * torch.exp(log_gain) - wanted).square().sum(dim=(1, 2))
    share = error / wanted.square().sum(dim=(1, 2)).clamp(min=1e-6)
    return torch.log10(share + _INAUDIBLE).mean()


def residual_db(estimate: Tensor, target: Tensor) -> float:
    """Power of what differs from ``target`` over that of ``target`` in dB, the mean over a batch (B, T)."""
    power = target.square().sum(dim=1).clamp(min=1e-12)
    share = (estimate - target).square().sum(dim=1) / power
    return float((10.0 * torch.log10(share.clamp(min=10.0 ** (_LEAST_DB / 10.0)))).mean())


def _with_noise(clean: Tensor, noise: Noise | None) -> Tensor:
    if noise is None:
        return clean
    noisy = [add_noise(sound, noise) for sound in clean.numpy()]
    return torch.from_numpy(np.stack(noisy)).float()

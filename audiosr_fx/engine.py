"""The model on a device: where tensors go, in which precision, and how many at once."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from audiosr_fx import cache_key
from audiosr_fx.errors import ParameterError
from audiosr_fx.model.audiosr import SamplerSettings
from audiosr_fx.model.noise import CONDITION_STREAM, START_STREAM, STEP_STREAM, NoiseField
from audiosr_fx.model.places import FileState, place_of, state_of
from audiosr_fx.progress import stop_if_asked
from audiosr_fx.settings import QUALITIES, RenderSettings

if TYPE_CHECKING:
    from audiosr_fx.model.audiosr import AudioSRModel

Array: TypeAlias = NDArray[np.float32]
T = TypeVar("T")

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineInfo:
    """What a person asks about an engine."""

    model: str
    device: str
    device_name: str
    dtype: str
    batch_size: int
    parameters: int

    def __str__(self) -> str:
        return (
            f"{self.model} ({self.parameters / 1e6:.1f} M parameters) on {self.device_name}, {self.dtype}, "
            f"{self.batch_size} per batch"
        )


class Engine:
    """A model, ready to run: arrays in, arrays out.

    Only the U-Net and HiFi-GAN run in a reduced ``dtype``; everything else stays float32. Batches always
    have the shape the caller names, the last one filled up, because results depend (in the last bits) on
    the shape of a batch but not on what else is in it. One thread at a time.

    Args:
        model: on any device, in float32; the engine moves it, converts it and keeps it.
        device: ``auto`` (cuda, mps, cpu: the first there is) or a torch device.
        dtype: ``auto`` (bfloat16 or float16 on cuda, otherwise float32) or a name in ``DTYPES``.
        batch_size: items per batch, None for 1 on a CPU and 8 elsewhere.

    Raises:
        ParameterError: a device or precision this machine has not got.
    """

    def __init__(
        self,
        model: AudioSRModel,
        device: str | torch.device = "auto",
        dtype: str = "auto",
        batch_size: int | None = None,
    ) -> None:
        self.device = choose_device(device)
        self.dtype = choose_dtype(dtype, self.device)
        self.batch_size = (1 if self.device.type == "cpu" else 8) if batch_size is None else batch_size
        if self.batch_size < 1:
            raise ParameterError(f"batch_size is {batch_size}; expected 1 or more")
        self.model = model.to(self.device).eval().set_precision(self.dtype)
        self.config = model.config
        self._lock = threading.RLock()

    @property
    def vocoder_context(self) -> int:
        """Mel frames on each side of a vocoded stretch that are not exact."""
        return int(self.model.vocoder_context)

    @property
    def cleaner_context(self) -> int:
        """Mel frames on each side of a cleaned stretch that are not exact; for models with a cleaner."""
        assert self.model.cleaner is not None
        return self.model.cleaner.context_frames

    @property
    def fingerprint(self) -> str:
        """A hash of all that moves a bit of what it makes: weights, code, precision, device, threads."""
        return cache_key.digest(
            self.config,
            self._weights_digest,
            cache_key.code_digest(),
            cache_key.machine(self.device),
            self.dtype,
        )

    @functools.cached_property
    def _weights_digest(self) -> str:
        return cache_key.weights_digest(self.model)

    def describe(self) -> EngineInfo:
        """What runs where."""
        cuda = self.device.type == "cuda"
        return EngineInfo(
            model=self.config.name,
            device=str(self.device),
            device_name=torch.cuda.get_device_name(self.device) if cuda else self.device.type,
            dtype=str(self.dtype).removeprefix("torch."),
            batch_size=self.batch_size,
            parameters=sum(parameter.numel() for parameter in self.model.parameters()),
        )

    def log_mel(self, waveform: Array) -> Array:
        """Log-mel of stretches that bring their own context: (B, 480 L + 1568) -> (B, L, M)."""
        with self._ready():
            return np.concatenate(
                [_array(self.model.mel.frames(self._tensor(row[None]))) for row in waveform]
            )

    def restore_mel(
        self,
        lowpass_mel: Array,
        *,
        cutoff_hz: float,
        settings: SamplerSettings,
        noise: NoiseField,
        start_frames: Sequence[int],
        batch: int = 1,
        should_cancel: Callable[[], bool] | None = None,
    ) -> Array:
        """Complete the upper bands of low-passed mels.

        Args:
            lowpass_mel: (B, L, M), L a multiple of 64.
            cutoff_hz: shared by all.
            settings: of the sampler.
            noise: the noise of the whole render.
            start_frames: the absolute mel frame each item begins with, a multiple of 8.
            batch: items per pass through the model.
            should_cancel: asked before every pass through the U-Net.

        Returns:
            (B, L, M)

        Raises:
            RenderCancelled: should_cancel said so.
        """
        done = []
        with self._ready(), _cancel_between_steps(self.model.unet, should_cancel):
            for first in range(0, len(lowpass_mel), batch):
                count = min(batch, len(lowpass_mel) - first)
                rows = [first + min(i, count - 1) for i in range(batch)]
                mel = self._tensor(lowpass_mel[rows])
                places = [(start_frames[row] // 8, mel.shape[1] // 8) for row in rows]
                draw = functools.partial(self._draw, noise, places)
                restored = self.model.restore_mel(
                    mel,
                    torch.full((batch,), cutoff_hz, device=self.device),
                    settings=settings,
                    condition_noise=draw(CONDITION_STREAM),
                    start_noise=draw(START_STREAM),
                    step_noise=functools.partial(self._draw_step, noise, places),
                )
                done.append(_array(restored)[:count])
        return np.concatenate(done)

    def vocode(
        self, mel: Array, lowpass: Array, *, cutoff_hz: float, start_frame: int, seed: int, batch: int = 1
    ) -> Array:
        """Turn mels into sound, all beginning at the same absolute frame.

        Args:
            mel: (B, L, M)
            lowpass: (B, 480 L), the low-passed waveform at the gain of the mel.
            cutoff_hz: where the low-passed waveform ends.
            start_frame: absolute mel frame of the first; may be negative.
            seed: of the phase noise.
            batch: items per pass through the model.

        Returns:
            (B, 480 L), exact but for ``vocoder_context`` frames on each side.
        """
        done = []
        with self._ready():
            for first in range(0, len(mel), batch):
                count = min(batch, len(mel) - first)
                rows = [first + min(i, count - 1) for i in range(batch)]
                waveform = self.model.vocode(
                    self._tensor(mel[rows]),
                    self._tensor(lowpass[rows]),
                    cutoff_hz=cutoff_hz,
                    start_frame=start_frame,
                    seed=seed,
                )
                done.append(_array(waveform)[:count])
        return np.concatenate(done)

    def clean(
        self,
        waveform: Array,
        margins: tuple[int, int] = (0, 0),
        should_cancel: Callable[[], bool] | None = None,
    ) -> Array:
        """Take steady tones and hiss away, for models with a cleaner.

        Args:
            waveform: (B, 480 L), each with its loudest sample in the whole recording at 0.5.
            margins: mel frames at its beginning and end that are heard only.
            should_cancel: asked before each of them.

        Returns:
            (B, 480 (L - sum(margins))), exact but for what is less than ``cleaner_context`` frames from an
            end of the waveform.

        Raises:
            RenderCancelled: should_cancel said so.
        """
        assert self.model.cleaner is not None
        done = []
        with self._ready():
            for row in waveform:
                stop_if_asked(should_cancel)
                done.append(_array(self.model.cleaner(self._tensor(row[None]), margins)))
        return np.concatenate(done)

    def sampling(self, settings: RenderSettings) -> SamplerSettings:
        """What the settings mean for this model: its row of ``QUALITIES``, then what was set by hand.

        Raises:
            ParameterError: no steps, or no low band kept, for a model that cannot do without.
        """
        has_predictor = self.config.predictor is not None
        quality = QUALITIES["with predictor" if has_predictor else "diffusion alone"][settings.quality]
        steps = _given(settings.steps, quality.steps)
        if steps == 0 and not has_predictor:
            raise ParameterError(f"steps is 0; the model {self.config.name} expects 1 or more")
        if not settings.keep_low_band and not self.config.can_replace_low_band:
            raise ParameterError(
                f"keep_low_band is False; the model {self.config.name} makes nothing below the cutoff and"
                " cannot clean it: keep the low band, or take one that can, as the shipped mini and basic do"
            )
        return SamplerSettings(
            sampler=_given(settings.sampler, quality.sampler),
            spacing=_given(settings.spacing, quality.spacing),
            steps=steps,
            guidance_scale=_given(settings.guidance_scale, self.config.guidance_scale),
            eta=settings.eta,
            detail=_given(settings.detail, quality.detail),
            keep_low_band=settings.keep_low_band or self.config.cleaner is not None,
        )

    def _draw(self, noise: NoiseField, places: list[tuple[int, int]], stream: int) -> Tensor:
        """Latent noise (B, Z, L/8, F) of the given stretches (start, frames) in latent frames."""
        shape = (self.config.vae.latent_channels, self.config.mel.n_mels // self.config.vae.downsampling)
        drawn = {place: noise.draw(stream, *place, shape).transpose(0, 1) for place in set(places)}
        return torch.stack([drawn[place] for place in places]).to(self.device)

    def _draw_step(self, noise: NoiseField, places: list[tuple[int, int]], step: int) -> Tensor:
        return self._draw(noise, places, STEP_STREAM + step)

    def _tensor(self, array: Array) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)

    @contextmanager
    def _ready(self) -> Iterator[None]:
        with self._lock, torch.inference_mode():
            yield


def load_engine(
    model: str = "mini",
    device: str | torch.device = "auto",
    dtype: str = "auto",
    batch_size: int | None = None,
) -> Engine:
    """An engine by the name or path of its model; the last two stay in memory, until their files change.

    Raises:
        CheckpointError: no such weights, or damaged.
        ParameterError: a device or precision this machine has not got.
    """
    with _loading:  # or threads that ask at once would each load one
        return _load_engine(model, _state(model), choose_device(device), dtype, batch_size)


_loading = threading.Lock()


@functools.lru_cache(maxsize=2)
def _load_engine(
    model: str, state: FileState | None, device: torch.device, dtype: str, batch_size: int | None
) -> Engine:
    from audiosr_fx.model.checkpoint import load_model

    del state  # it is part of the key: a model that was imported anew is loaded anew
    return Engine(load_model(model), device, dtype, batch_size)


def _state(model: str) -> FileState | None:
    """Of a model's file; None where there is none, which is told when it is loaded."""
    path = place_of(model)
    try:
        return None if path is None else state_of(path)
    except OSError:
        return None


def choose_device(device: str | torch.device = "auto") -> torch.device:
    """Turn a name into a device that is there.

    Raises:
        ParameterError: unknown or absent; the text lists what there is.
    """
    available = ["cpu"]
    if torch.backends.mps.is_available():
        available.insert(0, "mps")
    if torch.cuda.is_available():
        available.insert(0, "cuda")
    if device == "auto":
        return torch.device(available[0])
    try:
        chosen = torch.device(device)
        there = chosen.type in available and (chosen.index or 0) < max(1, torch.cuda.device_count())
    except RuntimeError:
        there = False
    if not there:
        raise ParameterError(
            f"device is {str(device)!r}; this machine has {', '.join(available)}, or say auto"
        )
    return chosen


def choose_dtype(dtype: str, device: torch.device) -> torch.dtype:
    """Turn a name into a precision; ``auto`` takes what the device is good at.

    Raises:
        ParameterError: not a name in ``DTYPES``.
    """
    if dtype == "auto":
        if device.type != "cuda":
            return torch.float32
        return torch.bfloat16 if torch.cuda.get_device_capability(device) >= (8, 0) else torch.float16
    if dtype not in DTYPES:
        raise ParameterError(f"dtype is {dtype!r}; expected auto, {', '.join(DTYPES)}")
    return DTYPES[dtype]


@contextmanager
def _cancel_between_steps(unet: nn.Module, should_cancel: Callable[[], bool] | None) -> Iterator[None]:
    """While inside, the U-Net refuses to run once should_cancel says so."""
    if should_cancel is None:
        yield
        return

    def check(*_: object) -> None:
        stop_if_asked(should_cancel)

    handle = unet.register_forward_pre_hook(check)
    try:
        yield
    finally:
        handle.remove()


def _array(tensor: Tensor) -> Array:
    return tensor.float().cpu().numpy()


def _given(value: T | None, otherwise: T) -> T:
    return otherwise if value is None else value

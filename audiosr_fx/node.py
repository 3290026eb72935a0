"""AudioSR as an effect: pedalboard's call contract around the renderer."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from audiosr_fx.cache import RenderCache, check_cache, chosen_cache
from audiosr_fx.checked_settings import Setting, describe_settings
from audiosr_fx.contract import AudioTypeError, OwnEffect, check_call, check_rate_type
from audiosr_fx.errors import AudioFormatError, ParameterError
from audiosr_fx.model.catalogue import check_name
from audiosr_fx.part import Part
from audiosr_fx.render import OnEvent, RenderStream, ShouldCancel, render, render_array
from audiosr_fx.settings import RenderSettings, Spacing, session_rate
from audiosr_fx.sources import Audio, Source, check_audio, position_at_rate
from audiosr_fx.wording import brief

if TYPE_CHECKING:
    from audiosr_fx.engine import Engine

_log = logging.getLogger(__name__)


class AudioSR(OwnEffect):
    """Restores what is missing above a recording's cutoff; everything below it passes through, if kept.

    Answers to pedalboard's contract and may stand wherever a callable effect may, but not inside
    pedalboard's own ``Pedalboard``, which takes only its compiled plugins. It is an offline effect: each
    call is one whole signal. The weights load at the first call.

    Every control is an attribute that can be set and checks itself; ``settings`` holds them all.

    Args:
        quality: ``draft``, ``standard`` or ``best``.
        model: ``mini``, ``basic``, ``speech`` or the path of a ``.safetensors`` file.
        seed: the same seed gives the same result.
        cutoff_hz: where the new highs begin; None finds it in the signal.
        steps: sampler steps; None leaves them to the quality.
        guidance_scale: None leaves it to the model.
        sampler: ``ddim`` or ``dpmpp_2m``; None leaves it to the quality.
        spacing: ``reference`` or ``trailing``; None leaves it to the quality.
        eta: fresh noise per step, 0 to 1.
        detail: how much of the sampled residual is added; None leaves it to the quality.
        keep_low_band: False takes steady tones and hiss out of what goes in before anything is made of it,
            with ``mini``: the cutoff is looked for without them, and what needs no new band is cleaned all
            the same. Published models make the band below the cutoff anew instead.
        brightness_db: gain of the new band, and of nothing else.
        tilt_db_per_octave: slope of the new band, from the crossover up.
        ceiling_hz: where the new band ends, softly; None is as far as the rate reaches.
        mix: how much of the new band is added; 0 gives the input bit for bit.
        deess_db: the most that sibilant peaks of the new band are turned down.
        cache: True keeps what the model makes in the user's cache, and takes it from there, also for arrays;
            a ``RenderCache`` says where. Boards that render files bring their own choice.
        device: ``auto``, ``cpu``, ``cuda``, ...
        engine: one that is loaded already; ``model`` and ``device`` are then its own.

    Raises:
        ParameterError: a control outside its range, or an argument of another kind.
        CheckpointError: no model has that name. One that is known but not here is told at the first call.
    """

    is_offline = True
    takes_parts = True
    context_s = 11.0  # a window, and what is heard around it where noise is taken away
    takes_cache = True
    takes_ceiling = True

    __slots__ = ("__weakref__", "_device", "_engine", "cache", "settings")

    model = Setting[str]()
    quality = Setting[str]()
    seed = Setting[int]()
    cutoff_hz = Setting[float | None]()
    steps = Setting[int | None]()
    guidance_scale = Setting[float | None]()
    sampler = Setting[str | None]()
    spacing = Setting[Spacing | None]()
    eta = Setting[float]()
    detail = Setting[float | None]()
    keep_low_band = Setting[bool]()
    brightness_db = Setting[float]()
    tilt_db_per_octave = Setting[float]()
    ceiling_hz = Setting[float | None]()
    mix = Setting[float]()
    deess_db = Setting[float]()

    def __init__(
        self,
        quality: str = "standard",
        *,
        model: str = "mini",
        seed: int = 0,
        cutoff_hz: float | None = None,
        steps: int | None = None,
        guidance_scale: float | None = None,
        sampler: str | None = None,
        spacing: Spacing | None = None,
        eta: float = 0.0,
        detail: float | None = None,
        keep_low_band: bool = True,
        brightness_db: float = 0.0,
        tilt_db_per_octave: float = 0.0,
        ceiling_hz: float | None = None,
        mix: float = 1.0,
        deess_db: float = 0.0,
        cache: RenderCache | bool = False,
        device: str | torch.device = "auto",
        engine: Engine | None = None,
    ) -> None:
        if engine is not None and not hasattr(engine, "config"):
            raise ParameterError(f"engine is {brief(engine)}; expected one that load_engine() gave")
        self.settings = RenderSettings(
            model=model if engine is None else engine.config.name,
            quality=quality,
            seed=seed,
            cutoff_hz=cutoff_hz,
            steps=steps,
            guidance_scale=guidance_scale,
            sampler=sampler,
            spacing=spacing,
            eta=eta,
            detail=detail,
            keep_low_band=keep_low_band,
            brightness_db=brightness_db,
            tilt_db_per_octave=tilt_db_per_octave,
            ceiling_hz=ceiling_hz,
            mix=mix,
            deess_db=deess_db,
        )
        if engine is None:
            check_name(model)
        check_cache(cache)
        if not isinstance(device, (str, torch.device)):
            raise ParameterError(f"device is {brief(device)}; expected auto, cpu, cuda, cuda:1 or mps")
        self.cache = cache
        self._device = device
        self._engine = engine

    def process(
        self, input_array: NDArray[Any], sample_rate: float, buffer_size: int = 8192, reset: bool = True
    ) -> Audio:
        """Render a signal at its own sample rate.

        What is missing above the cutoff is restored as far as the rate can carry it. A signal that has all
        its rate can carry comes back as it was; to raise the rate, see ``upsample``.

        Args:
            input_array: float32 or float64, (samples,), (channels, samples) or (samples, channels), up to
                32 channels; the smaller axis is the channels.
            sample_rate: in Hz.
            buffer_size: for the sake of the contract; 1 or more.
            reset: for the sake of the contract; only True, as there is no stream to continue.

        Returns:
            A new float32 array of the same shape.

        Raises:
            AudioFormatError: another dtype or shape, a square array, NaN or Inf, or an absurd rate. For a
                wrong type it is a TypeError as well.
            ParameterError: ``reset=False``, or a buffer of less than one sample.
        """
        if not reset:
            raise ParameterError("reset is False; AudioSR renders whole signals and cannot continue a stream")
        call = check_call(input_array, sample_rate, buffer_size)
        if call.audio.size == 0:
            return call.layout.restore(call.audio)
        return call.layout.restore(self._render(call.audio, call.sample_rate, call.sample_rate))

    def reset(self) -> None:
        """For the sake of the contract: nothing is kept between calls."""

    def render_source(
        self,
        source: Source,
        *,
        on_event: OnEvent | None = None,
        should_cancel: ShouldCancel | None = None,
        part: Part | None = None,
        cache: RenderCache | None = None,
        ceiling: float | None = None,
    ) -> RenderStream:
        """Render a signal of any length in blocks, at its own sample rate, without holding all of it.

        A ``part`` comes out as it does in the whole: the rest of the source is context, and the verdict is on
        all of it. ``cache`` is for this render, where the node has none of its own.
        ``ceiling`` is one that the new band gives way to.

        Returns, and raises: as ``audiosr_fx.render.render``.
        """
        return render(
            source,
            self.settings,
            self.find_engine(),
            sample_rate_out=source.sample_rate,
            region=None if part is None else part.region,
            on_event=on_event,
            should_cancel=should_cancel,
            cache=chosen_cache(self.cache) or cache,
            ceiling=ceiling,
        )

    def upsample(self, audio: Any, sample_rate: float) -> Any:
        """Bring a signal of any rate to 48 kHz with full bandwidth, such as the output of a generative model.

        As in ``render``, a rate above 48 kHz is kept.

        Args:
            audio: array or torch tensor of any floating-point type, (samples,), (channels, samples) or
                (items, channels, samples); never turned round. Each item is judged on its own.
            sample_rate: in Hz.

        Returns:
            float32 of the same kind, same leading axes, ``ceil(samples * 48000 / sample_rate)`` samples, or
            as many as came in at 48 kHz and above; a tensor is on the device of the one that came in.

        Raises:
            AudioFormatError: as ``process``.
        """
        if isinstance(audio, torch.Tensor):
            if not audio.is_floating_point():
                raise AudioTypeError(f"audio is {audio.dtype}; expected floating point, full scale ±1.0")
            upsampled = self.upsample(audio.detach().cpu().float().numpy(), sample_rate)
            return torch.from_numpy(upsampled).to(audio.device)
        try:
            array = np.asarray(audio)
        except ValueError as cause:
            raise AudioTypeError(
                f"audio is a {type(audio).__name__} of unequal parts; expected an array or a tensor"
            ) from cause
        if array.dtype.kind != "f":
            raise AudioTypeError(f"audio is {array.dtype}; expected floating point, full scale ±1.0")
        rate = check_rate_type(sample_rate)
        if array.ndim not in (1, 2, 3):
            raise AudioFormatError(
                f"audio has shape {array.shape}; expected (samples,), (channels, samples)"
                " or (items, channels, samples)"
            )
        items = array.reshape((1,) * (3 - array.ndim) + array.shape)
        rate_out = session_rate(rate)
        frames = position_at_rate(array.shape[-1], rate, rate_out)
        out = np.empty((*items.shape[:2], frames), np.float32)
        for i, item in enumerate(items):
            out[i] = self._render(item, rate, rate_out)
        return out.reshape(*array.shape[:-1], frames)

    def _render(self, audio: NDArray[Any], rate: int, rate_out: int) -> Audio:
        audio = check_audio(audio, rate)
        rendered = render_array(
            audio,
            rate,
            self.settings,
            engine=self.find_engine(),
            sample_rate_out=rate_out,
            cache=chosen_cache(self.cache),
        )
        _log.info("%s", rendered.verdict.reason)
        return rendered.audio

    def find_engine(self) -> Engine:
        """The model, on its device; it is loaded if need be."""
        if self._engine is not None and self._engine.config.name == self.model:
            return self._engine
        from audiosr_fx.engine import load_engine

        return load_engine(self.model, self._device)

    def __repr__(self) -> str:
        return describe_settings(self)

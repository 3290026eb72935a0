"""The stages in order: the one class that callers of the model need."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from audiosr_fx.errors import ParameterError
from audiosr_fx.model.cleaner import Cleaner
from audiosr_fx.model.config import HiFiGANConfig, ModelConfig
from audiosr_fx.model.diffusion import Schedule, guided_denoiser
from audiosr_fx.model.exciter import Exciter
from audiosr_fx.model.mel import LogMel, mel_band_edges_hz
from audiosr_fx.model.noise import VOCODER_STREAM, NoiseField
from audiosr_fx.model.predictor import Predictor
from audiosr_fx.model.samplers import SAMPLERS, Spacing, StepNoise
from audiosr_fx.model.unet import UNet
from audiosr_fx.model.vae import VAE, LatentEncoder, Posterior
from audiosr_fx.model.vocoder import HiFiGAN


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplerSettings:
    """How a latent is sampled.

    Attributes:
        sampler: a key of ``SAMPLERS``.
        spacing: timestep spacing, ``reference`` or ``trailing``.
        steps: sampler steps; 0 takes the predictor's answer, for models that have one.
        guidance_scale: None takes the model's own; at 1.0 there is no unconditional pass.
        eta: fresh noise per step, 0 (none) to 1.
        detail: how much of the sampled residual is added to the prediction, for models with a predictor.
        keep_low_band: whether mel bands below the cutoff are put back as they were.

    Raises:
        ParameterError: a value outside its range.
    """

    sampler: str = "ddim"
    spacing: Spacing = "trailing"
    steps: int = 50
    guidance_scale: float | None = None
    eta: float = 0.0
    detail: float = 1.0
    keep_low_band: bool = True

    def __post_init__(self) -> None:
        if self.sampler not in SAMPLERS:
            raise ParameterError(f"sampler is {self.sampler!r}; expected one of {', '.join(SAMPLERS)}")
        if self.spacing not in ("reference", "trailing"):
            raise ParameterError(f"spacing is {self.spacing!r}; expected 'reference' or 'trailing'")
        if self.steps < 0:
            raise ParameterError(f"steps is {self.steps}; expected 0 or more")
        if not 0.0 <= self.eta <= 1.0:
            raise ParameterError(f"eta is {self.eta}; expected 0 to 1")


class AudioSRModel(nn.Module):
    """Log-mel in, completed log-mel out, and a waveform from that.

    State dict: ``vae.``, ``unet.``, ``vocoder.``, ``scale_factor``; ``conditioner.`` where the condition
    encoder has weights of its own; ``predictor.`` and ``condition_scale`` for models with a predictor;
    ``cleaner.`` for those that can clean a recording first.

    Source: AudioSR (Liu et al. 2023, arXiv 2309.07314); predictor and cleaner in front are this project's.
    """

    scale_factor: Tensor
    condition_scale: Tensor
    upper_edges_hz: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.schedule = Schedule.cosine(config.diffusion)
        self.mel = LogMel(config.mel)
        self.vae = VAE(config.vae)
        self.conditioner = None if config.shared_encoder else LatentEncoder(config.vae)
        self.unet = UNet(config.unet)
        self.vocoder = _vocoder(config)
        self.predictor = None if config.predictor is None else Predictor(config.predictor, config.mel)
        self.cleaner = None if config.cleaner is None else Cleaner(config.cleaner, config.mel)
        self.register_buffer("scale_factor", torch.ones(()))
        # The published network scales its condition as its latents; a residual's scale says nothing about it.
        self.register_buffer("condition_scale", torch.ones(()), persistent=config.predictor is not None)
        upper_edges_hz = torch.from_numpy(mel_band_edges_hz(config.mel)[2:]).float()
        self.register_buffer("upper_edges_hz", upper_edges_hz, persistent=False)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it

    @property
    def condition_encoder(self) -> LatentEncoder:
        """What encodes conditions: the autoencoder itself unless the checkpoint brought another."""
        return self.vae if self.conditioner is None else self.conditioner

    @property
    def latent_channels(self) -> int:
        """Z."""
        return self.config.vae.latent_channels

    @property
    def latent_bands(self) -> int:
        """F."""
        return self.config.mel.n_mels // self.config.vae.downsampling

    @property
    def vocoder_context(self) -> int:
        """Mel frames on each side of a stretch whose samples :meth:`vocode` cannot get right."""
        return self.vocoder.context_frames

    def set_precision(self, dtype: torch.dtype) -> AudioSRModel:
        """Keep the U-Net and a HiFi-GAN vocoder in ``dtype``, all else in float32. Returns itself."""
        self.unet.to(dtype)
        if isinstance(self.vocoder, HiFiGAN):
            self.vocoder.to(dtype)
        return self

    def restore_mel(
        self,
        lowpass_mel: Tensor,
        cutoff_hz: Tensor,
        *,
        settings: SamplerSettings,
        condition_noise: Tensor | None = None,
        start_noise: Tensor | None = None,
        step_noise: StepNoise | None = None,
    ) -> Tensor:
        """Complete a log-mel above the cutoff.

        Args:
            lowpass_mel: (B, L, M), L a multiple of 64.
            cutoff_hz: (B,); mel bands wholly below it come out as they went in if the settings keep them.
            settings: how to sample.
            condition_noise: (B, Z, L/8, F), samples the condition's posterior; None takes its mode.
            start_noise: (B, Z, L/8, F), needed unless ``settings.steps`` is 0.
            step_noise: what each step adds, needed when ``settings.eta`` is above 0.

        Returns:
            (B, L, M) float32

        Raises:
            ParameterError: steps the spacing or the model cannot do, or noise missing.
        """
        if self.predictor is None:
            posterior = self._encode(self.condition_encoder, lowpass_mel)
            condition = posterior.mode if condition_noise is None else posterior.sample(condition_noise)
            latent = self.sample(condition, settings, start_noise, step_noise)
            restored = self.decode(latent / self.scale_factor)
        else:
            predicted = self.predictor(lowpass_mel, cutoff_hz)
            if settings.steps == 0:
                return self.keep_low_bands(predicted, lowpass_mel, cutoff_hz)
            condition = self._encode(self.condition_encoder, predicted).mode
            residual = self.sample(condition, settings, start_noise, step_noise) / self.scale_factor
            change = self.decode(condition + residual) - self.decode(condition)
            restored = predicted + settings.detail * change
        return self.keep_low_bands(restored, lowpass_mel, cutoff_hz) if settings.keep_low_band else restored

    def sample(
        self,
        condition: Tensor,
        settings: SamplerSettings,
        start_noise: Tensor | None,
        step_noise: StepNoise | None = None,
    ) -> Tensor:
        """Sample a scaled latent given a condition, both (B, Z, L8, F); see :meth:`restore_mel`."""
        if settings.steps == 0:
            raise ParameterError(
                f"steps is 0; model {self.config.name!r} has no predictor and needs 1 or more"
            )
        if start_noise is None:
            raise ParameterError("start_noise is None; expected (B, Z, L/8, F), or steps 0")
        guidance_scale = settings.guidance_scale
        denoise = guided_denoiser(
            self.predict_velocity,
            condition,
            guidance_scale=self.config.guidance_scale if guidance_scale is None else guidance_scale,
            unconditional_value=self.config.diffusion.unconditional_value,
        )
        return SAMPLERS[settings.sampler](
            denoise,
            self.schedule,
            start_noise.to(condition),
            steps=settings.steps,
            eta=settings.eta,
            spacing=settings.spacing,
            noise=step_noise,
        )

    def predict_velocity(self, x: Tensor, timestep: Tensor, condition: Tensor) -> Tensor:
        """One call of the denoiser, for sampling and for training alike.

        Args:
            x: noisy scaled latent (B, Z, L8, F).
            timestep: (B,)
            condition: latent of the condition (B, Z, L8, F), as encoded; it is scaled here.

        Returns:
            v (B, Z, L8, F), float32
        """
        scale = self.scale_factor if self.predictor is None else self.condition_scale
        both = torch.cat([x, condition * scale], dim=1).to(_dtype(self.unet))
        velocity: Tensor = self.unet(both, timestep)
        return velocity.float()

    def decode(self, latent: Tensor) -> Tensor:
        """Log-mel of an unscaled latent: (B, Z, L/8, F) -> float32 (B, L, M)."""
        return self.vae.decode(latent.to(_dtype(self.vae))).squeeze(1).float()

    def keep_low_bands(self, mel: Tensor, lowpass_mel: Tensor, cutoff_hz: Tensor) -> Tensor:
        """``mel`` with the bands wholly below the cutoff taken from ``lowpass_mel``; all (B, L, M)."""
        known = self.upper_edges_hz <= cutoff_hz[:, None]  # (B, M)
        return torch.where(known[:, None, :], lowpass_mel, mel)

    def vocode(
        self, mel: Tensor, lowpass: Tensor, *, cutoff_hz: float, start_frame: int, seed: int
    ) -> Tensor:
        """Synthesise a stretch of waveform.

        Args:
            mel: (B, L, M)
            lowpass: (B, hop_length * L), the low-passed waveform at the gain of the mel.
            cutoff_hz: of the low-passed waveform.
            start_frame: absolute number of the first mel frame; places the vocoder's noise.
            seed: of that noise.

        Returns:
            float32 (B, hop_length * L), independent of what lies outside the stretch except in the
            outer ``vocoder_context`` frames on each side. HiFi-GAN looks at the
            mel alone and makes the whole band, the Exciter only what lies above the cutoff.
        """
        if isinstance(self.vocoder, HiFiGAN):
            waveform: Tensor = self.vocoder(mel.transpose(1, 2).to(_dtype(self.vocoder)))
            return waveform[:, 0, : lowpass.shape[1]].float()
        hop = self.config.mel.hop_length
        noise = NoiseField(seed).draw(VOCODER_STREAM, start_frame, mel.shape[1], (hop,))
        excited: Tensor = self.vocoder(
            mel,
            lowpass,
            torch.full((len(mel),), cutoff_hz, device=mel.device),
            noise.reshape(1, -1).to(lowpass),
            start_frame,
        )
        return excited.float()

    @staticmethod
    def _encode(encoder: LatentEncoder, mel: Tensor) -> Posterior:
        posterior = encoder.encode(mel.unsqueeze(1).to(_dtype(encoder)))
        return Posterior(posterior.mean.float(), posterior.log_variance.float())


def _vocoder(config: ModelConfig) -> HiFiGAN | Exciter:
    if isinstance(config.vocoder, HiFiGANConfig):
        return HiFiGAN(config.vocoder, config.mel.n_mels)
    return Exciter(config.vocoder, config.mel)


def _dtype(module: nn.Module) -> torch.dtype:
    return next(module.parameters()).dtype

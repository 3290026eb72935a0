"""What each model is made of: frozen settings for every stage, and the named models.

Letters used for shapes throughout ``audiosr_fx.model``: B batch, C channels, T samples,
L mel frames (100 per second), M mel bands, Z latent channels, F latent bands (M / 8).
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class MelConfig:
    """Log-mel front end. Frequencies in Hz, lengths in samples."""

    sample_rate: int = 48_000
    n_fft: int = 2048
    hop_length: int = 480
    win_length: int = 2048
    n_mels: int = 256
    f_min: float = 20.0
    f_max: float = 24_000.0
    log_floor: float = 1e-5

    @property
    def padding(self) -> int:
        """Samples before a frame's hop that its window reaches back: (n_fft - hop_length) / 2."""
        return (self.n_fft - self.hop_length) // 2


@dataclass(frozen=True, slots=True, kw_only=True)
class VAEConfig:
    """Mel autoencoder; ``downsampling`` is 2 ** (len(multipliers) - 1) in both axes."""

    base_channels: int = 128
    multipliers: tuple[int, ...] = (1, 2, 4, 8)
    blocks_per_level: int = 2
    latent_channels: int = 16
    norm_groups: int = 32

    @property
    def downsampling(self) -> int:
        return int(2 ** (len(self.multipliers) - 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class UNetConfig:
    """Transformer U-Net that predicts v from [noisy latent; condition latent]."""

    in_channels: int = 32
    out_channels: int = 16
    base_channels: int = 128
    multipliers: tuple[int, ...] = (1, 2, 3, 5)
    blocks_per_level: int = 2
    attention_downsampling: tuple[int, ...] = (2, 4, 8)
    head_channels: int = 32
    norm_groups: int = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffusionConfig:
    """Cosine schedule, v-prediction (Nichol and Dhariwal 2021; Salimans and Ho 2022)."""

    timesteps: int = 1000
    cosine_offset: float = 0.008
    unconditional_value: float = -11.4981


@dataclass(frozen=True, slots=True, kw_only=True)
class HiFiGANConfig:
    """HiFi-GAN generator (Kong et al. 2020) as published with AudioSR."""

    upsample_rates: tuple[int, ...] = (6, 5, 4, 2, 2)
    upsample_kernels: tuple[int, ...] = (12, 10, 8, 4, 4)
    base_channels: int = 1536
    resblock_kernels: tuple[int, ...] = (3, 7, 11, 15)
    resblock_dilations: tuple[int, ...] = (1, 3, 5)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExciterConfig:
    """Inverse-STFT vocoder that shapes an excitation made from the low band (see ``exciter.py``)."""

    n_fft: int = 1024
    hop_length: int = 240
    width: int = 192
    depth: int = 4
    kernel_size: int = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictorConfig:
    """One-pass envelope predictor in front of the diffusion (see ``predictor.py``)."""

    width: int = 320
    depth: int = 8
    kernel_size: int = 7
    expansion: int = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanerConfig:
    """What takes tones and hiss out of a recording (see ``cleaner.py``)."""

    width: int = 16
    depth: int = 9
    kernel_size: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """One model: its stages and the settings it renders best with.

    ``predictor`` is None for the published models, whose diffusion starts from the
    low-passed mel alone. ``cleaner`` is None for models that take no noise away from what they hear.
    ``guidance_scale`` 1.0 needs no unconditional pass. ``shared_encoder`` is False only for checkpoints
    whose condition encoder differs from the autoencoder's own.
    """

    name: str
    mel: MelConfig = field(default_factory=MelConfig)
    vae: VAEConfig = field(default_factory=VAEConfig)
    unet: UNetConfig = field(default_factory=UNetConfig)
    diffusion: DiffusionConfig = field(default_factory=DiffusionConfig)
    vocoder: HiFiGANConfig | ExciterConfig = field(default_factory=HiFiGANConfig)
    predictor: PredictorConfig | None = None
    cleaner: CleanerConfig | None = None
    guidance_scale: float = 3.5
    shared_encoder: bool = True

    @property
    def makes_low_band(self) -> bool:
        """Whether the band below the cutoff can come from the model: not from a predictor or an Exciter."""
        return self.predictor is None and isinstance(self.vocoder, HiFiGANConfig)

    @property
    def can_replace_low_band(self) -> bool:
        """Whether the band below the cutoff need not stay as it is: it is cleaned, or made anew."""
        return self.cleaner is not None or self.makes_low_band


BASIC = ModelConfig(name="basic")
"""The published general checkpoint."""

SPEECH = ModelConfig(name="speech")
"""The published speech checkpoint: the same architecture, other weights."""

MINI = ModelConfig(
    name="mini",
    vae=VAEConfig(
        base_channels=16, multipliers=(1, 2, 3, 4), blocks_per_level=1, latent_channels=8, norm_groups=8
    ),
    unet=UNetConfig(
        in_channels=16,
        out_channels=8,
        base_channels=32,
        multipliers=(1, 2, 2),
        blocks_per_level=1,
        attention_downsampling=(2, 4),
        head_channels=16,
        norm_groups=16,
    ),
    vocoder=ExciterConfig(),
    predictor=PredictorConfig(kernel_size=49),
    cleaner=CleanerConfig(),
    guidance_scale=1.0,
)
"""The embedded model: trained by this project, small enough to ship."""

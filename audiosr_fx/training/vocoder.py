"""Train the light vocoder: log spectra at several resolutions above the cutoff, and critics of that band."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from audiosr_fx.errors import ParameterError
from audiosr_fx.model.audiosr import AudioSRModel
from audiosr_fx.model.config import ModelConfig
from audiosr_fx.model.exciter import Exciter
from audiosr_fx.quality.lsd import measure_lsd
from audiosr_fx.training.adversarial import AdversarialSettings, Adversary, band_between
from audiosr_fx.training.data import SAMPLE_RATE, Clip
from audiosr_fx.training.discriminators import MultiPeriodDiscriminator, MultiResolutionDiscriminator
from audiosr_fx.training.losses import BandLosses, band_losses, spectral_loss
from audiosr_fx.training.parting import Parting, part_at
from audiosr_fx.training.ranges import check_range
from audiosr_fx.training.segments import Batch, misjudge
from audiosr_fx.training.stage import BatchMaker, Example, Stage, TrainSettings
from audiosr_fx.training.validation import SHOWN, figures_per_cutoff, mean_figure, validation_batches

_SOFTEST = 1e-4  # RMS of a band that critics hear at unit level


@dataclass(frozen=True, slots=True, kw_only=True)
class VocoderSettings(TrainSettings):
    """How a vocoder is trained.

    Attributes:
        predicted_share: of the light vocoder's examples that are fed predicted mels, if there is a predictor.
        spectral_weight: of the light vocoder's distance of log spectra.
        envelope_weight: of the error of its levels in 32 bands above the cutoff, in tens of dB.
        flatness_weight: of the error of those levels' flatness, likewise.
        level_weight: of the error of their mean power over an example, likewise; see ``losses.BandLosses``.
        mel_weight: of HiFi-GAN's L1 on log-mels.
        adversarial: training against critics of waveforms; the light vocoder's hear what is above the cutoff.
    """

    predicted_share: float = 0.75
    spectral_weight: float = 1.0
    envelope_weight: float = 0.0
    flatness_weight: float = 0.0
    level_weight: float = 0.0
    mel_weight: float = 5.6
    adversarial: AdversarialSettings | None = None

    def __post_init__(self) -> None:
        TrainSettings.__post_init__(self)
        check_range(self, "predicted_share", 0.0, 1.0)
        for name in ("spectral_weight", "envelope_weight", "flatness_weight", "level_weight"):
            check_range(self, name, 0.0, 1e3)
        check_range(self, "mel_weight", 0.0, 1e3)


def waveform_adversary(settings: AdversarialSettings | None, device: torch.device) -> Adversary | None:
    """The critics of a vocoder, by period and by resolution."""
    if settings is None:
        return None
    critics = [MultiPeriodDiscriminator(settings.width), MultiResolutionDiscriminator(settings.width)]
    return Adversary([critic.to(device) for critic in critics], settings)


class ExciterStage(Stage):
    """Waveform from mel and low band; fed true mels, and predicted ones when a predictor is given."""

    name = "vocoder"

    def __init__(
        self,
        model: AudioSRModel,
        settings: VocoderSettings,
        maker: BatchMaker,
        validation: Sequence[Clip],
        device: torch.device,
    ) -> None:
        super().__init__(maker, device, settings.precision)
        if not isinstance(model.vocoder, Exciter):
            raise ParameterError(f"model {model.config.name!r} has another kind of vocoder")
        self.settings = settings
        self.module: nn.Module = model.vocoder.requires_grad_(True)
        self.mel = model.mel
        self.predictor = model.predictor
        self.adversary = waveform_adversary(settings.adversarial, device)
        self._upper_edges_hz = model.upper_edges_hz
        self._validation = list(validation_batches(validation))

    def loss(self, batch: Batch, random: np.random.Generator, step: int) -> Mapping[str, Tensor]:
        told_hz = misjudge(random, batch.cutoff_hz)
        share = 0.0 if self.predictor is None else self.settings.predicted_share
        use_predicted = torch.from_numpy(random.random(len(told_hz)) < share)
        batch = self.move(batch)
        parting = part_at(told_hz, self.device)
        with torch.no_grad():
            mel = self._mel(batch, parting, use_predicted)
        estimate = self._synthesise(self.module, batch, mel, parting)
        lowest_hz = parting.frequency_hz
        spectral = spectral_loss(estimate, batch.target, lowest_hz, batch.limit_hz)
        losses = {"total": self.settings.spectral_weight * spectral}
        weights = {name: getattr(self.settings, f"{name}_weight") for name in BandLosses._fields}
        if any(weights.values()):
            bands = band_losses(estimate, batch.target, lowest_hz, batch.limit_hz)._asdict()
            losses |= {"spectral": spectral, **bands}
            losses["total"] = losses["total"] + sum(weights[name] * bands[name] for name in bands)
        if self.adversary is not None:
            real, made = (
                band_between(sound, lowest_hz, batch.limit_hz, SAMPLE_RATE)
                for sound in (batch.target, estimate)
            )
            level = real.square().mean(dim=1, keepdim=True).sqrt().clamp(min=_SOFTEST)
            losses |= {"spectral": spectral, **self.adversary.losses(real / level, made / level, step)}
            losses["total"] = losses["total"] + losses.get("adversarial", 0.0)
        return losses

    @classmethod
    def figures(cls, config: ModelConfig) -> tuple[str, ...]:
        predicted = () if config.predictor is None else ("lsd_predicted",)
        return ("lsd", *figures_per_cutoff("lsd_true", *predicted))

    def validate(self, module: nn.Module) -> Mapping[str, float]:
        figures: dict[str, float] = {}
        for cutoff_hz, batch in self._validation:
            batch = self.move(batch)
            kinds = {"true": False, "predicted": True} if self.predictor else {"true": False}
            for kind, predicted in kinds.items():
                estimate = self._restore(module, batch, predicted)
                figures[f"lsd_{kind}_{cutoff_hz:.0f}"] = mean_lsd(batch, estimate)
        return mean_figure(figures, "lsd")

    def examples(self, module: nn.Module) -> Iterator[Example]:
        for cutoff_hz, batch in self._validation[:1]:
            batch = self.move(Batch(*(tensor[:SHOWN] for tensor in batch)))
            made = self._restore(module, batch, self.predictor is not None)
            yield from waveform_examples(self.mel, batch, made, f"{cutoff_hz:.0f} Hz")

    def _restore(self, module: nn.Module, batch: Batch, predicted: bool) -> Tensor:
        use = torch.full((len(batch.dull),), predicted)
        parting = part_at(batch.cutoff_hz, self.device)
        return self._synthesise(module, batch, self._mel(batch, parting, use), parting)

    def _mel(self, batch: Batch, parting: Parting, use_predicted: Tensor) -> Tensor:
        """True mels, or predicted ones where ``use_predicted`` (B,), a tensor on the CPU, says so."""
        dull, bright = self.mel(parting.heard(batch.dull)).log_mel, self.mel(batch.target).log_mel
        known = (self._upper_edges_hz <= parting.known_hz[:, None])[:, None, :]
        mel = torch.where(known, dull, bright)
        if self.predictor is not None and bool(use_predicted.any()):
            with self.autocast():
                predicted = self.predictor(dull, parting.known_hz).float()
            mel = torch.where(use_predicted.to(self.device)[:, None, None], predicted, mel)
        return mel

    def _synthesise(self, module: nn.Module, batch: Batch, mel: Tensor, parting: Parting) -> Tensor:
        """As the renderer puts it together: a flank that stayed would teach a hole in its place."""
        noise = torch.randn(1, batch.dull.shape[-1], device=self.device)
        kept = parting.kept(batch.dull)
        return kept + parting.added(module(mel, kept, parting.lower_hz, noise))


def mean_lsd(batch: Batch, estimate: Tensor) -> float:
    """Mean log-spectral distance of a batch, up to where each of its items can be trusted."""
    distances = [
        measure_lsd(true.numpy(), made.numpy(), SAMPLE_RATE, highest_hz=float(limit))
        for true, made, limit in zip(batch.target.cpu(), estimate.cpu(), batch.limit_hz.cpu(), strict=True)
    ]
    return float(np.mean(distances))


def waveform_examples(mel: nn.Module, batch: Batch, made: Tensor, name: str) -> Iterator[Example]:
    """What a vocoder made of a batch, beside what it should have been."""
    yield from sound_examples(mel, {"dull": batch.dull, "made": made, "true": batch.target}, name)


def sound_examples(mel: nn.Module, sounds: Mapping[str, Tensor], name: str) -> Iterator[Example]:
    """Waveforms by title, (B, T) each, as one example a clip, with their log-mels."""
    mels = {title: mel(waveform).log_mel for title, waveform in sounds.items()}
    for index in range(len(next(iter(sounds.values())))):
        yield Example(
            name=f"{name}, clip {index + 1}",
            mels={title: values[index] for title, values in mels.items()},
            sounds={title: values[index] for title, values in sounds.items()},
        )

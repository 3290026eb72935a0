"""One trainable stage: how long and how fast it is trained, and what the loop asks of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from audiosr_fx.errors import ParameterError
from audiosr_fx.model.config import ModelConfig
from audiosr_fx.training.adversarial import Adversary
from audiosr_fx.training.data import Clip
from audiosr_fx.training.ranges import check_betas, check_range
from audiosr_fx.training.segments import AugmentSettings, Batch

PRECISIONS = ("float32", "bfloat16")

_MOST_EXAMPLES = 4096  # at 2.56 s they are 4 GB before anything is made of them
_WITHOUT_BFLOAT16 = ("DEFAULT", "NO AVX", "AVX2")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSettings:
    """How long and how fast one stage is trained, and on what.

    The learning rate warms up linearly, stays, and falls linearly to zero over the last
    ``decay_fraction`` of the steps. A run can be continued with another number of steps, over which the fall
    is laid anew.

    Attributes:
        steps: of the optimiser.
        segment_s: length of an example.
        batch_size: examples per pass and process.
        accumulate: passes per step.
        ema_decay: of the moving average of the weights, which is what a stage is judged by and exported as.
        blend: share of what was trained in the weights that are taken, the rest being those it started from:
            a mean of both forgets less. Validation is of what was trained.
        precision: of matrix products and convolutions, ``float32`` or ``bfloat16``; the latter only where
            the device computes it itself (see :func:`usable_precision`).
        watch: the validation figure that early stopping looks at; lower is better.
        patience: validations without a new best before training ends; 0 trains to the last step.
        augment: how clips are varied, cut off and mixed.

    Raises:
        ParameterError: a value outside its range.
    """

    steps: int
    segment_s: float = 2.56
    batch_size: int = 16
    accumulate: int = 1
    learning_rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 1e-2
    warmup_steps: int = 200
    decay_fraction: float = 0.25
    gradient_norm: float = 1.0
    ema_decay: float = 0.999
    blend: float = 1.0
    precision: str = "bfloat16"
    validate_every: int = 250
    checkpoint_every: int = 100
    watch: str = ""
    patience: int = 0
    seed: int = 0
    augment: AugmentSettings = field(default_factory=AugmentSettings)

    def __post_init__(self) -> None:
        for name in ("steps", "warmup_steps", "validate_every", "checkpoint_every"):
            check_range(self, name, 1, 10**9)
        for name in ("batch_size", "accumulate"):
            check_range(self, name, 1, _MOST_EXAMPLES)
        for name in ("learning_rate", "gradient_norm"):
            check_range(self, name, 1e-12, 1e6)
        for name in ("weight_decay", "decay_fraction", "ema_decay", "blend"):
            check_range(self, name, 0.0, 1.0)
        check_range(self, "segment_s", 0.08, 60.0)
        check_range(self, "patience", 0, 10**9)
        check_range(self, "seed", 0, 2**32 - 1)
        check_betas(self.betas)
        if self.precision not in PRECISIONS:
            raise ParameterError(f"precision is {self.precision!r}; expected {' or '.join(PRECISIONS)}")
        if self.patience and not self.watch:
            raise ParameterError(f"patience is {self.patience} but watch names no figure to look at")

    @property
    def decay_start(self) -> float:
        """The step from which on the learning rate falls."""
        return self.steps * (1.0 - self.decay_fraction)

    def learning_rate_share(self, step: int) -> float:
        """Share of the full learning rate at step ``step`` (counted from 0)."""
        remaining = (self.steps - step) / max(self.steps - self.decay_start, 1.0)
        return min(1.0, (step + 1) / self.warmup_steps, max(remaining, 0.0))


def usable_precision(precision: str, device: torch.device) -> str:
    """The precision asked for, or float32 on a CPU or GPU that would have to imitate bfloat16.

    On a CPU without AVX-512 a step in bfloat16 takes about fourteen times as long as one in float32.
    """
    return "float32" if _imitates_bfloat16(device) else precision


def _imitates_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return not torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and torch.backends.cpu.get_cpu_capability() in _WITHOUT_BFLOAT16


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """Something to look at and listen to: log-mels (L, M) and waveforms (T,) at 48 kHz, by title."""

    name: str
    mels: Mapping[str, Tensor] = field(default_factory=dict)
    sounds: Mapping[str, Tensor] = field(default_factory=dict)


class BatchMaker(Protocol):
    """Makes examples: on the CPU, or at once on the device that trains."""

    is_on_device: bool

    def make_batch(self, random: np.random.Generator, size: int) -> Batch:
        """So many examples, a function of the generator's state."""


class Stage(ABC):
    """One trainable stage of a model.

    Attributes:
        name: of the stage, and of its files.
        module: what is trained and averaged.
        adversary: the critics it is trained against, if any.
        maker: makes its examples.
        device: where all of its tensors are.
        precision: of matrix products and convolutions, as far as the device allows.
    """

    name: str
    module: nn.Module
    adversary: Adversary | None = None

    def __init__(self, maker: BatchMaker, device: torch.device, precision: str) -> None:
        self.maker = maker
        self.device = device
        self.precision = usable_precision(precision, device)

    @abstractmethod
    def loss(self, batch: Batch, random: np.random.Generator, step: int) -> Mapping[str, Tensor]:
        """Losses of one batch, wherever it is.

        ``total`` is minimised by the module, ``critics``, if it is there, by the adversary.
        """

    @classmethod
    def choose(cls, clips: Sequence[Clip], settings: TrainSettings) -> Sequence[Clip]:
        """Those clips that it learns from: all of them, where a stage does not say."""
        return clips

    @classmethod
    @abstractmethod
    def figures(cls, config: ModelConfig) -> tuple[str, ...]:
        """The names of what ``validate`` finds with a model of that config: those a recipe may watch."""

    @abstractmethod
    def validate(self, module: nn.Module) -> Mapping[str, float]:
        """Figures on fixed held-out material, for ``module`` (the moving average); lower is better."""

    def examples(self, module: nn.Module) -> Iterator[Example]:
        """What ``module`` makes of a few held-out clips."""
        yield from ()

    def autocast(self) -> AbstractContextManager[object]:
        """Products and convolutions inside are of the stage's precision."""
        if self.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)

    def move(self, batch: Batch) -> Batch:
        """The batch on this stage's device."""
        return Batch(*(tensor.to(self.device, non_blocking=True) for tensor in batch))

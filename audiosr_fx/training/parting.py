"""Recordings parted at their cutoffs as the renderer parts them: what a vocoder will meet when it is used."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from audiosr_fx.bandwidth import Verdict, crossover
from audiosr_fx.training.data import SAMPLE_RATE

_MIRRORED = 4096  # samples on each side, more than a transition of 100 Hz reaches


class Parting(NamedTuple):
    """Where each item of a batch is parted, (B,) in Hz each; see ``bandwidth.Crossover``.

    The generated band takes over around ``frequency_hz``, from ``lower_hz`` on; ``known_hz`` is what the
    model is told.
    """

    frequency_hz: Tensor
    transition_hz: Tensor
    known_hz: Tensor
    lower_hz: Tensor

    def heard(self, dull: Tensor) -> Tensor:
        """What the model hears of a recording: (B, T) -> (B, T), flat up to ``known_hz``."""
        return _lowpass(dull, self.known_hz + self.transition_hz / 2.0, self.transition_hz)

    def kept(self, dull: Tensor) -> Tensor:
        """What stays of a recording: (B, T) -> (B, T), flat up to ``lower_hz``."""
        return _lowpass(dull, self.frequency_hz, self.transition_hz)

    def added(self, made: Tensor) -> Tensor:
        """What is taken of a generated band: (B, T) -> (B, T), the complement of ``kept``."""
        return made - self.kept(made)


def part_at(cutoff_hz: Tensor, device: torch.device) -> Parting:
    """Part a batch at the cutoffs that were told, (B,), as a render with ``cutoff_hz`` given does.

    The cutoffs are read here; on a GPU that waits for it, so give them from the CPU where they are there.
    """
    crossovers = [
        crossover(Verdict(cutoff_hz=cutoff, process=True, reason="", kind="given"))
        for cutoff in cutoff_hz.tolist()
    ]
    return Parting(
        *(
            torch.tensor([getattr(each, name) for each in crossovers], device=device)
            for name in Parting._fields
        )
    )


def _lowpass(waveform: Tensor, middle_hz: Tensor, transition_hz: Tensor) -> Tensor:
    """Linear phase, with a raised cosine from pass to stop band; the ends go on as their mirror images."""
    length = waveform.shape[-1]
    around = min(_MIRRORED, length - 1)
    spectrum = torch.fft.rfft(functional.pad(waveform, (around, around), mode="reflect"))
    frequency_hz = torch.fft.rfftfreq(length + 2 * around, 1.0 / SAMPLE_RATE, device=waveform.device)
    place = (frequency_hz - middle_hz[:, None]) / transition_hz[:, None]
    response = 0.5 - 0.5 * torch.sin(torch.pi * place.clamp(-0.5, 0.5))
    filtered: Tensor = torch.fft.irfft(spectrum * response, length + 2 * around)
    return filtered[..., around : around + length]

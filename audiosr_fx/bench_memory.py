"""Peak memory over length: ``python -m audiosr_fx.bench_memory``.

Each length is rendered in a process of its own, from a source that makes its samples up as they are read, so
that what is measured is the renderer. The narrow model has every stage of the published one and little width:
an hour takes minutes, and what grows with the length would show all the more beside it.
"""

from __future__ import annotations

import multiprocessing
import resource
import sys
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
import typer

from audiosr_fx.engine import Engine
from audiosr_fx.model.audiosr import AudioSRModel
from audiosr_fx.model.checkpoint import load_model
from audiosr_fx.model.config import HiFiGANConfig, ModelConfig, UNetConfig, VAEConfig
from audiosr_fx.render import RenderSettings, render
from audiosr_fx.sources import Audio, GridSource

SAMPLE_RATE = 48_000

NARROW = ModelConfig(
    name="narrow",
    vae=VAEConfig(
        base_channels=2, multipliers=(1, 1, 1, 2), blocks_per_level=1, latent_channels=2, norm_groups=1
    ),
    unet=UNetConfig(
        in_channels=4,
        out_channels=2,
        base_channels=8,
        multipliers=(1, 1, 1, 2),
        blocks_per_level=1,
        attention_downsampling=(4, 8),
        head_channels=8,
        norm_groups=4,
    ),
    vocoder=HiFiGANConfig(base_channels=32, resblock_kernels=(3,), resblock_dilations=(1,)),
)


class NoiseSource(GridSource):
    """Noise at -20 dBFS of any length, made up as it is read."""

    def __init__(self, frames: int, channels: int) -> None:
        super().__init__(sample_rate=SAMPLE_RATE, channels=channels, frames=frames, block_frames=SAMPLE_RATE)

    def _make_block(self, index: int) -> Audio:
        noise = np.random.default_rng(index).standard_normal((self.channels, SAMPLE_RATE), np.float32)
        return noise * np.float32(0.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """The most memory a process held while it rendered that many minutes."""

    minutes: float
    peak_mb: float


def measure_peak_memory(minutes: float, channels: int, model: str = "narrow") -> Peak:
    """Render that many minutes in a fresh process.

    Args:
        minutes: of audio at 48 kHz.
        channels: 1 to 32.
        model: ``narrow``, or the name or path of a real one.
    """
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        peak_mb: float = pool.apply(_render_and_weigh, (minutes, channels, model))
    return Peak(minutes=minutes, peak_mb=peak_mb)


def _render_and_weigh(minutes: float, channels: int, model: str) -> float:
    """In the child: render, and return the most memory held, in MB."""
    torch.manual_seed(0)
    engine = Engine(AudioSRModel(NARROW) if model == "narrow" else load_model(model))
    steps = 1 if model == "narrow" else None
    settings = RenderSettings(quality="draft", steps=steps, cutoff_hz=8000.0)
    source = NoiseSource(round(minutes * 60 * SAMPLE_RATE), channels)
    for _ in render(source, settings, engine):
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3


def bench_memory(
    minutes: Annotated[str, typer.Option(help="Lengths with commas between them.")] = "1,5,20,60",
    channels: Annotated[int, typer.Option(min=1, max=32)] = 2,
    model: Annotated[str, typer.Option(help="narrow, or the name or path of a real model.")] = "narrow",
) -> None:
    """Show the most memory held while rendering files of several lengths."""
    first_mb: float | None = None
    for length in minutes.split(","):
        peak = measure_peak_memory(float(length), channels, model)
        first_mb = peak.peak_mb if first_mb is None else first_mb
        typer.echo(f"{peak.minutes:8g} min  {peak.peak_mb:8.0f} MB  {peak.peak_mb - first_mb:+8.0f} MB")


if __name__ == "__main__":
    typer.run(bench_memory)

"""What the render cache spares: ``python -m audiosr_fx.bench_cache``.

A file is mastered, then mastered again with another limiter, another tone, and one bar changed, all in one
process. The model is loaded before the clock starts, and the cache is a new folder, deleted at the end. What
is counted is the processor's time, so that a busy machine tells much the same.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import soundfile
import torch
import typer
from scipy import signal

from audiosr_fx.board import Board
from audiosr_fx.cache import RenderCache
from audiosr_fx.engine import load_engine
from audiosr_fx.limiter import TruePeakLimiter
from audiosr_fx.node import AudioSR

SAMPLE_RATE = 48_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheTimes:
    """Seconds of the processor for each render, and what the cache took."""

    first_s: float
    another_limiter_s: float
    another_tone_s: float
    one_bar_s: float
    without_model_s: float
    cache_bytes: int

    def __str__(self) -> str:
        lines = [f"first render     {self.first_s:7.2f} s   100.0 %"]
        for name, seconds in (
            ("another limiter", self.another_limiter_s),
            ("another tone", self.another_tone_s),
            ("one bar changed", self.one_bar_s),
            ("limiter alone", self.without_model_s),
        ):
            lines.append(f"{name:16} {seconds:7.2f} s   {100 * seconds / self.first_s:5.1f} %")
        return "\n".join([*lines, f"cache            {self.cache_bytes / 1e6:7.1f} MB"])


def measure_cache(seconds: float, channels: int, model: str, quality: str) -> CacheTimes:
    """Render a made-up file of that length several times.

    Args:
        seconds: of audio at 48 kHz.
        channels: 1 to 32.
        model: as ``AudioSR`` takes it.
        quality: as ``AudioSR`` takes it.
    """
    engine = load_engine(model)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        cache = RenderCache(folder=folder / "cache")
        audio = _dull_noise(seconds, channels)
        soundfile.write(folder / "dull.wav", audio.T, SAMPLE_RATE, subtype="FLOAT")
        bar = slice(audio.shape[1] // 2, audio.shape[1] // 2 + 2 * SAMPLE_RATE)
        audio[:, bar] *= 0.5
        soundfile.write(folder / "changed.wav", audio.T, SAMPLE_RATE, subtype="FLOAT")

        def render(board: Board, name: str = "dull.wav") -> float:
            started = time.process_time()
            board.render_file(folder / name, folder / "out.wav", overwrite=True, cache=cache)
            return time.process_time() - started

        def restored(tilt: float = 0.0) -> AudioSR:
            return AudioSR(quality, engine=engine, tilt_db_per_octave=tilt)

        without_model_s = render(Board([TruePeakLimiter(ceiling_dbtp=-1.0)]))  # and all is imported
        first_s = render(Board([restored(), TruePeakLimiter(ceiling_dbtp=-1.0)]))
        cache_bytes = cache.measure().size_bytes
        return CacheTimes(
            first_s=first_s,
            another_limiter_s=render(Board([restored(), TruePeakLimiter(ceiling_dbtp=-3.0, release_ms=50)])),
            another_tone_s=render(Board([restored(-3.0), TruePeakLimiter(ceiling_dbtp=-1.0)])),
            one_bar_s=render(Board([restored(), TruePeakLimiter(ceiling_dbtp=-1.0)]), "changed.wav"),
            without_model_s=without_model_s,
            cache_bytes=cache_bytes,
        )


def _dull_noise(seconds: float, channels: int) -> np.ndarray:
    """Noise that ends at 6 kHz, swelling once a second."""
    frames = round(seconds * SAMPLE_RATE)
    noise = np.random.default_rng(0).standard_normal((channels, frames)).astype(np.float32)
    sections = signal.ellip(10, 0.1, 90.0, 6000.0, fs=SAMPLE_RATE, output="sos")
    swell = 0.1 + 0.1 * np.cos(2 * np.pi * np.arange(frames) / SAMPLE_RATE)
    return np.asarray(signal.sosfilt(sections, noise, axis=1) * swell, np.float32)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    yield
    torch.set_num_threads(before)


def bench_cache(
    seconds: Annotated[float, typer.Option(min=1.0, help="Of audio.")] = 60.0,
    channels: Annotated[int, typer.Option(min=1, max=32)] = 2,
    model: Annotated[str, typer.Option(help="Name or path of a model.")] = "mini",
    quality: Annotated[str, typer.Option(help="draft, standard or best.")] = "standard",
    threads: Annotated[int | None, typer.Option(min=1, help="Of torch.")] = None,
) -> None:
    """Show how long a file takes the first time, and how long once its new band is in the cache."""
    with _threads(threads or torch.get_num_threads()):
        typer.echo(str(measure_cache(seconds, channels, model, quality)))


if __name__ == "__main__":
    typer.run(bench_cache)

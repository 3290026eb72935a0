"""Real-time factors, stage by stage: ``python -m audiosr_fx.bench``.

Every column is one way to run one model over the same windows of 5.12 s. ``reference`` is the published
schedule: float32, one window at a time, 50 DDIM steps with fresh noise, and two calls of the U-Net per step.
Where weights are not at hand they are made up: speed does not depend on their values.
"""

from __future__ import annotations

import json
import math
import os
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Annotated

import numpy as np
import torch
import typer
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table
from torch import Tensor

from audiosr_fx.engine import Engine
from audiosr_fx.errors import AudioSRError, CheckpointError
from audiosr_fx.model import config as configs
from audiosr_fx.model.audiosr import AudioSRModel
from audiosr_fx.model.checkpoint import load_model
from audiosr_fx.model.samplers import SAMPLERS
from audiosr_fx.render import RenderSettings, render_array
from audiosr_fx.sources import Audio

SAMPLE_RATE = 48_000
WINDOW_S = 5.12
WINDOW_FRAMES = 512
CUTOFF_HZ = 4000.0
REFERENCE_STEPS = 50
REFERENCE_GUIDANCE = 3.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One stage of one column: ``work_s`` of computing for ``audio_s`` of audio."""

    column: str
    stage: str
    work_s: float
    audio_s: float

    @property
    def real_time_factor(self) -> float:
        """Seconds of work per second of audio: below 1 is faster than real time."""
        return self.work_s / self.audio_s


class Clock:
    """Times calls on a device: once to warm up, then the best of a few."""

    def __init__(self, device: torch.device, repeats: int) -> None:
        self._device = device
        self._repeats = repeats

    def measure(self, work: Callable[[], object], *, repeats: int | None = None) -> float:
        """Seconds of the quickest call."""
        count = self._repeats if repeats is None else repeats
        if count > 1:
            work()
        return min(self._once(work) for _ in range(count))

    def _once(self, work: Callable[[], object]) -> float:
        self._wait()
        started = time.perf_counter()
        work()
        self._wait()
        return time.perf_counter() - started

    def _wait(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        elif self._device.type == "mps":
            torch.mps.synchronize()


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """What stages are fed, shapes as in ``audiosr_fx.model``, on the device."""

    waveform: Tensor
    mel: Tensor
    latent: Tensor
    cutoff_hz: Tensor

    @classmethod
    def make(cls, model: AudioSRModel, device: torch.device, count: int) -> Windows:
        """``count`` windows of made-up audio and latents."""
        generator = torch.Generator().manual_seed(0)
        samples = WINDOW_FRAMES * model.config.mel.hop_length + 2 * model.config.mel.padding
        waveform = 0.1 * torch.randn(count, samples, generator=generator)
        shape = (count, model.latent_channels, WINDOW_FRAMES // 8, model.latent_bands)
        latent = torch.randn(shape, generator=generator)
        waveform, latent = waveform.to(device), latent.to(device)
        cutoff_hz = torch.full((count,), CUTOFF_HZ, device=device)
        return cls(waveform=waveform, mel=model.mel.frames(waveform), latent=latent, cutoff_hz=cutoff_hz)


def bench_engine(engine: Engine, quality: str, seconds: float, clock: Clock) -> Iterator[Row]:
    """Time every stage of a model as this project runs it, then a whole render."""
    column = f"{engine.config.name} {quality}"
    model = engine.model
    sampling = engine.sampling(RenderSettings(quality=quality))
    windows = Windows.make(model, engine.device, engine.batch_size)
    audio_s = engine.batch_size * WINDOW_S
    timestep = torch.full((engine.batch_size,), 500, device=engine.device)
    guided = model.config.guidance_scale != 1.0

    def unet() -> Tensor:
        x, condition, t = windows.latent, windows.latent, timestep
        if guided:
            x, condition, t = torch.cat([x, x]), torch.cat([condition, condition]), torch.cat([t, t])
        return model.predict_velocity(x, t, condition)

    stages: dict[str, Callable[[], object]] = {"front end": lambda: model.mel.frames(windows.waveform)}
    if model.predictor is not None:
        predictor = model.predictor
        stages["predictor"] = lambda: predictor(windows.mel, windows.cutoff_hz)
    if sampling.steps:
        stages["VAE encode"] = lambda: model.vae.encode(windows.mel[:, None])
        stages["VAE decode"] = lambda: model.decode(windows.latent)
        stages["U-Net, one step"] = unet
        stages["sampler, all steps"] = lambda: model.sample(windows.latent, sampling, windows.latent)
    lowpass = windows.waveform[:, : WINDOW_FRAMES * model.config.mel.hop_length]
    stages["vocoder"] = lambda: model.vocode(windows.mel, lowpass, cutoff_hz=CUTOFF_HZ, start_frame=0, seed=0)
    if model.cleaner is not None:
        cleaner, around = model.cleaner, lowpass.repeat(1, 3)  # it hears 5 s to either side
        stages["cleaner"] = lambda: cleaner(around, (WINDOW_FRAMES, WINDOW_FRAMES))
    with torch.inference_mode():
        for stage, work in stages.items():
            yield Row(column=column, stage=stage, work_s=clock.measure(work), audio_s=audio_s)
    audio = made_up_audio(seconds)
    settings = RenderSettings(quality=quality, cutoff_hz=CUTOFF_HZ)
    whole_s = clock.measure(lambda: render_array(audio, SAMPLE_RATE, settings, engine=engine))
    yield Row(column=column, stage="whole render", work_s=whole_s, audio_s=seconds)


@torch.inference_mode()
def bench_reference(model: AudioSRModel, device: torch.device, clock: Clock) -> Iterator[Row]:
    """Time a published model on the reference schedule: one window, float32, guidance in two calls."""
    model = model.to(device).eval()
    column = f"{model.config.name} reference"
    windows = Windows.make(model, device, 1)

    def velocity(x: Tensor, timestep: int, condition: Tensor) -> Tensor:
        return model.predict_velocity(x, torch.full((1,), timestep, device=device), condition)

    absent = torch.full_like(windows.latent, model.config.diffusion.unconditional_value)

    def denoise(x: Tensor, timestep: int) -> Tensor:
        conditional = velocity(x, timestep, windows.latent)
        unconditional = velocity(x, timestep, absent)
        return unconditional + REFERENCE_GUIDANCE * (conditional - unconditional)

    stages: dict[str, Callable[[], object]] = {
        "front end": lambda: model.mel.frames(windows.waveform),
        "VAE encode": lambda: model.vae.encode(windows.mel[:, None]),
        "VAE decode": lambda: model.decode(windows.latent),
        "U-Net, one step": lambda: denoise(windows.latent, 500),
        "sampler, all steps": lambda: SAMPLERS["ddim"](
            denoise,
            model.schedule,
            windows.latent,
            steps=REFERENCE_STEPS,
            eta=1.0,
            spacing="reference",
            noise=lambda step: windows.latent,
        ),
        "vocoder": lambda: model.vocoder(windows.mel.transpose(1, 2)),
    }
    work_s = {
        stage: clock.measure(work, repeats=1 if stage.startswith("sampler") else None)
        for stage, work in stages.items()
    }
    for stage, stage_s in work_s.items():
        yield Row(column=column, stage=stage, work_s=stage_s, audio_s=WINDOW_S)
    # The published code runs front end and encoder twice: on the input and on its low-passed copy.
    whole_s = sum(work_s.values()) - work_s["U-Net, one step"] + work_s["front end"] + work_s["VAE encode"]
    yield Row(column=column, stage="whole render", work_s=whole_s, audio_s=WINDOW_S)


def made_up_audio(seconds: float) -> Audio:
    """Noise at -20 dBFS, one channel."""
    generator = np.random.default_rng(0)
    return (0.1 * generator.standard_normal((1, round(seconds * SAMPLE_RATE)))).astype(np.float32)


def model_or_made_up(name: str) -> tuple[AudioSRModel, str]:
    """A model and the words for where its weights come from.

    Raises:
        CheckpointError: no such model, and no config to make one up from.
    """
    try:
        return load_model(name), "its weights"
    except CheckpointError:
        config = {"mini": configs.MINI, "basic": configs.BASIC, "speech": configs.SPEECH}.get(name)
        if config is None:
            raise
        torch.manual_seed(0)
        return AudioSRModel(config).eval(), "made-up weights"


def describe_device(device: torch.device) -> str:
    """The device in words, for the head of a table of timings."""
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}"
    cores = os.cpu_count() or 1
    return f"{_processor_name()}, {cores} cores, {torch.get_num_threads()} threads, torch {torch.__version__}"


def _processor_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
        return names[0]
    except (OSError, IndexError):
        return platform.processor() or platform.machine()


def table_of(rows: list[Row]) -> Table:
    """Real-time factors, a row per stage and a column per way to run it."""
    columns = list(dict.fromkeys(row.column for row in rows))
    stages = sorted({row.stage for row in rows}, key=_STAGES.index)
    table = Table(box=MARKDOWN)
    table.add_column("stage")
    for column in columns:
        table.add_column(column, justify="right")
    found = {(row.column, row.stage): row.real_time_factor for row in rows}
    for stage in stages:
        cells = [found.get((column, stage), math.nan) for column in columns]
        table.add_row(stage, *("" if math.isnan(cell) else f"{cell:.4f}" for cell in cells))
    return table


_STAGES = [
    "front end",
    "predictor",
    "VAE encode",
    "VAE decode",
    "U-Net, one step",
    "sampler, all steps",
    "vocoder",
    "cleaner",
    "whole render",
]


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def bench(
    models: Annotated[
        str, typer.Option(help="Names with commas between them: mini, basic, speech.")
    ] = "mini,basic",
    qualities: Annotated[str, typer.Option(help="Qualities with commas between them.")] = "draft,standard",
    reference: Annotated[bool, typer.Option(help="Time basic on the reference schedule.")] = True,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    dtype: Annotated[
        str, typer.Option(help="auto, float32, bfloat16 or float16; not for the reference.")
    ] = "auto",
    seconds: Annotated[float, typer.Option(min=1.0, help="Length of the whole render.")] = 10.24,
    repeats: Annotated[
        int, typer.Option(min=1, help="The best of so many; with 1 nothing is warmed up.")
    ] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per row.")] = False,
) -> None:
    """Time every stage of the models on this machine."""
    rows: list[Row] = []
    notes: list[str] = []
    chosen = torch.device("cpu")

    def take(found: Iterator[Row]) -> None:
        for row in found:
            rows.append(row)
            if as_json:
                typer.echo(json.dumps({**asdict(row), "real_time_factor": row.real_time_factor}))
            else:
                typer.echo(f"{row.column}: {row.stage} {row.real_time_factor:.4f}", err=True)

    try:
        for name in models.split(","):
            model, weights = model_or_made_up(name)
            notes.append(f"{name}: {weights}")
            if reference and name == "basic":
                chosen = Engine(model, device, "float32").device
                take(bench_reference(model, chosen, Clock(chosen, repeats)))
            engine = Engine(model, device, dtype)
            chosen = engine.device
            for quality in qualities.split(","):
                take(bench_engine(engine, quality, seconds, Clock(chosen, repeats)))
            notes[-1] += f", {engine.describe()}"
    except AudioSRError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
    if not as_json:
        console = Console(width=160, highlight=False)
        console.print(f"Seconds of work per second of audio on {describe_device(chosen)};")
        console.print("below 1 is faster than real time.")
        console.print(table_of(rows))
        for note in notes:
            console.print(note)


if __name__ == "__main__":
    app()

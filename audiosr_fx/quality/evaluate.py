"""Hold a model against naive baselines on clips it has never seen."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audiosr_fx.engine import Engine
from audiosr_fx.model.audiosr import SamplerSettings
from audiosr_fx.model.mel import mel_band_edges_hz, mel_filterbank
from audiosr_fx.model.noise import NoiseField
from audiosr_fx.quality.baselines import HOP_LENGTH, Filler, fill_with_envelope, fill_with_noise, fold
from audiosr_fx.quality.lsd import measure_lsd
from audiosr_fx.render import render_array
from audiosr_fx.settings import RenderSettings
from audiosr_fx.training.data import SAMPLE_RATE, Clip
from audiosr_fx.training.degrade import LowPass, apply_lowpass

CUTOFFS_HZ = (4_000.0, 8_000.0, 12_000.0)
KINDS = ("speech", "music", "drums")
TILTS_DB_PER_OCTAVE = (-3.0, -6.0, -9.0, -12.0, -15.0, -18.0, -24.0, -30.0)

Waveform = NDArray[np.float32]
Restorer = Callable[[Waveform, float], Waveform]
"""(dull waveform (T,) at 48 kHz, cutoff in Hz) -> restored waveform (T,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """LSD of one system on one clip at one cutoff."""

    system: str
    kind: str
    clip: str
    cutoff_hz: float
    lsd: float


def kind_of(clip: Clip) -> str | None:
    """The column a clip counts in; None for sound effects."""
    if clip.kind in ("speech", "drums"):
        return clip.kind
    return None if clip.kind == "fx" else "music"


def evaluate(
    systems: Mapping[str, Restorer], clips: Sequence[Clip], cutoffs_hz: Sequence[float] = CUTOFFS_HZ
) -> Iterator[Score]:
    """Score every system on every clip at every cutoff.

    A clip is low-passed by a Chebyshev filter of order 8 (0.1 dB ripple, no phase shift); a system is told
    the cutoff. LSD counts the bins from 0 Hz to the frequency up to which the clip can be trusted.
    """
    for clip in clips:
        kind = kind_of(clip)
        if kind is None:
            continue
        bright = clip.samples.astype(np.float32) / np.float32(32768)
        for cutoff_hz in cutoffs_hz:
            dull = apply_lowpass(bright, LowPass(family="chebyshev", order=8, cutoff_hz=cutoff_hz))
            for name, restore in systems.items():
                lsd = measure_lsd(bright, restore(dull, cutoff_hz), SAMPLE_RATE, highest_hz=clip.limit_hz)
                yield Score(system=name, kind=kind, clip=clip.name, cutoff_hz=cutoff_hz, lsd=lsd)


def model_systems(engine: Engine, seed: int = 0) -> dict[str, Restorer]:
    """A model at each quality, and its predictor's envelope filled with noise instead of a vocoder."""
    systems: dict[str, Restorer] = {}
    if engine.model.predictor is not None:
        systems["predictor + noise"] = lambda dull, cutoff_hz: _predictor_with_noise(engine, dull, cutoff_hz)
    for quality in ("draft", "standard", "best"):
        settings = RenderSettings(quality=quality, seed=seed)
        systems[f"{engine.config.name} {quality}"] = _renderer(engine, settings)
    return systems


def baseline_systems(clips: Sequence[Clip]) -> dict[str, Restorer]:
    """Unprocessed, folding and noise, the latter two with the tilt that scores best on ``clips``."""
    return {
        "unprocessed": lambda dull, cutoff_hz: dull,
        "folding with tilt": _best_tilt(fold, clips),
        "noise with tilt": _best_tilt(fill_with_noise, clips),
    }


def summarise(scores: Sequence[Score]) -> str:
    """A Markdown table: mean LSD per system, by kind and cutoff, and over all cells."""
    systems = list(dict.fromkeys(score.system for score in scores))
    cutoffs = sorted({score.cutoff_hz for score in scores})
    cells = [(kind, cutoff) for kind in KINDS for cutoff in cutoffs]
    lines = [
        "| system | " + " | ".join(f"{kind} {cutoff / 1000:g} kHz" for kind, cutoff in cells) + " | mean |",
        "|---|" + "---|" * (len(cells) + 1),
    ]
    for system in systems:
        means = []
        for kind, cutoff in cells:
            found = [s.lsd for s in scores if (s.system, s.kind, s.cutoff_hz) == (system, kind, cutoff)]
            means.append(float(np.mean(found)) if found else float("nan"))
        figures = " | ".join(f"{mean:.2f}" for mean in (*means, float(np.nanmean(means))))
        lines.append(f"| {system} | {figures} |")
    return "\n".join(lines)


def write_scores(scores: Sequence[Score], path: Path) -> None:
    """One CSV row per score."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=[field.name for field in fields(Score)])
        writer.writeheader()
        writer.writerows(asdict(score) for score in scores)


def _renderer(engine: Engine, settings: RenderSettings) -> Restorer:
    def restore(dull: Waveform, cutoff_hz: float) -> Waveform:
        told = replace(settings, cutoff_hz=cutoff_hz)
        return np.asarray(render_array(dull[None], SAMPLE_RATE, told, engine=engine).audio[0])

    return restore


def _best_tilt(filler: Filler, clips: Sequence[Clip]) -> Restorer:
    """``filler`` with, for each cutoff, the tilt of lowest mean LSD over ``clips``."""
    best: dict[float, float] = {}

    def tilt_for(cutoff_hz: float) -> float:
        if cutoff_hz not in best:
            means = {
                tilt: np.mean(
                    [
                        score.lsd
                        for score in evaluate(
                            {"": lambda dull, hz, tilt=tilt: filler(dull, SAMPLE_RATE, hz, tilt)},  # type: ignore[misc]
                            clips,
                            [cutoff_hz],
                        )
                    ]
                )
                for tilt in TILTS_DB_PER_OCTAVE
            }
            best[cutoff_hz] = min(means, key=lambda tilt: float(means[tilt]))
        return best[cutoff_hz]

    return lambda dull, cutoff_hz: filler(dull, SAMPLE_RATE, cutoff_hz, tilt_for(cutoff_hz))


def _predictor_with_noise(engine: Engine, dull: Waveform, cutoff_hz: float) -> Waveform:
    config = engine.config.mel
    gain = np.float32(0.5 / max(float(np.abs(dull).max()), 1e-4))
    frames = -(-len(dull) // config.hop_length)
    padded = np.zeros(frames * config.hop_length + 2 * config.padding, np.float32)
    padded[config.padding : config.padding + len(dull)] = dull * gain
    [predicted] = engine.restore_mel(
        engine.log_mel(padded[None]),
        cutoff_hz=cutoff_hz,
        settings=SamplerSettings(steps=0),
        noise=NoiseField(0),
        start_frames=[0],
    )
    log_envelope = predicted - np.log(mel_filterbank(config).sum(axis=1))
    edges = mel_band_edges_hz(config)
    bins_hz = np.arange(config.n_fft // 2 + 1) * (SAMPLE_RATE / config.n_fft)
    bands = np.stack([np.interp(bins_hz, edges[1:-1], frame) for frame in log_envelope])
    times = np.arange(frames) * config.hop_length + config.hop_length / 2
    wanted = np.arange(len(dull) // HOP_LENGTH + 3) * HOP_LENGTH
    rows = (
        np.clip(np.searchsorted(times, wanted), 1, frames - 1) if frames > 1 else np.zeros(len(wanted), int)
    )
    before = np.maximum(rows - 1, 0)
    share = np.clip((wanted - times[before]) / config.hop_length, 0.0, 1.0)[:, None]
    envelope = np.exp(bands[before] * (1 - share) + bands[rows] * share) / gain
    return fill_with_envelope(dull, SAMPLE_RATE, cutoff_hz, envelope.T.astype(np.float32))

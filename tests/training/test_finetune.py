"""Fine-tuning does what it is for: on a kind of sound it was tuned to, a model comes closer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
from tiny import WITH_PREDICTOR

from audiosr_fx.model.audiosr import AudioSRModel, SamplerSettings
from audiosr_fx.model.checkpoint import load_model, save_model
from audiosr_fx.quality.lsd import measure_lsd
from audiosr_fx.training.assemble import fresh_model, trained_model
from audiosr_fx.training.data import SAMPLE_RATE, Clip, DataFolder
from audiosr_fx.training.folders import scan_folder
from audiosr_fx.training.recipes import load_recipe
from audiosr_fx.training.request import TrainRequest
from audiosr_fx.training.run import split_data, train_stages
from audiosr_fx.training.validation import validation_batches


def write_bursts(folder: Path, db_per_octave: float) -> Path:
    """Eight sources of one class: bursts of noise of one tilt that die away, each in its own time."""
    folder.mkdir()
    random = np.random.default_rng(0)
    tilt = np.maximum(np.fft.rfftfreq(48_000, 1 / SAMPLE_RATE), 50.0) ** (db_per_octave / 6.02)
    for source in "abcdefgh":
        burst = np.fft.irfft(np.fft.rfft(random.standard_normal(48_000)) * tilt)
        burst *= np.exp(-np.arange(48_000) / random.uniform(4_000, 12_000))
        soundfile.write(folder / f"{source}.wav", 0.5 * burst / np.abs(burst).max(), SAMPLE_RATE)
    return folder


def train_predictor(folder: Path, runs: Path, init: Path) -> Path:
    """A model file whose predictor went on from ``init``."""
    recipe = load_recipe("finetune").with_overrides(
        steps=30, segment_s=0.32, batch_size=3, learning_rate=1e-2, warmup_steps=5, validate_every=15
    )
    data = [DataFolder(path=folder)]
    request = TrainRequest(
        stages=("predictor",), data=data, runs=runs, recipe=recipe, init=str(init), device="cpu", board=False
    )
    assert train_stages(request, lambda: False) is None
    model, _ = trained_model(runs, recipe)
    return save_model(model, runs / "model.safetensors")


def mean_lsd(model: AudioSRModel, clips: list[Clip]) -> float:
    """Of one-pass restorations at three cutoffs."""
    found = []
    for cutoff_hz, batch in validation_batches(clips):
        mel = model.restore_mel(
            model.mel(batch.dull).log_mel, batch.cutoff_hz, settings=SamplerSettings(steps=0)
        )
        made = model.vocode(mel, batch.dull, cutoff_hz=cutoff_hz, start_frame=0, seed=0)
        for true, dull, band in zip(batch.target, batch.dull, made, strict=True):
            found.append(measure_lsd(true[:48_000].numpy(), (dull + band)[:48_000].numpy(), SAMPLE_RATE))
    return float(np.mean(found))


def test_lsd_on_held_out_clips_of_the_class_falls(tmp_path: Path) -> None:
    thuds, cymbals = write_bursts(tmp_path / "thuds", -12.0), write_bursts(tmp_path / "cymbals", 3.0)
    fresh = save_model(fresh_model(WITH_PREDICTOR), tmp_path / "fresh.safetensors")
    general = train_predictor(thuds, tmp_path / "first", fresh)
    tuned = train_predictor(cymbals, tmp_path / "second", general)
    training, held_out = split_data(scan_folder(cymbals), load_recipe("finetune").data)
    assert held_out
    assert not {clip.source for clip in held_out} & {clip.source for clip in training}
    before, after = (mean_lsd(load_model(path), held_out) for path in (general, tuned))
    assert after < 0.6 * before

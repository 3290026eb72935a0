"""Fit the one number that training leaves to chance on new sources: the level of the generated band."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from audiosr_fx.errors import AudioFormatError, ParameterError
from audiosr_fx.model.audiosr import AudioSRModel, SamplerSettings
from audiosr_fx.model.exciter import Exciter
from audiosr_fx.quality.lsd import measure_lsd
from audiosr_fx.training.data import SAMPLE_RATE, Clip
from audiosr_fx.training.losses import DB_PER_NEPER
from audiosr_fx.training.segments import Batch
from audiosr_fx.training.validation import validation_batches

GAINS_DB = tuple(float(gain) for gain in np.arange(-3.0, 6.5, 0.5))
_AS_GOOD = 1.005  # times the lowest mean LSD; a band too loud is heard sooner than one too soft


@torch.inference_mode()
def calibrate_level(model: AudioSRModel, clips: Sequence[Clip]) -> float:
    """Move the level of the vocoder's output to where validation clips are met, in one pass.

    A predictor trained for the median of log spectra errs to one side on sources it does not know. Of the
    gains as good as the best by mean LSD, the lowest is taken; every source counts alike.

    Args:
        model: with a predictor and the light vocoder; the vocoder's output bias is changed.
        clips: validation clips.

    Returns:
        The gain in dB that was built in.

    Raises:
        ParameterError: a model of another make.
        AudioFormatError: ``clips`` is empty.
    """
    if model.predictor is None or not isinstance(model.vocoder, Exciter):
        raise ParameterError(f"model {model.config.name!r} has no predictor or another vocoder")
    if not clips:
        raise AudioFormatError(
            "the data has no held-out clip to fit the output level by; give more of it, or leave --data away"
        )
    distances: dict[str, list[list[float]]] = defaultdict(list)
    for _, batch in validation_batches(clips):
        made = _generate(model, batch)
        for clip, target, dull, band in zip(clips, batch.target, batch.dull, made, strict=True):
            distances[clip.source].append(_distances(clip, target, dull, band))
    means = np.mean([np.mean(rows, axis=0) for rows in distances.values()], axis=0)
    gain_db = GAINS_DB[int(np.argmax(means <= _AS_GOOD * means.min()))]
    model.vocoder.project_out.bias[: model.config.mel.n_mels] += gain_db / DB_PER_NEPER
    return gain_db


def _generate(model: AudioSRModel, batch: Batch) -> Tensor:
    mel = model.mel(batch.dull).log_mel
    predicted = model.restore_mel(mel, batch.cutoff_hz, settings=SamplerSettings(steps=0))
    return model.vocode(predicted, batch.dull, cutoff_hz=float(batch.cutoff_hz[0]), start_frame=0, seed=0)


def _distances(clip: Clip, target: Tensor, dull: Tensor, band: Tensor) -> list[float]:
    """LSD at each of the gains, over the part of the segment that the clip fills."""
    length = min(len(clip.samples), len(target))
    bright, low, high = (x[:length].numpy() for x in (target, dull, band))
    return [
        measure_lsd(bright, low + high * np.float32(10 ** (gain / 20)), SAMPLE_RATE, highest_hz=clip.limit_hz)
        for gain in GAINS_DB
    ]

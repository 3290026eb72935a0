"""Let a model do more than the weights it starts from: look further, or clean.

Kernels are widened by zeros and a new cleaner leaves all bands open: until they are trained, next to nothing
changes.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from audiosr_fx.model.audiosr import AudioSRModel
from audiosr_fx.model.config import ModelConfig, PredictorConfig


def grown(model: AudioSRModel, config: ModelConfig) -> AudioSRModel:
    """The same model with the longer kernels of another's predictor, and with its cleaner if it has none.

    Args:
        model: left as it is.
        config: of what is to be trained.

    Returns:
        A model that says what ``model`` said; ``model`` itself where there is nothing to add.
    """
    margin = _margin(model.config.predictor, config.predictor)
    predictor = config.predictor if margin else model.config.predictor
    cleaner = config.cleaner if model.config.cleaner is None else model.config.cleaner
    wanted = replace(model.config, predictor=predictor, cleaner=cleaner)
    if wanted == model.config:
        return model
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        large = AudioSRModel(wanted)
    state = model.state_dict()
    for name in state:
        if name.startswith("predictor.blocks.") and name.endswith(".depthwise.weight"):
            state[name] = _with_margin(state[name], margin)
    large.load_state_dict({**large.state_dict(), **state})
    return large.train(model.training)


def _margin(own: PredictorConfig | None, wanted: PredictorConfig | None) -> int:
    """How many taps a predictor's kernels get on each side; 0 where the two differ in more than that."""
    if own is None or wanted is None or replace(own, kernel_size=wanted.kernel_size) != wanted:
        return 0
    margin, odd = divmod(wanted.kernel_size - own.kernel_size, 2)
    return 0 if odd else max(0, margin)


def _with_margin(kernel: Tensor, margin: int) -> Tensor:
    return nn.functional.pad(kernel, (margin, margin))

"""Let a predictor look further: kernels widened by zeros, which change nothing until they are trained."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from audiosr_fx.model.audiosr import AudioSRModel
from audiosr_fx.model.config import ModelConfig


def widened(model: AudioSRModel, config: ModelConfig) -> AudioSRModel:
    """The same model with the longer kernels of another's predictor; it says what it said.

    Args:
        model: left as it is.
        config: of what is to be trained.

    Returns:
        A model whose config has the ``predictor.kernel_size`` of ``config``; ``model`` itself where the two
        differ in more than that, or its kernels are as long already.
    """
    own, wanted = model.config.predictor, config.predictor
    if own is None or wanted is None or replace(own, kernel_size=wanted.kernel_size) != wanted:
        return model
    margin, odd = divmod(wanted.kernel_size - own.kernel_size, 2)
    if margin <= 0 or odd:
        return model
    with torch.random.fork_rng(devices=[]):
        wide = AudioSRModel(replace(model.config, predictor=wanted))
    kernels = {f"predictor.blocks.{index}.depthwise.weight" for index in range(own.depth)}
    wide.load_state_dict(
        {
            name: _with_margin(tensor, margin) if name in kernels else tensor
            for name, tensor in model.state_dict().items()
        }
    )
    return wide.train(model.training)


def _with_margin(kernel: Tensor, margin: int) -> Tensor:
    return nn.functional.pad(kernel, (margin, margin))

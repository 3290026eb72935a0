"""The envelope predictor: what it may change and what it may look at."""

from __future__ import annotations

import pytest
import torch

from audiosr_fx.model.config import MelConfig, PredictorConfig
from audiosr_fx.model.predictor import Predictor


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    torch.manual_seed(0)
    return Predictor(PredictorConfig(width=16, depth=2), MelConfig()).eval()


def _mel(frames: int = 40) -> torch.Tensor:
    return torch.randn(2, frames, 256, generator=torch.Generator().manual_seed(1)) - 6.0


@pytest.mark.parametrize("frames", [1, 7, 64])
def test_bands_below_the_cutoff_come_out_as_they_went_in(predictor: Predictor, frames: int) -> None:
    mel, cutoff_hz = _mel(frames), torch.tensor([4_000.0, 9_000.0])
    completed = predictor(mel, cutoff_hz)
    known = predictor.known_bands(cutoff_hz)[:, None, :].expand_as(mel)
    assert completed.shape == mel.shape
    assert torch.equal(completed[known], mel[known])
    assert not torch.equal(completed[~known], mel[~known])


def test_what_stands_above_the_cutoff_is_not_looked_at(predictor: Predictor) -> None:
    mel, cutoff_hz = _mel(), torch.tensor([4_000.0, 4_000.0])
    known = predictor.known_bands(cutoff_hz)[:, None, :]
    other = torch.where(known, mel, torch.zeros_like(mel))
    assert torch.equal(predictor(mel, cutoff_hz), predictor(other, cutoff_hz))


def test_known_bands_end_at_the_cutoff(predictor: Predictor) -> None:
    known = predictor.known_bands(torch.tensor([4_000.0]))[0]
    assert predictor.upper_edges_hz[known].max() <= 4_000.0 < predictor.upper_edges_hz[~known].min()

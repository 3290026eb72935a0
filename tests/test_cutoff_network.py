"""The network that finds cutoffs: the same in NumPy as where it is learnt, and learning works."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from audiosr_fx import cutoff_network
from audiosr_fx.cutoff_network import mode, network_input, read_cutoff
from audiosr_fx.training.cutoff import CutoffNetwork, learn

BANDS = 134


def test_numpy_and_torch_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    network = CutoffNetwork().eval()
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    monkeypatch.setattr(cutoff_network, "_weights", lambda: weights)
    statistics = np.random.default_rng(0).normal(-60.0, 20.0, (5, BANDS)).astype(np.float32)
    with torch.no_grad():
        odds, is_cut = network(torch.from_numpy(network_input(statistics, 24_000.0))[None])
    band, confidence = mode(torch.softmax(odds[0].double(), dim=0).numpy())
    reading = read_cutoff(statistics, 24_000.0, 500.0)
    assert reading.cutoff_hz == pytest.approx(500.0 * 2.0 ** ((band + 0.5) / 24.0), rel=1e-3)
    assert reading.confidence == pytest.approx(confidence, abs=1e-3)
    assert reading.evidence == pytest.approx(float(is_cut), abs=1e-3)


def test_a_few_batches_learn_the_same_every_time() -> None:
    noise = np.random.default_rng(0).exponential(1e-8, (9, 2049)).astype(np.float32)
    first, second = (learn([noise], examples=40, batches=12) for _ in range(2))
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)
        assert bool(torch.isfinite(one).all())

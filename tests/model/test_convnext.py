"""The depthwise convolution that is a matrix product on a CPU."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from audiosr_fx.model.convnext import depthwise


@pytest.mark.parametrize("taps", [1, 7, 15, 49])
@pytest.mark.parametrize("length", [1, 31, 32, 33, 257])
def test_is_the_convolution_it_stands_for_and_so_are_its_gradients(taps: int, length: int) -> None:
    torch.manual_seed(0)
    convolution = nn.Conv1d(6, 6, taps, padding=taps // 2, groups=6).double()
    x = torch.randn(3, 6, length, dtype=torch.float64, requires_grad=True)
    wanted = convolution(x)
    made = depthwise(x, convolution)
    assert torch.allclose(made, wanted, rtol=0.0, atol=1e-12)
    inputs = [x, *convolution.parameters()]
    gradients = zip(
        torch.autograd.grad(made.square().sum(), inputs),
        torch.autograd.grad(wanted.square().sum(), inputs),
        strict=True,
    )
    for own, of_torch in gradients:
        assert torch.allclose(own, of_torch, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("taps", [7, 49])
def test_hears_no_further_than_its_taps_reach(taps: int) -> None:
    convolution = nn.Conv1d(4, 4, taps, padding=taps // 2, groups=4)
    x = torch.randn(1, 4, 300)
    moved = x.clone()
    moved[:, :, 100] += 1.0
    with torch.inference_mode():
        differs = (depthwise(moved, convolution) != depthwise(x, convolution)).any(dim=1)[0]
    assert differs.nonzero().flatten().tolist() == list(range(100 - taps // 2, 100 + taps // 2 + 1))

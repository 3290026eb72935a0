"""The cleaner turns bands down, never up, and is exact away from the ends of a stretch."""

from __future__ import annotations

import pytest
import torch

from audiosr_fx.model.cleaner import Cleaner
from audiosr_fx.model.config import CleanerConfig, MelConfig

HOP = 480


@pytest.fixture(scope="module")
def cleaner() -> Cleaner:
    """Trained on nothing, and turning some bands down all the same."""
    torch.manual_seed(0)
    cleaner = (
        Cleaner(CleanerConfig(width=16, depth=2, kernel_size=5), MelConfig()).eval().requires_grad_(False)
    )
    torch.nn.init.normal_(cleaner.project_out.weight, std=3.0)
    return cleaner


@pytest.fixture(scope="module")
def noise() -> torch.Tensor:
    return 0.1 * torch.randn(1, 100 * HOP, generator=torch.Generator().manual_seed(1))


def test_a_new_one_leaves_a_recording_all_but_as_it_was(noise: torch.Tensor) -> None:
    fresh = Cleaner(CleanerConfig(width=16, depth=1), MelConfig())
    inner = slice(2048, -2048)
    with torch.no_grad():
        left = (fresh(noise) - noise)[:, inner]
    assert left.square().mean() < 1e-4 * noise.square().mean()  # 40 dB below


def test_nothing_is_turned_up_or_down_by_more_than_40_db(cleaner: Cleaner, noise: torch.Tensor) -> None:
    gain_db = cleaner.log_gain(cleaner.stft.spectrum(noise).abs()) * (20.0 / torch.log(torch.tensor(10.0)))
    assert gain_db.max() <= 0.0
    assert gain_db.min() >= -40.01
    assert gain_db.min() < -10.0 < gain_db.max()


def test_a_stretch_is_exact_but_for_its_context(cleaner: Cleaner) -> None:
    context, frames = cleaner.context_frames, 1_300
    noise = 0.1 * torch.randn(1, (frames + 100) * HOP, generator=torch.Generator().manual_seed(2))
    noise[:, :: 80 * HOP] *= 30.0
    whole = cleaner(noise)[:, 100 * HOP :]
    part = cleaner(noise[:, 100 * HOP :])
    inner = slice(context * HOP, (frames - context) * HOP)
    assert inner.stop - inner.start > 100 * HOP
    torch.testing.assert_close(part[:, inner], whole[:, inner], atol=1e-6, rtol=0.0)
    assert not torch.allclose(part[:, : 200 * HOP], whole[:, : 200 * HOP], atol=1e-4)


def test_margins_are_heard_only(cleaner: Cleaner) -> None:
    noise = 0.1 * torch.randn(1, 300 * HOP, generator=torch.Generator().manual_seed(2))
    whole = cleaner(noise)
    for before, after in ((100, 120), (3, 0), (0, 17)):
        torch.testing.assert_close(
            cleaner(noise, (before, after)), whole[:, before * HOP : (300 - after) * HOP], atol=1e-6, rtol=0.0
        )


def test_an_even_kernel_is_refused() -> None:
    with pytest.raises(ValueError, match="kernel_size is 4; expected an odd number"):
        Cleaner(CleanerConfig(kernel_size=4), MelConfig())


def test_silence_stays_silent(cleaner: Cleaner) -> None:
    assert torch.equal(cleaner(torch.zeros(1, 20 * HOP)), torch.zeros(1, 20 * HOP))

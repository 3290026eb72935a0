"""Short-time spectra go back to the waveform they came from, wherever a stretch begins."""

from __future__ import annotations

import pytest
import torch

from audiosr_fx.model.stft import ShortTime, interpolation


@pytest.mark.parametrize(("n_fft", "hop"), [(1024, 240), (2048, 480)])
def test_there_and_back_is_the_same_away_from_the_ends(n_fft: int, hop: int) -> None:
    stft = ShortTime(n_fft, hop)
    waveform = torch.randn(2, 40 * hop, generator=torch.Generator().manual_seed(0))
    spectrum = stft.spectrum(waveform)
    assert spectrum.shape == (2, 40, n_fft // 2 + 1)
    inner = slice(n_fft, -n_fft)
    torch.testing.assert_close(stft.inverse(spectrum)[:, inner], waveform[:, inner], atol=1e-5, rtol=0.0)


def test_a_frame_stands_in_the_middle_of_its_hop() -> None:
    stft = ShortTime(2048, 480)
    waveform = torch.zeros(1, 20 * 480)
    waveform[0, 10 * 480 + 240] = 1.0  # the middle of hop 10
    assert int(stft.spectrum(waveform).abs().sum(dim=2).argmax()) == 10


def test_a_curve_goes_straight_between_its_points_and_flat_beyond_them() -> None:
    from_hz, to_hz = torch.tensor([100.0, 200.0, 400.0]), torch.tensor([0.0, 150.0, 200.0, 350.0, 900.0])
    curve = torch.tensor([1.0, 3.0, 5.0]) @ interpolation(from_hz, to_hz)
    torch.testing.assert_close(curve, torch.tensor([1.0, 2.0, 3.0, 4.5, 5.0]))

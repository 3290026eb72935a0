"""The light vocoder: what it keeps of its excitation, and that blocks fit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from audiosr_fx.model.config import ExciterConfig, MelConfig
from audiosr_fx.model.exciter import Exciter, _moving_mean
from audiosr_fx.model.mel import LogMel
from audiosr_fx.quality.lsd import measure_lsd

CUTOFF_HZ = 6_000.0
FRAMES = 96


@pytest.fixture(scope="module")
def exciter() -> Exciter:
    torch.manual_seed(0)
    vocoder = Exciter(ExciterConfig(width=16, depth=1), MelConfig()).eval().requires_grad_(False)
    torch.nn.init.normal_(vocoder.project_out.weight, std=0.05)
    return vocoder


def _noise(seed: int, rows: int = 1) -> Tensor:
    return torch.randn(rows, 480 * FRAMES, generator=torch.Generator().manual_seed(seed))


def _low_band(rows: int = 1) -> Tensor:
    spectrum = torch.fft.rfft(_noise(2, rows))
    spectrum[:, round(CUTOFF_HZ / 24_000 * (spectrum.shape[1] - 1)) :] = 0.0
    return 0.1 * torch.fft.irfft(spectrum)


def _mel(rows: int = 1) -> Tensor:
    return torch.randn(rows, FRAMES, 256, generator=torch.Generator().manual_seed(3)) - 5.0


def _make(exciter: Exciter, low: Tensor, start_frame: int = 0) -> Tensor:
    made: Tensor = exciter(_mel(len(low)), low, torch.full((len(low),), CUTOFF_HZ), _noise(4), start_frame)
    return made


def test_nothing_is_made_below_the_cutoff(exciter: Exciter) -> None:
    made = _make(exciter, _low_band())[0, 4800:-4800].numpy()
    spectrum = np.abs(np.fft.rfft(made * np.hanning(len(made)))) ** 2
    frequencies = np.fft.rfftfreq(len(made), 1 / 48_000)
    below = spectrum[frequencies < CUTOFF_HZ - 400.0].sum()
    assert 10 * np.log10(below / spectrum.sum()) < -60.0


def test_inverting_the_input_inverts_the_output(exciter: Exciter) -> None:
    low = _low_band()
    assert torch.equal(_make(exciter, -low), -_make(exciter, low))


def test_equal_channels_stay_equal(exciter: Exciter) -> None:
    mels = _mel().repeat(2, 1, 1)
    both = exciter(mels, _low_band().repeat(2, 1), torch.full((2,), CUTOFF_HZ), _noise(4))
    torch.testing.assert_close(both[0], both[1], rtol=1e-6, atol=1e-7)


def test_a_block_equals_the_same_stretch_of_the_whole(exciter: Exciter) -> None:
    low, mel, noise = _low_band(), _mel(), _noise(4)
    whole = _make(exciter, low)
    context = exciter.context_frames
    first, stop = 13, FRAMES - 5
    samples = slice(480 * first, 480 * stop)
    block = exciter(
        mel[:, first:stop], low[:, samples], torch.tensor([CUTOFF_HZ]), noise[:, samples], start_frame=first
    )
    inner = whole[:, 480 * (first + context) : 480 * (stop - context)]
    torch.testing.assert_close(block[:, 480 * context : -480 * context], inner, rtol=1e-5, atol=1e-6)


def test_a_true_mel_alone_gives_the_right_envelope() -> None:
    """Untrained, the network adds nothing: the mel's own envelope must already be about right."""
    vocoder = Exciter(ExciterConfig(), MelConfig()).eval().requires_grad_(False)
    bright, low = 0.1 * _noise(2), _low_band()
    mel = LogMel(MelConfig())(bright).log_mel
    made = low + vocoder(mel, low, torch.tensor([CUTOFF_HZ]), _noise(4))
    # Two independent noises under one envelope differ by 0.79 in log10 power: two exponentials, 5.57 dB each.
    distance = measure_lsd(
        bright[0].numpy(), made[0].numpy(), 48_000, lowest_hz=CUTOFF_HZ + 500.0, highest_hz=23_000.0
    )
    assert distance == pytest.approx(0.79, abs=0.08)


@pytest.mark.parametrize("length", [1, 3, 5, 43, 961])
@pytest.mark.parametrize("samples", [1, 7, 64, 65, 8193])
def test_a_moving_mean_is_the_mean_of_its_neighbours_wherever_it_stands(samples: int, length: int) -> None:
    x = torch.rand(2, 1, samples, generator=torch.Generator().manual_seed(5))
    mean = _moving_mean(x, length)
    padded = torch.nn.functional.pad(x.double(), (length // 2, length // 2))
    torch.testing.assert_close(mean.double(), padded.unfold(-1, length, 1).mean(-1), rtol=1e-6, atol=1e-7)
    later = _moving_mean(torch.nn.functional.pad(x, (13, 0)), length)
    assert torch.equal(later[..., 13:], mean)

"""Learning the network that finds cutoffs, from recordings that reach 20 kHz and filters made up for them.

``python -m audiosr_fx.training.cutoff FOLDER cutoff_network.npz`` takes every FLAC file below a folder.
Filters act on power spectra, stretch by stretch, so that a hundred thousand examples cost a minute.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import signal
from torch import Tensor, nn

from audiosr_fx.cutoff_network import DILATIONS, network_input
from audiosr_fx.files import FileSource
from audiosr_fx.spectrum import BAND_EDGES_HZ, band_means, band_statistics

_RATE: Final = 48_000
_N_FFT: Final = 4096
_MOST_STRETCHES: Final = 32
_FREQUENCY_HZ: Final = np.arange(_N_FFT // 2 + 1) * (_RATE / _N_FFT)
_OCTAVES: Final = np.log2(np.maximum(_FREQUENCY_HZ, 1.0) / 1000.0)
_TABLE_OCTAVES: Final = np.linspace(-6.0, 6.0, 4801)
_DITHERED_16_BIT_DB: Final = 10.0 * math.log10(2.0**-30 / 4.0 / (_N_FFT / 2))  # TPDF, in each bin
_LABEL_BANDS: Final = 0.8  # standard deviation

Floats = NDArray[np.float64]


class CutoffNetwork(nn.Module):
    """Dilated convolutions over bands, each told of the whole spectrum by its mean and maximum."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.enter = nn.Conv1d(8, width, 7, padding=3)
        self.local = nn.ModuleList(nn.Conv1d(width, width, 5, padding=2 * d, dilation=d) for d in DILATIONS)
        self.overall = nn.ModuleList(nn.Linear(2 * width, width) for _ in DILATIONS)
        self.cutoff = nn.Conv1d(width, 1, 1)
        self.hidden = nn.Linear(2 * width, width)
        self.is_cut = nn.Linear(width, 1)
        for layer in self.overall.parameters():
            nn.init.zeros_(layer)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 8, bands) -> log-odds of each band (B, bands) and of a cut at all (B,)."""
        x = torch.relu(self.enter(x))
        for local, overall in zip(self.local, self.overall, strict=True):
            x = x + torch.relu(local(x) + overall(_pool(x))[:, :, None])
        return self.cutoff(x)[:, 0], self.is_cut(torch.relu(self.hidden(_pool(x))))[:, 0]


def learn(
    recordings: list[NDArray[np.float32]], *, examples: int, batches: int, seed: int = 0
) -> CutoffNetwork:
    """Make examples from the power spectra of recordings (``stretch_powers``) and learn from them."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    maker = _Maker(recordings, rng)
    made = [maker.make() for _ in range(examples)]
    inputs = torch.from_numpy(np.stack([x for x, _ in made]).astype(np.float16))
    cutoffs = torch.tensor([cutoff for _, cutoff in made])
    network = CutoffNetwork()
    optimizer = torch.optim.AdamW(network.parameters(), lr=2.5e-3, weight_decay=0.01)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2.5e-3, total_steps=batches, pct_start=0.1)
    for chosen in _batches(examples, batches, rng):
        loss = _loss(network, inputs[chosen].float(), cutoffs[chosen])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        rates.step()
    return network


def stretch_powers(path: Path) -> NDArray[np.float32]:
    """Power spectra of up to 32 stretches of a recording at 48 kHz: (stretches, 2049)."""
    with FileSource(path) as source:
        audio = source.read(0, max(source.frames, 2 * _N_FFT))[0].astype(np.float64)
    window = np.hanning(_N_FFT)
    framed = np.lib.stride_tricks.sliding_window_view(audio, _N_FFT)[:: _N_FFT // 2]
    if len(framed) > _MOST_STRETCHES:
        framed = framed[np.linspace(0, len(framed) - 1, _MOST_STRETCHES).astype(int)]
    power = np.abs(np.fft.rfft(framed * window)) ** 2 * (2.0 / (_N_FFT * np.sum(window**2)))
    return np.asarray(power, np.float32)


class _Maker:
    """Examples: a recording, perhaps mixed and equalised, a filter or none, holes, and a noise floor."""

    def __init__(self, recordings: list[NDArray[np.float32]], rng: np.random.Generator) -> None:
        self.recordings = recordings
        self.rng = rng
        self.tables = _tables(rng)

    def make(self) -> tuple[NDArray[np.float32], float]:
        """Network input, and the cutoff in Hz, 0 for none."""
        rng = self.rng
        power = self._recording(int(rng.choice([8, 16, 16, 24])))
        if rng.random() < 0.2:
            other = self._recording(len(power))
            power = power + other[np.arange(len(power)) % len(other)] * 10.0 ** (
                rng.uniform(-30.0, 0.0) / 10.0
            )
        response, cutoff_hz, is_brick = self._filter()
        nyquist_hz = _RATE / 2.0
        if rng.random() < 0.14:
            nyquist_hz = float(rng.choice([8000, 11_025, 12_000, 16_000, 22_050, 22_050]))
            fall = np.clip((_FREQUENCY_HZ / nyquist_hz - 0.93) / 0.07, 0.0, 1.0)
            response = response * np.cos(np.pi / 2.0 * fall) ** 2
            cutoff_hz = 0.0 if cutoff_hz > 0.93 * nyquist_hz else cutoff_hz
        power = power * response * 10.0 ** (self._equaliser_db() / 10.0)
        if rng.random() < (0.4 if is_brick else 0.05):
            power = self._with_holes(power)
        power = power + self._floor(power.shape)
        bands = band_means(10.0 * np.log10(power + 1e-24), _RATE / _N_FFT)
        bands[:, BAND_EDGES_HZ[1:] > nyquist_hz] = -300.0
        statistics = band_statistics(bands, 10.0 * np.log10(power.sum(axis=1)))
        return network_input(statistics, nyquist_hz), cutoff_hz

    def _recording(self, stretches: int) -> Floats:
        power = self.recordings[int(self.rng.integers(len(self.recordings)))].astype(np.float64)
        if len(power) <= stretches:
            return power
        if self.rng.random() < 0.5:
            return power[int(self.rng.integers(len(power) - stretches + 1)) :][:stretches]
        return power[np.sort(self.rng.permutation(len(power))[:stretches])]

    def _equaliser_db(self) -> Floats:
        rng = self.rng
        gain_db = np.full(_OCTAVES.size, rng.uniform(-25.0, 3.0) if rng.random() < 0.5 else 0.0)
        if rng.random() < 0.5:
            gain_db += rng.normal(0.0, 2.5) * _OCTAVES
            if rng.random() < 0.5:
                away = (_OCTAVES - rng.uniform(-1.0, 4.5)) / rng.uniform(0.3, 1.2)
                gain_db += rng.normal(0.0, 3.0) * np.exp(-0.5 * away**2)
        return gain_db

    def _filter(self) -> tuple[Floats, float, bool]:
        """Power response, -3 dB frequency (0: no filter) and whether it is a cliff such as codecs make."""
        rng = self.rng
        if rng.random() >= 0.82:
            return np.ones(_FREQUENCY_HZ.size), 0.0, False
        usual = rng.random() < 0.75
        edge_hz = rng.uniform(1800.0, 17_000.0) if usual else 1500.0 * (22_000.0 / 1500.0) ** rng.random()
        kind = int(rng.choice(4, p=[0.34, 0.24, 0.24, 0.18]))
        if kind == 3:
            width = 1e-6 if rng.random() < 0.4 else rng.uniform(20.0, 600.0)
            fall = np.clip((_FREQUENCY_HZ - edge_hz) / width + 0.5, 0.0, 1.0)
            depth = 0.0 if rng.random() < 0.7 else 10.0 ** (-rng.uniform(30.0, 100.0) / 10.0)
            return np.maximum(np.cos(np.pi / 2.0 * fall) ** 2, depth), edge_hz, True
        table = self.tables[kind][int(rng.integers(len(self.tables[kind])))]
        rate = 48_000.0 if rng.random() < 0.7 else float(rng.choice([44_100, 96_000, 1_000_000]))
        edge = math.tan(math.pi * min(edge_hz / rate, 0.4999))
        warped = np.tan(np.pi * np.minimum(_FREQUENCY_HZ / rate, 0.4999)) / edge
        response = np.interp(np.log2(np.maximum(warped, 1e-9)), _TABLE_OCTAVES, table)
        half_power = 2.0 ** _TABLE_OCTAVES[int(np.nonzero(table < 0.5)[0][0])]
        return response, rate / math.pi * math.atan(edge * half_power), False

    def _with_holes(self, power: Floats) -> Floats:
        """What a codec does to soft high bands: patches of each stretch are gone."""
        rng = self.rng
        start_hz, most = rng.uniform(2000.0, 14_000.0), rng.uniform(0.1, 0.8)
        share = most * np.clip((_FREQUENCY_HZ[::8] - start_hz) / 4000.0, 0.0, 1.0)
        holes = np.repeat(rng.random((len(power), share.size)) < share, 8, axis=1)[:, : power.shape[1]]
        return np.where(holes, power * 10.0 ** (-rng.uniform(10.0, 60.0) / 10.0), power)

    def _floor(self, shape: tuple[int, ...]) -> Floats:
        rng = self.rng
        kind = rng.random()
        tilt = 0.0
        if kind < 0.5:
            level_db = _DITHERED_16_BIT_DB
        elif kind < 0.85:
            level_db = rng.uniform(-190.0, -150.0)
        else:
            level_db = rng.uniform(-135.0, -95.0)
            tilt = rng.normal(0.0, 2.0) if rng.random() < 0.5 else 0.0
        noise: Floats = rng.exponential(size=shape) * 10.0 ** ((level_db + tilt * _OCTAVES) / 10.0)
        return noise


def _tables(rng: np.random.Generator) -> list[list[Floats]]:
    """Power responses over octaves around the edge: Butterworth, Chebyshev I and elliptic, orders 2 to 10."""
    families: list[list[Floats]] = [[], [], []]
    for order in range(2, 11):
        for ripple_db, stop_db in ((0.1, 60.0), (0.1, 60.0), (10.0 ** rng.uniform(-2.0, 0.2), 80.0)):
            stop_db += 0.0 if stop_db == 60.0 else rng.uniform(-40.0, 20.0)
            prototypes = (
                signal.buttap(order),
                signal.cheb1ap(order, ripple_db),
                signal.ellipap(order, ripple_db, stop_db),
            )
            for family, prototype in zip(families, prototypes, strict=True):
                family.append(np.abs(signal.freqs_zpk(*prototype, 2.0**_TABLE_OCTAVES)[1]) ** 2)
    return families


def _batches(examples: int, batches: int, rng: np.random.Generator, size: int = 128) -> Iterator[Tensor]:
    for _ in range(batches):
        yield torch.from_numpy(rng.integers(examples, size=size))


def _loss(network: CutoffNetwork, x: Tensor, cutoff_hz: Tensor) -> Tensor:
    odds, is_cut = network(x)
    truth = (cutoff_hz > 0.0).float()
    band = 24.0 * torch.log2(cutoff_hz.clamp(min=1.0) / float(BAND_EDGES_HZ[0])) - 0.5
    label = torch.softmax(-0.5 * ((torch.arange(odds.shape[1]) - band[:, None]) / _LABEL_BANDS) ** 2, dim=1)
    where = -(label * torch.log_softmax(odds, dim=1)).sum(dim=1)
    return (where * truth).mean() + nn.functional.binary_cross_entropy_with_logits(is_cut, truth)


def _pool(x: Tensor) -> Tensor:
    return torch.cat([x.mean(dim=2), x.amax(dim=2)], dim=1)


def main(folder: str, weights: str) -> None:
    """Learn from a folder and write the weights as float16."""
    recordings = [stretch_powers(path) for path in sorted(Path(folder).rglob("*.flac"))]
    network = learn(recordings, examples=160_000, batches=1700)
    state = {name: value.numpy().astype(np.float16) for name, value in network.state_dict().items()}
    with open(weights, "wb") as stream:
        np.savez_compressed(stream, **state)


if __name__ == "__main__":
    main(*sys.argv[1:])

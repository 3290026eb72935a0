"""What every test may lean on: synthesised signals, a toy engine, and the rules of the marks."""

from __future__ import annotations

import os

# Before numpy and torch load: toy models gain nothing from threads, and threads that wait for each other on
# a core that is taken lose much. What tests start inherits it.
os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

import logging
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from nightly import IS_NIGHT
from scipy import signal
from tiny import tiny_model
from typer.testing import CliRunner, Result

import audiosr_fx
from audiosr_fx.bench_memory import NARROW
from audiosr_fx.cli import app
from audiosr_fx.engine import Engine
from audiosr_fx.sources import Audio

SLOW_TIMEOUT_S = 6 * 3600 if IS_NIGHT else 1200


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: many tests wait, for a browser, a folder to settle, another process."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files, those with tests that have a timeout of their own, lest one be left over
    for a single core; skip what this machine cannot run; give slow tests a longer, never an endless, time.
    """
    long = {item.path for item in items if item.get_closest_marker("timeout")}
    items.sort(key=lambda item: item.path not in long)
    no_gpu = pytest.mark.skip(reason="needs a CUDA device")
    for item in items:
        if item.get_closest_marker("gpu") and not torch.cuda.is_available():
            item.add_marker(no_gpu)
        if item.get_closest_marker("slow") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SLOW_TIMEOUT_S))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test meets the user's cache, nor another test's: a render that is counted must be one."""
    monkeypatch.setenv(
        "AUDIOSR_FX_CACHE", str(tmp_path_factory.getbasetemp() / f"cache_{secrets.token_hex(8)}")
    )


@pytest.fixture(autouse=True)
def _small_numbers_stay() -> Iterator[None]:
    """Plugins may leave the processor flushing tiny numbers to zero; the next test shall not feel it."""
    yield
    torch.set_flush_denormal(False)


@pytest.fixture(autouse=True)
def _log_levels_stay() -> Iterator[None]:
    """A command that ran in this process told the loggers what to say; the next test shall not feel it."""
    loggers = [logging.getLogger(name) for name in ("audiosr_fx", "hosts", "presets", "watchfolder")]
    levels = [logger.level for logger in loggers]
    yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


class Signals:
    """Signals as float32 (channels, samples); every channel is the same but for noise."""

    @staticmethod
    def sine(samples: int, sample_rate: int, *, frequency_hz: float = 1000.0, channels: int = 1) -> Audio:
        wave = 0.5 * np.sin(2 * np.pi * frequency_hz * np.arange(samples) / sample_rate)
        return _rows(wave, channels)

    @staticmethod
    def sweep(samples: int, sample_rate: int, *, stop_hz: float = 6000.0, channels: int = 1) -> Audio:
        duration = max(samples, 1) / sample_rate
        wave = signal.chirp(np.arange(samples) / sample_rate, 50.0, duration, stop_hz, method="logarithmic")
        return _rows(0.5 * wave, channels)

    @staticmethod
    def noise(
        samples: int, sample_rate: int, *, cutoff_hz: float | None = None, channels: int = 1, seed: int = 0
    ) -> Audio:
        """White, of RMS 0.1; independent channels; cut off by an elliptic filter of order 10 if asked."""
        wave = np.random.default_rng(seed).standard_normal((channels, samples)) * 0.1
        if cutoff_hz is not None and samples:
            sections = signal.ellip(10, 0.1, 90.0, cutoff_hz, fs=sample_rate, output="sos")
            wave = signal.sosfilt(sections, wave, axis=1)
        return np.ascontiguousarray(wave, dtype=np.float32)

    @staticmethod
    def chord(samples: int, sample_rate: int, *, below_hz: float, channels: int = 1) -> Audio:
        """Three sawtooths of equal strength, sustained, with no harmonic above ``below_hz``."""
        time = np.arange(samples) / sample_rate
        wave = np.zeros(samples)
        for root_hz in (220.0, 277.18, 329.63):
            for harmonic in range(1, int(below_hz / root_hz) + 1):
                wave += np.sin(2 * np.pi * root_hz * harmonic * time + root_hz * harmonic) / harmonic
        return _rows(0.1 * wave, channels)

    @staticmethod
    def silence(samples: int, *, channels: int = 1) -> Audio:
        return np.zeros((channels, samples), np.float32)


def _rows(wave: np.ndarray, channels: int) -> Audio:
    return np.tile(wave.astype(np.float32), (channels, 1))


@pytest.fixture(scope="session")
def signals() -> type[Signals]:
    return Signals


@pytest.fixture(scope="module")
def stereo() -> Audio:
    """Noise of 20,011 samples, which is no whole number of anything."""
    return Signals.noise(20_011, 48_000, channels=2)


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The published pipeline at the smallest width there is: a window takes a tenth of a second."""
    return Engine(tiny_model(config=NARROW), "cpu")


@pytest.fixture
def run(engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Result]:
    """The command line in an empty folder, over a toy model."""
    monkeypatch.setattr("audiosr_fx.engine.load_engine", lambda *_: engine)
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="session")
def mini_engine() -> Engine:
    """The embedded model, where its weights are installed."""
    if not (Path(audiosr_fx.__file__).parent / "model" / "weights" / "mini.safetensors").exists():
        pytest.skip("the embedded model's weights are not there")
    from audiosr_fx.engine import load_engine

    return load_engine("mini", "cpu")

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import tiny_model

from audiosr_fx.engine import Engine, choose_device, choose_dtype, load_engine
from audiosr_fx.errors import ParameterError, RenderCancelled
from audiosr_fx.model.audiosr import AudioSRModel, SamplerSettings
from audiosr_fx.model.checkpoint import save_model
from audiosr_fx.model.noise import NoiseField
from audiosr_fx.settings import QUALITIES, RenderSettings

SAMPLING = SamplerSettings(steps=2, eta=1.0, guidance_scale=2.0)


def restore(
    engine: Engine, mel: np.ndarray, *, seed: int = 0, frames: list[int], batch: int = 1
) -> np.ndarray:
    return engine.restore_mel(
        mel, cutoff_hz=4000.0, settings=SAMPLING, noise=NoiseField(seed), start_frames=frames, batch=batch
    )


@pytest.fixture(scope="module")
def mel() -> np.ndarray:
    return np.random.default_rng(0).normal(-6.0, 2.0, (3, 64, 256)).astype(np.float32)


def test_the_log_mel_is_the_models(engine: Engine) -> None:
    waveform = np.random.default_rng(0).standard_normal((2, 480 * 64 + 1568)).astype(np.float32)
    expected = engine.model.mel.frames(torch.from_numpy(waveform)).numpy()
    assert np.allclose(engine.log_mel(waveform), expected, atol=1e-5)


def test_an_item_is_the_same_alone_and_in_company(engine: Engine, mel: np.ndarray) -> None:
    frames = [0, 448, 0]
    together = restore(engine, mel, frames=frames)
    for i in range(3):
        assert np.array_equal(together[i : i + 1], restore(engine, mel[i : i + 1], frames=frames[i : i + 1]))


def test_a_batch_is_filled_up_and_agrees_with_one_by_one(engine: Engine, mel: np.ndarray) -> None:
    one = restore(engine, mel, frames=[0, 448, 896])
    filled = restore(engine, mel, frames=[0, 448, 896], batch=2)
    assert filled.shape == one.shape
    assert np.linalg.norm(filled - one) <= 1e-5 * np.linalg.norm(one)


def test_noise_follows_the_place_and_the_seed(engine: Engine, mel: np.ndarray) -> None:
    same = np.repeat(mel[:1], 2, axis=0)
    here, there = restore(engine, same, frames=[0, 448])
    assert not np.allclose(here, there, atol=1e-3)
    here, also_here = restore(engine, same, frames=[448, 448])
    assert np.array_equal(here, also_here)
    assert not np.allclose(here, restore(engine, mel[:1], seed=1, frames=[448])[0], atol=1e-3)


def test_the_vocoder_is_exact_but_for_its_context(engine: Engine) -> None:
    mel = np.random.default_rng(0).normal(-4.0, 1.0, (1, 120, 256)).astype(np.float32)
    lowpass = np.zeros((1, 480 * 120), np.float32)
    context = engine.vocoder_context

    def vocode(start: int, stop: int) -> np.ndarray:
        return engine.vocode(
            mel[:, start:stop], lowpass[:, 480 * start : 480 * stop], cutoff_hz=4e3, start_frame=start, seed=0
        )

    whole = vocode(0, 120)
    assert whole.shape == (1, 480 * 120)
    part = vocode(30, 90)
    inner = slice(480 * context, -480 * context)
    assert np.allclose(part[:, inner], whole[:, 480 * 30 : 480 * 90][:, inner], atol=1e-5)


def test_cancelling_stops_between_sampling_steps(engine: Engine, mel: np.ndarray) -> None:
    answers = iter([False, True])
    with pytest.raises(RenderCancelled):
        engine.restore_mel(
            mel[:1],
            cutoff_hz=4000.0,
            settings=SAMPLING,
            noise=NoiseField(0),
            start_frames=[0],
            should_cancel=lambda: next(answers),
        )
    restore(engine, mel[:1], frames=[0])  # and nothing is left behind


def test_results_are_float32_and_outside_autograd(engine: Engine, mel: np.ndarray) -> None:
    assert restore(engine, mel[:1], frames=[0]).dtype == np.float32
    assert all(parameter.grad is None for parameter in engine.model.parameters())


def test_reduced_precision_stays_close_and_returns_float32(mel: np.ndarray) -> None:
    exact = Engine(tiny_model(), "cpu")
    reduced = Engine(tiny_model(), "cpu", "bfloat16")
    one, other = (restore(engine, mel[:1], frames=[0]) for engine in (exact, reduced))
    assert other.dtype == np.float32
    assert 0.0 < np.linalg.norm(one - other) < 0.02 * np.linalg.norm(one)  # bfloat16 has 8 bits
    assert reduced.model.unet.time_embed[0].weight.dtype == torch.bfloat16
    assert next(reduced.model.vae.parameters()).dtype == torch.float32


def test_settings_given_by_hand_win_over_the_quality(engine: Engine) -> None:
    plain = engine.sampling(RenderSettings(quality="best"))
    quality = QUALITIES["diffusion alone"]["best"]
    assert (plain.steps, plain.sampler, plain.spacing) == (quality.steps, quality.sampler, quality.spacing)
    assert plain.guidance_scale == engine.config.guidance_scale
    given = RenderSettings(steps=3, sampler="dpmpp_2m", spacing="reference", guidance_scale=2.0, eta=0.5)
    sampling = engine.sampling(given)
    assert sampling == SamplerSettings(
        steps=3, sampler="dpmpp_2m", spacing="reference", guidance_scale=2.0, eta=0.5
    )


def test_a_model_without_predictor_needs_steps(engine: Engine) -> None:
    with pytest.raises(ParameterError, match="steps is 0; the model narrow expects 1 or more"):
        engine.sampling(RenderSettings(steps=0))


@pytest.mark.parametrize("device", ["tpu9", "cuda:99", "vulkan", ""])
def test_a_device_that_is_not_there_is_refused_in_one_line(device: str) -> None:
    with pytest.raises(ParameterError, match="device is") as refused:
        choose_device(device)
    assert "cpu" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_automatic_choices() -> None:
    assert choose_device("auto").type in ("cuda", "mps", "cpu")
    assert choose_dtype("auto", torch.device("cpu")) == torch.float32
    with pytest.raises(ParameterError, match="dtype is 'int8'"):
        choose_dtype("int8", torch.device("cpu"))
    with pytest.raises(ParameterError, match="batch_size is 0"):
        Engine(tiny_model(), "cpu", batch_size=0)


def test_an_engine_says_what_it_is(engine: Engine) -> None:
    info = engine.describe()
    assert (info.model, info.device, info.dtype, info.batch_size) == ("narrow", "cpu", "float32", 1)
    assert str(info).startswith("narrow (0.")


def test_threads_that_ask_at_once_share_one_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    loads = []

    def load_slowly(name: str) -> AudioSRModel:
        loads.append(name)
        time.sleep(0.1)
        return tiny_model()

    monkeypatch.setattr("audiosr_fx.model.checkpoint.load_model", load_slowly)
    with ThreadPoolExecutor(3) as pool:
        engines = list(pool.map(lambda _: load_engine("shared by threads", "cpu"), range(3)))
    assert loads == ["shared by threads"]
    assert engines[0] is engines[1] is engines[2]


def test_a_model_that_was_imported_anew_is_loaded_anew(tmp_path: Path) -> None:
    """A worker lives for days, and the SHA-256 it puts into a file is of the weights that are there."""
    path = tmp_path / "house.safetensors"
    first, second = tiny_model(), tiny_model()
    with torch.no_grad():
        next(second.parameters()).add_(1.0)
    save_model(first, path, dtype=torch.float32)
    engine = load_engine(str(path), "cpu")
    assert load_engine(str(path), "cpu") is engine
    save_model(second, path, dtype=torch.float32)
    weights = [next(one.model.parameters()) for one in (engine, load_engine(str(path), "cpu"))]
    assert torch.allclose(weights[0] + 1.0, weights[1])


@pytest.mark.gpu
def test_a_gpu_agrees_with_the_cpu(mel: np.ndarray) -> None:
    on_cpu = Engine(tiny_model(), "cpu")
    on_gpu = Engine(tiny_model(), "cuda", "float32")
    one, other = (restore(engine, mel, frames=[0, 448, 896], batch=3) for engine in (on_cpu, on_gpu))
    assert np.linalg.norm(one - other) <= 1e-3 * np.linalg.norm(one)

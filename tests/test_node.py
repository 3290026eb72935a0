from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pedalboard
import pytest
import torch
from effects import in_layouts

from audiosr_fx.engine import Engine
from audiosr_fx.errors import AudioFormatError, CheckpointError, ParameterError
from audiosr_fx.limiter import TruePeakLimiter
from audiosr_fx.loudness import LoudnessNormalize
from audiosr_fx.mastering import MasterTo
from audiosr_fx.node import AudioSR
from audiosr_fx.params import RENDER_CONTROLS

RATE = 48_000


@pytest.fixture(scope="module")
def node(engine: Engine) -> AudioSR:
    return AudioSR(engine=engine, cutoff_hz=6000.0, steps=1, guidance_scale=1.0)


@pytest.fixture(scope="module")
def stereo(signals: type) -> np.ndarray:
    return signals.noise(RATE // 4, RATE, cutoff_hz=5800.0, channels=2)


def test_the_call_is_pedalboards() -> None:
    names = list(inspect.signature(AudioSR.process).parameters)
    assert names == ["self", "input_array", "sample_rate", "buffer_size", "reset"]
    assert inspect.signature(AudioSR.__call__) == inspect.signature(AudioSR.process)
    assert inspect.signature(AudioSR.process).parameters["buffer_size"].default == 8192
    assert AudioSR.is_effect is True
    assert AudioSR.is_instrument is False


@pytest.mark.parametrize(
    "layout", ["(n,)", "(1, n)", "(n, 1)", "(2, n)", "(n, 2)", "fortran", "strided", "float64", "big-endian"]
)
def test_what_goes_in_comes_out_in_the_same_layout(layout: str, node: AudioSR, stereo: np.ndarray) -> None:
    audio = in_layouts(stereo)[layout]
    kept = audio.copy()
    audio.flags.writeable = False
    out = node(audio, RATE)
    assert out.shape == audio.shape
    assert out.dtype == np.float32
    assert out.flags.c_contiguous
    assert out.flags.writeable
    assert not np.shares_memory(out, audio)
    assert np.array_equal(audio, kept)
    first = out if out.ndim == 1 else out[0] if out.shape[0] < 3 else out[:, 0]
    assert np.array_equal(first, node.process(stereo[:1], RATE)[0])


@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 2)])
def test_nothing_in_nothing_out(shape: tuple[int, ...], node: AudioSR) -> None:
    out = node(np.zeros(shape, np.float32), RATE)
    assert out.shape == shape
    assert out.dtype == np.float32


@pytest.mark.parametrize("samples", [1, 64, 65, 8193])
def test_odd_lengths_are_kept(samples: int, node: AudioSR, stereo: np.ndarray) -> None:
    audio = np.ascontiguousarray(stereo[:, :samples])
    if samples == 1:
        audio = audio[:1]
    assert node(audio, RATE).shape == audio.shape


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float16, np.longdouble, np.bool_, np.complex64])
def test_other_dtypes_are_a_type_error_and_a_format_error(dtype: type, node: AudioSR) -> None:
    with pytest.raises(TypeError, match="expected a NumPy array of float32 or float64"):
        node(np.zeros((1, 100), dtype), RATE)
    with pytest.raises(AudioFormatError):
        node(np.zeros((1, 100), dtype), RATE)


@pytest.mark.parametrize("effect", [AudioSR(), LoudnessNormalize(), TruePeakLimiter(), MasterTo()])
def test_a_misspelt_control_is_refused_as_pedalboard_does(effect: object) -> None:
    with pytest.raises(AttributeError, match="no attribute 'target_lfus'"):
        effect.target_lfus = -14.0  # type: ignore[attr-defined]


@pytest.mark.parametrize("audio", [[0.0, 1.0], 1.0, None, "noise", torch.zeros(1, 100)])
def test_what_is_no_array_is_a_type_error(audio: object, node: AudioSR) -> None:
    with pytest.raises(TypeError, match=f"audio is a {type(audio).__name__}; expected a NumPy array"):
        node(audio, RATE)  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(2, 2), (7, 7), (1, 2, 3), (40, 50), ()])
def test_shapes_that_say_nothing_are_refused(shape: tuple[int, ...], node: AudioSR) -> None:
    with pytest.raises(AudioFormatError, match="shape"):
        node(np.zeros(shape, np.float32), RATE)


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf"), 10**9, 44_100.5])
def test_absurd_rates_are_refused(rate: float, node: AudioSR) -> None:
    with pytest.raises(AudioFormatError, match="sample_rate is"):
        node(np.zeros((1, 100), np.float32), rate)


@pytest.mark.parametrize("rate", ["48000", None, True])
def test_a_rate_that_is_no_number_is_a_type_error(rate: object, node: AudioSR) -> None:
    with pytest.raises(TypeError, match="sample_rate is"):
        node(np.zeros((1, 100), np.float32), rate)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_refused(value: float, node: AudioSR) -> None:
    with pytest.raises(AudioFormatError, match="finite"):
        node(np.full((1, 100), value, np.float32), RATE)


@pytest.mark.parametrize("buffer_size", [0, -1, 1.5, None, True])
def test_a_buffer_needs_a_sample(buffer_size: object, node: AudioSR) -> None:
    with pytest.raises(ParameterError, match="buffer_size is"):
        node(np.zeros((1, 100), np.float32), RATE, buffer_size)  # type: ignore[arg-type]


def test_the_buffer_size_changes_nothing(node: AudioSR, stereo: np.ndarray) -> None:
    assert np.array_equal(node(stereo, RATE, 1), node(stereo, RATE, buffer_size=10**6))
    node.reset()
    assert np.array_equal(node(stereo, RATE), node(stereo, float(RATE)))


def test_streaming_is_refused(node: AudioSR, stereo: np.ndarray) -> None:
    with pytest.raises(ParameterError, match="cannot continue a stream"):
        node(stereo, RATE, reset=False)


def test_a_native_board_refuses_the_node_loudly(node: AudioSR) -> None:
    with pytest.raises(TypeError):
        pedalboard.Pedalboard([node])


def test_every_control_is_an_attribute_that_can_be_set_and_is_shown(engine: Engine) -> None:
    node = AudioSR(engine=engine)
    for control in RENDER_CONTROLS:
        assert getattr(node, control.name) == (
            engine.config.name if control.name == "model" else control.default
        )
        assert f"{control.name}={getattr(node, control.name)!r}" in repr(node)
    node.cutoff_hz = 4000.0
    node.seed = 7
    node.quality = "best"
    assert "cutoff_hz=4000.0" in repr(node)
    assert (node.settings.cutoff_hz, node.settings.seed, node.settings.quality) == (4000.0, 7, "best")
    with pytest.raises(ParameterError, match=r"cutoff_hz is 96000\.0; expected 1000 to 24000 Hz"):
        node.cutoff_hz = 96_000.0
    assert node.cutoff_hz == 4000.0


def test_controls_are_checked_when_a_node_is_made() -> None:
    with pytest.raises(ParameterError, match="quality is 'superb'"):
        AudioSR("superb")
    with pytest.raises(TypeError):
        AudioSR(wetness=1.0)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ({"cache": "yes"}, "cache is 'yes'; expected True, False or a RenderCache"),
        ({"cache": None}, "cache is None"),
        ({"device": 3}, "device is 3; expected auto, cpu, cuda"),
        ({"engine": "mini"}, "engine is 'mini'; expected one that load_engine"),
    ],
)
def test_arguments_of_another_kind_are_refused_when_a_node_is_made(
    argument: dict[str, Any], words: str
) -> None:
    with pytest.raises(ParameterError, match=words):
        AudioSR(**argument)


def test_the_seed_of_a_node_matters(engine: Engine, signals: type) -> None:
    audio = signals.noise(RATE, RATE, cutoff_hz=5800.0)
    node = AudioSR(engine=engine, cutoff_hz=6000.0, steps=2)
    first = node(audio, RATE)
    node.seed = 1
    assert not np.array_equal(first, node(audio, RATE))


def test_below_48_khz_a_signal_that_fills_its_rate_comes_back_as_it_was(
    engine: Engine, signals: type
) -> None:
    audio = signals.noise(16_000, 16_000, channels=2)
    out = AudioSR(engine=engine, steps=1)(audio, 16_000)
    assert np.array_equal(out, audio)
    assert not np.shares_memory(out, audio)


def test_below_48_khz_a_cut_off_signal_is_restored_up_to_nyquist(engine: Engine, signals: type) -> None:
    rate = 32_000
    audio = signals.noise(2 * rate, rate, cutoff_hz=5800.0)
    out = AudioSR(engine=engine, cutoff_hz=6000.0, steps=1)(audio, rate)
    assert out.shape == audio.shape
    power = np.abs(np.fft.rfft((out - audio)[0] * np.hanning(2 * rate))) ** 2
    hz = np.fft.rfftfreq(2 * rate, 1 / rate)
    assert power[(hz > 7000) & (hz < 15_000)].mean() > 1e6 * power[hz < 5000].mean()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("lead", [(), (1,), (2,), (3, 1), (2, 2), (0, 2)])
def test_upsampling_takes_any_float_and_batches(
    lead: tuple[int, ...], dtype: type, engine: Engine, signals: type
) -> None:
    rate, samples = 24_000, 6001
    audio = np.zeros((*lead, samples), dtype)
    audio[...] = signals.noise(samples, rate, cutoff_hz=5800.0)[0]
    out = AudioSR(engine=engine, cutoff_hz=6000.0, steps=1).upsample(audio, rate)
    assert out.dtype == np.float32
    assert out.shape == (*lead, 12_002)


def test_upsampling_treats_each_item_as_if_alone(engine: Engine, signals: type) -> None:
    rate = 32_000
    batch = np.stack(
        [
            signals.noise(rate, rate),
            0.01 * signals.noise(rate, rate, cutoff_hz=3000.0),
            np.zeros((1, rate), np.float32),
        ]
    )
    node = AudioSR(engine=engine, steps=1)
    out = node.upsample(batch, rate)
    for item, upsampled in zip(batch, out, strict=True):
        assert np.array_equal(node.upsample(item, rate), upsampled)
        assert np.array_equal(node.upsample(item[0], rate), upsampled[0])
    assert not out[2].any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_upsampling_a_tensor_gives_a_tensor(dtype: torch.dtype, engine: Engine, signals: type) -> None:
    audio = torch.from_numpy(signals.noise(6000, 16_000, channels=2)).to(dtype).requires_grad_()
    node = AudioSR(engine=engine, cutoff_hz=6000.0, steps=1)
    out = node.upsample(audio, 16_000)
    assert isinstance(out, torch.Tensor)
    assert out.dtype == torch.float32
    assert out.shape == (2, 18_000)
    assert np.array_equal(out.numpy(), node.upsample(audio.detach().float().numpy(), 16_000))


@pytest.mark.parametrize(
    "audio", [np.zeros(10, np.int16), np.zeros((1, 1, 1, 10), np.float32), np.float32(1.0)]
)
def test_upsampling_refuses_the_rest(audio: np.ndarray, node: AudioSR) -> None:
    with pytest.raises(AudioFormatError, match="audio"):
        node.upsample(audio, 16_000)
    with pytest.raises(AudioFormatError, match="expected floating point"):
        node.upsample(torch.zeros(10, dtype=torch.int16), 16_000)
    with pytest.raises(AudioFormatError, match="audio is a list of unequal parts"):
        node.upsample([[0.0, 0.1], [0.0]], 16_000)


def test_upsample_keeps_a_rate_above_48_khz(engine: Engine) -> None:
    audio = (0.1 * np.random.default_rng(0).standard_normal((1, 9_601))).astype(np.float32)
    kept = AudioSR(engine=engine).upsample(audio, 96_000)
    assert kept.shape == audio.shape
    np.testing.assert_array_equal(kept, audio)


def test_a_model_that_nobody_knows_is_refused_at_once() -> None:
    with pytest.raises(CheckpointError, match="model is 'nope'; expected one of mini, basic, speech"):
        AudioSR(model="nope")
    assert AudioSR(model="basic").model == "basic", "it may be fetched before the first call"

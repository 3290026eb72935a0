"""The stages joined: what is kept, what is refused, and that items of a batch do not touch each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from tiny import TINY, WITH_PREDICTOR, tiny_model
from torch import Tensor

from audiosr_fx.errors import ParameterError
from audiosr_fx.model.audiosr import AudioSRModel, SamplerSettings
from audiosr_fx.model.mel import mel_band_edges_hz

CUTOFFS = torch.tensor([4000.0, 8000.0])


@pytest.fixture(autouse=True)
def no_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


@pytest.fixture(scope="module")
def model() -> AudioSRModel:
    return tiny_model()


@pytest.fixture(scope="module")
def predicting() -> AudioSRModel:
    return tiny_model(config=WITH_PREDICTOR)


def lowpass_mel(frames: int = 64) -> Tensor:
    return torch.randn(2, frames, 256, generator=torch.Generator().manual_seed(0)) - 6.0


def noise(seed: int = 1, frames: int = 64) -> Tensor:
    return torch.randn(2, 4, frames // 8, 32, generator=torch.Generator().manual_seed(seed))


def settings(**changes: Any) -> SamplerSettings:
    return SamplerSettings(**{"steps": 3, "guidance_scale": 2.0, **changes})


@pytest.mark.parametrize("sampler", ["ddim", "dpmpp_2m"])
@pytest.mark.parametrize("spacing", ["trailing", "reference"])
def test_bands_below_the_cutoff_come_out_as_they_went_in(
    model: AudioSRModel, sampler: str, spacing: Any
) -> None:
    mel = lowpass_mel()
    chosen = settings(steps=4, sampler=sampler, spacing=spacing)
    restored = model.restore_mel(mel, CUTOFFS, settings=chosen, start_noise=noise())
    assert restored.shape == mel.shape
    assert restored.dtype == torch.float32
    upper_edges = torch.from_numpy(mel_band_edges_hz(TINY.mel)[2:])
    for item, cutoff_hz in enumerate(CUTOFFS):
        known = upper_edges <= cutoff_hz
        assert torch.equal(restored[item][:, known], mel[item][:, known])
        assert (restored[item][:, ~known] != mel[item][:, ~known]).all()


def test_an_item_comes_out_the_same_alone_and_in_a_batch(model: AudioSRModel) -> None:
    both = model.restore_mel(lowpass_mel(), CUTOFFS, settings=settings(), start_noise=noise())
    alone = model.restore_mel(lowpass_mel()[1:], CUTOFFS[1:], settings=settings(), start_noise=noise()[1:])
    torch.testing.assert_close(alone, both[1:], rtol=1e-4, atol=1e-4)


def test_noise_decides_the_result(model: AudioSRModel) -> None:
    def restore(**given: Any) -> Tensor:
        given = {"settings": settings(), "start_noise": noise(), **given}
        return model.restore_mel(lowpass_mel(), CUTOFFS, **given)

    first = restore()
    assert torch.equal(first, restore())
    assert not torch.equal(first, restore(start_noise=noise(2)))
    assert not torch.equal(first, restore(condition_noise=noise(2)))
    fresh = {"settings": settings(eta=1.0), "step_noise": lambda step: noise(10 + step)}
    assert not torch.equal(first, restore(**fresh))
    assert torch.equal(restore(**fresh), restore(**fresh))


def test_guidance_of_none_takes_the_models_own(model: AudioSRModel) -> None:
    def restore(guidance_scale: float | None) -> Tensor:
        chosen = settings(guidance_scale=guidance_scale)
        return model.restore_mel(lowpass_mel(), CUTOFFS, settings=chosen, start_noise=noise())

    assert torch.equal(restore(None), restore(TINY.guidance_scale))
    assert not torch.equal(restore(None), restore(1.0))


def test_the_condition_is_scaled_like_the_latent(model: AudioSRModel) -> None:
    scaled = tiny_model()
    scaled.scale_factor.fill_(0.5)
    x, t, condition = noise(1), torch.tensor([10, 10]), noise(2)
    torch.testing.assert_close(
        scaled.predict_velocity(x, t, 2.0 * condition), model.predict_velocity(x, t, condition)
    )


def test_no_steps_is_the_predictors_answer(predicting: AudioSRModel) -> None:
    assert predicting.predictor is not None
    mel = lowpass_mel()
    draft = predicting.restore_mel(mel, CUTOFFS, settings=settings(steps=0))
    assert torch.equal(draft, predicting.predictor(mel, CUTOFFS))


def test_detail_weighs_the_sampled_residual(predicting: AudioSRModel) -> None:
    def restore(detail: float) -> Tensor:
        chosen = settings(detail=detail)
        return predicting.restore_mel(lowpass_mel(), CUTOFFS, settings=chosen, start_noise=noise())

    draft = predicting.restore_mel(lowpass_mel(), CUTOFFS, settings=settings(steps=0))
    none, half, whole = restore(0.0), restore(0.5), restore(1.0)
    torch.testing.assert_close(none, draft)
    torch.testing.assert_close(half - draft, 0.5 * (whole - draft), rtol=1e-4, atol=1e-5)
    assert (whole - draft).abs().max() > 1e-2


def test_no_steps_needs_a_predictor(model: AudioSRModel) -> None:
    with pytest.raises(ParameterError, match="steps is 0; model 'tiny' has no predictor"):
        model.restore_mel(lowpass_mel(), CUTOFFS, settings=settings(steps=0))


def test_sampling_needs_noise(model: AudioSRModel) -> None:
    with pytest.raises(ParameterError, match="start_noise is None"):
        model.restore_mel(lowpass_mel(), CUTOFFS, settings=settings())


@pytest.mark.parametrize(
    "change", [{"sampler": "euler"}, {"spacing": "karras"}, {"steps": -1}, {"eta": 2.0}, {"eta": -0.1}]
)
def test_settings_check_themselves(change: dict[str, Any]) -> None:
    with pytest.raises(ParameterError, match=f"{next(iter(change))} is .*; expected"):
        settings(**change)


@pytest.mark.parametrize("name", ["hifigan", "exciter"])
def test_a_stretch_sounds_the_same_inside_a_longer_one(
    model: AudioSRModel, predicting: AudioSRModel, name: str
) -> None:
    chosen = model if name == "hifigan" else predicting
    context = chosen.vocoder_context
    frames, start = 3 * context + 24, 8
    mel = torch.randn(2, frames, 256, generator=torch.Generator().manual_seed(0)) - 4.0
    lowpass = torch.randn(2, 480 * frames, generator=torch.Generator().manual_seed(1))

    def vocode(first: int, last: int) -> Tensor:
        inner = lowpass[:, 480 * first : 480 * last]
        return chosen.vocode(mel[:, first:last], inner, cutoff_hz=4000.0, start_frame=100 + first, seed=3)

    whole, part = vocode(0, frames), vocode(start, frames)
    assert whole.shape == lowpass.shape
    assert whole.abs().max() > 1e-3
    inside = slice(480 * (start + context), 480 * (frames - context))
    torch.testing.assert_close(
        part[:, inside.start - 480 * start : inside.stop - 480 * start],
        whole[:, inside],
        rtol=1e-3,
        atol=1e-4,
    )


def test_half_precision_is_close(model: AudioSRModel) -> None:
    half = tiny_model().set_precision(torch.bfloat16)
    chosen = settings(guidance_scale=1.0)
    single, low = (
        m.restore_mel(lowpass_mel(), CUTOFFS, settings=chosen, start_noise=noise()) for m in (model, half)
    )
    assert low.dtype == torch.float32
    assert (low - single).norm() / single.norm() < 0.02
    waveform = half.vocode(low, torch.zeros(2, 480 * 64), cutoff_hz=4000.0, start_frame=0, seed=0)
    assert waveform.dtype == torch.float32
    assert waveform.isfinite().all()

"""The autoencoder, the U-Net and the vocoder at toy width: shapes, axes, reach, and what they refuse."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from tiny import TINY, tiny_model

from audiosr_fx.errors import ParameterError
from audiosr_fx.model.config import BASIC, HiFiGANConfig, UNetConfig
from audiosr_fx.model.unet import UNet, timestep_embedding
from audiosr_fx.model.vae import VAE, Posterior
from audiosr_fx.model.vocoder import HiFiGAN


@pytest.fixture(autouse=True)
def no_gradients() -> object:
    with torch.inference_mode():
        yield


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("frames", [8, 64, 72])
def test_autoencoder_keeps_the_shape(frames: int) -> None:
    vae = tiny_model().vae
    mel = numbers(2, 1, frames, 256)
    posterior = vae.encode(mel)
    assert posterior.mean.shape == posterior.log_variance.shape == (2, 4, frames // 8, 32)
    assert vae.decode(posterior.mode).shape == mel.shape
    torch.testing.assert_close(vae(mel), vae.decode(posterior.mode))


def test_posterior_samples_its_mean_and_spread() -> None:
    posterior = Posterior(torch.full((1, 2, 3, 4), 5.0), torch.full((1, 2, 3, 4), 2.0).log())
    assert torch.equal(posterior.sample(torch.zeros(1, 2, 3, 4)), posterior.mode)
    torch.testing.assert_close(posterior.sample(torch.ones(1, 2, 3, 4)), torch.full((1, 2, 3, 4), 5 + 2**0.5))


def test_log_variance_is_held_in_range() -> None:
    vae = VAE(TINY.vae).eval()
    vae.quant_conv.bias.copy_(torch.tensor([0.0] * 4 + [1e3, -1e3, 1e3, -1e3]))
    log_variance = vae.encode(numbers(1, 1, 8, 256)).log_variance
    assert log_variance.min() == -30.0
    assert log_variance.max() == 20.0


def test_unet_keeps_the_latents_shape_and_takes_any_timestep() -> None:
    unet = tiny_model().unet
    x = numbers(3, 8, 16, 32)
    velocity = unet(x, torch.tensor([0.0, 500.5, 999.0]))
    assert velocity.shape == (3, 4, 16, 32)
    torch.testing.assert_close(unet(x[1:2], torch.tensor([500.5])), velocity[1:2], rtol=1e-4, atol=1e-5)
    assert not torch.equal(unet(x[:1], torch.tensor([1])), unet(x[:1], torch.tensor([2])))


def test_timestep_embedding_has_cosines_first() -> None:
    embedding = timestep_embedding(torch.tensor([0, 7]), 8)
    assert embedding[0].tolist() == [1.0] * 4 + [0.0] * 4
    torch.testing.assert_close(embedding[1, 0], torch.tensor(7.0).cos())


def test_heads_that_do_not_divide_the_channels_are_refused() -> None:
    with pytest.raises(ParameterError, match="head_channels is 7; expected a divisor of 16"):
        UNet(dataclasses.replace(TINY.unet, head_channels=7))


def test_widths_follow_the_config() -> None:
    with torch.device("meta"):
        unet = UNet(
            UNetConfig(base_channels=32, multipliers=(1, 2), attention_downsampling=(2,), norm_groups=8)
        )
    assert [len(stage) for stage in unet.input_blocks] == [1, 1, 1, 1, 3, 3]
    assert [len(stage) for stage in unet.output_blocks] == [3, 3, 4, 1, 1, 1]


@pytest.mark.parametrize("frames", [1, 2, 33])
def test_vocoder_makes_a_hop_per_frame_and_sixteen_samples(frames: int) -> None:
    vocoder = tiny_model().vocoder
    assert vocoder(numbers(2, 256, frames)).shape == (2, 1, 480 * frames + 16)


def test_vocoder_reaches_no_further_than_it_says() -> None:
    vocoder = tiny_model().vocoder
    mel = numbers(1, 256, 64)
    changed = mel.clone()
    changed[..., 32] += 5.0
    difference = (vocoder(changed) - vocoder(mel))[0, 0].abs()
    reach = vocoder.context_frames
    assert difference[: 480 * (32 - reach)].max() < 1e-5
    assert difference[480 * (33 + reach) :].max() < 1e-5
    assert difference[480 * 32 : 480 * 33].max() > 1e-3


def test_published_vocoder_reaches_24_frames() -> None:
    with torch.device("meta"):
        assert HiFiGAN(HiFiGANConfig()).context_frames == 24


def test_published_sizes() -> None:
    with torch.device("meta"):
        unet, vae, vocoder = UNet(BASIC.unet), VAE(BASIC.vae), HiFiGAN(HiFiGANConfig())
    sizes = [sum(p.numel() for p in module.parameters()) for module in (unet, vae, vocoder)]
    assert sizes == [258_195_088, 90_011_328 + 133_524_241, 190_281_889]

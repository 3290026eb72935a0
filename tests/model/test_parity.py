"""The networks at their published widths against frozen outputs, under made-up deterministic weights.

Everything here builds 0.76 billion parameters (3 GB). For the parity table of all stages run
``python -m pytest tests/model -m "slow or not slow" -s -q``.
"""

from __future__ import annotations

import dataclasses

import pytest
import torch
from deterministic_weights import fill, noise
from goldens import agree, golden, tensor
from nightly import IS_NIGHT
from published_pipeline import Trace, replace_low_band, run_as_published
from torch import Tensor

from audiosr_fx.model.audiosr import AudioSRModel, SamplerSettings
from audiosr_fx.model.checkpoint import SkipInitialisation
from audiosr_fx.model.config import BASIC
from audiosr_fx.model.unet import timestep_embedding

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]  # among the longest files, so it begins first


@pytest.fixture(scope="module")
def model() -> AudioSRModel:
    """The published architecture; its two encoders differ, so a mix-up would show."""
    with SkipInitialisation():
        model = AudioSRModel(dataclasses.replace(BASIC, shared_encoder=False))
    return fill(model)


@pytest.fixture(scope="module")
def trace(model: AudioSRModel) -> Trace:
    audio = golden("i_e2e_inputs")["input_16k"].reshape(1, -1)
    return run_as_published(model, audio, 16_000, seed=42, steps=5, guidance_scale=3.5)


@torch.inference_mode()
@pytest.mark.parametrize("name", ["first_stage_model", "cond_stage_models_0_vae"])
def test_encoder_parity(model: AudioSRModel, name: str) -> None:
    frozen = golden("c_vae")
    encoder = model.vae if name == "first_stage_model" else model.condition_encoder
    posterior = encoder.encode(tensor(frozen["mel"]))
    agree(f"c mean, {name}", posterior.mean, frozen[f"mean_{name}"])
    agree(f"c log-variance, {name}", posterior.log_variance, frozen[f"logvar_{name}"])
    sample = posterior.sample(tensor(frozen["posterior_noise"]))
    agree(f"c sample, {name}", sample, frozen[f"sample_{name}"])


@torch.inference_mode()
def test_decoder_parity(model: AudioSRModel) -> None:
    frozen = golden("c_vae")
    latent = tensor(frozen["z_for_decode"])
    agree("c decoder", model.decode(latent), frozen["decoded_first_stage_model"])
    scaled = model.decode(latent / model.scale_factor)
    agree("c decoder, scaled latent", scaled, frozen["decode_first_stage_scaled"])


@torch.inference_mode()
def test_unet_parity(model: AudioSRModel) -> None:
    frozen = golden("d_unet")
    x, condition = tensor(frozen["x"]), tensor(frozen["cond"])
    for timestep in (1, 501, 981):
        for name, given in (("cond", condition), ("uncond", torch.full_like(condition, -11.4981))):
            velocity = model.predict_velocity(x, torch.tensor([timestep]), given)
            agree(f"d U-Net {name}itional, t = {timestep}", velocity, frozen[f"v_{name}_t{timestep}"])
    batch = model.unet(tensor(frozen["raw_in_b2"]), tensor(frozen["raw_t_b2"]))
    agree("d U-Net, batch of two timesteps", batch, frozen["raw_out_b2"])
    long = model.unet(noise("d/x64", (1, 32, 64, 32)), torch.tensor([321]))
    agree("d U-Net, 5.12 s", long, frozen["raw_out_T64"])


@torch.inference_mode()
def test_unet_time_embedding_parity(model: AudioSRModel) -> None:
    frozen = golden("d_unet")
    features = timestep_embedding(torch.tensor([1, 501, 981]), 128)
    agree("d timestep embedding", features, frozen["timestep_embedding_t1_501_981"])
    agree("d time network", model.unet.time_embed(features[1:2]), frozen["time_embed_t501"])


@torch.inference_mode()
def test_unet_blocks_parity(model: AudioSRModel) -> None:
    frozen = golden("d_unet")
    names = [str(name) for name in frozen["trace_names"]]
    ends: dict[str, Tensor] = {}
    spreads: dict[str, Tensor] = {}

    def keep(name: str, output: Tensor) -> None:
        flat = output.detach().contiguous().flatten()
        ends[name] = torch.cat([flat[:8], flat[-8:]])
        spreads[name] = torch.stack([flat.mean(), flat.std(), flat.min(), flat.max()])

    hooks = [
        model.unet.get_submodule(name).register_forward_hook(lambda _m, _i, out, name=name: keep(name, out))
        for name in names
    ]
    model.predict_velocity(tensor(frozen["x"]), torch.tensor([501]), tensor(frozen["cond"]))
    for hook in hooks:
        hook.remove()
    agree("d U-Net blocks, 62 outputs", torch.stack([ends[n] for n in names]), frozen["trace_first8_last8"])
    agree(
        "d U-Net blocks, spread", torch.stack([spreads[n] for n in names]), frozen["trace_mean_std_min_max"]
    )


@torch.inference_mode()
@pytest.mark.parametrize(
    ("run", "steps", "guidance_scale", "eta"),
    [
        ("S5_g3.5_eta1", 5, 3.5, 1.0),
        ("S5_g1_eta1", 5, 1.0, 1.0),
        ("S5_g3.5_eta0", 5, 3.5, 0.0),
        ("S7_g3.5_eta1", 7, 3.5, 1.0),
        *([("S50_g3.5_eta1", 50, 3.5, 1.0)] if IS_NIGHT else []),
    ],
)
def test_sampling_parity(
    model: AudioSRModel, run: str, steps: int, guidance_scale: float, eta: float
) -> None:
    frozen = golden("f_ddim")
    settings = SamplerSettings(
        sampler="ddim", spacing="reference", steps=steps, guidance_scale=guidance_scale, eta=eta
    )
    latent = model.sample(
        tensor(frozen["cond"]),
        settings,
        tensor(frozen["x_T"]),
        lambda step: noise(f"f/noise/{step}", (1, 16, 16, 32)),
    )
    agree(f"f DDIM, {steps} steps, guidance {guidance_scale:g}, eta {eta:g}", latent, frozen[f"{run}_final"])


@torch.inference_mode()
def test_vocoder_parity(model: AudioSRModel) -> None:
    frozen = golden("g_vocoder")
    waveform = model.vocoder(tensor(frozen["mel"]))
    assert waveform.shape == (1, 1, 32 * 480 + 16)
    agree("g vocoder", waveform, frozen["wav"])


def test_end_to_end_front_parity(trace: Trace) -> None:
    frozen = golden("i_e2e_inputs")
    assert trace.cutoff_hz == frozen["cutoff_bin"] / 1024 * 24_000
    assert trace.filter_type == frozen["filter_type"]
    agree("i prepared waveform", trace.prepared[0, :6000], frozen["prepared_first6000"])
    agree("i low-passed waveform", trace.lowpass[:, :96_000], frozen["waveform_lowpass"])
    agree("i low-passed log-mel", trace.lowpass_mel[:, :256], frozen["lowpass_mel"])


def test_end_to_end_latent_and_mel_parity(trace: Trace) -> None:
    frozen = golden("i_e2e_latent_mel")
    agree("i condition latent", trace.condition, frozen["cond_latent"])
    agree("i final latent", trace.latent, frozen["final_latent"])
    agree("i decoded mel", trace.decoded_mel, frozen["decoded_mel"])
    agree("i mel with low bands replaced", trace.replaced_mel[:, :32], frozen["mel_replaced_rows_0_32"])


def test_end_to_end_audio_parity(trace: Trace) -> None:
    frozen = golden("i_e2e_audio")
    assert trace.output.shape == (1, 245_776)
    agree("i vocoder", trace.vocoded[:, :60_000], frozen["vocoder_wav"])
    agree("i low band replaced", trace.replaced[:, :8000], frozen["post_wav_first8000"])
    agree("i output", trace.output, frozen["final"])
    assert torch.equal(trace.replaced, replace_low_band(trace.vocoded, trace.lowpass))


def test_random_numbers_parity() -> None:
    frozen = golden("i_e2e_noise")
    generator = torch.Generator().manual_seed(42)
    draws = [torch.randn(1, 16, 64, 32, generator=generator)[:, :2] for _ in range(8)]
    agree("i condition noise", draws[1], frozen["cond_posterior_noise"])
    agree("i starting noise", draws[2], frozen["x_T"])
    agree("i noise of step 5", draws[7], frozen["step_noise_4"])

"""Renders that do not keep the low band: all of it the model's, at the recording's level, said plainly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import signal
from tiny import WITH_PREDICTOR, tiny_model

from audiosr_fx.engine import Engine
from audiosr_fx.errors import ParameterError
from audiosr_fx.model.audiosr import SamplerSettings
from audiosr_fx.node import AudioSR
from audiosr_fx.render import ProgressEvent, Region, RenderSettings, render_array
from audiosr_fx.sources import Audio

KEPT = RenderSettings(cutoff_hz=6000.0, steps=1, guidance_scale=1.0)
ANEW = replace(KEPT, keep_low_band=False)
RATE = 48_000


def low_rms_db(audio: Audio, sample_rate: int = RATE) -> float:
    """RMS below 5 kHz, well under the crossover."""
    sections = signal.butter(8, 5000.0, fs=sample_rate, output="sos")
    return float(10 * np.log10(np.mean(np.square(signal.sosfilt(sections, audio)))))


@pytest.fixture(scope="module")
def music(signals: type) -> Audio:
    """Eleven seconds, three windows, of stereo noise, louder in the middle."""
    audio = signals.noise(11 * RATE, RATE, cutoff_hz=5800.0, channels=2)
    envelope = 0.3 + np.exp(-np.square(np.linspace(-3.0, 3.0, audio.shape[1])))
    return (audio * envelope).astype(np.float32)


@pytest.fixture(scope="module")
def anew(music: Audio, engine: Engine) -> Audio:
    return render_array(music, RATE, ANEW, engine=engine).audio


def test_the_low_band_is_the_models_at_the_level_of_the_recording(music: Audio, anew: Audio) -> None:
    loudest = slice(4 * RATE, 7 * RATE)
    assert abs(low_rms_db(anew[:, loudest]) - low_rms_db(music[:, loudest])) < 1.5
    low = [signal.sosfilt(signal.butter(8, 4000.0, fs=RATE, output="sos"), x) for x in (music, anew)]
    likeness = np.vdot(*low) / np.sqrt(np.vdot(low[0], low[0]) * np.vdot(low[1], low[1]))
    assert abs(likeness) < 0.5  # nothing of the waveform passed through


def test_mels_below_the_cutoff_are_the_models_own_too() -> None:
    model = tiny_model()
    dull, noise = torch.full((1, 64, 256), -5.0), torch.zeros(1, 4, 8, 32)
    kept, anew = (
        model.restore_mel(
            dull,
            torch.tensor([6000.0]),
            settings=SamplerSettings(steps=1, keep_low_band=keep_low_band),
            start_noise=noise,
        )
        for keep_low_band in (True, False)
    )
    below = model.upper_edges_hz <= 6000.0
    assert torch.equal(kept[..., below], dull[..., below])
    assert torch.equal(kept[..., ~below], anew[..., ~below])
    assert not torch.isclose(anew[..., below], dull[..., below]).any()


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("samples", [1, 100, 8_193, 30_001])
def test_the_length_is_exact(rate: int, samples: int, engine: Engine, signals: type) -> None:
    audio = signals.noise(samples, rate, channels=2)
    rendered = render_array(audio, rate, ANEW, engine=engine, sample_rate_out=rate)
    assert rendered.audio.shape == audio.shape
    assert np.isfinite(rendered.audio).all()


@pytest.mark.parametrize(("start", "stop"), [(0, 70_001), (200_000, 310_123), (480_000, 11 * RATE)])
def test_a_region_is_that_part_of_the_whole(
    start: int, stop: int, music: Audio, anew: Audio, engine: Engine
) -> None:
    part = render_array(music, RATE, ANEW, engine=engine, region=Region(start, stop)).audio
    assert np.array_equal(part, anew[:, start:stop])


def test_blocks_join_without_a_step(anew: Audio) -> None:
    join = 448 * 480
    steps = np.abs(np.diff(anew, axis=1))
    for index in (1, 2):
        assert steps[:, index * join - 1].max() < np.percentile(steps, 99.9)


def test_silence_within_and_without_stays_silent(engine: Engine, signals: type) -> None:
    audio = signals.noise(3 * RATE, RATE, cutoff_hz=5800.0)
    audio[:, RATE : 2 * RATE] = 0.0
    rendered = render_array(audio, RATE, ANEW, engine=engine).audio
    assert not rendered[:, RATE + 4_800 : 2 * RATE - 4_800].any()
    assert rendered[:, :RATE].any()
    assert not render_array(signals.silence(RATE), RATE, ANEW, engine=engine).audio.any()


def test_progress_goes_forward_although_the_loudest_block_comes_first(music: Audio, engine: Engine) -> None:
    events: list[ProgressEvent] = []
    render_array(music, RATE, ANEW, engine=engine, on_event=events.append)
    done = [event.windows_done for event in events if event.stage == "render"]
    assert done == sorted(done)
    assert done[0] < done[-1] == events[-1].windows_total


def test_the_report_says_that_the_input_is_not_kept(music: Audio, engine: Engine) -> None:
    said = render_array(music[:, :RATE], RATE, ANEW, engine=engine).verdict.reason
    assert said == (
        "cutoff given: 6000 Hz, and what stands above it is replaced;"
        " below the cutoff the input is not kept but made anew"
    )
    kept = render_array(music[:, :RATE], RATE, KEPT, engine=engine).verdict.reason
    assert kept == "cutoff given: 6000 Hz, and what stands above it is replaced"


def test_a_node_shows_it_and_does_it(music: Audio, anew: Audio, engine: Engine) -> None:
    node = AudioSR(engine=engine, cutoff_hz=6000.0, steps=1, guidance_scale=1.0, keep_low_band=False)
    assert "keep_low_band=False" in repr(node)
    assert np.array_equal(node(music, RATE), anew)
    node.keep_low_band = True
    assert np.array_equal(node(music, RATE), render_array(music, RATE, KEPT, engine=engine).audio)
    with pytest.raises(ParameterError, match="keep_low_band is 'no'; expected True or False"):
        node.keep_low_band = "no"  # type: ignore[assignment]


def test_a_model_that_makes_no_low_band_refuses_in_one_line(music: Audio) -> None:
    engine = Engine(tiny_model(config=replace(WITH_PREDICTOR, cleaner=None)), "cpu")
    with pytest.raises(ParameterError, match=r"the model tiny makes nothing below the cutoff") as refused:
        render_array(music, RATE, ANEW, engine=engine)
    assert "\n" not in str(refused.value)

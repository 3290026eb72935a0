"""Batches made on the device that trains: as those of the CPU's maker, for low-passes alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from brightness import top_db

from audiosr_fx.errors import ParameterError
from audiosr_fx.training.assemble import build_stage, fresh_model
from audiosr_fx.training.data import SAMPLE_RATE, Clip
from audiosr_fx.training.degrade import FAMILIES, LOWPASS_ONLY, LowPass, prototype_magnitude
from audiosr_fx.training.device_segments import DeviceSegmentMaker
from audiosr_fx.training.recipes import load_recipe
from audiosr_fx.training.segments import PLAIN, AugmentSettings, SegmentMaker
from audiosr_fx.training.trainer import Trainer

SETTINGS = replace(PLAIN, seconds=0.32)
BARE = replace(
    SETTINGS,
    layer_weights=(1.0,),
    speed_probability=0.0,
    equaliser_probability=0.0,
    level_db_range=(0.0, 0.0),
)


def test_batches_are_a_function_of_the_seed(clips: list[Clip]) -> None:
    maker = DeviceSegmentMaker(clips, SETTINGS)
    first, again, other = (maker.make_batch(np.random.default_rng(seed), 5) for seed in (5, 5, 6))
    for one, same in zip(first, again, strict=True):
        torch.testing.assert_close(one, same, rtol=0, atol=0)
    assert not torch.equal(first.target, other.target)


def test_batches_are_finite_of_one_length_and_levelled(clips: list[Clip]) -> None:
    batch = DeviceSegmentMaker(clips, SETTINGS).make_batch(np.random.default_rng(1), 33)
    assert batch.target.shape == batch.dull.shape == (33, 15_360)
    assert batch.target.dtype == batch.dull.dtype == batch.cutoff_hz.dtype == torch.float32
    assert bool(torch.isfinite(batch.target).all())
    assert float(batch.dull.abs().max()) <= 0.5 * 10 ** (1.0 / 20) + 1e-4
    assert bool(((batch.limit_hz > 12_000.0) & (batch.limit_hz <= 24_000.0)).all())
    assert bool(((batch.cutoff_hz >= 2_000.0) & (batch.cutoff_hz <= 16_000.0)).all())


def test_an_example_is_a_stretch_of_its_clip_low_passed_as_by_the_filter_itself() -> None:
    random = np.random.default_rng(3)
    samples = (3_000 * random.standard_normal(50_000)).astype(np.int16)
    clip = Clip(name="a", kind="mix", source="a", limit_hz=24_000.0, samples=samples)
    cut = replace(LOWPASS_ONLY, cutoff_range_hz=(5_000.0, 5_000.0 + 1e-6))
    batch = DeviceSegmentMaker([clip], replace(BARE, degrade=cut)).make_batch(np.random.default_rng(0), 12)
    responses = [
        LowPass(family=family, order=order, cutoff_hz=5_000.0, both_ways=both).magnitude(
            np.fft.rfftfreq(15_360, 1 / SAMPLE_RATE)
        )
        for family in FAMILIES
        for order in range(2, 11)
        for both in (False, True)
    ]
    for target, dull in zip(batch.target.numpy(), batch.dull.numpy(), strict=True):
        spectrum = np.fft.rfft(target)
        errors = [np.abs(np.fft.irfft(spectrum * response) - dull).max() for response in responses]
        assert min(errors) < 5e-3  # of a peak of 0.5
    windows = np.lib.stride_tricks.sliding_window_view(samples.astype(np.float32), 15_360)
    matches = batch.target.numpy() @ windows.T
    kept = [
        np.corrcoef(windows[int(np.argmax(match))], target)[0, 1]
        for match, target in zip(matches, batch.target.numpy(), strict=True)
    ]
    assert sum(match > 0.999 for match in kept) >= 6  # the others run over the end of the clip


@pytest.mark.parametrize("family", FAMILIES)
def test_a_prototype_moved_to_a_cutoff_is_the_digital_filter(family: str) -> None:
    frequencies_hz = np.linspace(50.0, 23_500.0, 400)
    for order in (2, 5, 10):
        for cutoff_hz in (2_130.0, 9_000.0, 15_777.0):
            places = np.tan(np.pi * frequencies_hz / SAMPLE_RATE) / np.tan(np.pi * cutoff_hz / SAMPLE_RATE)
            true = LowPass(family=family, order=order, cutoff_hz=cutoff_hz).magnitude(frequencies_hz)
            np.testing.assert_allclose(prototype_magnitude(family, order, places), true, atol=0.03)


def test_a_faster_clip_sounds_higher() -> None:
    tone = (8_000 * np.sin(2 * np.pi * 3_000.0 * np.arange(48_000) / SAMPLE_RATE)).astype(np.int16)
    clip = Clip(name="a", kind="mix", source="a", limit_hz=24_000.0, samples=tone)
    faster = replace(BARE, speed_probability=1.0, speed_range=(1.2, 1.2))
    batch = DeviceSegmentMaker([clip], faster).make_batch(np.random.default_rng(0), 3)
    for sound in batch.target.numpy():
        spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
        assert abs(np.argmax(spectrum) * SAMPLE_RATE / len(sound) - 3_600.0) < 5.0
        far = np.concatenate([spectrum[:1_000], spectrum[1_400:]])
        assert far.max() < 0.05 * spectrum.max()
    assert float(batch.limit_hz.min()) <= 21_500.0


@pytest.mark.parametrize("speed", [0.8, 0.93, 1.0, 1.1, 1.25])
def test_a_clip_whose_speed_was_changed_is_as_bright_as_it_is_trusted(speed: float) -> None:
    noise = (3_000 * np.random.default_rng(7).standard_normal(150_000)).astype(np.int16)
    clip = Clip(name="a", kind="mix", source="a", limit_hz=24_000.0, samples=noise)
    changed = replace(BARE, seconds=1.28, speed_probability=1.0, speed_range=(speed, speed))
    batch = DeviceSegmentMaker([clip], changed).make_batch(np.random.default_rng(0), 4)
    assert top_db(batch.target.numpy(), float(batch.limit_hz[0])) > -1.0


def test_even_octaves_draw_half_of_the_cutoffs_in_half_of_the_octaves(clips: list[Clip]) -> None:
    even = replace(SETTINGS, degrade=replace(LOWPASS_ONLY, even_octaves=True), layer_weights=(1.0,))
    made = DeviceSegmentMaker(clips, even).make_batch(np.random.default_rng(0), 300)
    cpu = SegmentMaker(clips, even)
    random = np.random.default_rng(0)
    for cutoffs_hz in (made.cutoff_hz.numpy(), np.array([cpu.make(random).cutoff_hz for _ in range(300)])):
        assert 0.42 < np.mean(cutoffs_hz < np.sqrt(2_000.0 * 16_000.0)) < 0.58


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        (AugmentSettings(seconds=0.32, align_probability=0.0), "room_probability"),
        (replace(PLAIN, degrade=replace(LOWPASS_ONLY, codec_share=0.1)), "codec_share"),
        (replace(PLAIN, degrade=replace(LOWPASS_ONLY, hiss_probability=0.5)), "hiss_probability"),
    ],
)
def test_what_cannot_be_done_on_the_device_is_refused(
    clips: list[Clip], settings: AugmentSettings, name: str
) -> None:
    with pytest.raises(ParameterError, match=rf"{name} is .*expected 0 with data.on_device"):
        DeviceSegmentMaker(clips, settings)


def test_a_recipe_can_train_on_examples_of_the_device(clips: list[Clip], tmp_path: Path) -> None:
    recipe = load_recipe("mini").with_overrides(steps=2, batch_size=3)
    assert recipe.data.on_device
    assert recipe.predictor is not None
    assert recipe.model is not None
    stage = build_stage("predictor", fresh_model(recipe.model), recipe, clips[:3], clips[3:])
    trainer = Trainer(stage, recipe.predictor, tmp_path, workers=2)
    assert trainer.run()
    assert trainer.step == 2

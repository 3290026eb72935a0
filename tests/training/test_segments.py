"""Training segments: reproducible, finite, levelled, dull above their cutoff."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from brightness import top_db

from audiosr_fx.errors import ParameterError
from audiosr_fx.training.data import Clip
from audiosr_fx.training.degrade import LOWPASS_ONLY, DegradeSettings
from audiosr_fx.training.device_segments import DeviceSegmentMaker
from audiosr_fx.training.segments import PLAIN, AugmentSettings, SegmentMaker

QUICK = DegradeSettings(codecs=("mp3", "vorbis"))
SETTINGS = AugmentSettings(seconds=0.32, degrade=QUICK)


def test_segments_are_a_function_of_the_seed(clips: list[Clip]) -> None:
    maker = SegmentMaker(clips, SETTINGS)
    first, again, other = (maker.make(np.random.default_rng(seed)) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first.target, again.target)
    np.testing.assert_array_equal(first.dull, again.dull)
    assert not np.array_equal(first.target, other.target)


def test_segments_are_finite_of_one_length_and_levelled(clips: list[Clip]) -> None:
    maker = SegmentMaker(clips, SETTINGS)
    for seed in range(40):
        segment = maker.make(np.random.default_rng(seed))
        assert segment.target.shape == segment.dull.shape == (15_360,)
        assert segment.target.dtype == segment.dull.dtype == np.float32
        assert np.isfinite(segment.target).all()
        assert np.abs(segment.dull).max() <= 0.5 * 10 ** (1.0 / 20) + 1e-4
        assert 12_000.0 < segment.limit_hz <= 24_000.0


def test_a_segment_is_dull_above_its_cutoff_and_true_below(clips: list[Clip]) -> None:
    cut = replace(LOWPASS_ONLY, cutoff_range_hz=(5_000.0, 5_000.1))
    maker = SegmentMaker(clips, replace(PLAIN, seconds=0.32, degrade=cut))
    for seed in range(8):
        segment = maker.make(np.random.default_rng(seed))
        target, dull = (np.abs(np.fft.rfft(x)) ** 2 for x in (segment.target, segment.dull))
        assert dull[5_000:].sum() < 0.2 * target[5_000:].sum()  # a bin is 3.125 Hz: from 15.6 kHz up
        np.testing.assert_allclose(dull[:300].sum(), target[:300].sum(), rtol=0.2)


def _drum() -> Clip:
    """Two seconds of four dry beats."""
    beats = np.zeros(96_000)
    for place in range(0, 96_000, 24_000):
        beats[place : place + 2_000] = 9_000 * np.exp(-np.arange(2_000) / 300.0)
    return Clip(name="a", kind="drums", source="a", limit_hz=24_000.0, samples=beats.astype(np.int16))


def test_a_room_stands_on_both_sides(clips: list[Clip]) -> None:
    maker = SegmentMaker(clips, replace(PLAIN, seconds=0.64, room_probability=1.0))
    for seed in range(8):
        segment = maker.make(np.random.default_rng(seed))
        target, dull = (
            np.fft.rfft(x)[: int(0.25 * segment.cutoff_hz)] for x in (segment.target, segment.dull)
        )
        likeness = abs(np.vdot(target, dull)) / np.sqrt(np.vdot(target, target) * np.vdot(dull, dull)).real
        assert likeness > 0.9


def test_rooms_fill_the_gaps() -> None:
    def silent(room_probability: float) -> float:
        settings = replace(PLAIN, seconds=0.64, room_probability=room_probability, equaliser_probability=0.0)
        maker = SegmentMaker([_drum()], settings)
        targets = [maker.make(np.random.default_rng(seed)).target for seed in range(8)]
        return float(np.mean([np.mean(np.abs(target) < 1e-6) for target in targets]))

    assert silent(0.0) > 0.5
    assert silent(1.0) < 0.5 * silent(0.0)


def test_layers_are_laid_where_their_onsets_meet() -> None:
    settings = replace(PLAIN, layer_weights=(0.0, 1.0), layer_gain_db_range=(0.0, 0.0), speed_probability=0.0)

    def unlike(align_probability: float) -> float:
        maker = SegmentMaker([_drum()], replace(settings, seconds=1.28, align_probability=align_probability))
        filled = [maker.make(np.random.default_rng(seed)).target for seed in range(12)]
        return float(np.mean([np.mean(np.abs(target) > 0.02 * np.abs(target).max()) for target in filled]))

    assert unlike(1.0) < 0.8 * unlike(0.0)  # attacks that coincide fill less of the time


@pytest.mark.parametrize("speed", [0.8, 0.93, 1.1, 1.25])
def test_a_clip_whose_speed_was_changed_is_as_bright_as_it_is_trusted(speed: float) -> None:
    noise = (3_000 * np.random.default_rng(7).standard_normal(150_000)).astype(np.int16)
    clip = Clip(name="a", kind="mix", source="a", limit_hz=24_000.0, samples=noise)
    changed = replace(PLAIN, seconds=1.28, layer_weights=(1.0,), equaliser_probability=0.0)
    maker = SegmentMaker([clip], replace(changed, speed_probability=1.0, speed_range=(speed, speed)))
    made = [maker.make(np.random.default_rng(seed)) for seed in range(4)]
    assert top_db(np.stack([one.target for one in made]), made[0].limit_hz) > -1.0


def test_a_target_stays_clean_when_its_input_is_not(clips: list[Clip]) -> None:
    noisy = replace(LOWPASS_ONLY, tone_probability=1.0, hiss_probability=1.0, tone_amplitude_range=(0.1, 0.2))
    makers = [SegmentMaker(clips, replace(PLAIN, seconds=0.32, degrade=d)) for d in (noisy, LOWPASS_ONLY)]
    dirty = [makers[0].make(np.random.default_rng(seed)) for seed in range(6)]
    for segment in dirty:
        low = slice(0, int(0.2 * segment.cutoff_hz))  # a bin is 3.125 Hz
        error = np.fft.rfft(segment.dull - segment.target)[low]
        assert (
            np.square(np.abs(error)).sum() > 1e-4 * np.square(np.abs(np.fft.rfft(segment.target)[low])).sum()
        )
    assert {round(s.cutoff_hz, 3) for s in dirty} == {
        round(makers[1].make(np.random.default_rng(seed)).cutoff_hz, 3) for seed in range(6)
    }


@pytest.mark.parametrize("settings", [PLAIN, SETTINGS])
def test_an_empty_corpus_of_silence_makes_silent_segments(settings: AugmentSettings) -> None:
    silence = Clip(name="s", kind="fx", source="s", limit_hz=24_000.0, samples=np.zeros(48_000, np.int16))
    maker = SegmentMaker([silence], replace(settings, seconds=0.32))
    for seed in range(12):
        segment = maker.make(np.random.default_rng(seed))
        assert not segment.target.any()
        assert not segment.dull.any()
        assert np.isfinite(segment.cutoff_hz)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layer_weights": (0.5,)}, r"layer_weights is \[0\.5\]; expected shares that add up to 1"),
        ({"layer_weights": ()}, "expected shares that add up to 1"),
        ({"layer_weights": (1.5, -0.5)}, "expected shares that add up to 1"),
        ({"layer_weights": (math.nan,)}, "expected shares that add up to 1"),
        ({"speed_range": (0.0, 1.0)}, "speed_range is 0 to 1; expected two rising values of 0.25 to 4"),
        ({"speed_range": (1.25, 0.8)}, "expected two rising values"),
        ({"level_db_range": (math.inf, math.inf)}, "level_db_range is inf to inf"),
        ({"layer_gain_db_range": (0.0, math.nan)}, "layer_gain_db_range is 0 to nan"),
        ({"room_probability": 7.0}, "room_probability is 7.0; expected 0 to 1"),
        ({"speed_probability": math.nan}, "speed_probability is nan"),
        ({"equaliser_db": -3.0}, "equaliser_db is -3.0; expected 0 to 60"),
    ],
)
def test_settings_that_nothing_can_be_drawn_by_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        AugmentSettings(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("maker", [SegmentMaker, DeviceSegmentMaker])
def test_kinds_that_are_all_left_out_leave_nothing_to_draw(
    maker: type[SegmentMaker] | type[DeviceSegmentMaker], clips: list[Clip]
) -> None:
    with pytest.raises(ParameterError, match="kind_weights is 0 for every kind"):
        maker(clips, PLAIN, dict.fromkeys((clip.kind for clip in clips), 0.0))

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pytest
import soxr
from nightly import IS_NIGHT
from scipy import signal

from audiosr_fx.engine import Engine
from audiosr_fx.errors import AudioFormatError, ParameterError, RenderCancelled
from audiosr_fx.highband import distance_to_sound
from audiosr_fx.meltrack import normalising_gains, read_mirrored, window_count
from audiosr_fx.render import ProgressEvent, Region, RenderSettings, render, render_array
from audiosr_fx.sources import ArraySource, Audio

QUICK = RenderSettings(cutoff_hz=6000.0, steps=1, guidance_scale=1.0)
UNIT = 5.12  # seconds: one window
RATES = (16_000, 22_050, 32_000, 44_100, 48_000, 88_200, 96_000)
LOW_HZ = 5000.0  # safely below the crossover of QUICK


def resampled(audio: Audio, rate: int, rate_out: int) -> Audio:
    if rate == rate_out or audio.shape[1] == 0:
        return audio
    frames = -(-audio.shape[1] * rate_out // rate)
    whole = soxr.resample(audio.T, rate, rate_out, quality="VHQ").T
    return np.pad(whole, ((0, 0), (0, max(0, frames - whole.shape[1]))))[:, :frames]


def rms_dbfs(audio: Audio) -> float:
    return float(10 * np.log10(np.mean(np.square(audio, dtype=np.float64)) + 1e-30))


def below(audio: Audio, sample_rate: int, frequency_hz: float = LOW_HZ) -> Audio:
    """What lies below a frequency, by a filter that has fallen 120 dB a few hundred Hz above it."""
    taps = signal.firwin(
        2001 * sample_rate // 48_000 | 1, frequency_hz, fs=sample_rate, window=("kaiser", 12.0)
    )
    return signal.oaconvolve(audio.astype(np.float64), taps[None], mode="same", axes=1)


# --- length, null and level, over rates, channels and lengths ---------------------------------------


def check_promises(audio: Audio, rate: int, engine: Engine) -> None:
    """Exact length, the input untouched and still there below the crossover, something new above."""
    kept = audio.copy()
    rendered = render_array(audio, rate, QUICK, engine=engine)
    rate_out = max(rate, 48_000)
    expected = resampled(audio, rate, rate_out)
    assert rendered.sample_rate == rate_out
    assert rendered.audio.dtype == np.float32
    assert rendered.audio.shape == (audio.shape[0], -(-audio.shape[1] * rate_out // rate))
    assert np.array_equal(audio, kept)
    assert np.isfinite(rendered.audio).all()
    if audio.shape[1]:
        assert rms_dbfs(below(rendered.audio - expected, rate_out)) < -90.0
    if audio.shape[1] >= rate:
        assert rms_dbfs(rendered.audio - expected) > -60.0


LENGTHS = ("0", "1", "100", "0.3s", "5.12s-1", "5.12s", "5.12s+1", "14s", "61s")  # a block is 4.48 s
CHANNELS = (1, 2, 6)


def samples_of(length: str, rate: int) -> int:
    seconds, _, more = length.partition("s")
    return round(float(seconds) * rate) + int(more or 0) if "s" in length else int(length)


def in_turn(lengths: Sequence[str]) -> list[tuple[str, int, int]]:
    """All pairs of length, rate and channel count, though not all threes."""
    return [
        (length, rate, CHANNELS[(LENGTHS.index(length) + RATES.index(rate)) % 3])
        for length, rate in product(lengths, RATES)
    ]


QUICK_ONES = in_turn(LENGTHS[:-2])
SLOW_ONES = [*in_turn(["14s"]), ("61s", 44_100, 6)]
if IS_NIGHT:  # all threes
    SLOW_ONES = [one for one in product(LENGTHS, RATES, CHANNELS) if one not in QUICK_ONES]


@pytest.mark.parametrize(
    ("length", "rate", "channels"),
    [*QUICK_ONES, *(pytest.param(*one, marks=pytest.mark.slow) for one in SLOW_ONES)],
)
def test_length_is_exact_and_the_low_band_is_the_input(
    length: str, rate: int, channels: int, engine: Engine, signals: type
) -> None:
    audio = signals.noise(samples_of(length, rate), rate, cutoff_hz=5800.0, channels=channels)
    check_promises(audio, rate, engine)


@pytest.mark.parametrize(("rate", "channels"), [(44_100, 1), (48_000, 2)])
def test_a_minute_keeps_its_length_and_nulls_below_the_crossover(
    rate: int, channels: int, engine: Engine, signals: type
) -> None:
    check_promises(signals.noise(61 * rate, rate, cutoff_hz=5800.0, channels=channels), rate, engine)


def test_a_sweep_below_the_cutoff_comes_out_at_its_own_level(engine: Engine, signals: type) -> None:
    audio = signals.sweep(7 * 48_000, 48_000, stop_hz=4500.0)
    for level in (1.0, 0.01):
        rendered = render_array(level * audio, 48_000, QUICK, engine=engine).audio
        low = below(rendered, 48_000)
        expected = below(level * audio, 48_000)
        assert np.abs(low - expected)[:, 2400:-2400].max() < level * 3e-5  # -90 dB


def test_junk_above_the_cutoff_is_replaced(engine: Engine, signals: type) -> None:
    audio = signals.noise(6 * 48_000, 48_000, cutoff_hz=5800.0) + signals.sine(
        6 * 48_000, 48_000, frequency_hz=9037.0
    )
    rendered = render_array(audio, 48_000, QUICK, engine=engine).audio
    middle = rendered[0, 48_000 : 5 * 48_000]
    phase = np.exp(-2j * np.pi * 9037.0 * np.arange(middle.size) / 48_000)
    assert abs(np.mean(middle * phase)) < 0.25 * 0.01  # the tone stood at 0.25


def test_what_a_96_khz_file_has_above_24_khz_stays(engine: Engine, signals: type) -> None:
    rate = 96_000
    high = signals.sine(6 * rate, rate, frequency_hz=30_000.0)
    audio = signals.noise(6 * rate, rate, cutoff_hz=5800.0) + high
    rendered = render_array(audio, rate, QUICK, engine=engine).audio
    above = signal.firwin(2001, 25_000.0, fs=rate, window=("kaiser", 12.0), pass_zero=False)
    difference = signal.oaconvolve(rendered[0] - audio[0], above, mode="same")
    assert rms_dbfs(difference) < -90.0


# --- silence, channels, gate ------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [44_100, 48_000])
@pytest.mark.parametrize("cutoff_hz", [None, 6000.0])
def test_silence_stays_digital_silence(
    rate: int, cutoff_hz: float | None, engine: Engine, signals: type
) -> None:
    settings = RenderSettings(cutoff_hz=cutoff_hz, steps=1)
    rendered = render_array(signals.silence(6 * rate, channels=2), rate, settings, engine=engine)
    assert not rendered.audio.any()


def test_silence_within_a_file_stays_silent(engine: Engine, signals: type) -> None:
    audio = signals.noise(12 * 48_000, 48_000, cutoff_hz=5800.0, channels=2)
    audio[:, 3 * 48_000 : 9 * 48_000] = 0.0
    audio[1] = 0.0
    rendered = render_array(audio, 48_000, QUICK, engine=engine).audio
    margin = 48_000 // 20
    assert not rendered[:, 3 * 48_000 + margin : 9 * 48_000 - margin].any()
    assert not rendered[1].any()
    assert rms_dbfs((rendered - audio)[0, : 3 * 48_000]) > -60.0


def test_identical_channels_stay_identical(engine: Engine, signals: type) -> None:
    audio = np.tile(signals.noise(6 * 48_000, 48_000, cutoff_hz=5800.0), (3, 1))
    rendered = render_array(audio, 48_000, QUICK, engine=engine).audio
    assert np.array_equal(rendered[0], rendered[1])
    assert np.array_equal(rendered[0], rendered[2])
    assert np.array_equal(rendered[:1], render_array(audio[:1], 48_000, QUICK, engine=engine).audio)


def test_polarity_and_delay_between_channels_are_kept_below_the_crossover(
    engine: Engine, signals: type
) -> None:
    left = signals.noise(6 * 48_000, 48_000, cutoff_hz=5800.0)[0]
    audio = np.stack([left, -left, np.roll(left, 37)])
    low = below(render_array(audio, 48_000, QUICK, engine=engine).audio, 48_000)
    inner = slice(4800, -4800)  # rolling makes a jump at the ends
    assert np.allclose(low[1][inner], -low[0][inner], atol=1e-5)
    assert np.allclose(low[2][inner], np.roll(low[0], 37)[inner], atol=1e-5)


def test_the_gain_and_the_noise_are_shared_by_the_channels(engine: Engine, signals: type) -> None:
    noise = signals.noise(6 * 48_000, 48_000, cutoff_hz=5800.0)
    alone = render_array(noise, 48_000, QUICK, engine=engine).audio
    beside_a_quieter = render_array(np.concatenate([noise, 0.1 * noise]), 48_000, QUICK, engine=engine).audio
    assert np.array_equal(alone[0], beside_a_quieter[0])


def test_full_band_material_passes_through_bit_for_bit(engine: Engine, signals: type) -> None:
    audio = signals.noise(3 * 48_000, 48_000, channels=2)
    rendered = render_array(audio, 48_000, RenderSettings(steps=1), engine=engine)
    assert np.array_equal(rendered.audio, audio)
    assert not np.shares_memory(rendered.audio, audio)
    assert not rendered.verdict.process
    assert rendered.verdict.reason


def test_a_band_the_result_has_no_room_for_is_not_made(engine: Engine, signals: type) -> None:
    audio = signals.noise(32_000, 16_000)
    settings = RenderSettings(cutoff_hz=7900.0, steps=1)
    rendered = render_array(audio, 16_000, settings, engine=engine, sample_rate_out=16_000)
    assert np.array_equal(rendered.audio, audio)
    assert "no room for more" in rendered.verdict.reason


def test_a_cutoff_above_the_model_is_told_of_the_model(engine: Engine, signals: type) -> None:
    settings = RenderSettings(cutoff_hz=24_000.0, steps=1)
    rendered = render_array(signals.noise(20_000, 96_000), 96_000, settings, engine=engine)
    assert rendered.sample_rate == 96_000
    assert rendered.verdict.reason.endswith("the model at 48000 Hz has no room for more")


@pytest.mark.parametrize("gain", [1e20, 1e30, 3e37])
def test_absurd_levels_are_judged_and_kept(gain: float, engine: Engine, signals: type) -> None:
    audio = (np.float32(gain) * signals.noise(30_000, 48_000, cutoff_hz=6000.0)).astype(np.float32)
    rendered = render_array(audio, 48_000, RenderSettings(steps=1), engine=engine)
    assert np.isfinite(rendered.audio).all()


# --- regions and seeds ------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000, 96_000])
def test_a_region_is_bit_equal_to_the_same_part_of_the_whole(
    rate: int, engine: Engine, signals: type
) -> None:
    audio = signals.noise(round(9.7 * rate), rate, cutoff_hz=5800.0, channels=2)
    settings = RenderSettings(cutoff_hz=6000.0, steps=2, eta=1.0)
    whole = render_array(audio, rate, settings, engine=engine)
    for start_s, stop_s in ((4.4, 5.2), (9.01, 9.7)):
        region = Region(round(start_s * rate), round(stop_s * rate))
        part = render_array(audio, rate, settings, engine=engine, region=region).audio
        first = -(-region.start * whole.sample_rate // rate)
        assert part.shape[1] == -(-region.stop * whole.sample_rate // rate) - first
        assert np.array_equal(part, whole.audio[:, first : first + part.shape[1]])


def test_a_batched_render_agrees_with_one_by_one(engine: Engine, signals: type) -> None:
    audio = signals.noise(14 * 48_000, 48_000, cutoff_hz=5800.0, channels=2)
    settings = RenderSettings(cutoff_hz=6000.0, steps=2, eta=1.0)
    batched = Engine(engine.model, "cpu", batch_size=5)
    one = render_array(audio, 48_000, settings, engine=engine).audio
    many = render_array(audio, 48_000, settings, engine=batched).audio
    assert np.linalg.norm(many - one) <= 1e-4 * np.linalg.norm(one - audio)
    part = render_array(audio, 48_000, settings, engine=batched, region=Region(300_000, 500_000)).audio
    assert np.linalg.norm(part - many[:, 300_000:500_000]) <= 1e-4 * np.linalg.norm(part)


def test_seeds_reproduce_and_another_differs(engine: Engine, signals: type) -> None:
    audio = signals.noise(6 * 48_000, 48_000, cutoff_hz=5800.0)
    first, again, other = (
        render_array(audio, 48_000, RenderSettings(cutoff_hz=6000.0, steps=2, seed=seed), engine=engine).audio
        for seed in (5, 5, 6)
    )
    assert np.array_equal(first, again)
    assert np.linalg.norm(first - other) > 1e-2 * np.linalg.norm(first - audio)


# --- progress, cancelling, errors -------------------------------------------------------------------


def test_progress_counts_up_to_everything(engine: Engine, signals: type) -> None:
    events: list[ProgressEvent] = []
    audio = signals.noise(12 * 48_000, 48_000, cutoff_hz=5800.0)
    render_array(audio, 48_000, QUICK, engine=engine, on_event=events.append)
    assert events[0].stage == "measure"
    assert [event.windows_done for event in events] == sorted(event.windows_done for event in events)
    assert [event.seconds_done for event in events] == sorted(event.seconds_done for event in events)
    last = events[-1]
    assert last.windows_done == last.windows_total == 3
    assert last.seconds_done == last.seconds_total == 12.0


@pytest.mark.parametrize("questions", [1, 3, 20])
def test_a_render_stops_when_asked(questions: int, engine: Engine, signals: type) -> None:
    asked = 0

    def should_cancel() -> bool:
        nonlocal asked
        asked += 1
        return asked > questions

    audio = signals.noise(12 * 48_000, 48_000, cutoff_hz=5800.0)
    settings = RenderSettings(cutoff_hz=6000.0, steps=10)
    with pytest.raises(RenderCancelled):
        render_array(audio, 48_000, settings, engine=engine, should_cancel=should_cancel)
    assert asked == questions + 1
    assert not engine.model.unet._forward_pre_hooks


@dataclass
class OddSource:
    sample_rate: int = 48_000
    channels: int = 1
    frames: int = 1000
    value: float = 0.1

    def read(self, start: int, stop: int) -> Audio:
        return np.full((self.channels, stop - start), self.value, np.float32)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (OddSource(value=float("nan")), "holds nan at sample 0 of channel 0"),
        (OddSource(value=float("-inf")), "holds -inf at"),
        (OddSource(channels=33), "33 channels"),
        (OddSource(channels=0), "0 channels"),
        (OddSource(sample_rate=0), "sample_rate is 0"),
        (OddSource(sample_rate=10**9), "sample_rate is 1000000000"),
    ],
)
def test_what_cannot_be_rendered_is_refused_in_one_line(
    source: OddSource, message: str, engine: Engine
) -> None:
    with pytest.raises(AudioFormatError, match=message) as refused:
        render(source, QUICK, engine)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("audio", "rate"),
    [
        (np.zeros(10, np.float32), 48_000),
        (np.zeros((2, 2, 2), np.float32), 48_000),
        (np.zeros((1, 10), np.int16), 48_000),
        (np.full((1, 10), np.nan, np.float32), 48_000),
        (np.zeros((1, 10), np.float32), 0),
    ],
)
def test_arrays_are_checked(audio: np.ndarray, rate: int, engine: Engine) -> None:
    with pytest.raises(AudioFormatError):
        render_array(audio, rate, QUICK, engine=engine)


def test_a_region_beyond_the_end_is_refused(engine: Engine, signals: type) -> None:
    source = ArraySource(signals.noise(1000, 48_000), 48_000)
    with pytest.raises(ParameterError, match="the source has 1000 samples"):
        render(source, QUICK, engine, region=Region(500, 2000))


def test_no_steps_without_a_predictor_is_refused_before_the_source_is_read(engine: Engine) -> None:
    with pytest.raises(ParameterError, match="steps is 0"):
        render(OddSource(value=float("nan")), RenderSettings(steps=0), engine)


# --- the parts --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frames", "windows"), [(0, 1), (1, 1), (512, 1), (513, 2), (960, 2), (961, 3), (360_000, 804)]
)
def test_windows_cover_every_frame_and_none_begins_in_the_last_overlap(frames: int, windows: int) -> None:
    assert window_count(frames) == windows


def test_each_channel_is_brought_to_half_scale_within_80_db() -> None:
    peaks = np.array([0.0, 1e-9, 0.25, 0.5, 2.0], np.float32)
    assert normalising_gains(peaks).tolist() == [10_000.0, 10_000.0, 2.0, 1.0, 0.25]


@pytest.mark.parametrize("samples", [1, 2, 5, 9_000, 100_000])
def test_beyond_its_ends_a_source_is_mirrored(samples: int) -> None:
    audio, beyond = np.arange(1, samples + 1, dtype=np.float32)[None], 98_000
    read = read_mirrored(ArraySource(audio, 48_000), -beyond, samples + beyond)
    assert read.shape == (1, samples + 2 * beyond)
    np.testing.assert_array_equal(read[0, beyond : beyond + samples], audio[0])
    count = min(2 * 48_000, samples - 1)
    np.testing.assert_array_equal(read[0, beyond - count : beyond], audio[0, 1 : 1 + count][::-1])
    np.testing.assert_array_equal(read[0, beyond + samples :][:count], audio[0, ::-1][1 : 1 + count])
    assert not read[0, : beyond - count].any()
    assert not read[0, beyond + samples + count :].any()


def test_distance_is_to_the_nearest_sample_that_sounds() -> None:
    audio = np.array([[0, 0, 1, 0, 0, 0, -1, 0], [0, 0, 0, 0, 0, 0, 0, 1e-9]], np.float32)
    distance = distance_to_sound(audio)
    assert distance[0].tolist() == [2, 1, 0, 1, 2, 1, 0, 1]
    assert (distance[1] >= 8).all()


def test_a_band_without_sound_is_not_made_up(engine: Engine, signals: type) -> None:
    audio = 1e-6 * signals.noise(2 * 48_000, 48_000, cutoff_hz=5800.0)  # -140 dBFS: below any converter
    rendered = render_array(audio, 48_000, QUICK, engine=engine).audio
    assert rms_dbfs(rendered - audio) < -150.0

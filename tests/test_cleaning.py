"""Renders that clean: the recording as the cleaner leaves it, and the new band made from that."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import soundfile
import torch
from scipy import signal
from tiny import WITH_PREDICTOR, muting_above, tiny_model

from audiosr_fx.cache import RenderCache
from audiosr_fx.cleaning import CleanedSource, Taken
from audiosr_fx.engine import Engine
from audiosr_fx.errors import RenderCancelled
from audiosr_fx.meltrack import HOP, normalising_gains, read_mirrored
from audiosr_fx.model.audiosr import AudioSRModel
from audiosr_fx.render import Region, RenderSettings, render_array
from audiosr_fx.sources import ArraySource, Audio

RATE = 48_000
VOICE = Path(__file__).parent / "data" / "audio" / "speech.flac"
KEPT = RenderSettings(cutoff_hz=6000.0, quality="draft")
CLEANED = replace(KEPT, keep_low_band=False)


def halving(model: AudioSRModel) -> AudioSRModel:
    """Its cleaner turns every band down by 6 dB, whatever it hears."""
    assert model.cleaner is not None
    model.cleaner.log_gain = mock.Mock(  # type: ignore[method-assign]
        side_effect=lambda magnitude, made: torch.full_like(magnitude[:, made], -math.log(2.0))
    )
    return model


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(halving(tiny_model(config=WITH_PREDICTOR)), "cpu")


@pytest.fixture(scope="module")
def music(signals: type) -> Audio:
    """Eleven seconds, three blocks, of stereo noise; the right channel is 20 dB softer."""
    audio = signals.noise(11 * RATE, RATE, cutoff_hz=5800.0, channels=2)
    return (audio * [[1.0], [0.1]]).astype(np.float32)


@pytest.fixture(scope="module")
def cleaned(music: Audio, engine: Engine) -> Audio:
    return render_array(music, RATE, CLEANED, engine=engine).audio


def low(audio: Audio, sample_rate: int = RATE) -> Audio:
    return np.asarray(signal.sosfiltfilt(signal.butter(8, 4000.0, fs=sample_rate, output="sos"), audio))


def test_the_recording_comes_out_as_the_cleaner_leaves_it(music: Audio, cleaned: Audio) -> None:
    inner = slice(RATE, -RATE)
    halves = low(music)[:, inner] / 2.0
    error = low(cleaned)[:, inner] - halves
    assert (np.sqrt(np.mean(error**2, axis=1)) < 0.01 * np.sqrt(np.mean(halves**2, axis=1))).all()


def test_blocks_fit_exactly(music: Audio) -> None:
    model = tiny_model(config=WITH_PREDICTOR)
    assert model.cleaner is not None
    torch.nn.init.normal_(
        model.cleaner.project_out.weight, std=3.0, generator=torch.Generator().manual_seed(0)
    )
    engine = Engine(model, "cpu")
    source = ArraySource(music[:, :-77], RATE)
    gains = normalising_gains(np.abs(music).max(axis=1))
    blocks = CleanedSource(source, engine, gains).read(0, source.frames)
    margin = 10 * HOP
    whole = engine.clean(read_mirrored(source, -margin, 1100 * HOP + margin) * gains[:, None])
    np.testing.assert_allclose(
        blocks, (whole / gains[:, None])[:, margin : margin + source.frames], atol=1e-6
    )
    assert 0.1 < np.std(blocks) / np.std(music) < 0.9, "it does something"


@pytest.mark.parametrize("cutoff_hz", [6000.0, None])
def test_no_block_is_cleaned_twice_in_a_render(cutoff_hz: float | None, music: Audio) -> None:
    model = halving(tiny_model(config=WITH_PREDICTOR))
    settings = replace(CLEANED, cutoff_hz=cutoff_hz)
    for batch_size in (1, 8):
        engine = Engine(model, "cpu", batch_size=batch_size)
        with mock.patch.object(engine, "clean", wraps=engine.clean) as clean:
            rendered = render_array(np.tile(music, 3), RATE, settings, engine=engine)
        assert rendered.verdict.process
        assert clean.call_count == 8  # of 448 frames, in 33 seconds


def test_the_new_band_is_made_from_what_was_cleaned(music: Audio, engine: Engine, cleaned: Audio) -> None:
    gains = normalising_gains(np.abs(music).max(axis=1))
    first = CleanedSource(ArraySource(music, RATE), engine, gains).read(0, music.shape[1])
    again = render_array(first, RATE, KEPT, engine=engine).audio
    high = signal.butter(8, 8000.0, "highpass", fs=RATE, output="sos")
    one, other = (signal.sosfilt(high, audio)[:, RATE:-RATE] for audio in (cleaned, again))
    assert np.sqrt(np.mean(one**2)) > 1e-4
    np.testing.assert_allclose(np.std(one, axis=1), np.std(other, axis=1), rtol=0.1)


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("samples", [1, 100, 8_193, 30_001])
def test_the_length_is_exact(rate: int, samples: int, engine: Engine, signals: type) -> None:
    audio = signals.noise(samples, rate, channels=2)
    rendered = render_array(audio, rate, CLEANED, engine=engine, sample_rate_out=rate)
    assert rendered.audio.shape == audio.shape
    assert np.isfinite(rendered.audio).all()


@pytest.mark.parametrize(("start", "stop"), [(0, 70_001), (200_000, 310_123), (480_000, 11 * RATE)])
def test_a_region_is_that_part_of_the_whole(
    start: int, stop: int, music: Audio, engine: Engine, cleaned: Audio
) -> None:
    part = render_array(music, RATE, CLEANED, engine=engine, region=Region(start, stop)).audio
    np.testing.assert_array_equal(part, cleaned[:, start:stop])


def test_half_of_the_mix_is_half_the_recording(music: Audio, engine: Engine, cleaned: Audio) -> None:
    half = render_array(music, RATE, replace(CLEANED, mix=0.5), engine=engine).audio
    np.testing.assert_allclose(half, 0.5 * music + 0.5 * cleaned, atol=1e-6)


def test_a_file_is_cleaned_up_to_its_ends(engine: Engine, signals: type) -> None:
    audio = signals.noise(2 * RATE + 77, RATE)
    source = CleanedSource(ArraySource(audio, RATE), engine, np.float32([1.0]))
    out = source.read(-100, audio.shape[1] + 100)
    assert not out[:, :100].any()
    assert not out[:, -100:].any()
    np.testing.assert_allclose(out[:, 100:-100], audio / 2.0, atol=0.02)


def test_digital_silence_stays(engine: Engine, music: Audio) -> None:
    gapped = music.copy()
    gapped[:, 3 * RATE : 5 * RATE] = 0.0
    gapped[1] = 0.0
    out = render_array(gapped, RATE, CLEANED, engine=engine).audio
    assert not out[1].any()
    assert not out[:, 3 * RATE + 1000 : 5 * RATE - 1000].any()
    assert out[0, 2 * RATE : 3 * RATE].any()


def test_a_verdict_says_what_happens_to_the_low_band(music: Audio, engine: Engine) -> None:
    said = render_array(music[:, : 4 * RATE], RATE, CLEANED, engine=engine).verdict.reason
    assert said == (
        "cutoff given: 6000 Hz, and what stands above it is replaced; steady tones and hiss are taken away,"
        " -35 dBFS RMS of it"
    )


def test_a_second_render_takes_everything_from_the_cache(
    music: Audio, engine: Engine, cleaned: Audio, tmp_path: Path
) -> None:
    cache = RenderCache(folder=tmp_path)
    first = render_array(music, RATE, CLEANED, engine=engine, cache=cache)
    with mock.patch.object(engine, "clean") as clean:
        second = render_array(music, RATE, CLEANED, engine=engine, cache=cache)
        assert not clean.called
    assert (first.blocks_made, first.blocks_reused) == (3, 0)
    assert (second.blocks_made, second.blocks_reused) == (0, 3)
    np.testing.assert_array_equal(first.audio, cleaned)
    np.testing.assert_array_equal(second.audio, cleaned)


def test_what_needs_no_band_is_cleaned_all_the_same(engine: Engine, signals: type) -> None:
    bright = signals.noise(4 * RATE, RATE)
    rendered = render_array(bright, RATE, replace(CLEANED, cutoff_hz=None), engine=engine)
    verdict = rendered.verdict
    assert not verdict.process
    assert not verdict.is_untouched
    taken_dbfs = 20.0 * math.log10(float(np.sqrt(np.mean((bright / 2.0) ** 2))))
    assert verdict.reason.endswith(
        f"already; steady tones and hiss are taken away, {taken_dbfs:.0f} dBFS RMS of it"
    )
    np.testing.assert_allclose(rendered.audio, bright / 2.0, atol=0.02)


def test_a_recording_is_judged_without_its_noise(signals: type) -> None:
    engine = Engine(muting_above(7_000.0, tiny_model(config=WITH_PREDICTOR)), "cpu")
    hissing = signals.noise(4 * RATE, RATE, cutoff_hz=6_000.0) + 2.0 * signals.noise(4 * RATE, RATE)
    hissing += signals.sine(4 * RATE, RATE, frequency_hz=200.0)  # louder than the hiss
    kept, cleaned = (
        render_array(hissing, RATE, replace(settings, cutoff_hz=None), engine=engine).verdict
        for settings in (KEPT, CLEANED)
    )
    assert kept.is_untouched
    assert cleaned.process
    assert cleaned.cutoff_hz == pytest.approx(6_500.0, rel=0.1)


def test_of_a_long_recording_the_loudest_blocks_are_judged(engine: Engine) -> None:
    block = 448 * HOP
    loudness = np.full(40, 1e-3, np.float32)
    loudness[[3, 17, 38, 39]] = 0.5
    audio = np.repeat(loudness, block)[None, : -block // 2]
    parts = CleanedSource(ArraySource(audio, RATE), engine, np.float32([1.0])).telling_parts()
    assert len(parts) == 16
    assert parts == sorted(parts, reverse=True)
    assert {(index * block, (index + 1) * block) for index in (3, 17, 38)} < set(parts)
    assert parts[0] == (39 * block, audio.shape[1])


def test_nothing_is_cleaned_anew_to_say_how_much_went(music: Audio, engine: Engine) -> None:
    source = CleanedSource(ArraySource(music, RATE), engine, np.ones(2, np.float32))
    source._blocks_kept = 2
    parts = source.telling_parts()
    assert len(parts) == 3
    for start, stop in parts:
        source.read(start, stop)
    with mock.patch.object(engine, "clean") as clean:
        taken = source.taken(parts)
    assert not clean.called
    for dbfs, expected in ((taken.dbfs, music / 2.0), (taken.from_dbfs, music)):
        assert dbfs == pytest.approx(20.0 * np.log10(np.sqrt(np.mean(np.square(expected)))), abs=0.5)


@pytest.mark.parametrize("samples", [0, 1, 479, 3 * RATE - 1])
def test_what_may_be_one_held_note_is_not_cleaned(samples: int, engine: Engine, signals: type) -> None:
    audio = signals.noise(3 * RATE, RATE)[:, :samples]
    rendered = render_array(audio, RATE, replace(CLEANED, cutoff_hz=None), engine=engine)
    assert rendered.verdict.is_untouched
    np.testing.assert_array_equal(rendered.audio, audio)


def test_a_short_one_is_restored_without_being_cleaned(music: Audio, engine: Engine) -> None:
    short = music[:, : 2 * RATE]
    kept, cleaned = (render_array(short, RATE, one, engine=engine) for one in (KEPT, CLEANED))
    np.testing.assert_array_equal(cleaned.audio, kept.audio)
    assert cleaned.verdict.reason.endswith("; no noise is taken away, as less than 3 s may be one held note")


def test_where_there_is_no_noise_the_verdict_says_so(signals: type) -> None:
    engine = Engine(muting_above(7_000.0, tiny_model(config=WITH_PREDICTOR)), "cpu")
    dull = signals.noise(4 * RATE, RATE, cutoff_hz=5_000.0)
    low = signal.sosfilt(signal.butter(16, 5_500.0, fs=RATE, output="sos"), dull).astype(np.float32)
    said = render_array(low, RATE, replace(CLEANED, cutoff_hz=None), engine=engine).verdict.reason
    assert said.endswith("; steady tones and hiss are taken away, of which there is next to nothing")


@pytest.mark.parametrize("cutoff_hz", [6_000.0, None])
@pytest.mark.parametrize("level", [1.0, 0.003])
def test_what_is_little_but_noise_is_rendered_as_it_is(
    level: float, cutoff_hz: float | None, signals: type
) -> None:
    """A held note is as steady: better leave both than take a note away whole."""
    engine = Engine(muting_above(500.0, tiny_model(config=WITH_PREDICTOR)), "cpu")
    steady = level * signals.noise(4 * RATE, RATE, cutoff_hz=6_000.0)
    kept, cleaned = (
        render_array(steady, RATE, replace(settings, cutoff_hz=cutoff_hz), engine=engine)
        for settings in (KEPT, CLEANED)
    )
    assert not cleaned.verdict.is_cleaned
    assert cleaned.verdict.cutoff_hz == kept.verdict.cutoff_hz == pytest.approx(6_000.0, rel=0.05)
    np.testing.assert_array_equal(cleaned.audio, kept.audio)
    dbfs = 20.0 * math.log10(float(np.sqrt(np.mean(np.square(steady)))))
    assert cleaned.verdict.reason == (
        f"{kept.verdict.reason}; no noise is taken away, as it would be most of the recording"
        f" ({dbfs + 10.0 * math.log10(11 / 12):.0f} of {dbfs:.0f} dBFS RMS)"
    )


@pytest.mark.parametrize("left_db", [-8.9, -9.1])
def test_all_but_an_eighth_of_the_power_is_most_of_a_recording(left_db: float) -> None:
    for from_dbfs in (-90.0, 0.0):
        assert Taken(from_dbfs - 0.6, from_dbfs, from_dbfs + left_db).is_most == (left_db < -9.0)
    assert not Taken(-240.0, -240.0, -240.0).is_most


def test_a_tone_as_loud_as_a_voice_goes(mini_engine: Engine, signals: type) -> None:
    """Of the noise that the model is trained for, the loudest: 0.2 beside speech."""
    audio, rate = soundfile.read(VOICE, dtype="float32", always_2d=True)
    voice = np.tile(0.5 * audio.T / np.abs(audio).max(), 3)[:, : 5 * rate]
    whistling = voice + 0.2 * np.sin(2 * np.pi * 1_500.0 * np.arange(voice.shape[1]) / rate)
    settings = replace(CLEANED, cutoff_hz=None)
    verdict = render_array(whistling.astype(np.float32), rate, settings, engine=mini_engine).verdict
    assert verdict.is_cleaned
    assert "steady tones and hiss are taken away, -1" in verdict.reason


@pytest.mark.parametrize("kind", ["silence", "mix"])
def test_what_is_left_as_it_is_stays_bit_for_bit(kind: str, music: Audio, engine: Engine) -> None:
    audio = np.zeros_like(music) if kind == "silence" else music
    settings = replace(CLEANED, cutoff_hz=None, mix=0.0 if kind == "mix" else 1.0)
    rendered = render_array(audio, RATE, settings, engine=engine)
    assert rendered.verdict.is_untouched
    assert rendered.verdict.reason.endswith("; the input is kept as it is")
    np.testing.assert_array_equal(rendered.audio, audio)


def test_what_lies_above_the_model_is_kept(engine: Engine, signals: type) -> None:
    audio = signals.noise(4 * 96_000, 96_000)
    out = render_array(audio, 96_000, CLEANED, engine=engine).audio
    change, before = (np.abs(np.fft.rfft(sound))[:, 4 * 25_000 :] for sound in (out - audio, audio))
    assert np.std(change) < 1e-3 * np.std(before)


def test_it_can_be_cancelled_between_channels(music: Audio, engine: Engine) -> None:
    source = ArraySource(music, RATE)
    gains = np.ones(2, np.float32)
    asked: list[bool] = []

    def after_the_first() -> bool:
        asked.append(True)
        return len(asked) > 1

    with pytest.raises(RenderCancelled):
        CleanedSource(source, engine, gains, should_cancel=after_the_first).read(0, 100)
    assert len(asked) == 2

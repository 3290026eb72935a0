"""A hot master, written to an integer format: what is new gives way at full scale, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from audio_kinds import load
from pedalboard import Gain
from scipy import signal
from tiny import WITH_PREDICTOR, tiny_model

from audiosr_fx.bandwidth import crossover
from audiosr_fx.board import Board
from audiosr_fx.engine import Engine
from audiosr_fx.errors import ParameterError
from audiosr_fx.limiter import TruePeakLimiter
from audiosr_fx.mix import Mix
from audiosr_fx.node import AudioSR
from audiosr_fx.render import Region, Rendered, RenderSettings, RenderStream, render, render_array
from audiosr_fx.sources import ArraySource, Audio
from audiosr_fx.writer import ceiling_of

RATE = 48_000
QUICK = RenderSettings(cutoff_hz=6000.0, steps=1, guidance_scale=1.0)
REACH_S = 0.006


def hot_master(rate: int = RATE, seconds: float = 6.0, seed: int = 0) -> Audio:
    """Two channels of noise below 5.6 kHz, soft but for bursts of up to 0.999, one where two blocks meet."""
    noise = np.random.default_rng(seed).standard_normal((2, round(seconds * rate)))
    sections = signal.ellip(10, 0.1, 100.0, 5500.0, fs=rate, output="sos")
    driven = np.tanh(0.8 * signal.sosfiltfilt(sections, noise, axis=1) / 0.4)
    low = signal.sosfiltfilt(sections, driven, axis=1)
    time_s = np.arange(noise.shape[1]) / rate
    bursts = sum(np.exp(-0.5 * ((time_s - place_s) / 0.03) ** 2) for place_s in (0.7, 2.4, 4.2, 4.48, 5.93))
    return (0.999 * low / np.abs(low).max() * (0.2 + 0.8 * np.minimum(bursts, 1.0))).astype(np.float32)


def streamed(
    audio: Audio,
    settings: RenderSettings,
    engine: Engine,
    rate: int = RATE,
    region: Region | None = None,
    subtype: str = "PCM_16",
) -> tuple[Audio, RenderStream]:
    stream = render(ArraySource(audio, rate), settings, engine, region=region, ceiling=ceiling_of(subtype))
    return np.concatenate(list(stream), axis=1), stream


def below_dbfs(change: Audio, frequency_hz: float) -> float:
    """RMS of what lies below a frequency, by a filter that has fallen 120 dB 100 Hz above it."""
    taps = signal.firwin(4001, frequency_hz, fs=RATE, window=("kaiser", 12.0))
    low = signal.oaconvolve(change.astype(np.float64), taps[None], mode="valid", axes=1)
    return float(10 * np.log10(np.mean(np.square(low)) + 1e-30))


@pytest.fixture(scope="module")
def hot() -> Audio:
    return hot_master()


@pytest.fixture(scope="module")
def free(hot: Audio, engine: Engine) -> Rendered:
    """What float samples hold."""
    return render_array(hot, RATE, QUICK, engine=engine)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
def test_a_hot_master_is_not_clipped_and_nulls_below_the_crossover(
    subtype: str, hot: Audio, free: Rendered, engine: Engine
) -> None:
    given, stream = streamed(hot, QUICK, engine, subtype=subtype)
    assert np.abs(free.audio).max() > 1.05
    assert np.abs(given).max() <= 1.0 - 2.0 ** (1 - int(subtype[-2:]))  # the largest code there is
    edge_hz = crossover(free.verdict).lower_hz - 100.0
    inner = slice(RATE // 10, -RATE // 10)  # the ends fade
    assert below_dbfs((given - hot)[:, inner], edge_hz) < -90.0
    assert below_dbfs((free.audio.clip(-1, 1) - hot)[:, inner], edge_hz) > -80.0  # so clipping is heard there
    assert 0.0 < stream.gave_way_s < 6.0
    assert stream.lift_db == pytest.approx(20 * np.log10(np.abs(free.audio).max()), abs=0.01)


def test_the_new_band_is_untouched_away_from_peaks(hot: Audio, free: Rendered, engine: Engine) -> None:
    given, stream = streamed(hot, QUICK, engine)
    over = np.flatnonzero((np.abs(free.audio) > ceiling_of("PCM_16")).any(axis=0))
    place = np.arange(hot.shape[1])
    after = over[np.searchsorted(over, place).clip(max=over.size - 1)]
    before = over[(np.searchsorted(over, place, "right") - 1).clip(min=0)]
    far = np.minimum(np.abs(after - place), np.abs(before - place)) > round(REACH_S * RATE)
    assert far.mean() > 0.1
    assert np.array_equal(given[:, far], free.audio[:, far])
    assert stream.gave_way_s <= (~far).sum() / RATE


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_a_region_is_bit_equal_to_the_same_part_of_the_whole(rate: int, engine: Engine) -> None:
    audio = hot_master(rate)
    settings = replace(QUICK, steps=2)
    whole, _ = streamed(audio, settings, engine, rate)
    without = render_array(audio, rate, settings, engine=engine).audio
    for start_s, stop_s in ((4.4, 4.6), (4.0, 4.48), (5.9, 6.0)):  # a block ends at 4.48 s
        region = Region(round(start_s * rate), round(stop_s * rate))
        part, _ = streamed(audio, settings, engine, rate, region)
        first = -(-region.start * RATE // rate)
        here = slice(first, first + part.shape[1])
        assert np.array_equal(part, whole[:, here])
        assert not np.array_equal(part, without[:, here])


def test_a_cleaned_recording_stays_cleaned_where_the_new_band_gives_way(hot: Audio) -> None:
    engine = Engine(tiny_model(config=WITH_PREDICTOR), "cpu")
    settings = RenderSettings(cutoff_hz=6000.0, quality="draft", keep_low_band=False, brightness_db=12.0)
    free = render_array(hot, RATE, settings, engine=engine).audio
    given, stream = streamed(hot, settings, engine)
    edge_hz = crossover(stream.verdict).lower_hz - 100.0
    assert np.abs(free).max() > 1.0
    assert np.abs(given).max() <= 1.0
    assert below_dbfs((given - free)[:, 4800:-4800], edge_hz) < -90.0
    part, _ = streamed(hot, settings, engine, region=Region(4 * RATE, 5 * RATE))
    assert np.array_equal(part, given[:, 4 * RATE : 5 * RATE])


def test_without_a_ceiling_nothing_gives_way(hot: Audio, free: Rendered, engine: Engine) -> None:
    stream = render(ArraySource(hot, RATE), QUICK, engine)
    assert np.array_equal(np.concatenate(list(stream), axis=1), free.audio)
    assert (stream.gave_way_s, stream.lift_db) == (0.0, 0.0)
    with pytest.raises(ParameterError, match=r"ceiling is 0\.0; expected a magnitude of more than 0"):
        render(ArraySource(hot, RATE), QUICK, engine, ceiling=0.0)


# --- boards over files ------------------------------------------------------------------------------


def node(engine: Engine) -> AudioSR:
    return AudioSR(engine=engine, cutoff_hz=6000.0, steps=1, guidance_scale=1.0)


@pytest.fixture
def source(hot: Audio, tmp_path: Path) -> Path:
    soundfile.write(tmp_path / "hot.wav", hot.T, RATE, subtype="FLOAT")
    return tmp_path / "hot.wav"


def test_a_model_alone_gives_way_in_an_integer_file(
    source: Path, hot: Audio, free: Rendered, engine: Engine, tmp_path: Path
) -> None:
    board = Board([node(engine)])
    done = board.render_file(source, tmp_path / "out.flac", cache=False)
    given, stream = streamed(hot, QUICK, engine, subtype="PCM_24")
    assert (done.clipped_samples, done.gave_way_s, done.lift_db) == (0, stream.gave_way_s, stream.lift_db)
    np.testing.assert_allclose(load(done.path), given, atol=2.0**-23)
    kept = board.render_file(source, tmp_path / "out.wav", cache=False)
    assert np.array_equal(load(kept.path), free.audio)
    assert (kept.clipped_samples, kept.gave_way_s) == (0, 0.0)
    bound = board.render_file(source, tmp_path / "take.wav", bound_for="PCM_24", cache=False)
    assert np.array_equal(load(bound.path), given)


def test_what_is_over_full_scale_in_the_input_is_clipped_and_counted(
    hot: Audio, engine: Engine, tmp_path: Path
) -> None:
    loud = (1.2 * hot).astype(np.float32)
    soundfile.write(tmp_path / "loud.wav", loud.T, RATE, subtype="FLOAT")
    done = Board([node(engine)]).render_file(tmp_path / "loud.wav", tmp_path / "out.flac", cache=False)
    over = np.abs(loud) > 1.0
    written = load(done.path)
    assert done.gave_way_s > 0.0
    # Where the new band points inwards it may bring a sample of the input back; nowhere does it add one.
    assert 0.5 * np.count_nonzero(over) < done.clipped_samples <= np.count_nonzero(over)
    assert (np.abs(written[~over]) < 1.0 - 2.0**-23).all()
    assert np.abs(written).max() == 1.0


def test_a_model_in_a_mix_gives_nothing_away(source: Path, engine: Engine, tmp_path: Path) -> None:
    board = Board([Mix([node(engine), Gain(-12.0)])])
    done = board.render_file(source, tmp_path / "out.wav", subtype="PCM_24", cache=False)
    assert (done.gave_way_s, done.lift_db) == (0.0, 0.0)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
def test_a_board_with_a_limiter_hears_the_whole_new_band(
    subtype: str, source: Path, free: Rendered, engine: Engine, tmp_path: Path
) -> None:
    board = Board([node(engine), TruePeakLimiter(-1.0)])
    done = board.render_file(source, tmp_path / "out.wav", subtype=subtype, cache=False)
    alone = Board([TruePeakLimiter(-1.0)])
    soundfile.write(tmp_path / "free.wav", free.audio.T, RATE, subtype="FLOAT")
    expected = alone.render_file(tmp_path / "free.wav", tmp_path / "expected.wav", subtype=subtype)
    assert np.array_equal(load(done.path), load(expected.path))
    assert (done.gave_way_s, done.lift_db) == (0.0, 0.0)

"""Controls on the new band: they do what they say, and keep every promise of a render."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import soundfile
import soxr
from scipy import signal
from tiny import excited_engine

from audiosr_fx import deesser
from audiosr_fx.bandwidth import crossover
from audiosr_fx.engine import Engine
from audiosr_fx.render import Region, RenderSettings, render_array
from audiosr_fx.sources import Audio

RATE = 48_000
SECONDS = 6
PLAIN = RenderSettings(cutoff_hz=6000.0, quality="draft")
CASES: dict[str, dict[str, Any]] = {
    "bright": {"brightness_db": 12.0, "tilt_db_per_octave": 6.0},
    "dark": {"brightness_db": -24.0, "tilt_db_per_octave": -12.0, "ceiling_hz": 2000.0},
    "soft top": {"ceiling_hz": 10_000.0, "mix": 0.3},
    "de-essed": {"deess_db": 24.0},
    "all": {"brightness_db": 12.0, "tilt_db_per_octave": 6.0, "ceiling_hz": 16_000.0, "deess_db": 24.0},
}
cases = pytest.mark.parametrize("case", CASES)


@pytest.fixture(autouse=True)
def _keen_deesser(monkeypatch: pytest.MonkeyPatch) -> None:
    """An untrained model makes no sibilants, so all that moves counts as some."""
    monkeypatch.setattr(deesser, "_THRESHOLD_DB", -80.0)
    monkeypatch.setattr(deesser, "_PEAK_DB", 0.0)


@pytest.fixture(scope="module")
def exciter() -> Engine:
    return excited_engine()


def rendered(audio: Audio, engine: Engine, case: str = "", **more: Any) -> Audio:
    return render_array(audio, RATE, replace(PLAIN, **CASES.get(case, {})), engine=engine, **more).audio


def level_dbfs(audio: Audio) -> float:
    return float(10 * np.log10(np.mean(np.square(audio, dtype=np.float64)) + 1e-30))


def below(audio: Audio, frequency_hz: float) -> Audio:
    taps = signal.firwin(4001, frequency_hz, fs=RATE, window=("kaiser", 12.0))
    return signal.oaconvolve(audio.astype(np.float64), taps[None], mode="same", axes=1)


@pytest.fixture(scope="module")
def bursts(signals: type) -> Audio:
    """Dull noise, 20 dB louder now and then, with a second of digital silence; twice."""
    audio = np.tile(signals.noise(SECONDS * RATE, RATE, cutoff_hz=5800.0), (2, 1))
    envelope = np.full(audio.shape[1], 0.1, np.float32)
    for start in range(RATE // 3, audio.shape[1], RATE):
        envelope[start : start + RATE // 8] = 1.0
    envelope[3 * RATE : 4 * RATE] = 0.0
    return audio * envelope


@pytest.fixture(scope="module")
def whole(bursts: Audio, exciter: Engine) -> Callable[[str], Audio]:
    """The render of a case, made once."""
    return functools.cache(lambda case: rendered(bursts, exciter, case))


# --- promises -------------------------------------------------------------------------------------


@cases
def test_the_input_nulls_below_the_crossover_at_any_value(
    case: str, bursts: Audio, whole: Callable[[str], Audio]
) -> None:
    out = whole(case)
    assert out.shape == bursts.shape
    assert np.isfinite(out).all()
    assert level_dbfs(below(out - bursts, 5600.0)) < -90.0  # the join is from 5736 to 5976 Hz
    assert level_dbfs(out - whole("")) > -80.0


@pytest.mark.parametrize("case", ["bright", "de-essed"])
def test_a_vocoder_that_makes_the_whole_band_nulls_too(case: str, engine: Engine, signals: type) -> None:
    audio = signals.noise(2 * RATE, RATE, cutoff_hz=5800.0)
    controls = replace(PLAIN, quality="standard", steps=1, guidance_scale=1.0, **CASES[case])
    out = render_array(audio, RATE, controls, engine=engine).audio
    assert level_dbfs(below(out - audio, 5000.0)) < -90.0


@pytest.mark.parametrize("case", ["bright", "all"])
def test_a_gentle_slope_nulls_too(case: str, exciter: Engine, signals: type) -> None:
    sections = signal.butter(6, 5000.0, fs=RATE, output="sos")
    audio = signal.sosfilt(sections, signals.noise(2 * RATE, RATE)).astype(np.float32)
    settings = replace(PLAIN, cutoff_hz=None, **CASES[case])
    done = render_array(audio, RATE, settings, engine=exciter)
    assert done.verdict.kind == "slope"
    assert level_dbfs(below(done.audio - audio, crossover(done.verdict).lower_hz - 150.0)) < -90.0


@cases
@pytest.mark.parametrize("start", [100, 212_000])
def test_a_region_is_that_part_of_the_whole(
    start: int, case: str, bursts: Audio, whole: Callable[[str], Audio], exciter: Engine
) -> None:
    part = rendered(bursts, exciter, case, region=Region(start, start + 7000))
    assert np.array_equal(part, whole(case)[:, start : start + 7000])


@cases
def test_channels_stay_one_picture(
    case: str, bursts: Audio, whole: Callable[[str], Audio], exciter: Engine
) -> None:
    assert np.array_equal(whole(case)[0], whole(case)[1])
    beside_a_quieter = rendered(np.concatenate([bursts[:1], 0.1 * bursts[:1]]), exciter, case)
    assert np.array_equal(whole(case)[0], beside_a_quieter[0])


@cases
def test_digital_silence_stays_silent(case: str, bursts: Audio, whole: Callable[[str], Audio]) -> None:
    assert not bursts[:, 3 * RATE : 4 * RATE].any()
    assert not whole(case)[:, 3 * RATE + 1100 : 4 * RATE - 1100].any()


@pytest.mark.parametrize("rate", [44_100, 96_000])
def test_other_rates_keep_length_and_regions(rate: int, exciter: Engine, signals: type) -> None:
    audio = signals.noise(5 * rate + 1, rate, cutoff_hz=5800.0)
    settings = replace(PLAIN, **CASES["all"])
    whole = render_array(audio, rate, settings, engine=exciter)
    assert whole.audio.shape[1] == -(-audio.shape[1] * whole.sample_rate // rate)
    part = render_array(audio, rate, settings, engine=exciter, region=Region(4 * rate, 5 * rate)).audio
    first = 4 * whole.sample_rate
    assert np.array_equal(part, whole.audio[:, first : first + part.shape[1]])


@pytest.mark.parametrize("samples", [1, 64, 481, 8193])
def test_short_inputs_keep_their_length(samples: int, bursts: Audio, exciter: Engine) -> None:
    audio = bursts[:, 20_000 : 20_000 + samples]
    assert rendered(audio, exciter, "all").shape == audio.shape


# --- what each does -------------------------------------------------------------------------------


def dull_noise(signals: type) -> Audio:
    """It fades in and out, so that it has nothing above the crossover that would be taken away."""
    return signals.noise(2 * RATE, RATE, cutoff_hz=4000.0) * np.hanning(2 * RATE).astype(np.float32)


def test_mix_0_is_the_input_bit_for_bit_and_needs_no_model(bursts: Audio, exciter: Engine) -> None:
    with mock.patch.object(exciter, "restore_mel", side_effect=AssertionError):
        done = render_array(bursts, RATE, replace(PLAIN, mix=0.0), engine=exciter)
    assert np.array_equal(done.audio, bursts)
    assert not done.verdict.process
    assert "mix is 0" in done.verdict.reason


def test_brightness_and_mix_scale_the_new_band(exciter: Engine, signals: type) -> None:
    audio = dull_noise(signals)
    band, louder, half = (
        render_array(audio, RATE, replace(PLAIN, **controls), engine=exciter).audio - audio
        for controls in ({}, {"brightness_db": 6.0206}, {"mix": 0.5})
    )
    assert np.abs(louder - 2.0 * band).max() < 2e-5
    assert np.abs(half - 0.5 * band).max() < 1e-6


def test_junk_goes_whatever_the_tone(exciter: Engine, signals: type) -> None:
    tone = signals.sine(2 * RATE, RATE, frequency_hz=9037.0)
    audio = signals.noise(2 * RATE, RATE, cutoff_hz=5800.0) + tone
    settings = replace(PLAIN, brightness_db=-24.0, deess_db=12.0)
    out = render_array(audio, RATE, settings, engine=exciter).audio[0, RATE // 4 : 7 * RATE // 4]
    phase = np.exp(-2j * np.pi * 9037.0 * np.arange(out.size) / RATE)
    assert abs(np.mean(out * phase)) < 0.02 * 0.25  # it stood at 0.25


def test_tone_is_heard_where_it_is_asked_for(exciter: Engine, signals: type) -> None:
    audio = dull_noise(signals)
    plain, dark = (
        render_array(audio, RATE, replace(PLAIN, tilt_db_per_octave=tilt), engine=exciter).audio
        for tilt in (0.0, -6.0)
    )
    before, after = (signal.welch((out - audio)[0], RATE, nperseg=4096)[1] for out in (plain, dark))
    hz = np.fft.rfftfreq(4096, 1 / RATE)
    for frequency_hz in (8000.0, 12_000.0, 20_000.0):
        place = int(np.searchsorted(hz, frequency_hz))
        expected_db = -6.0 * np.log2(frequency_hz / 5856.0)
        assert 10 * np.log10(after[place] / before[place]) == pytest.approx(expected_db, abs=0.3)


def test_a_low_band_that_is_made_anew_gets_no_tone(engine: Engine, signals: type) -> None:
    audio = signals.noise(2 * RATE, RATE, cutoff_hz=5800.0)
    settings = replace(PLAIN, quality="standard", steps=1, guidance_scale=1.0, keep_low_band=False)
    anew, toned, half = (
        render_array(audio, RATE, replace(settings, **controls), engine=engine).audio
        for controls in ({}, CASES["all"], {"mix": 0.5})
    )
    assert level_dbfs(below(toned - anew, 5600.0)[:, 5000:-5000]) < -90.0
    assert level_dbfs(toned - anew) > -60.0
    assert np.abs(half - 0.5 * (anew + audio)).max() < 1e-6


def test_sibilants_of_a_voice_come_out_softer_and_its_vowels_the_same(
    mini_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    clip, rate = soundfile.read(Path(__file__).parent / "data/audio/speech.flac", dtype="float32")
    voice = soxr.resample(clip, rate, RATE)[None]
    dull = signal.sosfiltfilt(signal.cheby1(8, 0.05, 5000, fs=RATE, output="sos"), voice).astype(np.float32)
    settings = RenderSettings(cutoff_hz=5000.0, quality="draft")
    bands = [
        render_array(dull, RATE, replace(settings, deess_db=most_db), engine=mini_engine).audio - dull
        for most_db in (0.0, 6.0)
    ]
    before, after = (level_of_hops(band) for band in bands)
    loudest = before > np.percentile(before, 99)
    assert np.mean(after[loudest] - before[loudest]) < -3.0
    assert np.min(after - before) > -6.1
    assert np.median(after - before) == pytest.approx(0.0, abs=0.01)


def level_of_hops(band: Audio) -> np.ndarray:
    """In dB, of each 10 ms."""
    hops = band[0, : band.shape[1] // 480 * 480].reshape(-1, 480)
    return 10 * np.log10(np.mean(np.square(hops), axis=1) + 1e-12)

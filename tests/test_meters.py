"""The meters, held against EBU Tech 3341 and 3342, pyloudnorm, libebur128, and peaks that are known."""

from __future__ import annotations

import gc
import math
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyloudnorm
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal
from typer.testing import CliRunner

from audiosr_fx import bench_meters
from audiosr_fx.bench_meters import CASES, Case
from audiosr_fx.errors import AudioFormatError
from audiosr_fx.meters import (
    Levels,
    Meter,
    integrated_lufs,
    measure,
    measure_loudness,
    sample_peak_dbfs,
    true_peak_dbtp,
)
from audiosr_fx.sources import ArraySource, Audio, ResampledSource

CLIPS = sorted((Path(__file__).parent / "data" / "audio").glob("*.flac"))


def sine(
    level_dbfs: float, seconds: float = 3.0, sample_rate: int = 48_000, channels: int = 2, hz: float = 1000.0
) -> Audio:
    wave = 10 ** (level_dbfs / 20) * np.sin(
        2 * np.pi * hz * np.arange(round(seconds * sample_rate)) / sample_rate
    )
    return np.repeat(wave[np.newaxis], channels, axis=0).astype(np.float32)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_ebu_cases_are_met(case: Case) -> None:
    assert case.passes(case.read(48_000))


@pytest.mark.parametrize("sample_rate", [11_025, 44_100, 96_000])
@pytest.mark.parametrize("name", ["3341-1", "3341-12", "3341-13"])
def test_the_ebu_cases_are_met_at_other_rates(name: str, sample_rate: int) -> None:
    (case,) = (case for case in CASES if case.name == name)
    assert case.passes(case.read(sample_rate))


def clip(path: Path) -> tuple[Audio, int]:
    audio, sample_rate = soundfile.read(path, dtype="float32", always_2d=True)
    return np.tile(audio.T, (1, 3)), sample_rate


@pytest.mark.parametrize("path", CLIPS, ids=lambda path: path.stem)
def test_pyloudnorm_agrees(path: Path) -> None:
    audio, sample_rate = clip(path)
    reference = pyloudnorm.Meter(sample_rate, filter_class="DeMan")  # the weighting of the standard
    expected = reference.integrated_loudness(audio.T.astype(np.float64))
    # pyloudnorm counts a last block that is not full; nothing else differs
    assert measure_loudness(audio, sample_rate) == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("path", CLIPS, ids=lambda path: path.stem)
def test_libebur128_agrees(path: Path) -> None:
    pyebur128 = pytest.importorskip("pyebur128", reason="has no wheel for this Python")
    audio, sample_rate = clip(path)
    levels = measure(ArraySource(audio, sample_rate))
    modes = pyebur128.MeasurementMode
    state = pyebur128.R128State(
        len(audio), sample_rate, modes.MODE_I | modes.MODE_LRA | modes.MODE_TRUE_PEAK | modes.MODE_SAMPLE_PEAK
    )
    state.add_frames(np.ascontiguousarray(audio.T, np.float64).ravel(), audio.shape[1])
    peaks = [pyebur128.get_true_peak(state, channel) for channel in range(len(audio))]
    assert levels.integrated_lufs == pytest.approx(pyebur128.get_loudness_global(state), abs=1e-6)
    assert levels.loudness_range_lu is not None
    # libebur128 takes the short-term loudness once a second, we ten times
    assert abs(levels.loudness_range_lu - pyebur128.get_loudness_range(state)) < 2.5
    assert levels.true_peak_dbtp == pytest.approx(20 * math.log10(max(peaks)), abs=0.2)


@pytest.mark.parametrize("sample_rate", [8_000, 11_025, 16_000, 24_000, 32_000])
def test_a_sound_reads_the_same_at_a_low_rate_and_raised_to_48_khz(sample_rate: int) -> None:
    low = np.random.default_rng(0).standard_normal((1, 5 * sample_rate)).astype(np.float32) * np.float32(0.1)
    middle = signal.firwin(255, 0.85).astype(np.float32)  # where resamplers take nothing away
    source = ArraySource(signal.oaconvolve(low, middle[np.newaxis], axes=1), sample_rate)
    own, raised = measure(source), measure(ResampledSource(source, 48_000))
    assert own.integrated_lufs == pytest.approx(
        raised.integrated_lufs, abs=0.01
    )  # 0.02 to 0.4 with plain ones
    assert own.max_momentary_lufs == pytest.approx(raised.max_momentary_lufs, abs=0.02)
    assert own.max_short_term_lufs == pytest.approx(raised.max_short_term_lufs, abs=0.01)


@pytest.mark.parametrize("hz", [30.0, 100.0, 997.0, 2_000.0, 3_500.0])
def test_every_tone_has_its_weight_at_8_khz(hz: float) -> None:
    at_low_rate = measure_loudness(sine(-20.0, 2.0, 8_000, hz=hz), 8_000)
    assert at_low_rate == pytest.approx(measure_loudness(sine(-20.0, 2.0, hz=hz), 48_000), abs=0.02)


def test_mono_is_3_lu_below_its_doubling() -> None:
    mono, stereo = (measure_loudness(sine(-20, channels=channels), 48_000) for channels in (1, 2))
    assert stereo - mono == pytest.approx(10 * math.log10(2), abs=0.01)


@given(gain_db=st.floats(-20.0, 6.0))
@settings(deadline=None, max_examples=10)
def test_gain_in_is_loudness_out(gain_db: float) -> None:
    audio = sine(-20.0, 1.0)
    louder = measure_loudness(audio * np.float32(10 ** (gain_db / 20)), 48_000)
    assert louder - measure_loudness(audio, 48_000) == pytest.approx(gain_db, abs=0.01)


def test_silence_is_minus_infinity() -> None:
    assert measure_loudness(np.zeros((2, 48_000), np.float32), 48_000) == -math.inf
    assert measure_loudness(sine(-90.0), 48_000) == -math.inf
    assert sample_peak_dbfs(np.zeros((2, 0), np.float32)) == -math.inf
    assert true_peak_dbtp(np.zeros((1, 65), np.float32), 48_000) == -math.inf


@pytest.mark.parametrize("samples", [0, 1, 64, 65, 8193, 19_199])
def test_too_short_is_one_clear_line(samples: int) -> None:
    with pytest.raises(AudioFormatError, match=rf"{samples} samples long; loudness needs 19200 or more"):
        measure_loudness(sine(-20.0)[:, :samples], 48_000)


def test_exactly_one_gating_block_is_enough() -> None:
    assert measure_loudness(sine(-23.0)[:, :19_200], 48_000) == pytest.approx(-23.0, abs=0.2)


def test_the_bass_channel_of_six_does_not_count() -> None:
    five = sine(-30.0, channels=5)
    six = np.insert(five, 3, sine(0.0, channels=1)[0], axis=0)
    assert measure_loudness(six, 48_000) == pytest.approx(measure_loudness(five, 48_000), abs=1e-9)


@pytest.mark.parametrize(
    ("channels", "weights"),
    [
        (4, [1, 1, 1.41, 1.41]),
        (7, [1, 1, 1, 0, 1, 1.41, 1.41]),
        (8, [1, 1, 1, 0, 1, 1, 1.41, 1.41]),
        (12, [1, 1, 1, 0, 1, 1, 1.41, 1.41, 1, 1, 1, 1]),
    ],
)
def test_every_channel_has_the_weight_of_its_place(channels: int, weights: list[float]) -> None:
    expected = measure_loudness(sine(-20.0, channels=1), 48_000) + 10 * math.log10(sum(weights))
    assert measure_loudness(sine(-20.0, channels=channels), 48_000) == pytest.approx(expected, abs=1e-4)
    for channel, weight in enumerate(weights):
        alone = np.zeros((channels, 48_000), np.float32)
        alone[channel] = sine(-20.0, 1.0, channels=1)[0]
        lone = measure_loudness(sine(-20.0, 1.0, channels=1), 48_000)
        wanted = lone + 10 * math.log10(weight) if weight else -math.inf
        assert measure_loudness(alone, 48_000) == pytest.approx(wanted, abs=1e-6)


def test_unknown_channels_need_weights() -> None:
    with pytest.raises(AudioFormatError, match=r"9 channels; loudness is known for .* give channel_weights"):
        measure_loudness(sine(-20.0, channels=9), 48_000)
    with pytest.raises(AudioFormatError, match="2 channel_weights for 9 channels"):
        measure_loudness(sine(-20.0, channels=9), 48_000, channel_weights=[1.0, 1.0])
    weighted = measure_loudness(sine(-20.0, channels=9), 48_000, channel_weights=[1.0] + 8 * [0.0])
    assert weighted == pytest.approx(measure_loudness(sine(-20.0, channels=1), 48_000))
    unknown = measure(ArraySource(sine(-20.0, channels=9), 48_000))
    assert unknown.integrated_lufs is None
    assert unknown.sample_peak_dbfs == pytest.approx(-20.0, abs=0.01)


def test_a_rate_below_the_weighting_is_refused() -> None:
    with pytest.raises(AudioFormatError, match="sample_rate is 2000; loudness needs 4000 or more"):
        measure_loudness(sine(-20.0), 2000)


def test_nan_is_refused() -> None:
    audio = sine(-20.0)
    audio[0, 7] = np.nan
    with pytest.raises(AudioFormatError, match="sample 7"):
        measure_loudness(audio, 48_000)


def test_a_peak_between_the_samples_is_found() -> None:
    phase = 2 * np.pi * np.arange(48_000) / 4 + np.pi / 4  # a quarter of the rate, sampled at +-0.707
    wave = (0.5 * np.sin(phase)).astype(np.float32)[np.newaxis]
    wave[:, :2000] *= np.linspace(0, 1, 2000, dtype=np.float32)
    wave[:, -2000:] *= np.linspace(1, 0, 2000, dtype=np.float32)
    assert sample_peak_dbfs(wave) == pytest.approx(-9.03, abs=0.01)
    assert true_peak_dbtp(wave, 48_000) == pytest.approx(-6.02, abs=0.01)


@pytest.mark.parametrize("samples", [0, 1, 64, 65, 8193, 70_000])
def test_the_true_peak_is_never_below_the_sample_peak(samples: int) -> None:
    audio = (0.1 * np.random.default_rng(0).standard_normal((2, samples))).astype(np.float32)
    assert true_peak_dbtp(audio, 44_100) >= sample_peak_dbfs(audio)


@given(
    sizes=st.lists(st.integers(0, 9000), min_size=1, max_size=8), sample_rate=st.sampled_from([8000, 44_100])
)
@settings(deadline=None, max_examples=20)
def test_blocks_do_not_matter(sizes: list[int], sample_rate: int) -> None:
    audio = np.random.default_rng(0).standard_normal((2, 40_000)).astype(np.float32) * np.float32(0.1)
    whole, parts = Meter(sample_rate, 2), Meter(sample_rate, 2)
    whole.write(audio)
    for block in np.split(audio, np.cumsum(sizes).clip(0, 40_000), axis=1):
        parts.write(block)
    one, many = whole.levels(), parts.levels()
    for name in Levels.__slots__:
        # True peaks are interpolated in float32, where BLAS adds up in another order for fewer rows.
        precision = 1e-5 if name == "true_peak_dbtp" else 1e-9
        assert getattr(one, name) == pytest.approx(getattr(many, name), abs=precision), name
    np.testing.assert_allclose(whole.momentary_lufs, parts.momentary_lufs, atol=1e-9)


def test_a_reading_does_not_end_the_measurement() -> None:
    audio = sine(-20.0, 4.0)
    meter, other = Meter(48_000, 2), Meter(48_000, 2)
    for block in np.array_split(audio, 7, axis=1):
        meter.write(block)
        meter.levels()
        other.write(block)
    assert meter.levels() == other.levels()


def test_an_hour_takes_no_more_memory_than_its_readings() -> None:
    meter, second = Meter(8_000, 1), sine(-20.0, 1.0, 8_000, 1)
    meter.write(second)
    tracemalloc.start()
    for _ in range(600):
        meter.write(second)
    gc.collect()  # what waits for that is no growth
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 600 * 160 * 2.5  # 160 bytes a second, and what arrays keep in reserve


def test_a_set_measures_as_one_programme() -> None:
    loud, soft = sine(-20.0, 5.0), sine(-26.0, 5.0)
    meters = []
    for audio in (loud, soft):
        meters.append(Meter(48_000, 2))
        meters[-1].write(audio)
    powers = [10 ** (value / 10) for value in (-20.0, -26.0)]
    assert integrated_lufs(meters) == pytest.approx(10 * math.log10(sum(powers) / 2), abs=0.05)
    assert integrated_lufs([]) is None


def test_what_is_too_short_has_no_loudness_but_peaks() -> None:
    levels = measure(ArraySource(sine(-20.0, 0.2), 48_000))
    assert levels.integrated_lufs is levels.max_momentary_lufs is levels.loudness_range_lu is None
    assert levels.true_peak_dbtp == pytest.approx(-20.0, abs=0.02)
    assert measure(ArraySource(sine(-20.0, 1.0), 48_000)).max_short_term_lufs is None
    silence = measure(ArraySource(np.zeros((2, 192_000), np.float32), 48_000))
    assert silence.integrated_lufs == silence.max_short_term_lufs == silence.true_peak_dbtp == -math.inf
    assert silence.loudness_range_lu is None


def test_a_meter_keeps_to_its_channels() -> None:
    with pytest.raises(AudioFormatError, match="a block has 2 channels; the meter began with 1"):
        Meter(48_000, 1).write(sine(-20.0))


def test_the_table_of_cases_tells_what_failed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tolerances = {"3341-1": (0.1, 0.1), "3342-2": (0.0, 0.0)}
    cases = [replace(case, tolerance=tolerances[case.name]) for case in CASES if case.name in tolerances]
    cases[1] = replace(cases[1], read=lambda rate: [(5.2, 5.0)])
    monkeypatch.setattr(bench_meters, "CASES", cases)
    soundfile.write(tmp_path / "seq-3341-1-16bit.wav", sine(-23.0, 5.0).T, 48_000)
    shown = CliRunner().invoke(bench_meters.app, ["--ebu-files", str(tmp_path)])
    assert shown.exit_code == 1
    first, second, *files = [line for line in shown.stdout.splitlines() if "334" in line][1:]
    assert "pass" in first
    assert "+0.200" in second
    assert "FAIL" in second
    assert files[0].count("official file") == 1
    assert "integrated_lufs=-22.99" in files[2]

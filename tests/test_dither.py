"""Dither: errors become a steady floor, no harmonics; silence stays silent; nothing is dithered twice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from audiosr_fx.dither import SETTLED_SAMPLES, Quantizer, choose_dither, shaping_filter
from audiosr_fx.errors import ParameterError
from audiosr_fx.writer import AudioWriter

RATE = 48_000
SECONDS = 8
TONE_HZ = 1000.0


def tone(level_dbfs: float, seconds: int = SECONDS) -> NDArray[np.float64]:
    time = np.arange(seconds * RATE) / RATE
    return (10 ** (level_dbfs / 20) * np.sin(2 * np.pi * TONE_HZ * time))[np.newaxis]


def quantized(audio: NDArray[np.float64], dither: str, bits: int = 16, seed: int = 0) -> NDArray[np.float64]:
    codes = Quantizer(bits, len(audio), RATE, dither=dither, seed=seed).quantize(audio)
    return codes / 2.0 ** (bits - 1)


def lines_dbfs(audio: NDArray[np.float64], frequencies_hz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Level of sines at whole frequencies, over all of the signal at once."""
    spectrum = np.abs(np.fft.rfft(audio[0])) * 2.0 / audio.shape[1]
    places = np.round(frequencies_hz * audio.shape[1] / RATE).astype(int)
    with np.errstate(divide="ignore"):
        levels: NDArray[np.float64] = 20 * np.log10(spectrum[places])
    return levels


HARMONICS_HZ = TONE_HZ * np.arange(2, 20)


@pytest.mark.parametrize("dither", ["tpdf", "shaped"])
def test_a_tone_of_minus_90_dbfs_has_no_harmonics(dither: str) -> None:
    found = quantized(tone(-90.0), dither)
    assert lines_dbfs(found, np.array([TONE_HZ]))[0] == pytest.approx(-90.0, abs=0.1)
    harmonics = lines_dbfs(found, HARMONICS_HZ)
    floor = lines_dbfs(found, HARMONICS_HZ + 37.0)
    assert harmonics[:4].max() < -130.0  # the floor per line is -143 (tpdf): -93.3 + 3 - 10 log10(8 * 24000)
    assert harmonics.mean() - floor.mean() < 3.0


def test_rounding_without_dither_does_make_harmonics() -> None:
    assert lines_dbfs(quantized(tone(-90.0), "none"), HARMONICS_HZ).max() > -105.0


def test_the_floor_of_tpdf_is_that_of_theory_and_white() -> None:
    error = quantized(tone(-20.3), "tpdf") - tone(-20.3)
    assert 10 * np.log10(np.mean(error**2)) == pytest.approx(-96.33, abs=0.05)  # step^2 / 4
    power = np.abs(np.fft.rfft(error[0])) ** 2
    bands = np.array([band.mean() for band in np.array_split(power[1:], 24)])
    assert 10 * np.log10(bands.max() / bands.min()) < 0.5


def test_shaping_moves_the_floor_out_of_the_ears_way() -> None:
    spectra = [
        np.abs(np.fft.rfft(quantized(tone(-20.3), d)[0] - tone(-20.3)[0])) ** 2 for d in ("tpdf", "shaped")
    ]
    hz = np.fft.rfftfreq(SECONDS * RATE, 1 / RATE)
    rise_db = 10 * np.log10(spectra[1] / spectra[0])
    assert np.median(rise_db[(hz > 2000) & (hz < 5000)]) < -17.0
    assert np.median(rise_db[hz < 2000]) < -9.0
    assert 10 * np.log10(spectra[1].sum() / spectra[0].sum()) < 12.0


@pytest.mark.parametrize("sample_rate", [8_000, 16_000, 44_100, 48_000, 96_000, 192_000])
def test_a_shaping_filter_is_minimum_phase_at_any_rate(sample_rate: int) -> None:
    roots = np.roots([1.0, *shaping_filter(sample_rate)])
    assert np.abs(roots).max() < 1.0


@pytest.mark.parametrize("dither", ["tpdf", "shaped"])
def test_the_error_has_no_mean_whatever_the_value(dither: str) -> None:
    for value in (0.25, 0.5, 0.9, 1000.5):
        audio = np.full((1, 4 * RATE), value / 32768)
        error = quantized(audio, dither) * 32768 - value
        assert abs(error.mean()) < 0.01


@pytest.mark.parametrize("dither", ["tpdf", "shaped", "none"])
def test_silence_stays_digital_silence(dither: str) -> None:
    assert not quantized(np.zeros((2, 5000)), dither).any()


@pytest.mark.parametrize("dither", ["tpdf", "shaped"])
def test_silence_behind_sound_is_silent_at_once_but_for_a_moment(dither: str) -> None:
    audio = np.concatenate([0.1 * tone(0.0, 1), np.zeros((1, 1000))], axis=1)
    behind = quantized(audio, dither)[0, RATE:]
    assert not behind[SETTLED_SAMPLES + 1 :].any()
    assert np.abs(behind).max() < 30 / 32768


@pytest.mark.parametrize("dither", ["tpdf", "shaped"])
def test_nothing_is_dithered_twice(dither: str) -> None:
    once = quantized(0.3 * tone(0.0, 1), dither, seed=1)
    assert np.array_equal(quantized(once, dither, seed=2), once)


@given(sizes=st.lists(st.integers(0, 700), min_size=1, max_size=6))
@settings(deadline=None, max_examples=15)
@pytest.mark.parametrize("dither", ["tpdf", "shaped"])
def test_blocks_do_not_matter(dither: str, sizes: list[int]) -> None:
    audio = np.random.default_rng(0).standard_normal((2, 2000)) * 0.01
    audio[:, 500:600] = 0.0
    whole = Quantizer(16, 2, RATE, dither=dither).quantize(audio)
    parts = Quantizer(16, 2, RATE, dither=dither)
    blocks = [parts.quantize(block) for block in np.split(audio, np.cumsum(sizes).clip(0, 2000), axis=1)]
    assert np.array_equal(np.concatenate(blocks, axis=1), whole)


def test_channels_are_dithered_apart_and_seeds_differ() -> None:
    audio = np.full((2, 5000), 0.3 / 32768)
    first, second = quantized(audio, "tpdf")
    assert not np.array_equal(first, second)
    assert not np.array_equal(quantized(audio, "tpdf", seed=1)[0], first)


@pytest.mark.parametrize("dither", ["tpdf", "shaped", "none"])
def test_full_scale_is_limited_and_recovers(dither: str) -> None:
    audio = np.concatenate([np.full((1, 1000), 1.5), 0.1 * tone(0.0, 1)], axis=1)
    found = quantized(audio, dither)
    assert found.max() == 1.0 - 1.0 / 32768
    assert np.abs(found[:, 1100:] - audio[:, 1100:]).max() < 60 / 32768


def test_16_bits_are_dithered_by_themselves_and_24_are_not() -> None:
    assert [choose_dither(None, bits) for bits in (16, 24, 32, None)] == ["tpdf", "none", "none", "none"]
    assert choose_dither("shaped", 24) == "shaped"
    with pytest.raises(ParameterError, match=r"dither is .rpdf.; expected tpdf, shaped, none$"):
        choose_dither("rpdf", 16)


@pytest.mark.parametrize("dither", [None, "tpdf", "shaped", "none"])
def test_a_file_is_written_with_the_dither_asked_for(tmp_path: Path, dither: str | None) -> None:
    audio = (0.01 * tone(0.0, 1)).astype(np.float32)
    with AudioWriter(tmp_path / "out.wav", RATE, 1, subtype="PCM_16", dither=dither, dither_seed=3) as file:
        file.write(audio)
    assert file.dither == (dither or "tpdf")
    found, _ = soundfile.read(tmp_path / "out.wav")
    assert np.array_equal(found, quantized(audio.astype(np.float64), dither or "tpdf", seed=3)[0])


def test_24_bits_are_rounded_and_float_keeps_every_bit(tmp_path: Path) -> None:
    audio = (0.01 * tone(0.0, 1)).astype(np.float32)
    for subtype in ("PCM_24", "FLOAT"):
        with AudioWriter(tmp_path / f"{subtype}.wav", RATE, 1, subtype=subtype) as file:
            file.write(audio)
        found, _ = soundfile.read(tmp_path / f"{subtype}.wav")
        assert file.dither == "none"
        assert np.abs(found - audio[0]).max() <= (2**-24 if subtype == "PCM_24" else 0.0)

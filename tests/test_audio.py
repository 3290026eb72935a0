"""Sources: checks, arrays, grids and resampling."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from audiosr_fx.audio import ArraySource, Audio, ResampledSource, check_audio
from audiosr_fx.errors import AudioFormatError

RATES = [11_025, 16_000, 22_050, 32_000, 37_800, 44_100, 44_101, 48_000, 88_200, 96_000]
ODD_SIZES = [0, 1, 64, 65, 8193]


def noise(channels: int, samples: int, seed: int = 0) -> Audio:
    return (0.1 * np.random.default_rng(seed).standard_normal((channels, samples))).astype(np.float32)


def whole_file(audio: Audio, rate_in: int, rate_out: int) -> Audio:
    return np.asarray(soxr.resample(audio.T, rate_in, rate_out, quality="VHQ"), np.float32).T


def test_array_source_gives_zeros_outside_the_signal() -> None:
    audio = noise(2, 65)
    read = ArraySource(audio, 48_000).read(-3, 70)
    assert read.shape == (2, 73)
    assert np.array_equal(read[:, 3:68], audio)
    assert not read[:, :3].any()
    assert not read[:, 68:].any()


def test_what_a_source_returns_is_a_copy() -> None:
    audio = noise(1, 64)
    before = audio.copy()
    ArraySource(audio, 48_000).read(0, 64)[:] = 7.0
    assert np.array_equal(audio, before)


def test_a_read_that_ends_before_it_starts_is_an_error() -> None:
    with pytest.raises(ValueError, match="5 to 4"):
        ArraySource(noise(1, 64), 48_000).read(5, 4)


@pytest.mark.parametrize(
    ("array", "rate", "words"),
    [
        (np.zeros((1, 4), np.int16), 48_000, "int16"),
        (np.zeros(4, np.float32), 48_000, "channels, samples"),
        (np.zeros((1, 1, 4), np.float32), 48_000, "channels, samples"),
        (np.zeros((100, 2), np.float32), 48_000, "transpose"),
        (np.zeros((0, 4), np.float32), 48_000, "1 to 32 channels"),
        (np.array([[0.0, np.nan]]), 48_000, "sample 1 of channel 0"),
        (np.array([[0.0], [np.inf]]), 48_000, "channel 1"),
        (np.array([[1e300]]), 48_000, "inf"),
        (np.zeros((1, 4)), 0, "sample_rate is 0"),
        (np.zeros((1, 4)), 1e9, "sample_rate"),
        (np.zeros((1, 4)), 44_100.5, "sample_rate"),
        (np.zeros((1, 4)), float("nan"), "sample_rate"),
    ],
)
def test_audio_we_cannot_take_is_one_clear_line(array: Any, rate: float, words: str) -> None:
    with pytest.raises(AudioFormatError, match=words) as error:
        check_audio(array, rate)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_every_float_dtype_becomes_float32(dtype: type) -> None:
    checked = check_audio(np.array([[0.5, -0.25]], dtype=dtype), 48_000)
    assert checked.dtype == np.float32
    assert checked.tolist() == [[0.5, -0.25]]


@pytest.mark.parametrize("rate_in", [rate for rate in RATES if rate != 44_101])
def test_resampling_in_blocks_agrees_with_the_whole_signal(rate_in: int) -> None:
    audio = noise(2, 3 * rate_in + 17)
    source = ResampledSource(ArraySource(audio, rate_in), 48_000)
    whole = whole_file(audio, rate_in, 48_000) if rate_in != 48_000 else audio
    assert source.frames == -(-audio.shape[1] * 48_000 // rate_in)
    common = min(source.frames, whole.shape[1])
    error = np.abs(source.read(0, common) - whole[:, :common]).max()
    assert error < 10 ** (-120 / 20)


def test_a_ratio_without_common_factors_stays_true() -> None:
    """In one call soxr rounds its step at such a ratio and drifts; blocks start anew each second."""
    rate_in, seconds = 44_101, 12
    wave = 0.5 * np.sin(2 * np.pi * 1000.0 * np.arange(rate_in * seconds) / rate_in)
    source = ResampledSource(ArraySource(wave[np.newaxis], rate_in), 48_000)
    start, stop = 48_000, 48_000 * (seconds - 1)
    ideal = 0.5 * np.sin(2 * np.pi * 1000.0 * np.arange(start, stop) / 48_000)
    assert np.abs(source.read(start, stop)[0] - ideal).max() < 10 ** (-120 / 20)


@pytest.mark.parametrize(("rate_in", "rate_out"), [(48_000, 44_100), (96_000, 44_100), (48_000, 16_000)])
def test_resampling_down_agrees_with_the_whole_signal(rate_in: int, rate_out: int) -> None:
    audio = noise(1, 2 * rate_in + 1)
    source = ResampledSource(ArraySource(audio, rate_in), rate_out)
    whole = whole_file(audio, rate_in, rate_out)
    common = min(source.frames, whole.shape[1])
    assert np.abs(source.read(0, common) - whole[:, :common]).max() < 10 ** (-120 / 20)


@pytest.mark.parametrize("rate_in", RATES)
@pytest.mark.parametrize("samples", ODD_SIZES)
def test_resampled_length_is_rounded_up(rate_in: int, samples: int) -> None:
    source = ResampledSource(ArraySource(noise(2, samples), rate_in), 48_000)
    assert source.frames == -(-samples * 48_000 // rate_in)
    read = source.read(0, source.frames)
    assert read.shape == (2, source.frames)
    assert read.dtype == np.float32
    assert read.any() == (samples > 0)


@lru_cache(maxsize=8)
def _long(rate_in: int) -> tuple[Audio, Audio]:
    audio = noise(1, 4 * rate_in + 3)
    source = ResampledSource(ArraySource(audio, rate_in), 48_000)
    return audio, source.read(0, source.frames)


@given(
    rate_in=st.sampled_from([16_000, 22_050, 44_100, 44_101, 96_000]),
    reads=st.lists(
        st.tuples(st.integers(-500, 195_000), st.sampled_from([0, 1, 64, 65, 8193])), min_size=1, max_size=5
    ),
)
@settings(deadline=None, max_examples=25)
def test_any_order_of_reads_gives_the_same_bits(rate_in: int, reads: list[tuple[int, int]]) -> None:
    audio, sequential = _long(rate_in)
    source = ResampledSource(ArraySource(audio, rate_in), 48_000)
    padded = np.pad(sequential, ((0, 0), (500, 20_000)))
    for start, length in reads:
        assert np.array_equal(
            source.read(start, start + length), padded[:, start + 500 : start + 500 + length]
        )


def test_the_own_rate_passes_untouched() -> None:
    audio = noise(2, 8193)
    assert np.array_equal(ResampledSource(ArraySource(audio, 44_101), 44_101).read(0, 8193), audio)

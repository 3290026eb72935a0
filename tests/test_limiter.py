"""The limiter: nothing passes the ceiling between the samples, and what is under it is not touched."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from audiosr_fx.contract import Effect, is_offline
from audiosr_fx.errors import AudioFormatError, ParameterError
from audiosr_fx.limiter import HOP_FRAMES, TruePeakLimiter
from audiosr_fx.params import find_control
from audiosr_fx.sources import Audio

RATE = 48_000
SAMPLES = 3 * RATE
PLACE = np.arange(SAMPLES)
CLIPS = Path(__file__).parent / "data" / "audio"
SLACK_DB = 0.05  # of the promise, measured at 16x


def noise(seed: int = 0, channels: int = 2) -> Audio:
    return np.random.default_rng(seed).standard_normal((channels, SAMPLES)).astype(np.float32)


def clip(name: str) -> Audio:
    audio, _ = soundfile.read(CLIPS / f"{name}.flac", dtype="float32", always_2d=True)
    return 4.0 * audio.T


LOUD: dict[str, Callable[[], Audio]] = {
    "quarter rate, 45 degrees": lambda: 1.5 * np.sin(np.pi / 2 * PLACE + np.pi / 4)[np.newaxis],
    "20 kHz": lambda: 1.5 * np.sin(2 * np.pi * 20_000.3 / RATE * PLACE)[np.newaxis],
    "tone bursts": lambda: (1.8 * np.sin(1.5707 * PLACE) * (PLACE // 1000 % 3 == 0))[np.newaxis],
    "noise": noise,
    "noise bursts": lambda: 2.0 * noise(1) * (PLACE // 2400 % 4 == 0),
    "square": lambda: np.sign(np.sin(2 * np.pi * 997.0 / RATE * PLACE + 0.1))[np.newaxis],
    "clicks": lambda: 3.0 * (PLACE % 5000 == 77)[np.newaxis].astype(np.float32),
    "drums": lambda: clip("drums"),
    "mix": lambda: clip("mix"),
}


def highest_dbtp(audio: Audio) -> float:
    """The highest reading at 16x that three unlike interpolators give."""
    padded = np.pad(audio.astype(np.float64), ((0, 0), (2000, 2000)))
    drawn = (
        soxr.resample(padded.T, 1.0, 16.0, quality="VHQ"),
        signal.resample_poly(padded, 16, 1, axis=1),
        signal.resample(padded, 16 * padded.shape[1], axis=1),
    )
    return 20.0 * float(np.log10(max(np.abs(wave).max() for wave in drawn)))


def stream(limiter: TruePeakLimiter, audio: Audio, sizes: list[int]) -> Audio:
    """Feed in blocks of these sizes, over and over, then flush."""
    edges = np.cumsum([0, *(sizes * (audio.shape[1] // sum(sizes) + 1))])
    blocks = [audio[:, low:high] for low, high in pairwise(edges)]
    first, *rest = [block for block in blocks if block.shape[1]]
    out = [limiter.process(first, RATE, reset=False)]
    out += [limiter.process(block, RATE, reset=False) for block in rest]
    return np.concatenate([*out, limiter.flush()], axis=1)


@pytest.mark.parametrize("times", [(5.0, 100.0), (1.0, 5.0), (20.0, 5000.0)])
@pytest.mark.parametrize("name", LOUD)
def test_nothing_passes_the_ceiling_at_16x(name: str, times: tuple[float, float]) -> None:
    audio = LOUD[name]().astype(np.float32)
    limiter = TruePeakLimiter(-1.0, *times)
    limited = limiter(audio, RATE)
    assert limited.shape == audio.shape
    assert highest_dbtp(limited) <= -1.0 + SLACK_DB
    assert limiter.largest_reduction_db > 3.0


@pytest.mark.parametrize("name", LOUD)
def test_libebur128_reads_no_peak_above_the_ceiling(name: str) -> None:
    pyebur128 = pytest.importorskip("pyebur128", reason="has no wheel for this Python")
    limited = TruePeakLimiter()(LOUD[name]().astype(np.float32), RATE)
    state = pyebur128.R128State(len(limited), RATE, pyebur128.MeasurementMode.MODE_TRUE_PEAK)
    state.add_frames(np.ascontiguousarray(limited.T, np.float64).ravel(), limited.shape[1])
    peaks = [pyebur128.get_true_peak(state, channel) for channel in range(len(limited))]
    assert 20.0 * np.log10(max(peaks)) <= -1.0 + SLACK_DB


@pytest.mark.parametrize("sample_rate", [8_000, 44_100, 96_000, 192_000])
def test_the_ceiling_holds_at_other_rates(sample_rate: int) -> None:
    assert highest_dbtp(TruePeakLimiter(-6.0)(noise(3), sample_rate)) <= -6.0 + SLACK_DB


def test_what_is_below_the_ceiling_is_not_touched() -> None:
    audio = clip("drums") / np.float32(8.0)
    limiter = TruePeakLimiter(highest_dbtp(audio) + 0.1)
    limited = limiter(audio, RATE)
    assert np.array_equal(limited, audio)
    assert limited is not audio
    assert limiter.largest_reduction_db == 0.0


def test_far_from_a_peak_the_samples_are_the_same_again() -> None:
    audio = 0.1 * noise(4)
    audio[:, RATE] = 2.0
    limited = TruePeakLimiter(lookahead_ms=5.0, release_ms=20.0)(audio, RATE)
    changed = np.flatnonzero((limited != audio).any(axis=0))
    assert changed[0] >= RATE - 0.005 * RATE - 64
    assert changed[-1] < RATE + 0.3 * RATE


def test_limiting_twice_is_limiting_once() -> None:
    limiter = TruePeakLimiter()
    once = limiter(clip("mix"), RATE)
    assert np.array_equal(limiter(once, RATE), once)


@given(sizes=st.lists(st.integers(1, 20_000), min_size=1, max_size=5))
@settings(deadline=None, max_examples=15)
def test_blocks_of_any_size_give_the_bits_of_the_whole(sizes: list[int]) -> None:
    audio = 1.5 * noise(5)[:, :30_000]
    sizes = [max(size, 300) for size in sizes]
    limiter = TruePeakLimiter()
    assert np.array_equal(stream(limiter, audio, sizes), limiter(audio, RATE))


def test_a_stream_holds_back_its_latency_and_no_more() -> None:
    limiter, audio = TruePeakLimiter(), noise(6)
    latency = limiter.settings.latency_samples(RATE)
    out = [limiter(block, RATE, reset=False) for block in np.array_split(audio, 10, axis=1)]
    assert limiter.latency_samples == latency == HOP_FRAMES + 64 + 240
    assert sum(block.shape[1] for block in out) == SAMPLES - latency
    assert limiter.flush().shape == (2, latency)
    assert limiter.flush().shape == (0,)


def test_zeros_flush_a_stream_too() -> None:
    limiter, audio = TruePeakLimiter(), 2.0 * noise(7)
    whole = limiter(audio, RATE)
    out = limiter(audio, RATE, reset=False)
    zeros = np.zeros((2, limiter.latency_samples), np.float32)
    assert np.array_equal(np.concatenate([out, limiter(zeros, RATE, reset=False)], axis=1), whole)


def test_a_stream_keeps_what_it_needs_and_no_more() -> None:
    limiter = TruePeakLimiter()
    for _ in range(20):
        limiter(noise(8), RATE, reset=False)
    assert limiter._stream is not None
    kept = [value for value in vars(limiter._stream).values() if isinstance(value, np.ndarray)]
    kept += limiter._stream._waiting
    assert sum(array.size for array in kept) < 2 * 3 * HOP_FRAMES
    assert all(array.base is None or array.base.size < 8 * HOP_FRAMES for array in kept)


def test_linked_channels_are_turned_down_together() -> None:
    audio = np.stack([2.0 * np.ones(SAMPLES), 0.1 * np.ones(SAMPLES)]).astype(np.float32)
    linked = TruePeakLimiter(link="all")(audio, RATE)
    alone = TruePeakLimiter(link="none")(audio, RATE)
    np.testing.assert_allclose(linked[1] / audio[1], linked[0] / audio[0], rtol=1e-5)
    assert np.array_equal(alone[1], audio[1])
    assert alone[0].max() < 0.9


def test_identical_channels_stay_identical() -> None:
    left, right = TruePeakLimiter()(np.repeat(noise(9, 1), 2, axis=0), RATE)
    assert np.array_equal(left, right)


def test_a_bass_note_stays_a_sine() -> None:
    note = 2.0 * np.sin(2 * np.pi * 60.0 / RATE * PLACE).astype(np.float32)
    limited = TruePeakLimiter()(note, RATE)[RATE : 2 * RATE]
    spectrum = np.abs(np.fft.rfft(limited * np.blackman(RATE)))
    harmonics = [spectrum[60 * k - 3 : 60 * k + 4].max() for k in range(2, 20)]
    assert np.hypot.reduce(harmonics) / spectrum[57:64].max() < 1e-5


def test_the_gain_changes_without_steps() -> None:
    audio = np.full((1, SAMPLES), 0.5, np.float32)
    audio[0, RATE] = 4.0
    gain = TruePeakLimiter()(audio, RATE)[0] / audio[0]
    assert float(np.abs(np.diff(gain)).max()) < 0.01  # of a fall by 13 dB


@pytest.mark.parametrize(
    "shape", [(0,), (1,), (64,), (65,), (8193,), (2, 0), (2, 65), (65, 2), (1, 8193), (3, 5000)]
)
def test_the_layout_that_went_in_comes_out(shape: tuple[int, ...]) -> None:
    audio = np.random.default_rng(0).standard_normal(shape)
    limited = TruePeakLimiter()(audio, RATE)
    assert limited.shape == shape
    assert limited.dtype == np.float32
    assert (np.abs(limited) <= 0.9).all()


def test_it_answers_to_the_contract() -> None:
    limiter = TruePeakLimiter(-2.0, link="none")
    assert isinstance(limiter, Effect)
    assert not is_offline(limiter)
    assert "TruePeakLimiter ceiling_dbtp=-2.0, lookahead_ms=5.0" in repr(limiter)
    limiter.release_ms = 50
    assert limiter.settings.release_ms == 50.0


@pytest.mark.parametrize("name", ["ceiling_dbtp", "lookahead_ms", "release_ms"])
def test_a_control_outside_its_range_is_refused(name: str) -> None:
    control = find_control(name)
    assert getattr(TruePeakLimiter(), name) == control.default
    for value in ((control.minimum or 0.0) - 1.0, (control.maximum or 0.0) + 1.0, float("nan")):
        with pytest.raises(ParameterError, match=rf"{name} is .*; expected"):
            setattr(TruePeakLimiter(), name, value)


def test_bad_input_is_one_clear_line() -> None:
    limiter = TruePeakLimiter()
    with pytest.raises(AudioFormatError, match="nan at sample 3"):
        limiter(np.array([0, 0, 0, np.nan, 0], np.float32), RATE)
    with pytest.raises(AudioFormatError, match=r"above \+120 dBFS"):
        limiter(np.full((1, 100), 1e7, np.float32), RATE)
    with pytest.raises(ParameterError, match="link is 'some'; expected all, none"):
        limiter.link = "some"
    limiter(noise(), RATE, reset=False)
    with pytest.raises(ParameterError, match="sample_rate is 44100 in a stream at 48000"):
        limiter(noise(), 44_100, reset=False)
    with pytest.raises(AudioFormatError, match=r"stream of \(2, samples\)"):
        limiter(noise(channels=1), RATE, reset=False)

"""Recorded highs above a cutoff that was found stay where they are more than a codec leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
from scipy import signal
from tiny import excited_engine

from audiosr_fx.bandwidth import crossover, judge
from audiosr_fx.engine import Engine
from audiosr_fx.highband import HighBand
from audiosr_fx.recorded import Recorded
from audiosr_fx.render import Region, Rendered, RenderSettings, render_array
from audiosr_fx.sources import ArraySource, Audio

RATE = 48_000
SECONDS = 12
BRIGHT = slice(7 * RATE, 8 * RATE)
NEAR = RATE // 8  # samples around an edge that the fade and the filters may reach
FOUND = RenderSettings(quality="draft")
TONED = replace(FOUND, tilt_db_per_octave=3.0, deess_db=6.0)


Make = Callable[[Audio, RenderSettings], Audio]


@pytest.fixture(scope="module")
def exciter() -> Engine:
    return excited_engine()


def natural(seed: int = 0) -> Audio:
    """Noise that falls with frequency, in bursts, as music does: (1, samples)."""
    white = np.random.default_rng(seed).standard_normal(SECONDS * RATE)
    spectrum = np.fft.rfft(white) / np.maximum(np.fft.rfftfreq(white.size, 1 / RATE), 100.0) ** 0.7
    pink = np.fft.irfft(spectrum)
    swell = 0.3 + 0.7 * np.abs(np.sin(2 * np.pi * 1.3 * np.arange(pink.size) / RATE))
    return (0.5 * swell * pink / np.abs(pink).max()).astype(np.float32)[None]


def low_passed(audio: Audio) -> Audio:
    """As a codec might leave it: a cliff at 6 kHz, and 75 dB down some junk that moves with the sound."""
    dull = signal.sosfiltfilt(signal.cheby1(10, 0.1, 6000.0, fs=RATE, output="sos"), audio)
    return (dull + 10 ** (-75 / 20) * (audio - dull)).astype(np.float32)


@pytest.fixture(scope="module")
def dull() -> Audio:
    return low_passed(natural())


@pytest.fixture(scope="module")
def bright_for_a_second(dull: Audio) -> Audio:
    audio = np.repeat(dull, 2, axis=0)
    audio[1] *= 0.5
    audio[0, BRIGHT] = natural()[0, BRIGHT]
    return audio


@pytest.fixture(scope="module", params=[FOUND, TONED], ids=["plain", "toned"])
def settings(request: pytest.FixtureRequest) -> RenderSettings:
    chosen: RenderSettings = request.param
    return chosen


@pytest.fixture(scope="module")
def rendered(exciter: Engine) -> Make:
    """The whole render of a signal, made once."""
    return once(lambda audio, settings: render_array(audio, RATE, settings, engine=exciter))


@pytest.fixture(scope="module")
def replaced(exciter: Engine) -> Make:
    """The same with all above the crossover taken away, whatever it is."""

    def make(audio: Audio, settings: RenderSettings) -> Rendered:
        with mock.patch.object(HighBand, "_make_recorded", return_value=None):
            return render_array(audio, RATE, settings, engine=exciter)

    return once(make)


def once(make: Callable[[Audio, RenderSettings], Rendered]) -> Make:
    made: dict[tuple[bytes, RenderSettings], Audio] = {}

    def remembered(audio: Audio, settings: RenderSettings) -> Audio:
        key = audio.tobytes(), settings
        if key not in made:
            done = make(audio, settings)
            assert done.verdict.has_junk_above
            made[key] = done.audio
        return made[key]

    return remembered


def test_a_bright_second_stays_and_all_else_is_restored_as_before(
    bright_for_a_second: Audio, settings: RenderSettings, rendered: Make, replaced: Make
) -> None:
    audio = bright_for_a_second
    out, before = (make(audio, settings) for make in (rendered, replaced))
    inside = slice(BRIGHT.start + NEAR, BRIGHT.stop - NEAR)
    assert np.array_equal(out[:, inside], audio[:, inside])  # in the dull channel too: one picture
    assert not np.array_equal(before[:, inside], audio[:, inside])
    outside = np.r_[0 : BRIGHT.start - NEAR, BRIGHT.stop + NEAR : audio.shape[1]]
    assert np.array_equal(out[:, outside], before[:, outside])
    assert not np.array_equal(out[:, outside], audio[:, outside])


def test_the_highs_of_a_bright_second_are_those_that_were_recorded(
    bright_for_a_second: Audio, rendered: Make, replaced: Make
) -> None:
    highpass = signal.butter(6, 6500.0, "high", fs=RATE, output="sos")
    was, out, before = (
        signal.sosfiltfilt(highpass, audio[0])[BRIGHT]
        for audio in (
            bright_for_a_second,
            rendered(bright_for_a_second, FOUND),
            replaced(bright_for_a_second, FOUND),
        )
    )
    assert np.corrcoef(was, out)[0, 1] > 0.95
    assert abs(np.corrcoef(was, before)[0, 1]) < 0.5


def test_nothing_changes_below_the_crossover_where_one_fades_into_the_other(
    bright_for_a_second: Audio, settings: RenderSettings, rendered: Make
) -> None:
    taps = signal.firwin(4001, 5600.0, fs=RATE, window=("kaiser", 12.0))
    change = rendered(bright_for_a_second, settings) - bright_for_a_second
    low = signal.oaconvolve(change.astype(np.float64), taps[None], mode="same", axes=1)
    for edge in (BRIGHT.start, BRIGHT.stop):
        assert 20 * np.log10(np.sqrt(np.mean(low[:, edge - NEAR : edge + NEAR] ** 2)) + 1e-12) < -90.0


@pytest.mark.parametrize("edge", [BRIGHT.start, BRIGHT.stop])
def test_a_region_over_an_edge_is_that_part_of_the_whole(
    edge: int, bright_for_a_second: Audio, settings: RenderSettings, rendered: Make, exciter: Engine
) -> None:
    whole = rendered(bright_for_a_second, settings)
    start, stop = edge - 3000, edge + 4001
    part = render_array(bright_for_a_second, RATE, settings, engine=exciter, region=Region(start, stop))
    assert np.array_equal(part.audio, whole[:, start:stop])


def test_junk_goes_as_before(dull: Audio, settings: RenderSettings, rendered: Make, replaced: Make) -> None:
    out, before = (make(dull, settings) for make in (rendered, replaced))
    assert np.array_equal(out, before)


@pytest.mark.parametrize("kind", ["hiss", "short burst", "dither"])
def test_what_is_no_music_is_not_kept(kind: str, dull: Audio) -> None:
    rng = np.random.default_rng(1)
    audio = dull.copy()
    if kind == "hiss":
        audio[:, 6 * RATE : 9 * RATE] *= 0.001  # in a pause it is all there is
        audio += 10 ** (-50 / 20) * signal.sosfilt(
            signal.butter(8, 9000.0, "high", fs=RATE, output="sos"), rng.standard_normal(audio.shape)
        ).astype(np.float32)
    elif kind == "short burst":
        audio[0, 7 * RATE : 7 * RATE + 480] += 0.01 * rng.standard_normal(480).astype(np.float32)
    else:
        audio[:, 6 * RATE : 9 * RATE] = 1e-4 * rng.standard_normal(3 * RATE)
    assert not share_of(audio).any()


def test_a_bright_second_is_told_at_any_level(bright_for_a_second: Audio) -> None:
    loud = share_of(bright_for_a_second)
    assert loud[BRIGHT].mean() > 0.9
    assert np.array_equal(share_of(bright_for_a_second / 8.0), loud)


def share_of(audio: Audio) -> Audio:
    source = ArraySource(audio, RATE)
    cross = crossover(judge(source))
    assert cross.junk is not None
    recorded = Recorded(source, cross, cross.junk, peak=float(np.abs(audio).max()), block_samples=448 * 480)
    return recorded.share(0, audio.shape[1])


def test_a_cutoff_that_is_given_replaces_all_above_it_and_says_so(
    bright_for_a_second: Audio, exciter: Engine, replaced: Make
) -> None:
    told = replace(FOUND, cutoff_hz=6000.0)
    done = render_array(bright_for_a_second, RATE, told, engine=exciter)
    assert "what stands above it is replaced" in done.verdict.reason
    assert np.array_equal(done.audio, replaced(bright_for_a_second, told))
    assert "stays" in render_array(bright_for_a_second, RATE, FOUND, engine=exciter).verdict.reason


def test_digital_silence_stays_silent_beside_a_bright_second(
    bright_for_a_second: Audio, settings: RenderSettings, rendered: Make
) -> None:
    audio = bright_for_a_second.copy()
    audio[:, BRIGHT.stop : BRIGHT.stop + RATE] = 0.0
    out = rendered(audio, settings)
    assert not out[:, BRIGHT.stop + 2000 : BRIGHT.stop + RATE - 2000].any()

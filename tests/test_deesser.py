from __future__ import annotations

import numpy as np
import pytest

from audiosr_fx.deesser import Deesser, Levels
from audiosr_fx.hops import HOP, hop_powers

BLOCK_HOPS = 896
HOPS = 3 * BLOCK_HOPS - 100
VOICE = 0.1**2


def deesser(band: np.ndarray, recording: np.ndarray | None = None, most_db: float = 6.0) -> Deesser:
    """Over hop powers of a whole signal."""
    recording = np.full(HOPS, VOICE) if recording is None else recording

    def levels(index: int) -> Levels:
        hops = slice(index * BLOCK_HOPS, (index + 1) * BLOCK_HOPS)
        return Levels(band[hops], recording[hops])

    return Deesser(levels, block_hops=BLOCK_HOPS, hops=HOPS, most_db=most_db)


def whole(of: Deesser) -> np.ndarray:
    return of.gain(0, HOPS * HOP)


def sibilants(level_db: float) -> np.ndarray:
    """Bursts of 80 ms, one a second, over a faint band; levels against the voice."""
    band = np.full(HOPS, VOICE * 10 ** (-40 / 10))
    for start in range(150, HOPS, 200):
        band[start : start + 16] = VOICE * 10 ** (level_db / 10)
    return band


def test_a_faint_band_is_left_alone() -> None:
    assert np.all(whole(deesser(sibilants(-17.0))) == 1.0)


def test_a_band_that_is_bright_all_the_time_is_left_alone() -> None:
    assert np.all(whole(deesser(np.full(HOPS, VOICE))) == 1.0)


def test_peaks_are_turned_down_by_a_part_of_what_they_are_too_loud() -> None:
    gain_db = 20 * np.log10(whole(deesser(sibilants(-10.0))))
    burst = gain_db[150 * HOP : 166 * HOP]
    assert np.allclose(burst, 0.75 * -6.0, atol=0.05)
    assert np.all(gain_db[180 * HOP : 320 * HOP] == 0.0)


@pytest.mark.parametrize("most_db", [1.0, 6.0, 24.0])
def test_no_peak_is_turned_down_further_than_asked(most_db: float) -> None:
    gain_db = 20 * np.log10(whole(deesser(sibilants(30.0), most_db=most_db)))
    assert gain_db.min() == pytest.approx(-most_db, abs=1e-4)


def test_it_is_down_before_the_peak_begins_and_moves_without_steps() -> None:
    gain_db = 20 * np.log10(whole(deesser(sibilants(20.0), most_db=24.0)))
    assert gain_db[150 * HOP - 100] < -20.0
    assert np.abs(np.diff(gain_db)).max() < 0.05  # dB per sample: 24 dB take 10 ms


def test_only_ratios_of_levels_count() -> None:
    band = sibilants(-6.0)
    loud = whole(deesser(band))
    assert np.allclose(loud, whole(deesser(1e-6 * band, np.full(HOPS, 1e-6 * VOICE))), atol=1e-6)


def test_silence_is_no_peak() -> None:
    assert np.all(whole(deesser(np.zeros(HOPS), np.zeros(HOPS))) == 1.0)


@pytest.mark.parametrize("edge", [BLOCK_HOPS * HOP, 2 * BLOCK_HOPS * HOP])
def test_blocks_fit_where_they_meet(edge: int) -> None:
    rng = np.random.default_rng(0)
    of = deesser(VOICE * rng.random(HOPS) ** 8)
    joined = np.concatenate([of.gain(edge - 5000, edge), of.gain(edge, edge + 5000)])
    assert np.allclose(joined, of.gain(edge - 5000, edge + 5000), atol=1e-6)


def test_at_the_ends_only_what_is_there_counts() -> None:
    gain = deesser(np.full(HOPS, VOICE)).gain(-1000, 1000)
    assert np.all(gain == 1.0)
    end = HOPS * HOP
    assert np.all(deesser(np.full(HOPS, VOICE)).gain(end - 1000, end + 1000) == 1.0)


def test_the_loudest_channel_speaks_for_all() -> None:
    audio = np.zeros((2, 2 * HOP), np.float32)
    audio[0, :HOP], audio[1] = 0.5, 0.25
    assert hop_powers(audio) == pytest.approx([0.25, 0.0625])

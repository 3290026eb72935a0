"""Loudness matching, held against the arithmetic of decibels and measured on what comes out."""

from __future__ import annotations

import numpy as np
import pytest
from listening import RATE, noise

from audiosr_fx.errors import AudioFormatError, ParameterError
from audiosr_fx.loudness import measure_loudness, true_peak_dbtp
from audiosr_fx.quality.levels import Level, match_loudness, measure_level


def level(loudness_lufs: float, true_peak_dbtp: float) -> Level:
    return Level(loudness_lufs=loudness_lufs, true_peak_dbtp=true_peak_dbtp)


def test_everything_comes_to_the_target() -> None:
    match = match_loudness([level(-30.0, -18.0), level(-14.0, -1.0)])
    assert match.loudness_lufs == -23.0
    assert match.gains_db == (7.0, -9.0)


def test_one_peak_without_room_brings_all_of_them_down() -> None:
    match = match_loudness([level(-20.0, -3.0), level(-33.0, -5.0)])
    assert match.loudness_lufs == -29.0  # 4 dB of room above -33 LUFS
    assert match.gains_db == (-9.0, 4.0)


def test_matched_recordings_measure_alike_and_stay_below_the_limit() -> None:
    quiet, spiky = noise(1.0, gain=0.2), noise(1.0)
    spiky[:, ::4800] *= 12.0
    recordings = [quiet, spiky, np.sqrt(np.abs(noise(1.0))) * np.sign(noise(1.0))]
    match = match_loudness([measure_level(audio, RATE) for audio in recordings], target_lufs=-12.0)
    matched = [
        audio * np.float32(10 ** (gain / 20)) for audio, gain in zip(recordings, match.gains_db, strict=True)
    ]
    loudness = [measure_loudness(audio, RATE) for audio in matched]
    assert loudness == pytest.approx([match.loudness_lufs] * 3, abs=0.02)  # the gate moves a little with gain
    assert match.loudness_lufs < -12.0
    assert max(true_peak_dbtp(audio, RATE) for audio in matched) == pytest.approx(-1.0, abs=0.01)


def test_silence_cannot_be_matched() -> None:
    with pytest.raises(AudioFormatError, match="is silent"):
        measure_level(np.zeros((1, RATE), np.float32), RATE)


@pytest.mark.parametrize(
    ("target", "limit"), [(1.0, -1.0), (-71.0, -1.0), (-23.0, 0.5), (float("nan"), -1.0)]
)
def test_levels_that_make_no_sense_are_refused(target: float, limit: float) -> None:
    with pytest.raises(ParameterError, match="expected"):
        match_loudness([level(-20.0, -3.0)], target_lufs=target, limit_dbtp=limit)

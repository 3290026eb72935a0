from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiosr_fx.bandwidth import Verdict, judge, measure_spectrum
from audiosr_fx.null_sum import StemPair, measure_null_sum
from audiosr_fx.quality.report_file import measure_file
from audiosr_fx.settings import Region
from audiosr_fx.sources import ArraySource, Audio, ResampledSource
from audiosr_fx.stems import decide_stems, shared_cutoff_hz

RATE = 48_000
CLIFF = Verdict(cutoff_hz=16_000.0, process=True, reason="cut off", kind="cliff", confidence=0.9)
SILENT = Verdict(cutoff_hz=None, process=False, reason="silent", kind="silent", confidence=1.0)
FULL = Verdict(cutoff_hz=None, process=False, reason="full", kind="full_band", confidence=1.0)


def cliff(hz: float, confidence: float = 0.9) -> Verdict:
    return replace(CLIFF, cutoff_hz=hz, confidence=confidence)


def slope(hz: float, confidence: float = 0.9) -> Verdict:
    return replace(CLIFF, cutoff_hz=hz, kind="slope", confidence=confidence)


def fades_out(at_hz: float, signals: type) -> Verdict:
    """What ends by itself, with a spectrum that says where."""
    spectrum = measure_spectrum(ArraySource(signals.noise(2 * RATE, RATE, cutoff_hz=at_hz), RATE))
    return Verdict(cutoff_hz=None, process=False, reason="fades", kind="no_cutoff", spectrum=spectrum)


def test_stems_of_one_codec_share_what_they_show_together() -> None:
    verdicts = [cliff(15_900), cliff(16_100), cliff(16_000, 0.7), slope(15_500, 0.6), SILENT, FULL]
    shared = shared_cutoff_hz(verdicts)
    assert shared is not None
    assert 15_900 <= shared <= 16_100
    decisions = decide_stems(verdicts)
    assert [one.cutoff_hz for one in decisions] == [shared] * 4 + [None, None]
    assert "16.00 kHz, shown by 4 of 6 stems" in decisions[0].reason


def test_silent_and_full_stems_have_no_say() -> None:
    assert shared_cutoff_hz([SILENT] * 9 + [FULL] * 9 + [cliff(11_000)]) == 11_000
    assert shared_cutoff_hz([SILENT, FULL]) is None
    assert [one.cutoff_hz for one in decide_stems([SILENT, FULL])] == [None, None]
    assert decide_stems([]) == []


def test_a_guitar_that_fades_out_early_is_not_taken_for_the_codec() -> None:
    decisions = decide_stems([cliff(16_000), cliff(16_100), slope(6_000, 0.95)])
    assert decisions[2].cutoff_hz == decisions[0].cutoff_hz
    assert "the sound's own" in decisions[2].reason


def test_a_stem_with_a_plain_cliff_of_its_own_keeps_it() -> None:
    low, high = decide_stems([cliff(16_000), cliff(16_000), cliff(7_000, 0.95), cliff(19_000, 0.9)])[2:]
    assert low.cutoff_hz is None
    assert "a plain one below" in low.reason
    assert high.cutoff_hz is None
    assert "above" in high.reason


def test_a_stem_that_tells_nothing_by_itself_takes_the_cutoff_if_it_reaches_there(signals: type) -> None:
    others = [fades_out(hz, signals) for hz in (3_000, 15_200, 20_000)]
    bass, near, high = decide_stems([cliff(16_000), *others])[1:]
    assert bass.cutoff_hz is None
    assert "nothing lost" in bass.reason
    assert near.cutoff_hz == 16_000
    assert high.cutoff_hz is None


def test_real_stems_through_one_filter_agree(signals: type) -> None:
    verdicts = [
        judge(ArraySource(signals.noise(3 * RATE, RATE, cutoff_hz=9_000.0, seed=seed), RATE))
        for seed in range(3)
    ]
    decisions = decide_stems([*verdicts, judge(ArraySource(signals.silence(RATE), RATE))])
    assert len({one.cutoff_hz for one in decisions[:3]}) == 1
    assert decisions[0].cutoff_hz == pytest.approx(9_000, rel=0.06)
    assert decisions[3].cutoff_hz is None


# --- the null of the sum --------------------------------------------------------------------------


def write(path: Path, audio: Audio, rate: int = RATE) -> Path:
    soundfile.write(path, audio.T, rate, subtype="FLOAT")
    return path


def high_tone(samples: int, channels: int) -> Audio:
    """What a model adds, faded in and out as it does."""
    tone = 0.1 * np.sin(2 * np.pi * 15_000 * np.arange(samples) / RATE) * np.hanning(samples)
    return np.tile(tone.astype(np.float32), (channels, 1))


@pytest.fixture
def pairs(tmp_path: Path, signals: type) -> list[StemPair]:
    """Stems of different lengths, channels and rates, finished with a tone at 15 kHz."""
    made = []
    shapes = [(50_001, 2, RATE), (30_000, 1, RATE), (20_011, 2, 44_100)]
    for i, (samples, channels, rate) in enumerate(shapes):
        audio = signals.noise(samples, rate, channels=channels, seed=i)
        source = ArraySource(audio, rate)
        frames = -(-samples * RATE // rate)
        finished = ResampledSource(source, RATE).read(0, frames) + high_tone(frames, channels)
        made.append(
            StemPair(
                original=write(tmp_path / f"{i}.wav", audio, rate),
                finished=write(tmp_path / f"done{i}.wav", finished),
            )
        )
    return made


def test_a_sum_nulls_below_the_lowest_crossover_and_not_above(pairs: list[StemPair]) -> None:
    low = measure_null_sum(pairs, below_hz=10_000.0)
    assert (low.stems, low.below_hz) == (3, 10_000.0)
    assert low.peak_dbfs < -100.0
    assert low.left_dbfs < low.peak_dbfs
    assert measure_null_sum(pairs, below_hz=None).peak_dbfs > -20.0


def test_a_stem_that_was_turned_up_is_found(pairs: list[StemPair], tmp_path: Path) -> None:
    audio, _ = soundfile.read(pairs[1].finished, dtype="float32", always_2d=True)
    write(tmp_path / "done1.wav", 1.01 * audio.T)
    found = measure_null_sum(pairs, below_hz=10_000.0)
    assert found.peak_dbfs > -60.0


def test_one_stem_nulls_by_both_meters_to_the_same_level(tmp_path: Path, signals: type) -> None:
    audio = signals.noise(RATE, RATE, channels=2)
    added = high_tone(RATE, 2)
    added[:, :48] += np.float32(1e-3)  # what a band that is cut hard does
    pair = StemPair(
        original=write(tmp_path / "a.wav", audio), finished=write(tmp_path / "b.wav", audio + added)
    )
    found = measure_null_sum([pair], below_hz=10_000.0)
    report = measure_file(tmp_path / "a.wav", tmp_path / "b.wav", cutoff_hz=10_400.0)
    assert report.comparison is not None
    null = report.comparison.null
    assert found.left_dbfs == pytest.approx(null.difference_dbfs, abs=0.3)
    assert found.ends_peak_dbfs == pytest.approx(null.ends_peak_dbfs, abs=0.3)
    assert max(found.peak_dbfs, null.peak_dbfs) < -110.0
    assert found.ends_peak_dbfs > -65.0


def test_one_gain_for_all_is_allowed_for(pairs: list[StemPair], tmp_path: Path) -> None:
    for i in range(3):
        audio, _ = soundfile.read(tmp_path / f"done{i}.wav", dtype="float32", always_2d=True)
        write(tmp_path / f"done{i}.wav", np.float32(10 ** (-6 / 20)) * audio.T)
    assert measure_null_sum(pairs, below_hz=10_000.0, gain_db=-6.0).peak_dbfs < -100.0


def test_regions_are_compared_where_they_lie(tmp_path: Path, signals: type) -> None:
    audio = signals.noise(RATE, RATE, channels=2)
    pair = StemPair(
        original=write(tmp_path / "a.wav", audio),
        finished=write(tmp_path / "b.wav", audio[:, 1000:9193]),
        region=Region(1000, 9193),
    )
    found = measure_null_sum([pair], below_hz=None)
    assert found.peak_dbfs == -np.inf

"""A part of a file through a board: as it is in the whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from audio_kinds import load
from effects import HoldsBack, WholeOnly
from pedalboard import Compressor, Gain, HighpassFilter, Reverb

from audiosr_fx.board import Board
from audiosr_fx.engine import Engine
from audiosr_fx.errors import ParameterError
from audiosr_fx.limiter import TruePeakLimiter
from audiosr_fx.loudness import LoudnessNormalize, apply_gain
from audiosr_fx.mastering import MasterTo
from audiosr_fx.metadata import Metadata, read_metadata
from audiosr_fx.metadata.parts import Broadcast
from audiosr_fx.meters import measure_loudness, true_peak_dbtp
from audiosr_fx.mix import Mix
from audiosr_fx.node import AudioSR
from audiosr_fx.settings import Region
from audiosr_fx.sources import Audio
from audiosr_fx.writer import AudioWriter

RATE = 48_000
REGION = Region(5 * RATE + 17, 7 * RATE + 5)
HERE = slice(REGION.start, REGION.stop)


@pytest.fixture
def source(tmp_path: Path, signals: type) -> Path:
    """Ten seconds of dull stereo noise, louder towards the end."""
    audio = signals.noise(10 * RATE + 3, RATE, cutoff_hz=5800.0, channels=2)
    soundfile.write(
        tmp_path / "in.wav", (audio * np.linspace(0.1, 1.0, audio.shape[1])).T, RATE, subtype="FLOAT"
    )
    return tmp_path / "in.wav"


@pytest.fixture
def short(tmp_path: Path, signals: type) -> Path:
    """Six seconds in mono, for what a model takes its time for."""
    audio = signals.noise(6 * RATE, RATE, cutoff_hz=5800.0)
    soundfile.write(tmp_path / "short.wav", audio.T, RATE, subtype="FLOAT")
    return tmp_path / "short.wav"


def both(board: Callable[[], Board], source: Path, region: Region = REGION) -> tuple[Audio, Audio]:
    """The region of the whole, and the region alone."""
    whole = board().render_file(source, source.with_name("whole.wav"), overwrite=True)
    part = board().render_file(source, source.with_name("part.wav"), region=region, overwrite=True)
    assert region.stop is not None
    assert part.frames == region.stop - region.start
    return load(whole.path)[:, region.start : region.stop], load(part.path)


def test_a_model_in_first_place_hears_the_whole_file(short: Path, engine: Engine) -> None:
    def node() -> AudioSR:
        return AudioSR(engine=engine, steps=1, guidance_scale=1.0)

    for board in (lambda: Board([node()]), lambda: Board([Mix([Board(), node()]), Gain(-3)])):
        whole, part = both(board, short, Region(3 * RATE + 17, 4 * RATE))
        np.testing.assert_array_equal(part, whole)


def test_effects_have_settled_where_a_region_begins(source: Path) -> None:
    def board() -> Board:
        return Board([HighpassFilter(30), Compressor(-30, 4, 5, 150), TruePeakLimiter(-12), HoldsBack(999)])

    whole, part = both(board, source)
    assert np.max(np.abs(part - whole)) < 1e-4
    cold = board()(load(source)[:, HERE], RATE)
    assert np.max(np.abs(cold - whole)) > 1e-2


def test_effects_that_take_only_arrays_get_the_region_and_what_lies_around(source: Path) -> None:
    whole, part = both(lambda: Board([Gain(-3), WholeOnly(), Mix([Board(), WholeOnly()])]), source)
    np.testing.assert_array_equal(part, whole)


def test_a_model_behind_others_has_context_too(source: Path, engine: Engine) -> None:
    heard = []

    class Listens(AudioSR):
        def render_source(self, source, **how):  # type: ignore[no-untyped-def]
            heard.append((source.frames, how["part"].kept_start))
            return super().render_source(source, **how)

    board = Board([HighpassFilter(30), Listens(engine=engine, steps=1, guidance_scale=1.0)])
    done = board.render_file(source, source.with_name("out.wav"), region=REGION)
    assert done.frames == HERE.stop - HERE.start
    assert heard == [(10 * RATE + 3, REGION.start)]  # six seconds on both sides are more than there are
    assert done.verdicts[0].process


def test_loudness_is_that_of_the_region_alone(source: Path) -> None:
    for board in (Board([LoudnessNormalize(-20)]), Board([Reverb(), MasterTo(-20, -1)])):
        done = board.render_file(source, source.with_name("out.wav"), region=REGION, overwrite=True)
        assert measure_loudness(load(done.path), RATE) == pytest.approx(-20.0, abs=0.15)
        assert done.decisions[0].startswith("the region alone: ")
        assert done.levels is not None
        assert done.levels.integrated_lufs == pytest.approx(-20.0, abs=0.15)


@pytest.mark.parametrize(
    "region", [Region(0, 1), Region(0, 10 * RATE + 3), Region(9 * RATE), Region(10 * RATE + 2)]
)
def test_a_region_may_lie_at_either_end(region: Region, source: Path) -> None:
    start, stop = region.within(10 * RATE + 3)
    done = Board([Gain(-6), HoldsBack(500)]).render_file(source, source.with_name("out.wav"), region=region)
    expected = Gain(-6)(load(source), RATE)[:, start:stop]
    np.testing.assert_array_equal(load(done.path), expected)


def test_a_region_beyond_the_end_is_refused(source: Path) -> None:
    with pytest.raises(ParameterError, match="the source has 480003 samples"):
        Board([Gain(1)]).render_file(source, source.with_name("out.wav"), region=Region(5, 999_999))
    assert not source.with_name("out.wav").exists()


def test_metadata_and_rate_move_with_the_region(tmp_path: Path, signals: type) -> None:
    source = tmp_path / "in.wav"
    metadata = Metadata(sample_rate=44_100, broadcast=Broadcast(time_reference=44_100))
    with AudioWriter(source, 44_100, 1, metadata=metadata) as writer:
        writer.write(signals.noise(5 * 44_100, 44_100))
    done = Board([Gain(-6)]).render_file(source, tmp_path / "out.wav", region=Region(44_100, 88_201))
    assert (done.sample_rate, done.frames) == (RATE, -(-88_201 * 160 // 147) - RATE)
    broadcast = read_metadata(tmp_path / "out.wav").broadcast
    assert broadcast is not None
    assert broadcast.time_reference == 2 * RATE


def test_a_region_travels_to_another_process(source: Path) -> None:
    board = Board([HighpassFilter(30), LoudnessNormalize(-20)])
    here = board.render_file(source, source.with_name("here.wav"), region=REGION)
    there = board.render_file(source, source.with_name("there.wav"), region=REGION, isolated=True)
    assert here.path.read_bytes() == there.path.read_bytes()
    assert there.levels == here.levels


def test_what_a_board_leaves_as_it_came_need_not_be_written(source: Path) -> None:
    out = source.with_name("out.wav")
    for isolated in (False, True):
        done = Board([TruePeakLimiter(0.0)]).render_file(source, out, skip_untouched=True, isolated=isolated)
        assert (done.is_untouched, done.is_written) == (True, False)
        assert sorted(path.name for path in source.parent.iterdir()) == ["in.wav"]
    done = Board([TruePeakLimiter(0.0)]).render_file(source, out)
    assert (done.is_untouched, done.is_written) == (True, True)
    changed = Board([Gain(-1)]).render_file(source, out, skip_untouched=True, overwrite=True)
    assert (changed.is_untouched, changed.is_written) == (False, True)


def test_levels_are_those_of_the_file(source: Path) -> None:
    done = Board([Gain(30)]).render_file(source, source.with_name("out.flac"), None, subtype="PCM_16")
    assert done.clipped_samples > 0
    assert done.levels is not None
    audio = load(done.path)
    assert done.levels.integrated_lufs == pytest.approx(measure_loudness(audio, RATE), abs=0.01)
    assert done.levels.true_peak_dbtp == pytest.approx(true_peak_dbtp(audio, RATE), abs=0.01)
    assert np.max(np.abs(apply_gain(load(source), 30))) > 1.0

"""Files of a low rate get the same verdict at their own rate and behind a board, which raises it first."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from effects import WholeOnly
from pedalboard import Gain, HighpassFilter

from audiosr_fx.bandwidth import Verdict, judge
from audiosr_fx.board import Board
from audiosr_fx.engine import Engine
from audiosr_fx.files import FileSource
from audiosr_fx.node import AudioSR
from audiosr_fx.part import PartSource
from audiosr_fx.recent import RecentSource
from audiosr_fx.render import RenderSettings, render
from audiosr_fx.settings import Region
from audiosr_fx.sources import ArraySource, ResampledSource, native_rate_of

SPEECH = Path(__file__).parent / "data" / "audio" / "speech.flac"
STEPS = RenderSettings(steps=1, guidance_scale=1.0)


@pytest.fixture
def telephone(tmp_path: Path) -> Path:
    """Speech as an mp3 at 8 kHz, whose own spectrum looks cut off below half the rate."""
    audio, rate = soundfile.read(SPEECH, dtype="float32", always_2d=True)
    low = soxr.resample(audio[:, 0], rate, 8_000, quality="VHQ")
    path = tmp_path / "telephone.mp3"
    soundfile.write(path, low, 8_000, format="MP3", subtype="MPEG_LAYER_III", compression_level=0.9)
    return path


def behind(effects: list[object], path: Path, region: Region | None = None) -> tuple[Verdict, ...]:
    board, out = Board(effects), path.with_suffix(".wav")
    return board.render_file(path, out, region=region, cache=False, overwrite=True).verdicts


def test_a_board_finds_what_a_plain_render_finds(telephone: Path, engine: Engine) -> None:
    with FileSource(telephone) as source:
        plain = render(source, STEPS, engine).verdict
    assert (plain.kind, plain.cutoff_hz, plain.process) == ("nyquist", 3_800.0, True)

    def node() -> AudioSR:
        return AudioSR(engine=engine, steps=1, guidance_scale=1.0)

    for effects in ([node()], [HighpassFilter(75), node()], [WholeOnly(), Gain(-6), node()]):
        for region in (None, Region(4_000, 12_001)):
            (found,) = behind(effects, telephone, region)
            assert (found.kind, found.cutoff_hz, found.process, found.reason) == (
                *(plain.kind, plain.cutoff_hz, plain.process, plain.reason),
            )


def test_what_is_restored_is_not_taken_for_a_low_rate_again(telephone: Path, engine: Engine) -> None:
    nodes = [AudioSR(engine=engine, steps=1, guidance_scale=1.0, brightness_db=level) for level in (-24, 0)]
    first, second = behind([nodes[0], Gain(-1), nodes[1]], telephone)
    assert first.kind == "nyquist"
    assert second.kind != "nyquist"


def test_a_cutoff_by_hand_is_bounded_by_the_rate_it_came_from(telephone: Path) -> None:
    with FileSource(telephone) as source:
        own, raised = (judge(one, cutoff_hz=12_000) for one in (source, ResampledSource(source, 48_000)))
    assert own == raised
    assert own.cutoff_hz == 3_800.0


@pytest.mark.parametrize("sample_rate", [16_000, 22_050, 32_000])
def test_a_cliff_below_the_limit_of_the_rate_is_found_as_at_that_rate(
    sample_rate: int, signals: type
) -> None:
    dull = ArraySource(signals.noise(3 * sample_rate, sample_rate, cutoff_hz=5_000.0), sample_rate)
    own, raised = judge(dull), judge(ResampledSource(dull, 48_000))
    assert own.kind == raised.kind == "cliff"
    assert raised.cutoff_hz == pytest.approx(own.cutoff_hz, rel=0.015)  # one step of the grid, or two


def test_what_stands_above_the_old_limit_by_now_is_heard(signals: type) -> None:
    new = signals.noise(3 * 48_000, 48_000, cutoff_hz=9_000.0)  # as a shift of pitch makes it
    verdict = judge(ArraySource(new, 48_000, native_rate=8_000))
    assert verdict.kind == "cliff"
    assert verdict.cutoff_hz == pytest.approx(9_000.0, rel=0.03)


def test_the_lowest_rate_on_the_way_is_told() -> None:
    low = ArraySource(np.zeros((1, 8_193), np.float32), 8_000)
    raised = ResampledSource(low, 48_000)
    assert native_rate_of(low) == native_rate_of(raised) == 8_000
    assert native_rate_of(RecentSource(PartSource(raised, 5, 70), 1.0)) == 8_000
    assert native_rate_of(ResampledSource(raised, 96_000)) == 8_000
    assert (
        native_rate_of(ResampledSource(ArraySource(np.zeros((1, 65), np.float32), 96_000), 44_100)) == 44_100
    )

"""What a render takes from the cache is what it would have made, and what it makes is what is not there."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import soundfile
from tiny import excited_engine

from audiosr_fx.bandwidth import crossover, judge
from audiosr_fx.board import Board
from audiosr_fx.cache import RenderCache, default_cache
from audiosr_fx.engine import Engine
from audiosr_fx.limiter import TruePeakLimiter
from audiosr_fx.node import AudioSR
from audiosr_fx.render import ProgressEvent, Region, Rendered, RenderSettings, render_array
from audiosr_fx.sources import ArraySource, Audio

RATE = 48_000
HERE = Path(__file__).parent
SETTINGS = RenderSettings(cutoff_hz=6000.0, quality="draft")
SECONDS = 12  # three windows, three blocks
WINDOWS = 3
WINDOW_S = 4.48


@pytest.fixture(scope="module")
def exciter() -> Engine:
    return excited_engine()


@pytest.fixture
def cache(tmp_path: Path) -> RenderCache:
    return RenderCache(folder=tmp_path / "cache")


@pytest.fixture(scope="module")
def dull(signals: type) -> Audio:
    return signals.noise(SECONDS * RATE, RATE, cutoff_hz=5800.0)


@pytest.fixture(scope="module")
def fresh(dull: Audio, exciter: Engine) -> Audio:
    """Without a cache."""
    return render_array(dull, RATE, SETTINGS, engine=exciter).audio


@dataclass
class Calls:
    """What the model was asked for: first frames of windows, and of blocks."""

    windows: list[int] = field(default_factory=list)
    blocks: list[int] = field(default_factory=list)


@contextmanager
def counted(engine: Engine) -> Iterator[Calls]:
    calls = Calls()
    restore, vocode = engine.restore_mel, engine.vocode

    def restore_mel(*arguments: Any, **named: Any) -> Any:
        calls.windows += named["start_frames"]
        return restore(*arguments, **named)

    def count_vocode(*arguments: Any, **named: Any) -> Any:
        calls.blocks.append(named["start_frame"])
        return vocode(*arguments, **named)

    with mock.patch.multiple(engine, restore_mel=restore_mel, vocode=count_vocode):
        yield calls


def rendered(
    audio: Audio, engine: Engine, cache: RenderCache, settings: RenderSettings = SETTINGS, **more: Any
) -> Rendered:
    return render_array(audio, RATE, settings, engine=engine, cache=cache, **more)


# --- the same, and less work ----------------------------------------------------------------------


def test_what_was_rendered_once_needs_no_model(
    dull: Audio, fresh: Audio, exciter: Engine, cache: RenderCache
) -> None:
    with counted(exciter) as first:
        made = rendered(dull, exciter, cache)
    assert len(first.windows) == len(first.blocks) == WINDOWS
    assert (made.blocks_made, made.blocks_reused) == (WINDOWS, 0)
    events: list[ProgressEvent] = []
    with counted(exciter) as second:
        again = rendered(dull, exciter, cache, on_event=events.append)
        other_tone = replace(SETTINGS, brightness_db=-6.0, ceiling_hz=9000.0, deess_db=6.0, mix=0.5)
        rendered(dull, exciter, cache, other_tone)
        part = rendered(dull, exciter, cache, region=Region(100_000, 300_000))
    assert second == Calls()
    assert (again.blocks_made, again.blocks_reused) == (0, WINDOWS)
    assert events[-1].windows_done == events[-1].windows_total == WINDOWS
    for audio in (made.audio, again.audio):
        assert np.array_equal(audio, fresh)
    assert np.array_equal(part.audio, fresh[:, 100_000:300_000])


def test_a_changed_bar_touches_only_the_windows_around_it(
    signals: type, exciter: Engine, cache: RenderCache
) -> None:
    audio = signals.noise(30 * RATE, RATE, cutoff_hz=5800.0)
    rendered(audio, exciter, cache)
    changed = audio.copy()
    bar = slice(round(18.0 * RATE), round(20.0 * RATE))
    changed[:, bar] *= 0.5
    with counted(exciter) as calls:
        again = rendered(changed, exciter, cache)
    touched = [frame / 100 for frame in calls.windows]
    assert 1 <= len(touched) <= 2
    assert all(start - 0.1 < 20.0 and start + 5.22 > 18.0 for start in touched)
    assert len(calls.blocks) <= 4
    assert again.blocks_reused >= 3
    with counted(exciter) as none:
        assert np.array_equal(rendered(changed, exciter, cache).audio, again.audio)
    assert none == Calls()
    assert np.array_equal(render_array(changed, RATE, SETTINGS, engine=exciter).audio, again.audio)


def test_a_changed_bar_moves_no_cutoff_that_was_found(signals: type) -> None:
    audio = signals.noise(20 * RATE, RATE, cutoff_hz=5800.0)
    changed = audio.copy()
    changed[:, 5 * RATE : 6 * RATE] *= 0.5
    before, after = (crossover(judge(ArraySource(signal, RATE))) for signal in (audio, changed))
    assert before == after


DIFFERENT: dict[str, dict[str, Any]] = {
    "seed": {"seed": 1},
    "cutoff": {"cutoff_hz": 5900.0},
    "steps": {"steps": 1},
    "detail": {"steps": 1, "detail": 0.5},
}


@pytest.mark.parametrize("change", DIFFERENT.values(), ids=DIFFERENT.keys())
def test_whatever_moves_a_bit_makes_it_anew(
    change: dict[str, Any], dull: Audio, exciter: Engine, cache: RenderCache
) -> None:
    short = dull[:, : 2 * RATE]
    rendered(short, exciter, cache, replace(SETTINGS, **({"steps": 1} if "detail" in change else {})))
    settings = replace(SETTINGS, **change)
    again = rendered(short, exciter, cache, settings)
    assert again.blocks_reused == 0
    assert np.array_equal(again.audio, render_array(short, RATE, settings, engine=exciter).audio)


def test_other_weights_batches_levels_and_channels_are_other_renders(
    dull: Audio, exciter: Engine, cache: RenderCache
) -> None:
    short = dull[:, : 2 * RATE]
    rendered(short, exciter, cache)
    others = [
        rendered(short, excited_engine(seed=1), cache),
        rendered(np.tile(short, (2, 1)), exciter, cache),
        rendered(0.5 * short, exciter, cache),
        rendered(np.pad(short, ((0, 0), (480, 0))), exciter, cache),
    ]
    assert [other.blocks_reused for other in others] == [0, 0, 0, 0]
    assert rendered(short, exciter, cache).blocks_made == 0


def test_a_low_band_made_anew_is_kept_too(engine: Engine, dull: Audio, cache: RenderCache) -> None:
    settings = replace(SETTINGS, quality="standard", steps=1, guidance_scale=1.0, keep_low_band=False)
    short = dull[:, : 2 * RATE]
    first = rendered(short, engine, cache, settings)
    assert first.blocks_reused == 0
    with counted(engine) as calls:
        assert np.array_equal(rendered(short, engine, cache, settings).audio, first.audio)
    assert calls == Calls()


# --- a cache that is deleted, damaged, or in the way ----------------------------------------------


def test_a_cache_deleted_all_the_time_changes_nothing(
    dull: Audio, fresh: Audio, exciter: Engine, cache: RenderCache
) -> None:
    rendered(dull, exciter, cache)
    again = rendered(dull, exciter, cache, on_event=lambda event: cache.clear())
    assert np.array_equal(again.audio, fresh)


@pytest.mark.parametrize("damage", ["bit", "half", "empty"])
def test_damaged_pieces_are_made_anew(damage: str, dull: Audio, exciter: Engine, cache: RenderCache) -> None:
    short = dull[:, : 2 * RATE]
    first = rendered(short, exciter, cache).audio
    for path in cache.folder.rglob("*.f32"):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes({"bit": content, "half": content[: len(content) // 2], "empty": b""}[damage])
    again = rendered(short, exciter, cache)
    assert np.array_equal(again.audio, first)
    assert again.blocks_made == 1
    assert rendered(short, exciter, cache).blocks_made == 0


def test_a_folder_that_takes_nothing_costs_one_warning(
    dull: Audio, fresh: Audio, exciter: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_bytes(b"")
    cache = RenderCache(folder=tmp_path / "file" / "cache")
    assert np.array_equal(rendered(dull, exciter, cache).audio, fresh)
    assert len([record for record in caplog.records if "render cache" in record.message]) == 1


# --- killed and begun again -----------------------------------------------------------------------


def write(path: Path, audio: Audio) -> Path:
    soundfile.write(path, audio.T, RATE, subtype="FLOAT")
    return path


@pytest.mark.parametrize(
    ("piece", "moment"),
    [
        (3, "half"),
        pytest.param(1, "before", marks=pytest.mark.slow),
        pytest.param(2, "after", marks=pytest.mark.slow),
        pytest.param(4, "half", marks=pytest.mark.slow),
        pytest.param(6, "after", marks=pytest.mark.slow),
    ],
)
def test_a_killed_render_goes_on_where_it_was(
    piece: int, moment: str, dull: Audio, exciter: Engine, cache: RenderCache, tmp_path: Path
) -> None:
    source = write(tmp_path / "dull.wav", dull)
    arguments = [source, tmp_path / "killed.wav", cache.folder, piece, moment]
    child = subprocess.run(
        [sys.executable, HERE / "killed_render.py", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE.parent), str(HERE)])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == -9, child.stderr
    assert not (tmp_path / "killed.wav").exists()
    kept = piece - (moment != "after")  # windows and blocks take turns, but for the first two windows
    board = Board([AudioSR("draft", cutoff_hz=6000.0, engine=exciter)])
    with counted(exciter) as calls:
        board.render_file(source, tmp_path / "again.wav", cache=cache)
    assert len(calls.windows) + len(calls.blocks) == 2 * WINDOWS - kept
    board.render_file(source, tmp_path / "never_killed.wav", cache=False)
    assert (tmp_path / "again.wav").read_bytes() == (tmp_path / "never_killed.wav").read_bytes()


# --- the front doors ------------------------------------------------------------------------------


def test_a_board_masters_again_without_the_model(dull: Audio, exciter: Engine, tmp_path: Path) -> None:
    source = write(tmp_path / "dull.wav", dull[:, : 2 * RATE])
    node = AudioSR("draft", cutoff_hz=6000.0, engine=exciter)
    first = Board([node, TruePeakLimiter(ceiling_dbtp=-1.0)]).render_file(source, tmp_path / "1.wav")
    second = Board([node, TruePeakLimiter(ceiling_dbtp=-6.0)]).render_file(source, tmp_path / "2.wav")
    none = Board([node]).render_file(source, tmp_path / "3.wav", cache=False)
    assert [(done.blocks_made, done.blocks_reused) for done in (first, second, none)] == [
        (1, 0),
        (0, 1),
        (0, 0),
    ]


def test_a_call_on_an_array_keeps_nothing_unless_asked(dull: Audio, exciter: Engine) -> None:
    short = dull[:, :RATE]
    user = default_cache()
    assert user is not None
    plain = AudioSR("draft", cutoff_hz=6000.0, engine=exciter)(short, RATE)
    assert user.measure().entries == 0
    kept = AudioSR("draft", cutoff_hz=6000.0, engine=exciter, cache=True)
    assert np.array_equal(kept(short, RATE), plain)
    assert user.measure().entries == 2
    with counted(exciter) as calls:
        kept(short, RATE)
    assert calls == Calls()

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from audio_kinds import some_audio, write_kind

from audiosr_fx.jobs.service import Service
from audiosr_fx.jobs.states import State
from audiosr_fx.jobs.store import JobStore
from watchfolder.folder import WatchedFolder
from watchfolder.intake import Intake
from watchfolder.memory import Memory
from watchfolder.studio import FolderSettings


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    with JobStore(tmp_path / "state") as opened:
        yield opened


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[WatchedFolder]:
    (tmp_path / "in").mkdir()
    settings = FolderSettings(input=tmp_path / "in", output=tmp_path / "out", recursive=True)
    folder = WatchedFolder(settings, lambda: None)
    yield folder
    folder.close()


def take_in(watched: WatchedFolder, store: JobStore, now_s: float) -> None:
    """Take in what lies there, as a daemon does that was started just now; nothing is rendered."""
    memory = Memory(store.folder)
    try:
        intake = Intake(service=Service(store), memory=memory, should_cancel=lambda: False)
        watched.turn(now_s)
        placed, refused = intake.place(watched.turn(now_s + watched.settings.settle_s))
        assert not refused
        assert not intake.enter([intake.measured(one) for one in placed])
    finally:
        memory.close()


def test_a_stem_of_a_set_that_comes_again_or_late_gets_the_gain_of_the_set(
    watched: WatchedFolder, store: JobStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    song = watched.settings.input / "album-stems"
    song.mkdir()
    dropped = [("loud.wav", 1.0, 0), ("soft.wav", 0.1, 1)], [("soft.wav", 0.1, 2)], [("late.wav", 0.03, 3)]
    for hour, stems in enumerate(dropped):
        for name, level, seed in stems:
            write_kind(song / name, "pcm24.wav", level * some_audio(48_000, seed=seed))
        take_in(watched, store, 3600.0 * hour)
    recipes = [job.order.recipe.splitlines() for job in store.jobs()]
    gains = [line for recipe in recipes for line in recipe if "gain_db" in line]
    assert len(gains) == 4
    assert len(set(gains)) == 1
    assert caplog.text.count("that their set got before, so that its balance stays") == 2


@pytest.mark.parametrize("state", [State.FAILED, State.CANCELLED])
def test_a_stem_that_comes_again_after_it_failed_is_told_of_with_the_way_out(
    state: State, watched: WatchedFolder, store: JobStore, caplog: pytest.LogCaptureFixture
) -> None:
    write_kind(watched.settings.input / "a.wav", "pcm24.wav", some_audio(64))
    take_in(watched, store, 0.0)
    job = store.take()
    assert job is not None
    store.fail(job.id, job.token, "no") if state is State.FAILED else store.cancel(job.id)
    os.utime(watched.settings.input / "a.wav")
    take_in(watched, store, 3600.0)
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    was = "has failed" if state is State.FAILED else "was cancelled"
    assert f"a.wav is not rendered: that {was} before, as job 1; to try it again: " in warning
    assert warning.endswith(f": audiosr-fx jobs retry 1 --queue {store.folder}")

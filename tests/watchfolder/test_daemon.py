from __future__ import annotations

import hashlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from audio_kinds import some_audio, write_kind
from fake_renderers import expected_content

from audiosr_fx.errors import JobError, StorageError
from audiosr_fx.jobs import parking, pause
from audiosr_fx.jobs.database import FILE_NAME
from audiosr_fx.jobs.job import Job
from audiosr_fx.jobs.service import Service
from audiosr_fx.jobs.states import State
from audiosr_fx.jobs.store import JobStore
from watchfolder.daemon import Daemon
from watchfolder.status import is_running, read_status
from watchfolder.studio import After, FolderSettings, StudioSettings, read_studio
from watchfolder.subfolders import RULE_FILE

KINDS = ("pcm16.wav", "pcm24.flac", "pcm16.aiff", "rf64.wav", "wave64.w64")


class Studio:
    """A daemon in a thread, with a renderer that only pretends."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.input, self.output, self.state = base / "in", base / "out", base / "state"
        self.input.mkdir()
        self.settings = FolderSettings(
            input=self.input, output=self.output, recursive=True, settle_s=0.2, scan_s=0.1
        )
        self.source: Path | None = None
        self.thread: threading.Thread | None = None
        self.failed: int | None = None

    def open(self) -> None:
        self.store = JobStore(self.state)
        self.service = Service(self.store, renderer="fake_renderers:render")

    def start(self, *, once: bool = False) -> None:
        self.open()
        studio = StudioSettings(folders=(self.settings,), source=self.source)
        self.daemon = Daemon(studio, self.service, self.state, once=once)
        self.service.start()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        self.failed = self.daemon.run()

    def stop(self) -> None:
        if self.thread is None:
            return
        self.daemon.stop()
        self.end()

    def end(self) -> None:
        assert self.thread is not None
        self.thread.join()
        self.thread = None
        self.service.stop()
        self.store.close()

    def drop(self, name: str, kind: str = "pcm16.wav", *, seed: int = 0, words: bytes = b"") -> Path:
        """A stem, whole at once; the words behind its samples are for the renderer."""
        path = self.input / name
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = write_kind(self.base / f"aside-{kind}", kind, some_audio(3000, seed=seed))
        if words:
            with aside.open("ab") as file:
                file.write(b"note" + len(words).to_bytes(4, "little") + words)
        aside.rename(path)
        return path

    def wait(self, condition: Callable[[list[Job]], bool]) -> list[Job]:
        """The jobs, once a condition holds of them."""
        while not condition(jobs := self.store.jobs()):
            self.service.events(self.store.last_event(), wait_s=0.2)
        return jobs


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    studio = Studio(tmp_path)
    yield studio
    studio.stop()


def all_done(count: int) -> Callable[[list[Job]], bool]:
    return lambda jobs: len(jobs) == count and all(job.state is State.DONE for job in jobs)


def condition_of(path: Path) -> tuple[Any, ...]:
    """Everything that must stay as it is of a source."""
    status = path.lstat()
    attributes = {name: os.getxattr(path, name) for name in os.listxattr(path)}
    return (
        hashlib.sha256(path.read_bytes()).hexdigest(),
        status.st_ino,
        status.st_mtime_ns,
        status.st_mode,
        status.st_nlink,
        attributes,
    )


def test_what_is_dropped_is_rendered_once_and_sources_stay_as_they_are(studio: Studio) -> None:
    early = [studio.drop(f"early {n}.{kind}", kind, seed=n) for n, kind in enumerate(KINDS)]
    studio.start()
    late = [studio.drop(f"song/late {n}.{kind}", kind, seed=10 + n) for n, kind in enumerate(KINDS)]
    before = {path: condition_of(path) for path in (*early, *late)}
    jobs = studio.wait(all_done(10))
    for job in jobs:
        assert job.output.read_bytes() == expected_content(job.order.request.source.read_bytes())
        assert job.output.parent == studio.output / job.order.request.source.parent.relative_to(studio.input)
    studio.stop()
    assert {path: condition_of(path) for path in before} == before
    assert len({job.output for job in jobs}) == 10
    assert studio.failed == 0


def test_a_stem_replaced_while_it_is_rendered_is_superseded_and_rendered_anew(studio: Studio) -> None:
    studio.start()
    path = studio.drop("a.wav", words=b" slow ")
    studio.wait(lambda jobs: any(job.state is State.RUNNING for job in jobs))
    studio.drop("a.wav", seed=1)
    first, second = studio.wait(lambda jobs: len(jobs) == 2 and jobs[1].state is State.DONE)
    assert first.state is State.SUPERSEDED
    assert " changed" in first.reason
    assert second.output == studio.output / "a.wav"
    assert second.output.read_bytes() == expected_content(path.read_bytes())


def test_stems_of_one_name_that_are_to_replace_become_a_file_each(studio: Studio) -> None:
    studio.settings = replace(studio.settings, template="{name}", name_taken="replace")
    dropped = [studio.drop(f"{song}/kick.wav", seed=n) for n, song in enumerate("abc")]
    for _ in range(2):
        studio.start(once=True)
        studio.end()
        assert studio.failed == 0
        made = sorted(path.read_bytes() for path in studio.output.glob("*.wav"))
        assert made == sorted(expected_content(path.read_bytes()) for path in dropped)
        dropped[1] = studio.drop("b/kick.wav", seed=7)
    assert {path.name for path in studio.output.glob("*.wav")} == {"kick.wav", "kick-2.wav", "kick-3.wav"}


@pytest.mark.parametrize("lack", [b" device ", b" full "])
def test_once_ends_where_what_is_missing_does_not_come(
    lack: bytes, studio: Studio, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pause, "LONGEST_S", dict.fromkeys(pause.LONGEST_S, 0.0))
    monkeypatch.setattr(parking, "LONGEST_S", 0.0)
    for n in range(3):
        studio.drop(f"{n}.wav", seed=n, words=lack)
    studio.start(once=True)
    studio.end()
    assert studio.failed == 3
    assert "no room or no device came for 3 stems; they are kept for the next start" in caplog.text
    with JobStore(studio.state) as store:
        assert all(job.state in (State.QUEUED, State.PARKED) for job in store.jobs())


def test_once_renders_what_there_is_room_for_however_much_there_is_not(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pause, "LONGEST_S", dict.fromkeys(pause.LONGEST_S, 0.0))
    monkeypatch.setattr(parking, "LONGEST_S", 0.0)
    for n in range(7):
        studio.drop(f"{n}.wav", seed=n, words=b" full ")
    small = [studio.drop(f"small {n}.wav", seed=10 + n) for n in range(2)]
    studio.start(once=True)
    studio.end()
    assert studio.failed == 7
    assert {path.name for path in studio.output.glob("*.wav")} == {path.name for path in small}


def test_once_ends_where_the_queue_takes_nothing_and_the_next_start_goes_on(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from watchfolder import handover

    def refuse(service: Service, orders: Any) -> Any:
        raise StorageError("the disk is full")

    studio.drop("a.wav")
    studio.drop("song/b.wav", seed=1)
    with monkeypatch.context() as full:
        full.setattr(handover, "RETRY_S", 0.1)
        full.setattr(Service, "submit_orders", refuse)
        studio.start(once=True)
        studio.end()
    assert studio.failed == 2
    assert "no room or no device came for 2 stems; they are kept for the next start" in caplog.text
    studio.start(once=True)
    studio.end()
    assert studio.failed == 0
    assert {path.name for path in studio.output.rglob("*.wav")} == {"a.wav", "b.wav"}


def test_what_is_lost_with_its_folder_for_a_moment_is_rendered_when_that_is_back(studio: Studio) -> None:
    """As a share does that hangs up while stems wait in the queue."""
    studio.start()
    studio.drop("a.wav", words=b" slow ")
    studio.wait(lambda jobs: any(job.state is State.RUNNING for job in jobs))
    studio.drop("song/b.wav", seed=1)
    running, _ = studio.wait(lambda jobs: len(jobs) == 2)
    studio.input.rename(studio.base / "away")
    studio.service.cancel(running.id)
    studio.wait(lambda jobs: jobs[1].state is State.SUPERSEDED)
    (studio.base / "away").rename(studio.input)
    _, waited = studio.wait(lambda jobs: jobs[1].state is State.DONE)
    assert waited.output == studio.output / "song" / "b.wav"


def test_the_same_content_dropped_again_makes_no_work_and_another_does(studio: Studio) -> None:
    studio.start()
    path = studio.drop("a.wav")
    studio.wait(all_done(1))
    path.unlink()
    studio.drop("a.wav")
    studio.drop("b.wav", seed=1)
    studio.wait(all_done(2))
    studio.drop("a.wav", seed=2)
    jobs = studio.wait(all_done(3))
    assert [job.output.name for job in jobs] == ["a.wav", "b.wav", "a-2.wav"]


def test_after_a_restart_only_what_is_new_is_read(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    from watchfolder import intake

    read: list[str] = []
    place_order = intake.place_order

    def note(request: Any, book: Any) -> Any:
        read.append(request.source.name)
        return place_order(request, book)

    monkeypatch.setattr(intake, "place_order", note)
    for n in range(3):
        studio.drop(f"{n}.wav", seed=n)
    studio.start()
    studio.wait(all_done(3))
    studio.stop()
    assert sorted(read) == ["0.wav", "1.wav", "2.wav"]
    studio.drop("1.wav", seed=7)
    studio.drop("3.wav", seed=8)
    studio.start()
    studio.wait(all_done(5))
    assert sorted(read[3:]) == ["1.wav", "3.wav"]


def test_what_waited_in_a_queue_that_was_lost_is_rendered(studio: Studio) -> None:
    slow = studio.drop("slow.wav", words=b" slow ")
    studio.start()
    studio.wait(lambda jobs: any(job.state is State.RUNNING for job in jobs))
    studio.drop("a.wav", seed=1)
    studio.wait(lambda jobs: len(jobs) == 2)
    studio.stop()
    (studio.state / FILE_NAME).unlink()
    slow.unlink()
    studio.start()
    (job,) = studio.wait(all_done(1))
    assert job.output.name == "a.wav"


def test_no_stem_is_given_up_because_another_of_its_content_has_changed(studio: Studio) -> None:
    slow = studio.drop("slow.wav", words=b" slow ")
    studio.start()
    studio.wait(lambda jobs: any(job.state is State.RUNNING for job in jobs))
    studio.drop("a.wav", seed=1)
    studio.wait(lambda jobs: len(jobs) == 2)
    studio.drop("a.aiff", seed=1)  # a name that tells a lie, but the same bytes: the same job
    while len(studio.daemon._memory.files_of(studio.input, 2)) < 2:
        studio.service.events(studio.store.last_event(), wait_s=0.1)
    studio.drop("a.aiff", seed=2)
    studio.wait(lambda jobs: len(jobs) == 3)
    assert studio.store.get(2).state is State.QUEUED
    studio.service.cancel(1)
    assert slow.exists()
    studio.wait(lambda jobs: all(job.state in (State.DONE, State.CANCELLED) for job in jobs))


def test_a_queue_that_takes_nothing_just_now_costs_nothing(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    from watchfolder import handover

    monkeypatch.setattr(handover, "RETRY_S", 0.1)
    refusals = [
        StorageError("the disk is full"),
        OSError(28, "No space left on device"),
        ValueError("a fault"),
    ]
    monkeypatch.setattr(handover, "FAULT_S", 0.1)
    submit = Service.submit_orders

    def refuse(self: Service, orders: Any) -> Any:
        if refusals:
            raise refusals.pop()
        return submit(self, orders)

    monkeypatch.setattr(Service, "submit_orders", refuse)
    studio.drop("a.wav")
    studio.drop("song/b.wav", seed=1)
    studio.start()
    studio.wait(all_done(2))
    assert not refusals


@pytest.mark.parametrize("after", [After.MOVE, After.TRASH])
def test_a_rendered_source_is_moved_aside_where_that_is_asked_for(
    after: After, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(studio.base / "data"))
    studio.settings = replace(studio.settings, after=after)
    path = studio.drop("song/a.wav")
    content = path.read_bytes()
    studio.start(once=True)
    studio.end()
    assert not path.exists()
    place = {
        After.MOVE: studio.input / "_rendered" / "song" / "a.wav",
        After.TRASH: studio.base / "data" / "Trash" / "files" / "a.wav",
    }[after]
    assert place.read_bytes() == content
    assert (studio.output / "song" / "a.wav").exists()
    if after is After.TRASH:
        told = (studio.base / "data" / "Trash" / "info" / "a.wav.trashinfo").read_text("ascii")
        assert f"Path={path}\n" in told


def test_the_sources_of_a_set_are_moved_aside_after_its_report(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    from watchfolder import aftermath

    told: list[dict[str, bytes]] = []

    def note(path: Path, jobs: Sequence[Job], should_cancel: Callable[[], bool]) -> None:
        told.append({job.output.name: job.order.request.source.read_bytes() for job in jobs})
        path.write_text("the report", "utf-8")

    monkeypatch.setattr(aftermath, "write_set_report", note)
    studio.settings = replace(studio.settings, after=After.MOVE)
    names = ("a", "b", "c")
    contents = {f"{name}.wav": studio.drop(f"song/{name}.wav", seed=ord(name)).read_bytes() for name in names}
    for _ in range(2):  # dropped again, they are moved aside again, and there is nothing new to tell
        studio.start(once=True)
        studio.end()
        assert told == [contents]
        assert not list((studio.input / "song").iterdir())
        for name in names:
            studio.drop(f"song/{name}.wav", seed=ord(name))
    aside = studio.input / "_rendered" / "song"
    assert len(list(aside.iterdir())) == 6


def test_a_stem_of_a_set_that_is_tried_again_is_told_of_again(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    from watchfolder import aftermath

    told: list[list[State]] = []

    def note(path: Path, jobs: Sequence[Job], should_cancel: Callable[[], bool]) -> None:
        told.append([job.state for job in jobs])

    monkeypatch.setattr(aftermath, "write_set_report", note)
    studio.drop("song/a.wav")
    studio.drop("song/bad.wav", seed=1, words=b" bad-audio ")
    studio.start()
    while not told:
        time.sleep(0.02)
    studio.service.retry(2)
    while len(told) < 2:
        time.sleep(0.02)
    assert told == [[State.DONE, State.FAILED]] * 2


def test_a_set_of_which_a_stem_is_bounced_again_meanwhile_is_moved_aside_too(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    from watchfolder import aftermath

    told: list[list[str]] = []

    def note(path: Path, jobs: Sequence[Job], should_cancel: Callable[[], bool]) -> None:
        told.append([job.output.name for job in jobs])

    monkeypatch.setattr(aftermath, "write_set_report", note)
    studio.settings = replace(studio.settings, after=After.MOVE)
    for name in ("a", "b"):
        studio.drop(f"song/{name}.wav", seed=ord(name))
    studio.drop("song/slow.wav", words=b" slow ")
    studio.start()
    studio.wait(lambda jobs: len(jobs) == 3 and jobs[2].state is State.RUNNING)
    assert len(list((studio.input / "song").iterdir())) == 3
    studio.drop("song/slow.wav", seed=7)
    studio.wait(lambda jobs: len(jobs) == 4 and jobs[3].state is State.DONE)
    while list((studio.input / "song").iterdir()):
        time.sleep(0.02)
    assert told == [["a.wav", "b.wav"]]


def test_what_is_dropped_again_after_it_was_rendered_is_moved_aside_too(studio: Studio) -> None:
    studio.settings = replace(studio.settings, after=After.MOVE)
    path = studio.drop("a.wav")
    studio.start()
    studio.wait(all_done(1))
    while path.exists():
        time.sleep(0.02)
    studio.drop("a.wav")
    while path.exists():
        time.sleep(0.02)
    assert len(studio.store.jobs()) == 1
    assert {one.name for one in (studio.input / "_rendered").iterdir()} == {"a.wav", "a-2.wav"}


def test_every_file_of_one_content_and_one_result_is_moved_aside(studio: Studio) -> None:
    studio.settings = replace(studio.settings, after=After.MOVE)
    first = studio.drop("a.wav")
    second = studio.drop("a.aiff")  # a name that tells a lie, but the same bytes
    studio.start(once=True)
    studio.end()
    assert not first.exists()
    assert not second.exists()
    assert {one.name for one in (studio.input / "_rendered").iterdir()} == {"a.wav", "a.aiff"}


def test_stems_of_one_folder_share_one_gain_and_follow_the_preset_of_their_folder(studio: Studio) -> None:
    loud, soft = some_audio(48_000), 0.1 * some_audio(48_000, seed=1)
    for name, audio in (("loud", loud), ("soft", soft)):
        (studio.input / "album-stems").mkdir(exist_ok=True)
        write_kind(studio.input / "album-stems" / f"{name}.wav", "pcm24.wav", audio)
    studio.drop("songs/x.wav")
    (studio.input / "songs" / RULE_FILE).write_text('preset = "podcast"', "utf-8")
    studio.start()
    jobs = {job.order.request.source.stem: job for job in studio.wait(all_done(3))}
    assert jobs["x"].order.request.preset == "podcast"
    gains = [
        line
        for name in ("loud", "soft")
        for line in jobs[name].order.recipe.splitlines()
        if "gain_db" in line
    ]
    assert len(gains) == 2
    assert gains[0] == gains[1]
    assert 'mode = "album"' not in jobs["loud"].order.recipe


def test_no_stem_waits_for_an_album_to_be_measured(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    from watchfolder import albums

    began, others_are_done = threading.Event(), threading.Event()
    decide_album = albums.decide_album

    def decide(*arguments: Any, **more: Any) -> Any:
        began.set()
        assert others_are_done.wait(60.0)
        return decide_album(*arguments, **more)

    monkeypatch.setattr(albums, "decide_album", decide)
    replaced = studio.drop("album-stems/a.wav", seed=1)
    studio.drop("album-stems/b.wav", seed=2)
    studio.start()
    assert began.wait(60.0)
    studio.drop("other.wav", seed=3)
    studio.wait(all_done(1))
    content = studio.drop("album-stems/a.wav", seed=4).read_bytes()
    others_are_done.set()
    jobs = studio.wait(all_done(3))
    assert [job.order.request.source.name for job in jobs] == ["other.wav", "b.wav", "a.wav"]
    assert jobs[2].output.read_bytes() == expected_content(content)
    assert replaced.read_bytes() == content


def test_a_rule_that_is_mended_lets_its_stems_through(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(FolderSettings, "patience_s", 0.3)
    studio.drop("songs/x.wav")
    rule = studio.input / "songs" / RULE_FILE
    rule.write_text('preset = "podcats"', "utf-8")
    studio.start()
    while "did you mean podcast?" not in caplog.text:
        time.sleep(0.02)
    rule.write_text('preset = "podcast"', "utf-8")
    (job,) = studio.wait(all_done(1))
    assert job.order.request.preset == "podcast"


def test_once_ends_by_itself_and_counts_what_failed(studio: Studio) -> None:
    studio.drop("a.wav")
    (studio.input / "cut.wav").write_bytes(studio.drop("b.wav", seed=1).read_bytes()[:-100])
    (studio.input / "disguised.wav").write_bytes(
        write_kind(studio.base / "layer3.mp3", "layer3.mp3").read_bytes()
    )
    studio.drop("bad.wav", seed=2, words=b" bad-audio ")
    studio.start(once=True)
    studio.end()
    with JobStore(studio.state) as store:
        states = {job.order.request.source.name: job.state for job in store.jobs()}
    assert states["a.wav"] is states["b.wav"] is State.DONE
    assert states["bad.wav"] is State.FAILED
    assert "disguised.wav" not in states
    assert studio.failed == 2
    status = read_status(studio.state)
    assert status is not None
    assert not is_running(status)
    assert not is_running({"state": "running", "pid": 1 << 70})
    assert "which this folder takes only with" in status["folders"][0]["held"]["disguised.wav"]


def test_once_does_not_end_before_what_was_lost_is_rendered(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a share hung up for a moment, and all of that is acted on just before the last question."""
    counts = JobStore.counts
    superseded: list[Job] = []

    def lose(store: JobStore) -> dict[State, int]:
        if counts(store)[State.QUEUED] and daemon._handover.is_idle and not superseded:
            superseded.append(store.supersede(1, "its folder is not there"))
            while not daemon._aftermath.is_done:
                studio.service.events(store.last_event(), wait_s=0.1)
            studio.service.start()  # not before, lest it is rendered
        return counts(store)

    studio.drop("a.wav")
    studio.open()
    daemon = Daemon(StudioSettings(folders=(studio.settings,)), studio.service, studio.state, once=True)
    monkeypatch.setattr(JobStore, "counts", lose)
    try:
        daemon.run()
        assert superseded
        assert [job.state for job in studio.store.jobs()] == [State.DONE]
    finally:
        studio.service.stop()
        studio.store.close()


def test_once_that_is_stopped_says_what_is_not_done(studio: Studio, caplog: pytest.LogCaptureFixture) -> None:
    studio.drop("slow.wav", words=b" slow ")
    studio.drop("a.wav", seed=1)
    studio.start(once=True)
    studio.wait(lambda jobs: len(jobs) == 2 and jobs[0].state is State.RUNNING)
    studio.stop()
    assert studio.daemon.unfinished == 2
    assert "stopped; 2 stems are not done yet, and go on with the next start" in caplog.text


def test_a_changed_studio_file_is_taken_on_while_it_runs(
    studio: Studio, caplog: pytest.LogCaptureFixture
) -> None:
    file = studio.base / "studio.toml"
    one = '[[folder]]\ninput = "in"\noutput = "out"\nsettle_s = 0.2\nscan_s = 0.1\n'
    file.write_text("schema = 1\n" + one, "utf-8")
    studio.settings, studio.source = read_studio(file).folders[0], file
    studio.start()
    studio.drop("a.wav")
    studio.wait(all_done(1))
    file.write_text("schema = 1\nfolder = 3\n", "utf-8")
    studio.daemon.reload()
    while "kept the settings as they were" not in caplog.text:
        time.sleep(0.02)
    file.write_text("schema = 1\n" + one + 'preset = "podcst"\n', "utf-8")
    studio.daemon.reload()
    said = f"kept the settings as they were: {file}: folder 1: podcst: no such preset (did you mean podcast?)"
    while said not in caplog.text:
        time.sleep(0.02)
    (studio.base / "more").mkdir()
    more = one.replace('"in"', '"more"').replace('"out"', '"more out"') + 'template = "{name} done"\n'
    file.write_text("schema = 1\n" + one + more, "utf-8")
    studio.daemon.reload()
    write_kind(studio.base / "more" / "b.wav", "pcm16.wav")
    jobs = studio.wait(all_done(2))
    assert jobs[1].output == studio.base / "more out" / "b done.wav"


def test_a_studio_file_that_cannot_be_taken_on_as_a_whole_changes_nothing(
    studio: Studio, caplog: pytest.LogCaptureFixture
) -> None:
    file = studio.base / "studio.toml"
    one = '[[folder]]\ninput = "in"\noutput = "out"\nsettle_s = 0.2\nscan_s = 0.1\n'
    file.write_text("schema = 1\n" + one, "utf-8")
    studio.settings, studio.source = read_studio(file).folders[0], file
    studio.start()
    changed = one.replace('"out"', '"elsewhere"') + 'recursive = true\ntemplate = "{name} changed"\n'
    gone = '[[folder]]\ninput = "not there"\noutput = "out 2"\n'
    file.write_text("schema = 1\n" + changed + gone, "utf-8")
    studio.daemon.reload()
    while "kept the settings as they were" not in caplog.text:
        time.sleep(0.02)
    studio.drop("a.wav")
    (job,) = studio.wait(all_done(1))
    assert job.output == studio.output / "a.wav"
    (studio.base / "not there").mkdir()
    file.write_text("schema = 1\n" + one.replace('"in"', '"in/song"'), "utf-8")
    studio.daemon.reload()
    while "lie in one another; that takes a stop and a start" not in caplog.text:
        time.sleep(0.02)
    file.write_text("schema = 1\n" + changed + gone, "utf-8")
    studio.daemon.reload()
    studio.drop("song/b.wav", seed=1)
    jobs = studio.wait(all_done(2))
    assert jobs[1].output == studio.base / "elsewhere" / "b changed.wav"


def test_a_second_daemon_is_refused_whatever_state_it_has(studio: Studio) -> None:
    studio.start()
    with JobStore(studio.base / "other state") as store:
        for folder in (
            studio.settings,
            replace(studio.settings, input=studio.base / "in2"),
            replace(studio.settings, output=studio.base / "out2"),
        ):
            folder.input.mkdir(exist_ok=True)
            with pytest.raises(JobError, match="another audiosr-fx watches it or writes to it"):
                Daemon(StudioSettings(folders=(folder,)), Service(store), studio.base / "other state")


@pytest.mark.parametrize("place", ["in", "out"])
@pytest.mark.parametrize("is_outer_first", [True, False])
def test_daemons_never_have_folders_in_one_another(place: str, is_outer_first: bool, tmp_path: Path) -> None:
    outer = {"in": tmp_path / "in", "out": tmp_path / "out"}
    inner = {"in": tmp_path / "in2", "out": tmp_path / "out2", place: tmp_path / place / "song" / "deep"}
    for folder in (*outer.values(), *inner.values()):
        folder.mkdir(parents=True)
    first, second = (outer, inner) if is_outer_first else (inner, outer)
    before = sorted(tmp_path.rglob("*"))
    with begun(tmp_path / "q1", first["in"], first["out"]):
        with (
            pytest.raises(JobError, match="another audiosr-fx watches") as caught,
            begun(tmp_path / "q2", second["in"], second["out"]),
        ):
            pytest.fail("it was let in")
        assert str(tmp_path / place) in str(caught.value)
        assert ("in which it lies" if is_outer_first else "a folder in it") in str(caught.value)
    with begun(tmp_path / "q2", second["in"], second["out"]):
        shutil.rmtree(tmp_path / "q1")
        shutil.rmtree(tmp_path / "q2")
        assert sorted(tmp_path.rglob("*")) == before


def test_daemons_with_folders_side_by_side_go_together(tmp_path: Path) -> None:
    for name in ("a/in", "b/in"):
        (tmp_path / name).mkdir(parents=True)
    with begun(tmp_path / "q1", tmp_path / "a/in", tmp_path / "a/out", tmp_path / "a/out/inner"):
        with begun(tmp_path / "q2", tmp_path / "b/in", tmp_path / "b/out"):
            pass
        assert (tmp_path / "a/out/inner").is_dir()


@contextmanager
def begun(state: Path, input: Path, *outputs: Path) -> Iterator[None]:
    """A daemon that has its folders: one input, and one more beside it for each other output."""
    folders = []
    for number, output in enumerate(outputs):
        place = input if number == 0 else input.with_name(f"{input.name} {number}")
        place.mkdir(exist_ok=True)
        folders.append(FolderSettings(input=place, output=output))
    with JobStore(state) as store:
        daemon = Daemon(StudioSettings(folders=tuple(folders)), Service(store), state)
        daemon.stop()
        try:
            yield
        finally:
            daemon.run()


@pytest.mark.slow
@pytest.mark.parametrize("after", [After.KEEP, After.MOVE])
def test_a_finished_set_gets_a_report_beside_its_results(after: After, studio: Studio) -> None:
    from watchfolder import aftermath

    studio.settings = replace(studio.settings, after=after)
    for name in ("a", "b"):
        studio.drop(f"song/{name}.wav", seed=ord(name))
    studio.drop("alone.wav")
    studio.drop("song two/c.wav", seed=3)
    studio.start(once=True)
    studio.end()
    page = studio.output / "song" / aftermath.REPORT_NAME
    assert "Stem set song" in page.read_text("utf-8")
    assert [path.parent.name for path in studio.output.rglob(aftermath.REPORT_NAME)] == ["song"]

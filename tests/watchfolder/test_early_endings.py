"""Jobs that end before it is noted whose they are, and what follows their end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import pytest
from audio_kinds import some_audio, write_kind
from job_orders import published

from audiosr_fx.errors import ParameterError
from audiosr_fx.jobs.job import Job, Submission
from audiosr_fx.jobs.order import Order
from audiosr_fx.jobs.service import Service
from audiosr_fx.jobs.states import State
from audiosr_fx.jobs.store import JobStore
from watchfolder import aftermath
from watchfolder.aftermath import Aftermath
from watchfolder.folder import WatchedFolder
from watchfolder.intake import Intake
from watchfolder.memory import Memory, Taken
from watchfolder.studio import After, FolderSettings

STEMS = ("alone.wav", "song/a.wav", "song/b.wav")


class KilledError(BaseException):
    """The end of a process, as far as files are concerned."""


class Recording(Memory):
    """Calls somebody just before it notes anything, and says when it is waited for."""

    def __init__(self, folder: Path, before: Callable[[], None]) -> None:
        super().__init__(folder)
        self.before = before
        self.is_waited_for = threading.Event()

    def wait_until_entered(self) -> None:
        if self._entering.locked():
            self.is_waited_for.set()
        super().wait_until_entered()

    def take(self, folder: Path, files: Mapping[str, Taken]) -> None:
        self.before()
        super().take(folder, files)


class SomeRefused(Service):
    """A queue that takes all of its orders but one, of which it says so only when that comes alone."""

    def submit_orders(self, orders: Sequence[Order]) -> list[Submission]:
        if any(order.request.source.name == "refused.wav" for order in orders):
            raise ParameterError("refused")
        return super().submit_orders(orders)


class Run:
    """A daemon's part from the folder to the memory, and what follows; each step when it is asked for."""

    def __init__(self, folder: Path, before_noting: Callable[[Run], None] = lambda run: None) -> None:
        """``before_noting``: called each time when files are in the queue, but are not noted yet."""
        (folder / "in").mkdir(exist_ok=True)
        self.settings = FolderSettings(
            input=folder / "in", output=folder / "out", recursive=True, after=After.MOVE
        )
        self.watched = WatchedFolder(self.settings, lambda: None)
        self.store = JobStore(folder / "state")
        self.memory = Recording(folder / "state", lambda: before_noting(self))
        self.service = SomeRefused(self.store)
        self.aftermath = Aftermath(self.service, self.memory, lambda: False, self._let_go)
        self.given_back: set[str] = set()
        self.follower = threading.Thread(target=self.follow)

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        self.watched.close()
        self.memory.close()
        self.store.close()

    def take_in(self) -> list[str]:
        """Take in what lies there; the names of what is refused."""
        intake = Intake(service=self.service, memory=self.memory, should_cancel=lambda: False)
        self.watched.turn(0.0)
        placed, _ = intake.place(self.watched.turn(60.0))
        return [found.name for _, found in intake.enter(placed)]

    def render_all(self) -> None:
        while self.store.counts()[State.QUEUED]:
            published(self.store, b"a result")

    def follow(self) -> None:
        self.aftermath.turn([self.settings])

    def begin_to_follow(self) -> None:
        """Act in a thread on what has happened, until that has ended, or waits for files to be noted."""
        self.follower.start()
        while self.follower.is_alive() and not self.memory.is_waited_for.wait(0.01):
            pass

    def left(self) -> list[str]:
        """The stems that lie where they were dropped."""
        return [name for name in STEMS if (self.settings.input / name).exists()]

    def _let_go(self, folder: Path, names: Iterable[str]) -> None:
        self.given_back |= set(names)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With a set of two stems and one that is alone, as they were dropped."""
    for seed, name in enumerate(STEMS):
        drop(tmp_path, name, seed)
    return tmp_path


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The stems that each report was made of."""
    told: list[list[str]] = []

    def note(path: Path, jobs: Sequence[Job], should_cancel: Callable[[], bool]) -> None:
        told.append([job.order.request.source.name for job in jobs if job.order.request.source.exists()])

    monkeypatch.setattr(aftermath, "write_set_report", note)
    return told


def drop(folder: Path, name: str, seed: int) -> None:
    path = folder / "in" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    write_kind(path, "pcm16.wav", some_audio(500, seed=seed))


def test_a_set_that_ends_before_it_is_noted_is_moved_aside_after_its_report(
    folder: Path, told: list[list[str]]
) -> None:
    def end_all(run: Run) -> None:
        run.render_all()
        run.begin_to_follow()

    with Run(folder, end_all) as run:
        assert run.take_in() == []
        run.follower.join()
        run.follow()
        assert told == [["a.wav", "b.wav"]]
        assert run.left() == []
        assert run.aftermath.is_done


def test_what_is_lost_before_it_is_noted_is_given_back(folder: Path) -> None:
    def lose_all(run: Run) -> None:
        for job in run.store.jobs():
            run.store.supersede(job.id, "its folder is not there")
        run.begin_to_follow()

    with Run(folder, lose_all) as run:
        run.take_in()
        run.follower.join()
        assert run.given_back == set(STEMS)


def test_a_set_of_which_a_stem_is_refused_is_noted_at_once(folder: Path, told: list[list[str]]) -> None:
    drop(folder, "song/refused.wav", 7)
    with Run(folder, lambda run: run.render_all()) as run:
        assert run.take_in() == ["song/refused.wav"]
        assert len(run.memory.members(next(iter(run.memory.fresh_sets())))) == 2
        run.follow()
        assert told == [["a.wav", "b.wav"]]


def test_what_was_not_noted_before_a_crash_is_as_if_it_had_been(folder: Path, told: list[list[str]]) -> None:
    def die(run: Run) -> None:
        raise KilledError

    with Run(folder, die) as run, pytest.raises(KilledError):
        run.take_in()
    with Run(folder) as run:
        run.render_all()
        run.follow()
        assert run.left() == list(STEMS)
        run.take_in()
        run.follow()
        assert told == [["a.wav", "b.wav"]]
        assert run.left() == []
        assert len(run.store.jobs()) == len(STEMS)

"""A model of the queue for hypothesis to play with: jobs, kills at any file operation or step of the store,
jumps of the clock, and others who meddle with the outputs. It ships with bugs that it must find.
"""

from __future__ import annotations

import functools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar

import pytest
from fake_renderers import expected_content, is_whole
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from inline_worker import write_result
from job_orders import make_order, new_source
from nightly import IS_NIGHT

from audiosr_fx.errors import JobError
from audiosr_fx.jobs.job import Job
from audiosr_fx.jobs.order import Order, hash_file
from audiosr_fx.jobs.publish import Publisher
from audiosr_fx.jobs.request import Collision
from audiosr_fx.jobs.states import State
from audiosr_fx.jobs.store import JobStore
from audiosr_fx.jobs.task import Task

OPERATIONS = ("open", "write", "fsync", "link", "unlink", "rename", "replace", "mkdir", "rmdir")
STEPS = ("begin_publishing", "rename", "finish", "take", "hand_back", "supersede")
TEN_YEARS_S = 315_360_000.0
DECADES = st.sampled_from([-TEN_YEARS_S, TEN_YEARS_S])
CRASHES = st.none() | st.integers(1, 30)


class Killed(BaseException):
    """What happens to a process that is killed: nothing after it, not even its clean-up."""


@contextmanager
def killed_at(operation: int | None) -> Iterator[None]:
    """Let the n-th file operation, or step of the store, be the last thing that is done inside."""
    count = 0

    def guarded(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*arguments: Any, **more: Any) -> Any:
            nonlocal count
            count += 1
            if operation is not None and count >= operation:
                if function.__name__ == "write" and count == operation:
                    function(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
                raise Killed
            return function(*arguments, **more)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in OPERATIONS:
            patch.setattr(os, name, guarded(getattr(os, name)))
        for name in STEPS:
            patch.setattr(JobStore, name, guarded(getattr(JobStore, name)))
        with suppress(Killed):
            yield


class Queue(RuleBasedStateMachine):
    """The real store and publisher over a real folder; only the worker is played."""

    publisher_type: ClassVar[type[Publisher]] = Publisher
    store_type: ClassVar[type[JobStore]] = JobStore

    @initialize()
    def begin(self) -> None:
        place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.folder = Path(tempfile.mkdtemp(dir=place))
        self.now = 1.0e9
        self.wanted: dict[str, Order] = {}
        self.theirs: dict[str, bytes] = {}
        self.replaceable: set[str] = set()  # names of theirs that some job was told to replace
        self.sources: dict[Path, bytes] = {}
        self.ended: set[str] = set()
        self.open()

    def open(self) -> None:
        self.store = self.store_type(self.folder / "state", wall_clock=lambda: self.now)
        self.publisher = self.publisher_type(self.store)

    def restart(self) -> None:
        """What a service does when it starts, after whatever end the one before had."""
        self.store.close()
        self.open()
        for job in self.store.recover():
            self.publisher.recover(job)
        self.publisher.sweep()

    @rule(number=st.integers(0, 3), name=st.sampled_from(["a.wav", "A.wav", "b.wav"]), replace=st.booleans())
    def submit(self, number: int, name: str, replace: bool) -> None:
        source = self.folder / "in" / f"{number}.wav"
        if source not in self.sources:
            self.sources[source] = f"content {number}".encode()
            new_source(source.parent, source.name, self.sources[source])
        collision = Collision.REPLACE if replace else Collision.SUFFIX
        order = make_order(source, self.folder / "out", name, collision=collision)
        done = self.store.submit(order)
        if done.job is not None and done.job.state not in (State.CANCELLED, State.SUPERSEDED):
            self.wanted[order.key] = order
            if replace:
                self.theirs.pop(done.job.output_name, None)
                self.replaceable.add(done.job.output_name)

    @rule(crash=CRASHES)
    def work(self, crash: int | None) -> None:
        """Take a job, render and publish it; or die in the middle, and start anew."""
        with killed_at(crash):
            job = self.store.take()
            if job is not None:
                self.publisher.publish(job, self.render(job), {})
        self.no_file_is_half_and_none_of_theirs_is_touched()  # as a reader sees it, before it is mended
        if crash is not None:
            self.restart()

    @rule(crash=CRASHES)
    def work_as_a_zombie(self, crash: int | None) -> None:
        """A worker that was thought dead comes back with its result after another has taken the job."""
        old = self.store.take()
        if old is None:
            return
        digest = self.render(old)
        self.store.hand_back(old.id, old.token, "no sign of life")
        new = self.store.take()
        assert new is not None
        with killed_at(crash):
            with pytest.raises(JobError):
                self.publisher.publish(old, digest, {})
            if new.id == old.id:
                self.publisher.publish(new, self.render(new), {})
        self.restart()

    def render(self, job: Job) -> str:
        staged = self.publisher.prepare(job)
        write_result(Task(order=job.order, destination=staged))
        return hash_file(staged)

    @rule(seconds=DECADES)
    def the_clock_jumps(self, seconds: float) -> None:
        self.now += seconds

    @rule(name=st.sampled_from(["a.wav", "b.wav", "a-2.wav"]))
    def somebody_puts_a_file_there(self, name: str) -> None:
        path = self.folder / "out" / name
        path.parent.mkdir(exist_ok=True)
        if not path.exists():
            path.write_bytes(expected_content(b"theirs"))
            if name not in self.replaceable:
                self.theirs[name] = path.read_bytes()

    @rule(number=st.integers(1, 6))
    def cancel(self, number: int) -> None:
        with suppress(JobError):
            job = self.store.cancel(number)
            self.wanted.pop(job.key, None)

    @rule()
    def start_anew(self) -> None:
        self.restart()

    @invariant()
    def no_file_is_half_and_none_of_theirs_is_touched(self) -> None:
        if not hasattr(self, "folder") or not (self.folder / "out").exists():
            return
        for path in (self.folder / "out").glob("[!.]*.wav"):
            assert is_whole(path.read_bytes()), f"{path.name} is half"
        for name, content in self.theirs.items():
            assert (self.folder / "out" / name).read_bytes() == content, f"{name} was theirs"

    @invariant()
    def done_means_that_the_file_was_there(self) -> None:
        if hasattr(self, "folder"):
            for job in self.store.jobs([State.DONE]):
                others = [other for other in self.store.jobs([State.DONE]) if other.output == job.output]
                may_be_another = job.order.output_is_replaced or len(others) > 1
                assert may_be_another or hash_file(job.output) == job.output_sha256

    def teardown(self) -> None:
        if not hasattr(self, "folder"):
            return
        try:
            self.restart()
            while (job := self.store.take()) is not None:
                self.publisher.publish(job, self.render(job), {})
            self.check_end()
        finally:
            self.store.close()
            shutil.rmtree(self.folder)

    def check_end(self) -> None:
        """All that was asked for is there once, the sources are as they were, and nothing else is left."""
        jobs = {job.key: job for job in self.store.jobs()}
        superseded = {key for key, job in jobs.items() if job.state is State.SUPERSEDED}
        for key in self.wanted:
            job = jobs[key]
            source = job.order.request.source
            others = {one.key for one in jobs.values() if one.order.request.source == source} - {key}
            assert job.state is State.DONE or (key in superseded and others)
            if job.state is State.DONE and not job.order.output_is_replaced:
                # One that was told to replace may have come after it, so the file is that of one of them.
                same = [one for one in jobs.values() if one.state is State.DONE and one.output == job.output]
                sources = [self.sources[one.order.request.source] for one in same]
                assert job.output.read_bytes() in map(expected_content, sources)
                assert len(same) == 1 or any(one.order.output_is_replaced for one in same)
        assert {path: path.read_bytes() for path in self.sources} == self.sources
        of_sources = {
            (job.output, job.order.request.source) for job in jobs.values() if job.state is State.DONE
        }
        made = {output.name for output, _ in of_sources}
        assert len(made) == len(of_sources), "one source's output was replaced by another's"
        files = {path.name for path in self.folder.glob("out/*.wav")}
        # What is replaced under a name that differs in case stays, where the file system tells them apart.
        replaced = {name.casefold() for name in self.replaceable}
        there, expected = (
            {name for name in names if name.casefold() not in replaced}
            for names in (files, self.theirs.keys() | made)
        )
        assert there == expected
        assert made <= files
        assert not list(self.folder.glob("out/.*"))


class HalfPublisher(Publisher):
    """A bug: the file is written under its own name."""

    def _complete(self, job: Job) -> Job:
        content = self._staged(job).read_bytes()
        descriptor = os.open(job.output, os.O_CREAT | os.O_WRONLY)
        for start in range(0, len(content), 5_000):
            os.write(descriptor, content[start : start + 5_000])
        os.close(descriptor)
        return self._conclude(job)


class HastyPublisher(Publisher):
    """A bug: done is said before the file has its name."""

    def _complete(self, job: Job) -> Job:
        done = self._store.finish(job.id, job.token)
        with suppress(FileExistsError):
            os.link(self._staged(job), job.output)
        self.discard(job)
        return done


class RudePublisher(Publisher):
    """A bug: what has the name is replaced, whoever it belongs to."""

    def _complete(self, job: Job) -> Job:
        os.replace(self._staged(job), job.output)
        return self._conclude(job)


class TrustingStore(JobStore):
    """A bug: whoever comes with a result is believed."""

    def _held(self, id: int, token: int, *states: State) -> Job:
        return super()._held(id, self.get(id).token, *states)


def play(machine: type[Queue], examples: int, *, for_bugs: bool = False) -> None:
    """Play so often; for planted bugs the same plays each time, up to the first that finds one."""
    chosen = settings(
        derandomize=for_bugs,
        max_examples=examples,
        stateful_step_count=12,
        deadline=None,
        database=None,
        phases=(Phase.generate,) if for_bugs else tuple(Phase),  # a bug need not be shown at its smallest
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    run_state_machine_as_test(machine, settings=chosen)


def test_the_queue_keeps_its_promises_whatever_happens() -> None:
    play(Queue, 25)


@pytest.mark.slow
def test_the_queue_keeps_its_promises_in_many_more_plays() -> None:
    play(Queue, 1_000 if IS_NIGHT else 150)


@pytest.mark.parametrize(
    "bug",
    [
        HastyPublisher,
        RudePublisher,
        TrustingStore,
        pytest.param(HalfPublisher, marks=pytest.mark.slow),
    ],
)
def test_every_planted_bug_is_found(bug: type[Any]) -> None:
    kind = "store_type" if issubclass(bug, JobStore) else "publisher_type"
    machine = type("Buggy", (Queue,), {kind: bug})
    with pytest.raises((AssertionError, ExceptionGroup, pytest.fail.Exception, OSError)):
        play(machine, 1_500, for_bugs=True)

from __future__ import annotations

import errno
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from fake_renderers import expected_content
from inline_worker import InlineWorker
from job_orders import FAKE, make_order, new_order, new_source, outputs

from audiosr_fx.errors import JobError, ParameterError, StorageError
from audiosr_fx.jobs import pause
from audiosr_fx.jobs.job import Job
from audiosr_fx.jobs.manifest import find_manifest
from audiosr_fx.jobs.parking import Parking
from audiosr_fx.jobs.publish import Publisher
from audiosr_fx.jobs.service import Service
from audiosr_fx.jobs.settling import FAULT
from audiosr_fx.jobs.states import State
from audiosr_fx.jobs.store import JobStore
from audiosr_fx.jobs.waiting import Waiting

WAIT_S = 60.0


@pytest.fixture
def service(store: JobStore) -> Iterator[Service]:
    with Service(store, renderer=FAKE) as started:
        yield started


def submitted(service: Service, tmp_path: Path, content: str, name: str = "stem.wav") -> Job:
    job = service.submit_order(new_order(tmp_path, name, content.encode())).job
    assert job is not None
    return job


def until(service: Service, job: int, state: State) -> Job:
    """Wait until a job has come to a state, or by it."""
    last = 0
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        for event in service.events(last, job=job, wait_s=1.0):
            last = event.id
            if event.new is state:
                return service.store.get(job)
    raise AssertionError(f"job {job} never was {state}: {service.store.events(job=job)}")


def moves(service: Service, job: int) -> list[State]:
    return [event.new for event in service.store.events(job=job) if event.is_move]


def test_what_is_submitted_is_rendered_and_published_with_its_manifest(
    tmp_path: Path, service: Service
) -> None:
    job = service.wait(submitted(service, tmp_path, "plain").id, WAIT_S)
    assert job.state is State.DONE
    assert job.output.read_bytes() == expected_content(b"plain")
    manifest = find_manifest(job.output)
    assert manifest is not None
    assert manifest.order == job.order
    assert manifest.result["device"] == "auto"
    assert outputs(tmp_path) == ["stem.wav"]


def test_the_model_stays_warm_from_job_to_job(tmp_path: Path, service: Service) -> None:
    pids = set()
    for number in range(3):
        job = service.wait(submitted(service, tmp_path, f"{number}", f"{number}.wav").id, WAIT_S)
        pids.add(job.result["pid"])
    assert len(pids) == 1
    assert os.getpid() not in pids


def test_two_devices_work_at_once(tmp_path: Path, store: JobStore) -> None:
    with Service(store, devices=("cpu", "cuda:1"), renderer=FAKE) as service:
        jobs = [submitted(service, tmp_path, f"slow {number}", f"{number}.wav") for number in range(2)]
        moving: set[int] = set()
        last = 0
        while len(moving) < 2:
            for event in service.events(last, wait_s=WAIT_S):
                last = event.id
                moving |= set() if event.is_move else {event.job}
        running = [worker["job"] for worker in service.status()["workers"]]
        assert sorted(running) == [job.id for job in jobs]
        for job in jobs:
            service.cancel(job.id)


MISHAPS = {
    "bad-audio": "the file is damaged: copy or export it again",
    "fault": "ZeroDivisionError: division by zero",
    "odd-text": r"ValueError: \udcff \x1b[2J is no name",
    "always-memory": "memory ran out, in small batches too",
    "segfault": "3 times over it; the last time: killed by SIGSEGV",
}
MORE_MISHAPS = {"abort": "killed by SIGABRT", "kill": "killed by SIGKILL", "exit": "exit code 3"}


@pytest.mark.parametrize("mishaps", [MISHAPS, pytest.param(MORE_MISHAPS, marks=pytest.mark.slow)])
def test_jobs_that_cannot_be_done_fail_with_their_reasons_and_others_go_on(
    tmp_path: Path, service: Service, mishaps: dict[str, str]
) -> None:
    bad = {content: submitted(service, tmp_path, content, f"{content}.wav") for content in mishaps}
    good = submitted(service, tmp_path, "plain", "good.wav")
    for content, job in bad.items():
        failed = service.wait(job.id, WAIT_S)
        assert failed.state is State.FAILED
        assert mishaps[content] in failed.reason
    assert service.wait(good.id, WAIT_S).state is State.DONE
    assert outputs(tmp_path) == ["good.wav"]


def test_every_crash_is_told_with_its_job_and_its_reason(
    tmp_path: Path, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    job = submitted(service, tmp_path, "kill")
    assert service.wait(job.id, WAIT_S).state is State.FAILED
    again = (
        f"job {job.id}: its renderer ended (killed by SIGKILL, as where memory runs out); it is tried again"
    )
    assert caplog.messages.count(again) == 2


class FaultyPublisher(Publisher):
    """Has a fault of its own with a name."""

    def publish(self, job: Job, output_sha256: str, result: Mapping[str, Any]) -> Job:
        if job.output_name == "bad.wav":
            raise ZeroDivisionError
        return super().publish(job, output_sha256, result)

    def recover(self, job: Job) -> Job:
        if job.output_name == "bad.wav":
            raise ZeroDivisionError
        return super().recover(job)


def test_a_job_over_which_the_service_itself_has_a_fault_holds_up_nobody(
    tmp_path: Path, store: JobStore, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = (store.submit(new_order(tmp_path, name)).job for name in ("bad.wav", "good.wav"))
    assert bad is not None
    assert good is not None
    with Service(store, renderer=FAKE, publisher=FaultyPublisher(store)) as service:
        assert service.wait(bad.id, WAIT_S).reason == FAULT
        assert service.wait(good.id, WAIT_S).state is State.DONE
    store.retry(bad.id)
    taken = store.take()
    assert taken is not None
    store.begin_publishing(taken.id, taken.token, "0" * 64, {})
    with Service(store, renderer=FAKE, publisher=FaultyPublisher(store)):
        assert store.get(bad.id).state is State.FAILED
    assert caplog.text.count("a fault of the job service over job 1") == 2
    assert outputs(tmp_path) == ["good.wav"]


def test_workers_can_be_told_of_while_they_end_their_jobs(tmp_path: Path, store: JobStore) -> None:
    class Ending(InlineWorker):
        """Has ended its job when it is asked again."""

        seen: ClassVar[list[Job | None]] = []

        @property
        def job(self) -> Job | None:
            return self.seen.pop() if self.seen else None

        @job.setter
        def job(self, job: Job | None) -> None: ...

    job = store.submit(new_order(tmp_path)).job
    assert job is not None
    Ending.seen.append(job)
    service = Service(store, make_worker=Ending)
    assert [worker["job"] for worker in service.status()["workers"]] == [job.id]
    assert [worker["job"] for worker in service.status()["workers"]] == [None]


@pytest.mark.parametrize("mishap", ["fault", "kill", "memory"])
def test_what_goes_wrong_once_is_done_the_second_time(tmp_path: Path, service: Service, mishap: str) -> None:
    job = submitted(service, tmp_path, f"once {tmp_path / 'happened'} {mishap}")
    done = service.wait(job.id, WAIT_S)
    assert done.state is State.DONE
    assert done.attempts == 2
    assert done.result["small"] == (mishap == "memory")


def test_a_worker_that_is_silent_about_its_job_is_ended(tmp_path: Path, store: JobStore) -> None:
    with Service(store, renderer=FAKE, stall_s=0.5) as service:
        job = service.wait(submitted(service, tmp_path, "hang").id, WAIT_S)
        assert job.state is State.FAILED
        assert "no progress for" in job.reason


@pytest.mark.parametrize("content", ["slow", "deaf"])
def test_a_cancelled_job_leaves_nothing_and_the_worker_goes_on(
    tmp_path: Path, service: Service, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    job = submitted(service, tmp_path, content)
    until(service, job.id, State.RUNNING)
    assert service.cancel(job.id).state is State.CANCELLED
    if content == "deaf":  # forgotten while the worker still has it
        assert service.clear([State.CANCELLED]) == 1
    other = submitted(service, tmp_path, "plain", "other.wav")
    assert service.wait(other.id, WAIT_S).state is State.DONE
    assert outputs(tmp_path) == ["other.wav"]
    assert content == "deaf" or moves(service, job.id)[-1] is State.CANCELLED
    assert f"job {job.id} was cancelled or changed meanwhile; its result is not kept" in caplog.messages


def test_a_queued_job_can_be_cancelled_and_asked_for_again(tmp_path: Path, service: Service) -> None:
    first = submitted(service, tmp_path, "slow", "first.wav")
    until(service, first.id, State.RUNNING)
    second = submitted(service, tmp_path, "plain", "second.wav")
    service.cancel(second.id)
    service.cancel(first.id)
    with pytest.raises(JobError, match="is cancelled and cannot become cancelled"):
        service.cancel(second.id)
    service.retry(second.id)
    assert service.wait(second.id, WAIT_S).state is State.DONE


class LatePublisher(Publisher):
    """Something happens once, when a file is rendered and about to be published."""

    def __init__(self, store: JobStore, happens: Callable[[Job], object]) -> None:
        super().__init__(store)
        self._happens = [happens]

    def publish(self, job: Job, output_sha256: str, result: Mapping[str, Any]) -> Job:
        if self._happens:
            self._happens.pop()(job)
        return super().publish(job, output_sha256, result)


def test_a_source_that_changes_meanwhile_is_not_published(tmp_path: Path, store: JobStore) -> None:
    publisher = LatePublisher(store, lambda job: job.order.request.source.write_bytes(b"plain, and new"))
    with Service(store, renderer=FAKE, publisher=publisher) as service:
        job = service.wait(submitted(service, tmp_path, "plain").id, WAIT_S)
        assert job.state is State.SUPERSEDED
        assert "changed while it was rendered" in job.reason
        assert outputs(tmp_path) == []
        again = service.submit_order(make_order(job.order.request.source, tmp_path / "out")).job
        assert again is not None
        assert service.wait(again.id, WAIT_S).output.read_bytes() == expected_content(b"plain, and new")
    assert outputs(tmp_path) == ["stem.wav"]


def test_a_source_that_is_gone_when_its_turn_comes_is_rendered_when_it_is_asked_for_again(
    tmp_path: Path, service: Service
) -> None:
    first, job = (submitted(service, tmp_path, *one) for one in (("slow", "a.wav"), ("plain", "b.wav")))
    source = job.order.request.source
    source.rename(tmp_path / "away")
    service.cancel(first.id)
    gone = service.wait(job.id, WAIT_S)
    assert gone.state is State.SUPERSEDED
    assert gone.reason.endswith("b.wav is not there any more")
    (tmp_path / "away").rename(source)
    again = service.submit_order(job.order).job
    assert again is not None
    assert again.id == job.id
    assert service.wait(job.id, WAIT_S).state is State.DONE


def test_a_name_that_is_taken_while_it_is_rendered_gets_a_number(tmp_path: Path, store: JobStore) -> None:
    publisher = LatePublisher(store, lambda job: job.output.write_bytes(b"theirs"))
    with Service(store, renderer=FAKE, publisher=publisher) as service:
        job = service.wait(submitted(service, tmp_path, "plain").id, WAIT_S)
    assert (job.state, job.output.name) == (State.DONE, "stem-2.wav")
    assert outputs(tmp_path) == ["stem-2.wav", "stem.wav"]
    assert (tmp_path / "out" / "stem.wav").read_bytes() == b"theirs"


@pytest.mark.parametrize("lack", ["full", "device"])
def test_what_is_missing_parks_the_queue_which_heals_by_itself(
    tmp_path: Path, service: Service, lack: str
) -> None:
    job = submitted(service, tmp_path, f"once {tmp_path / 'happened'} {lack}")
    until(service, job.id, State.PARKED)
    done = service.wait(job.id, WAIT_S)
    assert done.state is State.DONE
    assert (done.crashes, done.errors) == (0, 0)
    assert moves(service, job.id)[2:5] == [State.PARKED, State.QUEUED, State.RUNNING]


@pytest.mark.parametrize("number", [errno.EROFS, errno.ESTALE])
def test_a_folder_of_outputs_that_is_away_or_read_only_parks_the_queue_which_heals_by_itself(
    number: int, tmp_path: Path, store: JobStore
) -> None:
    class Away(Publisher):
        """Finds the folder away at first."""

        left: ClassVar[list[int]] = [number]

        def prepare(self, job: Job) -> Path:
            if self.left:
                raise OSError(self.left.pop(), os.strerror(number))
            return super().prepare(job)

    job = store.submit(new_order(tmp_path)).job
    assert job is not None
    with Service(store, make_worker=InlineWorker, publisher=Away(store)) as service:
        done = service.wait(job.id, WAIT_S)
        assert done.state is State.DONE
        parked = next(event for event in store.events(job=job.id) if event.new is State.PARKED)
    assert parked.reason == f"{tmp_path / 'out'}: cannot be written to ({os.strerror(number)})"


def test_a_full_disk_lets_nothing_start_and_says_why(tmp_path: Path, service: Service) -> None:
    parked = submitted(service, tmp_path, "full", "a.wav")
    until(service, parked.id, State.PARKED)
    reasons = [event.reason for event in service.store.events(job=parked.id) if event.new is State.PARKED]
    assert "No space left on device" in reasons[0]
    service.cancel(parked.id)
    other = submitted(service, tmp_path, "plain", "b.wav")
    assert service.wait(other.id, WAIT_S).state is State.DONE


def test_a_job_that_never_fits_holds_up_nobody(tmp_path: Path, service: Service) -> None:
    big = service.submit_order(new_order(tmp_path, "a.wav", b"full", priority=10)).job
    assert big is not None
    small = [submitted(service, tmp_path, f"plain {number}", f"{number}.wav") for number in range(2)]
    for job in small:
        assert service.wait(job.id, WAIT_S).state is State.DONE
    assert service.store.get(big.id).state.is_live


def test_a_job_that_never_fits_is_tried_ever_more_rarely_while_there_are_others(
    tmp_path: Path, store: JobStore
) -> None:
    now = 0.0
    with Service(store, renderer=FAKE, clock=lambda: now) as service:
        big = submitted(service, tmp_path, "full", "big.wav")
        until(service, big.id, State.PARKED)
        for wait_s, tries in ((0.5, 2), (1.0, 3), (2.0, 4)):
            small = [
                submitted(service, tmp_path, f"{tries} {number}", f"{tries} {number}.wav")
                for number in range(12)
            ]
            now += pause.FIRST_S  # the queue goes on; with the big one only when its own wait is over
            if wait_s > pause.FIRST_S:
                for job in small:
                    assert service.wait(job.id, WAIT_S).state is State.DONE
                assert service.store.get(big.id).attempts == tries - 1
                now += wait_s
            known = service.store.get(big.id)
            while (known.attempts, known.state) != (tries, State.PARKED):
                service.events(service.store.last_event(), wait_s=0.1)
                known = service.store.get(big.id)


def test_what_was_parked_when_the_service_ended_is_tried_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with JobStore(tmp_path / "state") as store:
        with monkeypatch.context() as resting, Service(store, renderer=FAKE) as service:
            resting.setattr(pause, "FIRST_S", 60.0)
            job = submitted(service, tmp_path, f"once {tmp_path / 'happened'} device")
            until(service, job.id, State.PARKED)
            service.stop()
        assert store.get(job.id).state is State.PARKED
    with JobStore(tmp_path / "state") as store, Service(store, renderer=FAKE) as service:
        assert service.wait(job.id, WAIT_S).state is State.DONE


@pytest.mark.parametrize("is_idle", [False, True])
def test_parked_jobs_wait_longer_each_time_and_least_where_nothing_else_waits(is_idle: bool) -> None:
    now = 0.0
    parking = Parking(lambda: now)
    waits = []
    for _ in range(9):
        parking.put(7)
        assert parking.due(is_idle=is_idle) == []
        since = now
        while not parking.due(is_idle=is_idle):
            now += 0.5
        waits.append(now - since)
        parking.take_out([7], [7])
        assert parking.due(is_idle=is_idle) == []  # it is tried just now
    assert waits == [0.5, 1, 2, 4, *([5] * 5 if is_idle else [8, 16, 32, 60, 60])]
    parking.forget(7)
    parking.put(7)
    now += 0.5
    assert parking.due() == [7]
    parking.take_out([7], [])  # cancelled meanwhile
    assert parking.due(is_idle=True) == []


def test_a_second_reason_to_rest_is_told_too_and_makes_no_rest_longer() -> None:
    rest = pause.Pause(lambda: 0.0)
    assert rest.begin("full", "disk")
    assert rest.begin("no device", "device")
    assert not rest.begin("no device", "device")
    assert (rest.reason, rest.until) == ("full", 0.5)


def test_rests_grow_and_begin_short_again_once_something_works() -> None:
    now = 0.0
    rest = pause.Pause(lambda: now)
    waits = []
    for turn in range(6):
        assert rest.begin("full", "disk") is (turn == 0)  # people hear of it once
        assert not rest.begin("full", "disk")  # told twice, it is not longer
        waits.append(rest.until - now)
        now = rest.until
        assert rest.is_over
        rest.end()
    assert waits == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]
    assert rest.forget()
    assert not rest.forget()
    assert rest.begin("no device", "device")
    assert rest.until - now == 0.5


def test_what_had_not_been_tried_begins_a_new_row_of_rests() -> None:
    now = 0.0
    rest = pause.Pause(lambda: now)
    waits = []
    for is_news in (True, True, False, False, True, False):
        rest.begin("full", "disk", is_news=is_news)
        waits.append((rest.until - now, rest.rests))
        assert rest.is_in_vain
        now = rest.until
        rest.end()
    assert waits == [(0.5, 1), (0.5, 1), (1.0, 2), (2.0, 3), (0.5, 1), (1.0, 2)]


def test_what_there_was_no_room_for_lets_all_go_ahead_that_was_not_tried(
    tmp_path: Path, store: JobStore
) -> None:
    now = 0.0
    waiting = Waiting(store, lambda: now)
    for number in range(12):  # by their turns the first would be tried a second time before the last
        store.submit(new_order(tmp_path, f"{number}.wav", b"%d" % number))
    order = []
    for _ in range(13):
        job = waiting.next(untried_first=True)
        assert job is not None
        order.append(job.id)
        assert waiting.park(job, "no room") is (len(order) <= 12)
        now += 60.0
    assert order == [*range(1, 13), 1]
    assert store.get(2).reason == "tries again: no room"


def test_stopping_hands_back_what_runs_and_the_next_start_does_it(tmp_path: Path) -> None:
    with JobStore(tmp_path / "state") as store:
        with Service(store, renderer=FAKE) as service:
            job = submitted(service, tmp_path, f"once {tmp_path / 'happened'} hang")
            until(service, job.id, State.RUNNING)
            pid = service.status()["workers"][0]["pid"]
            service.stop(grace_s=0.2)
        now = store.get(job.id)
        assert (now.state, now.attempts) == (State.QUEUED, 0)
        assert not (tmp_path / "out").exists() or outputs(tmp_path) == []
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    (tmp_path / "happened").write_bytes(b"")
    with JobStore(tmp_path / "state") as store, Service(store, renderer=FAKE) as service:
        assert service.wait(job.id, WAIT_S).state is State.DONE


def test_a_service_that_was_stopped_can_be_started_anew(tmp_path: Path, store: JobStore) -> None:
    for number in range(2):
        with Service(store, renderer=FAKE) as service:
            assert service.wait(submitted(service, tmp_path, f"{number}").id, WAIT_S).state is State.DONE


def test_draining_waits_for_all_and_gives_up_when_it_is_told(tmp_path: Path, service: Service) -> None:
    assert service.drain(0.0)
    for number in range(5):
        submitted(service, tmp_path, f"{number}", f"{number}.wav")
    assert service.drain(WAIT_S)
    assert len(outputs(tmp_path)) == 5
    slow = submitted(service, tmp_path, "slow")
    assert not service.drain(0.05)
    service.cancel(slow.id)


def test_progress_can_be_followed(tmp_path: Path, service: Service) -> None:
    job = submitted(service, tmp_path, "slow")
    last = 0
    heard: list[float] = []
    while not heard:
        for event in service.events(last, wait_s=WAIT_S):
            last = event.id
            if not event.is_move:
                heard.append(event.progress)
    assert heard == [0.25]
    assert service.store.get(job.id).progress == 0.25
    service.cancel(job.id)


def test_a_worker_that_cannot_start_leaves_jobs_queued(
    tmp_path: Path, store: JobStore, caplog: pytest.LogCaptureFixture
) -> None:
    with Service(store, renderer="no_such_module:render") as service:
        job = submitted(service, tmp_path, "plain")
        end = time.monotonic() + WAIT_S
        while "a worker did not start" not in caplog.text and time.monotonic() < end:
            service.events(service.store.last_event(), wait_s=0.05)
        assert store.get(job.id).state is State.QUEUED
    assert "a worker did not start (exit code 1)" in caplog.text
    assert "No module named 'no_such_module'" in caplog.text


def test_a_database_that_takes_nothing_for_a_while_loses_nothing(
    tmp_path: Path, store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each step of the store fails once, as on a disk that was full for a moment."""
    monkeypatch.setattr(pause, "FIRST_S", 0.01)
    monkeypatch.setattr(pause, "LONGEST_S", dict.fromkeys(pause.LONGEST_S, 0.02))
    failed: set[str] = set()

    def failing_once(name: str, method: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **more: object) -> object:
            if name not in failed:
                failed.add(name)
                raise StorageError("disk I/O error")
            return method(*arguments, **more)

        return call

    for name in ("take", "begin_publishing", "finish", "park", "unpark", "note_crash"):
        monkeypatch.setattr(store, name, failing_once(name, getattr(store, name)))
    with Service(store, renderer=FAKE) as service:
        contents = ["plain", f"once {tmp_path / '1'} full", f"once {tmp_path / '2'} kill"]
        for number, content in enumerate(contents):
            submitted(service, tmp_path, content, f"{number}.wav")
        assert service.drain(WAIT_S)
    assert failed == {"take", "begin_publishing", "finish", "park", "unpark", "note_crash"}
    assert outputs(tmp_path) == ["0.wav", "1.wav", "2.wav"]


def test_a_folder_that_cannot_be_made_fails_the_job_alone(tmp_path: Path, service: Service) -> None:
    (tmp_path / "file").write_bytes(b"")
    source = new_source(tmp_path / "in", "a.wav", b"plain")
    job = service.submit_order(make_order(source, tmp_path / "file" / "out")).job
    assert job is not None
    failed = service.wait(job.id, WAIT_S)
    assert failed.state is State.FAILED
    assert "cannot be written to (Not a directory)" in failed.reason


def test_a_killed_worker_is_replaced(tmp_path: Path, service: Service) -> None:
    job = submitted(service, tmp_path, "slow")
    until(service, job.id, State.RUNNING)
    pid = service.status()["workers"][0]["pid"]
    os.kill(pid, signal.SIGKILL)
    until(service, job.id, State.QUEUED)
    service.cancel(job.id)
    other = service.wait(submitted(service, tmp_path, "plain", "other.wav").id, WAIT_S)
    assert other.state is State.DONE
    assert other.result["pid"] != pid


def test_leftovers_of_this_store_are_swept_and_no_others(tmp_path: Path) -> None:
    with JobStore(tmp_path / "state") as store:
        order = new_order(tmp_path)
        store.submit(order)
        mine = tmp_path / "out" / f".audiosr_fx-{store.name}-7-3.part"
        theirs = tmp_path / "out" / ".audiosr_fx-00000000-7-3.part"
        for folder in (mine, theirs):
            folder.mkdir(parents=True)
            (folder / "stem.wav").write_bytes(b"half")
        with Service(store, renderer=FAKE) as service:
            assert service.drain(WAIT_S)
        assert outputs(tmp_path) == [theirs.name, "stem.wav"]


def test_many_threads_may_submit_at_once(tmp_path: Path, service: Service) -> None:
    orders = [new_order(tmp_path, f"{number}.wav", str(number).encode()) for number in range(8)]
    done: list[int] = []

    def submit() -> None:
        done.extend(s.job.id for s in service.submit_orders(orders) if s.job is not None)

    threads = [threading.Thread(target=submit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == sorted(list(range(1, 9)) * 4)
    assert service.drain(WAIT_S)
    assert len(outputs(tmp_path)) == 8


def test_a_service_needs_a_worker(store: JobStore) -> None:
    with pytest.raises(ParameterError, match="devices is"):
        Service(store, devices=())


def test_sources_are_left_as_they_were(tmp_path: Path, service: Service) -> None:
    sources = []
    for number, content in enumerate(["plain", "bad-audio", "segfault"]):
        sources.append(submitted(service, tmp_path, content, f"{number}.wav").order.request.source)
    before = [(path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ctime_ns) for path in sources]
    assert service.drain(WAIT_S)
    assert before == [
        (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ctime_ns) for path in sources
    ]
    assert sorted(os.listdir(tmp_path / "in")) == ["0.wav", "1.wav", "2.wav"]


def test_a_wanted_priority_is_kept(tmp_path: Path, store: JobStore) -> None:
    low, high = new_order(tmp_path, "low.wav", b"low"), new_order(tmp_path, "high.wav", b"high")
    store.submit_all([low, replace(high, request=replace(high.request, priority=10))])
    with Service(store, renderer=FAKE) as service:
        assert service.drain(WAIT_S)
        order = [event.job for event in store.events() if event.new is State.RUNNING and event.is_move]
    assert order == [2, 1]

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from job_orders import new_order, outputs, taken

from audiosr_fx.jobs.job import Job
from audiosr_fx.jobs.manifest import find_manifest
from audiosr_fx.jobs.order import hash_file
from audiosr_fx.jobs.publish import Publisher
from audiosr_fx.jobs.request import Collision
from audiosr_fx.jobs.states import State
from audiosr_fx.jobs.store import JobStore


class Killed(BaseException):
    """Stands for the end of the process."""


def rendered(store: JobStore, publisher: Publisher) -> Job:
    """The next job, with a file that waits to be published."""
    job = taken(store)
    publisher.prepare(job).write_bytes(b"result")
    return job


def brought_out(publisher: Publisher, job: Job) -> Job:
    return publisher.publish(job, hash_file(publisher._staged(job)), {"peak": 0.5})


def someone_elses(folder: Path) -> Path:
    """A file that took the job's name while it was rendered."""
    path = folder / "out" / "stem.wav"
    path.write_bytes(b"theirs")
    return path


@pytest.mark.parametrize(("end", "state"), [("finish", State.DONE), ("supersede", State.SUPERSEDED)])
def test_when_a_job_has_ended_the_folder_of_outputs_is_as_it_will_be(
    end: str, state: State, tmp_path: Path, store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    say: Callable[..., Job] = getattr(store, end)

    def look_and_say(*told: Any) -> Job:
        seen.append(outputs(tmp_path))
        return say(*told)

    monkeypatch.setattr(store, end, look_and_say)
    store.submit(new_order(tmp_path, collision=Collision.SKIP))
    publisher = Publisher(store)
    job = rendered(store, publisher)
    if end == "supersede":
        someone_elses(tmp_path)
    assert brought_out(publisher, job).state is state
    assert seen == [["stem.wav"]] == [outputs(tmp_path)]


def killed_before(said: str, store: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Publish, and end just before the store is told."""

    def be_killed(*_: Any) -> Job:
        raise Killed

    publisher = Publisher(store)
    job = rendered(store, publisher)
    if said == "supersede":
        someone_elses(store.folder.parent)
    with monkeypatch.context() as short:
        short.setattr(store, said, be_killed)
        with pytest.raises(Killed):
            brought_out(publisher, job)


def test_a_kill_before_done_is_said_changes_nothing(
    tmp_path: Path, store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = new_order(tmp_path)
    store.submit(order)
    killed_before("finish", store, monkeypatch)
    (left,) = store.recover()
    job = Publisher(store).recover(left)
    assert (job.state, job.attempts) == (State.DONE, 1)
    assert job.output.read_bytes() == b"result"
    manifest = find_manifest(job.output)
    assert manifest is not None
    assert (manifest.order, manifest.result) == (order, {"peak": 0.5})
    assert outputs(tmp_path) == ["stem.wav"]


def test_a_kill_before_a_job_is_given_up_costs_a_render_and_nothing_else(
    tmp_path: Path, store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.submit(new_order(tmp_path, collision=Collision.SKIP))
    killed_before("supersede", store, monkeypatch)
    publisher = Publisher(store)
    (left,) = store.recover()
    assert publisher.recover(left).state is State.QUEUED
    job = brought_out(publisher, rendered(store, publisher))
    assert job.state is State.SUPERSEDED
    assert "is taken, and is to be left" in job.reason
    assert outputs(tmp_path) == ["stem.wav"]
    assert job.output.read_bytes() == b"theirs"

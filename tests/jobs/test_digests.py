from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from job_orders import new_order, published

from audiosr_fx.errors import JobError
from audiosr_fx.jobs import digests
from audiosr_fx.jobs.job import Job, Outcome
from audiosr_fx.jobs.order import Order, hash_file
from audiosr_fx.jobs.request import Collision
from audiosr_fx.jobs.states import State
from audiosr_fx.jobs.store import JobStore


@pytest.fixture
def made(store: JobStore, tmp_path: Path) -> Order:
    """An order whose output is there, and of which the store knows nothing any more."""
    order = new_order(tmp_path)
    store.submit(order)
    published(store, b"made before")
    store.clear([State.DONE])
    return order


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """What is read, as it is read."""
    found: list[Path] = []

    def noted(path: Path) -> str:
        found.append(path)
        return hash_file(path)

    monkeypatch.setattr(digests, "hash_file", noted)
    return found


def while_read(monkeypatch: pytest.MonkeyPatch, act: Callable[[Path], None]) -> None:
    """Do something whenever a file was just read."""

    def reading(path: Path) -> str:
        digest = hash_file(path)
        act(path)
        return digest

    monkeypatch.setattr(digests, "hash_file", reading)


def submitted(store: JobStore, order: Order) -> Job:
    job = store.submit(order).job
    assert job is not None
    return job


def test_the_store_serves_others_while_a_file_is_read(
    made: Order, store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[int] = []

    def ask(path: Path) -> None:
        asking = threading.Thread(target=lambda: served.append(sum(store.counts().values())))
        asking.start()
        asking.join(60.0)

    while_read(monkeypatch, ask)
    done = store.submit(made)
    assert served == [0]  # nothing of the job is to be seen yet
    assert (done.outcome, done.job and done.job.state) == (Outcome.REPEATED, State.DONE)
    assert [event.new for event in store.events()] == ["queued", "running", "publishing", "done"]


def test_each_file_of_many_is_read_once_and_only_where_it_matters(
    made: Order, store: JobStore, tmp_path: Path, reads: list[Path]
) -> None:
    others = [new_order(tmp_path, f"{number}.wav", b"%d" % number) for number in range(20)]
    (tmp_path / "out" / "3.wav").write_bytes(b"theirs")
    done = store.submit_all([*others, made])
    assert reads == [tmp_path / "out" / "stem.wav"]
    assert [one.outcome for one in done] == [Outcome.QUEUED] * 20 + [Outcome.REPEATED]
    assert done[3].job is not None
    assert done[3].job.output_name == "3-2.wav"
    assert store.submit(made).job == done[-1].job
    assert len(reads) == 1


def test_what_changes_after_it_was_read_is_not_taken_for_what_was_made(
    made: Order, store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes: list[Path] = []

    def change(path: Path) -> None:
        if not changes:
            path.write_bytes(b"edited meanwhile")
            changes.append(path)

    while_read(monkeypatch, change)
    job = submitted(store, made)
    assert (job.state, job.output_name) == (State.QUEUED, "stem-2.wav")


def test_a_file_that_changes_whenever_it_is_read_is_given_up(
    made: Order, store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes: list[Path] = []

    def grow(path: Path) -> None:
        changes.append(path)
        with path.open("ab") as stream:
            stream.write(b"more")

    while_read(monkeypatch, grow)
    assert submitted(store, made).output_name == "stem-2.wav"
    assert len(changes) == 3


def test_no_verdict_is_told_before_the_file_was_read(made: Order, store: JobStore, reads: list[Path]) -> None:
    job = submitted(store, made)
    store._connection.execute("DELETE FROM output")  # as of a name that another had meanwhile
    with pytest.raises(JobError, match="is there; remove that first"):
        store.retry(job.id)
    assert len(reads) == 2


def test_a_request_that_replaces_knows_what_it_made_itself(
    store: JobStore, tmp_path: Path, reads: list[Path]
) -> None:
    first = new_order(tmp_path, content=b"1", collision=Collision.REPLACE)
    store.submit(first)
    job = published(store, b"made")
    store.submit(new_order(tmp_path, content=b"2", collision=Collision.REPLACE))
    again = store.submit(first)
    assert (again.outcome, again.job and again.job.id) == (Outcome.REPEATED, job.id)
    assert reads == [job.output]

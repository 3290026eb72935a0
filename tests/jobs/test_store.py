from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import unicodedata
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from job_orders import make_order, new_order, new_source, published, taken

from audiosr_fx.errors import JobError, ParameterError
from audiosr_fx.jobs.database import FILE_NAME
from audiosr_fx.jobs.job import Job, Outcome
from audiosr_fx.jobs.manifest import Manifest, write_manifest
from audiosr_fx.jobs.order import Order, hash_file
from audiosr_fx.jobs.publish import Publisher
from audiosr_fx.jobs.request import Collision
from audiosr_fx.jobs.states import LIVE, MOVES, State, check_move
from audiosr_fx.jobs.store import ENDED, JobStore


def finished(store: JobStore, job: Job, content: bytes = b"result") -> Job:
    """A running job brought to its end, with a file."""
    job.output.parent.mkdir(exist_ok=True)
    job.output.write_bytes(content)
    store.begin_publishing(job.id, job.token, hash_file(job.output), {"peak": 0.5})
    return store.finish(job.id, job.token)


def test_a_job_goes_its_way_and_every_step_is_an_event(tmp_path: Path, store: JobStore) -> None:
    done = store.submit(new_order(tmp_path, origin="osc"))
    assert done.is_new
    job = finished(store, taken(store))
    assert (job.state, job.attempts, job.token, job.result) == (State.DONE, 1, 1, {"peak": 0.5})
    moves = [(event.old, event.new) for event in store.events()]
    assert moves == [
        (None, State.QUEUED),
        (State.QUEUED, State.RUNNING),
        (State.RUNNING, State.PUBLISHING),
        (State.PUBLISHING, State.DONE),
    ]
    assert store.events()[0].reason == "from osc"
    assert store.events(since=3) == store.events()[3:]
    assert store.take() is None


def test_everything_is_there_after_opening_again(tmp_path: Path) -> None:
    with JobStore(tmp_path / "state") as store:
        job = store.submit(new_order(tmp_path, tag="region 4", priority=3)).job
        events = store.events()
    with JobStore(tmp_path / "state") as store:
        assert store.jobs() == [job]
        assert store.events() == events


def test_a_repeated_request_is_the_same_job(tmp_path: Path, store: JobStore) -> None:
    order = new_order(tmp_path)
    first = store.submit(order).job
    for _ in range(2):
        again = store.submit(order)
        assert (again.outcome, again.job) == (Outcome.REPEATED, first)
    job = finished(store, taken(store))
    assert store.submit(order).job == job
    assert len(store.jobs()) == 1


def test_a_done_job_whose_file_is_gone_is_made_again(tmp_path: Path, store: JobStore) -> None:
    order = new_order(tmp_path)
    store.submit(order)
    job = finished(store, taken(store))
    job.output.unlink()
    again = store.submit(order)
    assert again.is_new
    assert again.job is not None
    assert (again.job.id, again.job.state, again.job.output) == (job.id, State.QUEUED, job.output)


def test_an_earlier_version_is_made_again_where_a_newer_one_replaced_it(
    tmp_path: Path, store: JobStore
) -> None:
    orders = {name: new_order(tmp_path, content=name, collision=Collision.REPLACE) for name in (b"1", b"2")}
    for name in (b"1", b"2", b"1", b"2"):
        new_source(tmp_path / "in", "stem.wav", name)
        assert store.submit(orders[name]).is_new
        assert not store.submit(orders[name]).is_new
        job = published(store, b"result " + name)
        assert store.submit(orders[name]).job == job
        assert job.output.read_bytes() == b"result " + name
    assert [one.output_name for one in store.jobs()] == ["stem.wav", "stem.wav"]
    new_source(tmp_path / "in", "stem.wav", b"1")
    assert store.retry(1).state is State.QUEUED
    assert published(store, b"result 1").output.read_bytes() == b"result 1"
    with pytest.raises(JobError, match="is there; remove that first"):
        store.retry(1)


def test_an_earlier_version_that_still_stands_there_is_kept(tmp_path: Path, store: JobStore) -> None:
    first = new_order(tmp_path, content=b"1", collision=Collision.REPLACE)
    store.submit(first)
    job = published(store, b"result 1")
    second = store.submit(new_order(tmp_path, content=b"2", collision=Collision.REPLACE)).job
    assert second is not None
    again = store.submit(first)
    assert (again.outcome, again.job and again.job.state) == (Outcome.REPEATED, State.DONE)
    assert store.get(second.id).state is State.SUPERSEDED
    assert job.output.read_bytes() == b"result 1"
    assert store.take() is None


@pytest.mark.parametrize("forgotten", [False, True])
def test_a_file_that_another_made_is_not_taken_for_a_jobs_own(
    forgotten: bool, tmp_path: Path, store: JobStore
) -> None:
    first, second = new_order(tmp_path, content=b"1"), new_order(tmp_path, content=b"2")
    for order, content in ((first, b"1"), (second, b"2")):
        new_source(tmp_path / "in", "stem.wav", content)
        store.submit(order)
        job = published(store, content)
        if content == b"1":
            job.output.unlink()  # so that the second gets the name
    assert job.output_name == "stem.wav"
    if forgotten:
        store.clear([], ids=[job.id])
    again = store.submit(first)
    assert again.is_new
    assert again.job is not None
    assert again.job.output_name == "stem-2.wav"


def test_what_is_asked_for_again_comes_from_where_it_lies_now(tmp_path: Path, store: JobStore) -> None:
    store.submit(new_order(tmp_path))
    published(store, b"result").output.unlink()
    (tmp_path / "in" / "stem.wav").rename(tmp_path / "moved.wav")
    order = make_order(tmp_path / "moved.wav", tmp_path / "out", "stem.wav", collision=Collision.REPLACE)
    again = store.submit(order)
    assert again.is_new
    assert again.job is not None
    assert (again.job.id, again.job.order) == (1, order)
    assert store.find_source(tmp_path / "moved.wav") == 1


def test_what_is_being_published_is_not_replaced_by_what_was_asked_for_before_it_was_again(
    tmp_path: Path, store: JobStore
) -> None:
    first = new_order(tmp_path, content=b"1", collision=Collision.REPLACE)
    store.submit(first)
    job = taken(store)
    store.begin_publishing(job.id, job.token, "0" * 64, {})
    store.submit(new_order(tmp_path, content=b"2", collision=Collision.REPLACE))
    assert store.submit(first).outcome is Outcome.REPEATED
    assert [one.state for one in store.jobs()] == [State.PUBLISHING, State.SUPERSEDED]


def test_what_failed_or_was_cancelled_stays_so_until_it_is_asked_for(tmp_path: Path, store: JobStore) -> None:
    order = new_order(tmp_path)
    store.submit(order)
    job = taken(store)
    store.fail(job.id, job.token, "bad audio")
    assert store.submit(order).outcome is Outcome.REPEATED
    assert store.take() is None
    assert store.retry(job.id).state is State.QUEUED
    store.cancel(job.id)
    assert store.submit(order).outcome is Outcome.REPEATED
    assert store.retry(job.id).attempts == 0


def test_the_higher_priority_comes_first_and_what_was_tried_waits(tmp_path: Path, store: JobStore) -> None:
    ids = {}
    for name, priority in (("a", 0), ("b", 5), ("c", 0), ("d", -5)):
        done = store.submit(new_order(tmp_path, f"{name}.wav", name.encode(), priority=priority))
        assert done.job is not None
        ids[done.job.id] = name
    job = taken(store)
    assert ids[job.id] == "b"
    job = taken(store)
    store.note_crash(job.id, job.token, "killed by SIGSEGV")
    assert [ids[taken(store).id] for _ in range(3)] == ["c", "a", "d"]


def test_what_was_tried_waits_for_some_and_not_for_as_long_as_others_come(
    tmp_path: Path, store: JobStore
) -> None:
    first = store.submit(new_order(tmp_path, "first.wav", b"first")).job
    assert first is not None
    before = taken(store)
    store.hand_back(before.id, before.token, "the service was interrupted")
    names = []
    for number in range(12):  # one comes for each that is rendered
        store.submit(new_order(tmp_path, f"{number}.wav", b"%d" % number))
        names.append(taken(store).output_name)
    assert names.index("first.wav") == 7  # where two have the same turn, the older goes first


def test_whose_turn_it_is_is_found_without_looking_at_all(tmp_path: Path, store: JobStore) -> None:
    seen: list[str] = []
    store._connection.set_trace_callback(seen.append)
    store.take(last=[7])
    store._connection.set_trace_callback(None)
    (asked,) = [statement for statement in seen if "NOT IN" in statement]
    plan = " ".join(str(row) for row in store._connection.execute(f"EXPLAIN QUERY PLAN {asked}"))
    assert "USING INDEX job_turn (state=?)" in plan
    assert "TEMP B-TREE" not in plan


def test_only_the_newest_token_may_publish(tmp_path: Path, store: JobStore) -> None:
    store.submit(new_order(tmp_path))
    old = taken(store)
    store.hand_back(old.id, old.token, "stopped")
    new = taken(store)
    assert new.token == old.token + 1
    for step in (
        lambda: store.begin_publishing(old.id, old.token, "0" * 64, {}),
        lambda: store.fail(old.id, old.token, "no"),
        lambda: store.note_crash(old.id, old.token, "no"),
        lambda: store.tell_progress(old.id, old.token, 0.5),
    ):
        with pytest.raises(JobError, match="taken anew"):
            step()
    assert store.get(new.id).state is State.RUNNING


def test_the_third_crash_is_the_last(tmp_path: Path, store: JobStore) -> None:
    store.submit(new_order(tmp_path))
    for expected in (State.QUEUED, State.QUEUED, State.FAILED):
        job = taken(store)
        job = store.note_crash(job.id, job.token, "killed by SIGSEGV")
        assert job.state is expected
    assert "3 times" in job.reason
    assert "SIGSEGV" in job.reason


def test_memory_that_ran_out_means_small_batches_once(tmp_path: Path, store: JobStore) -> None:
    store.submit(new_order(tmp_path))
    job = taken(store)
    job = store.note_no_memory(job.id, job.token, "CUDA out of memory")
    assert (job.state, job.is_small) == (State.QUEUED, True)
    job = taken(store)
    job = store.note_no_memory(job.id, job.token, "CUDA out of memory")
    assert job.state is State.FAILED
    assert "small batches too" in job.reason


def test_a_job_may_be_parked_any_number_of_times(tmp_path: Path, store: JobStore) -> None:
    store.submit(new_order(tmp_path))
    for _ in range(5):
        job = taken(store)
        assert store.park(job.id, job.token, "disk full").state is State.PARKED
        assert store.take() is None
        assert store.unpark() == [job.id]
    job = store.jobs()[0]
    assert (job.state, job.crashes, job.errors) == (State.QUEUED, 0, 0)


def test_what_was_parked_lets_others_go_ahead(tmp_path: Path, store: JobStore) -> None:
    for name, priority in (("big.wav", 10), ("small.wav", 10), ("later.wav", 0)):
        store.submit(new_order(tmp_path, name, name.encode(), priority=priority))
    big = taken(store)
    store.park(big.id, big.token, "disk full")
    parked = store.unpark()
    assert [taken(store).output_name, taken(store).output_name] == ["small.wav", "big.wav"]
    big = store.get(big.id)
    store.park(big.id, big.token, "disk full")
    assert store.unpark() == parked
    later = store.take(last=[*parked, *range(100, 40_000)])  # more than SQLite takes as values
    assert later is not None
    assert later.output_name == "later.wav"
    again = store.take(last=parked)
    assert again is not None
    assert again.id == big.id


def test_after_an_interruption_what_ran_is_queued(tmp_path: Path) -> None:
    with JobStore(tmp_path / "state") as store:
        store.submit(new_order(tmp_path, "a.wav", b"a"))
        store.submit(new_order(tmp_path, "b.wav", b"b"))
        taken(store)
        job = taken(store)
        store.begin_publishing(job.id, job.token, "0" * 64, {})
    with JobStore(tmp_path / "state") as store:
        assert [one.id for one in store.recover()] == [job.id]
        assert [one.state for one in store.jobs()] == [State.QUEUED, State.PUBLISHING]


def test_progress_is_an_event_that_goes_when_it_tells_nothing_any_more(
    tmp_path: Path, store: JobStore
) -> None:
    store.submit(new_order(tmp_path))
    job = taken(store)
    store.tell_progress(job.id, job.token, 0.25)
    store.tell_progress(job.id, job.token, 0.5)
    assert [event.progress for event in store.events() if not event.is_move] == [0.25, 0.5]
    assert store.get(job.id).progress == 0.5
    assert [event.new for event in store.history(job.id)[1]] == [State.QUEUED, State.RUNNING]
    finished(store, job)
    assert all(event.is_move for event in store.events())


def test_clearing_forgets_jobs_that_ended_and_no_others(tmp_path: Path, store: JobStore) -> None:
    for name in ("a", "b", "c"):
        store.submit(new_order(tmp_path, f"{name}.wav", name.encode()))
    job = finished(store, taken(store))
    store.cancel(2)
    assert store.clear([State.CANCELLED]) == 1
    for states, ids in (([State.QUEUED], []), ([], [3])):
        with pytest.raises(JobError, match="cancel"):
            store.clear(states, ids=ids)
    assert store.clear([State.DONE], ids=[job.id, job.id]) == 1
    assert [one.id for one in store.jobs()] == [3]
    assert job.output.exists()
    assert {event.job for event in store.events()} == {3}


# Names


def test_two_sources_that_want_one_name_get_two(tmp_path: Path, store: JobStore) -> None:
    names = []
    for content in (b"1", b"2", b"3"):
        source = new_source(tmp_path / content.decode(), "a.wav", content)
        job = store.submit(make_order(source, tmp_path / "out", "mix.wav")).job
        assert job is not None
        names.append(job.output_name)
    assert names == ["mix.wav", "mix-2.wav", "mix-3.wav"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Mix.WAV", "mix.wav"),
        (unicodedata.normalize("NFC", "Café.wav"), unicodedata.normalize("NFD", "café.wav")),
        ("Straße.wav", "STRASSE.wav"),
    ],
)
def test_names_that_some_disk_takes_for_one_are_one(
    tmp_path: Path, store: JobStore, first: str, second: str
) -> None:
    for number, name in enumerate((first, second)):
        source = new_source(tmp_path / str(number), "a.wav", name.encode())
        store.submit(make_order(source, tmp_path / "out", name))
    kept, moved = (job.output_name for job in store.jobs())
    assert kept == first
    assert moved == f"{second.rpartition('.')[0]}-2.{second.rpartition('.')[2]}"


def test_a_file_keeps_its_name_from_one_that_differs_in_case(tmp_path: Path, store: JobStore) -> None:
    source = new_source(tmp_path, "in.wav", b"content")
    small, large = (make_order(source, tmp_path / "out", name) for name in ("a.wav", "A.wav"))
    store.submit(small)
    job = finished(store, taken(store))
    other = store.submit(large).job
    assert other is not None
    assert other.output_name == "A-2.wav"
    again = store.submit(small)
    assert not again.is_new
    assert again.job == store.get(job.id)
    assert store.get(job.id).state is State.DONE


def test_a_file_of_somebody_else_is_left_alone(tmp_path: Path, store: JobStore) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "stem.wav").write_bytes(b"theirs")
    order = new_order(tmp_path)
    skipped = store.submit(replace(order, request=replace(order.request, collision=Collision.SKIP)))
    assert (skipped.outcome, skipped.job) == (Outcome.SKIPPED, None)
    assert "is taken" in skipped.reason
    assert store.events() == []
    job = store.submit(order).job
    assert job is not None
    assert job.output_name == "stem-2.wav"


def test_a_newer_request_replaces_what_was_to_get_its_name(tmp_path: Path, store: JobStore) -> None:
    old = store.submit(new_order(tmp_path, content=b"1", collision=Collision.REPLACE)).job
    assert old is not None
    running = taken(store)
    new = store.submit(new_order(tmp_path, content=b"2", collision=Collision.REPLACE)).job
    assert new is not None
    assert new.output == old.output
    assert store.get(old.id).state is State.SUPERSEDED
    with pytest.raises(JobError):
        store.begin_publishing(running.id, running.token, "0" * 64, {})
    again = store.submit(new_order(tmp_path, content=b"1", collision=Collision.REPLACE))
    assert again.is_new
    assert store.get(new.id).state is State.SUPERSEDED


def order_of(folder: Path, song: str, content: bytes) -> Order:
    """An order for the kick of a song, which replaces."""
    source = new_source(folder / song, "kick.wav", content)
    return make_order(source, folder / "out", "kick.wav", collision=Collision.REPLACE)


def test_what_replaces_leaves_what_another_source_makes_or_made(tmp_path: Path, store: JobStore) -> None:
    orders = [order_of(tmp_path, song, song.encode()) for song in "abc"]
    assert all(done.is_new for done in store.submit_all(orders))
    assert not any(done.is_new for done in store.submit_all(orders))
    assert {job.output_name for job in store.jobs([State.QUEUED])} == {"kick.wav", "kick-2.wav", "kick-3.wav"}
    for song in "abc":
        published(store, song.encode())
    for order in (order_of(tmp_path, "b", b"b anew"), orders[0]):
        store.submit(order)
    assert published(store, b"b anew").output_name == "kick-2.wav"
    assert store.take() is None
    made = {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*.wav")}
    assert made == {"kick.wav": b"a", "kick-2.wav": b"b anew", "kick-3.wav": b"c"}


def test_what_replaces_knows_by_manifests_what_another_source_made(tmp_path: Path, store: JobStore) -> None:
    """As in a queue that was begun anew; what was made of a source that is no more may go."""
    for song in "ab":
        store.submit(order_of(tmp_path, song, song.encode()))
        published(store, song.encode())
    store.clear([State.DONE])
    done = store.submit_all([order_of(tmp_path, song, song.encode() + b" anew") for song in "ba"])
    assert [one.job and one.job.output_name for one in done] == ["kick-2.wav", "kick.wav"]
    for _ in done:
        published(store, b"anew")
    store.clear([State.DONE])
    (tmp_path / "a" / "kick.wav").unlink()
    (tmp_path / "out" / "kick-3.wav").write_bytes(b"somebody's")
    done = store.submit_all([order_of(tmp_path, song, song.encode()) for song in "cd"])
    assert [one.job and one.job.output_name for one in done] == ["kick.wav", "kick-4.wav"]


def test_a_source_is_never_replaced(tmp_path: Path, store: JobStore) -> None:
    source = new_source(tmp_path / "in", "a.wav", b"mine")
    with pytest.raises(ParameterError, match="sources are never replaced"):
        store.submit(make_order(source, tmp_path / "in", "a.wav", collision=Collision.REPLACE))
    store.submit(make_order(source, tmp_path / "out", "a.wav"))
    other = new_source(tmp_path / "other", "b.wav", b"other")
    with pytest.raises(ParameterError, match="is the source of job 1"):
        store.submit(make_order(other, tmp_path / "in", "a.wav", collision=Collision.REPLACE))
    assert [job.output_name for job in store.jobs()] == ["a.wav"]


@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_a_source_is_never_replaced_by_another_of_its_names(
    link: Callable[[Path, Path], None], tmp_path: Path, store: JobStore
) -> None:
    source = new_source(tmp_path / "in", "a.wav", b"mine")
    (tmp_path / "out").mkdir()
    link(source, tmp_path / "out" / "b.wav")
    with pytest.raises(ParameterError, match="sources are never replaced"):
        store.submit(make_order(source, tmp_path / "out", "b.wav", collision=Collision.REPLACE))
    assert not store.jobs()


def test_a_name_that_became_a_source_meanwhile_is_not_replaced(tmp_path: Path, store: JobStore) -> None:
    source = new_source(tmp_path / "in", "a.wav", b"mine")
    store.submit(make_order(source, tmp_path / "out", "b.wav", collision=Collision.REPLACE))
    job, publisher = taken(store), Publisher(store)
    staged = publisher.prepare(job)
    staged.write_bytes(b"result")
    os.link(source, job.output)
    job = publisher.publish(job, hash_file(staged), {})
    assert job.state is State.SUPERSEDED
    assert "is the source of job 1" in job.reason
    assert source.read_bytes() == job.output.read_bytes() == b"mine"
    assert not staged.exists()


def test_the_name_of_a_job_that_ended_without_a_file_is_free(tmp_path: Path, store: JobStore) -> None:
    store.submit(new_order(tmp_path, content=b"1"))
    store.cancel(1)
    job = store.submit(new_order(tmp_path, content=b"2")).job
    assert job is not None
    assert job.output_name == "stem.wav"


def test_what_was_made_before_is_known_by_its_manifest(tmp_path: Path, store: JobStore) -> None:
    order = new_order(tmp_path)
    store.submit(order)
    job = finished(store, taken(store))
    manifest = Manifest(order=order, output_name=job.output_name, output_sha256=hash_file(job.output))
    write_manifest(job.output.parent, manifest, tmp_path)
    store.clear([State.DONE])
    again = store.submit(order)
    assert again.outcome is Outcome.REPEATED
    assert again.job is not None
    assert (again.job.state, again.job.output) == (State.DONE, job.output)
    store.clear([State.DONE])
    job.output.write_bytes(b"edited since")
    fresh = store.submit(order)
    assert fresh.is_new
    assert fresh.job is not None
    assert fresh.job.output_name == "stem-2.wav"


# Rules


@given(st.sampled_from(State), st.sampled_from(State))
def test_a_move_is_made_only_where_it_is_allowed(old: State, new: State) -> None:
    if new in MOVES[old]:
        check_move(1, old, new)
    else:
        with pytest.raises(JobError, match=f"job 1 is {old} and cannot become {new}"):
            check_move(1, old, new)


STEPS = ["submit", "take", "publish", "finish", "back", "crash", "error", "memory", "fail", "park", "unpark"]
STEPS += ["cancel", "retry", "supersede", "recover", "clear"]


@settings(max_examples=40, deadline=None)
@given(steps=st.lists(st.tuples(st.sampled_from(STEPS), st.integers(1, 3)), max_size=40))
def test_whatever_is_asked_jobs_make_only_legal_moves(
    steps: list[tuple[str, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("store")
    orders = [new_order(folder, f"{number}.wav", str(number).encode()) for number in range(3)]
    seen: dict[int, State | None] = {}
    last = 0
    with JobStore(folder / "state") as store:
        for step, number in steps:
            try:
                apply(store, step, number, orders[number - 1])
            except JobError:
                continue
            for event in store.events(last):
                assert event.old is seen.get(event.job) or (event.old is None and event.new is State.QUEUED)
                assert event.old is None or event.new in MOVES[event.old]
                seen[event.job] = event.new
                last = event.id
            for job in store.jobs():
                assert job.state is seen[job.id]
        reserved = [job.output for job in store.jobs(LIVE)]
        assert len(reserved) == len(set(reserved))


def apply(store: JobStore, step: str, number: int, order: object) -> None:
    """One step of the law above, with whatever token the job has."""
    token = next((job.token for job in store.jobs() if job.id == number), 0)
    actions = {
        "submit": lambda: store.submit(order),  # type: ignore[arg-type]
        "take": store.take,
        "publish": lambda: store.begin_publishing(number, token, "0" * 64, {}),
        "finish": lambda: store.finish(number, token),
        "back": lambda: store.hand_back(number, token, "back"),
        "crash": lambda: store.note_crash(number, token, "crash"),
        "error": lambda: store.note_error(number, token, "error"),
        "memory": lambda: store.note_no_memory(number, token, "memory"),
        "fail": lambda: store.fail(number, token, "fail"),
        "park": lambda: store.park(number, token, "park"),
        "unpark": store.unpark,
        "cancel": lambda: store.cancel(number),
        "retry": lambda: store.retry(number),
        "supersede": lambda: store.supersede(number, "newer"),
        "recover": store.recover,
        "clear": lambda: store.clear(ENDED - {State.DONE}),
    }
    actions[step]()


def test_many_orders_are_taken_in_at_once(tmp_path: Path, store: JobStore) -> None:
    first = new_order(tmp_path)
    for start in range(0, 1_500, 500):
        batch = [
            replace(first, request=replace(first.request, output_name=f"{number}.wav"))
            for number in range(start, start + 500)
        ]
        assert all(done.is_new for done in store.submit_all(batch))
    assert store.counts()[State.QUEUED] == 1_500
    assert taken(store).output_name == "0.wav"
    page = store.jobs(after=900, limit=100)
    assert [job.id for job in page] == list(range(901, 1_001))


def test_orders_are_taken_in_all_or_none(tmp_path: Path, store: JobStore) -> None:
    good = new_order(tmp_path, "a.wav", b"a")
    source = good.request.source
    bad = make_order(source, source.parent, "a.wav", collision=Collision.REPLACE)
    with pytest.raises(ParameterError):
        store.submit_all([good, bad])
    assert store.jobs() == []
    assert store.events() == []


# Damage


def publish_one(tmp_path: Path, store: JobStore) -> Job:
    order = new_order(tmp_path, "done.wav", b"done")
    store.submit(order)
    job = finished(store, taken(store))
    manifest = Manifest(order=order, output_name=job.output_name, output_sha256=hash_file(job.output))
    write_manifest(job.output.parent, manifest, tmp_path)
    return job


def test_a_destroyed_database_is_kept_and_what_was_made_is_known_by_the_manifests(tmp_path: Path) -> None:
    with JobStore(tmp_path / "state") as store:
        job = publish_one(tmp_path, store)
    path = tmp_path / "state" / FILE_NAME
    path.write_bytes(b"this is no database at all" * 400)
    with JobStore(tmp_path / "state") as store:
        assert [(one.key, one.state) for one in store.jobs()] == [(job.key, State.DONE)]
        assert store.submit(job.order).outcome is Outcome.REPEATED
    aside = [one for one in path.parent.iterdir() if ".damaged-" in one.name]
    assert len(aside) == 1
    assert aside[0].read_bytes().startswith(b"this is no database")


def test_of_a_damaged_database_what_can_be_read_is_queued_again(tmp_path: Path) -> None:
    with JobStore(tmp_path / "state") as store:
        publish_one(tmp_path, store)
        for number in range(60):
            store.submit(new_order(tmp_path, f"{number}.wav", str(number).encode()))
        store.cancel(5)
    path = tmp_path / "state" / FILE_NAME
    content = bytearray(path.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 4096] = os.urandom(4096)
    path.write_bytes(content)
    with JobStore(tmp_path / "state") as store:
        counts = store.counts()
        assert counts[State.DONE] == 1
        assert 5 < counts[State.QUEUED] <= 60
        assert store.get(1).state is State.DONE


def damage_an_index(state: Path) -> None:
    """Every row can still be read, but SQLite sees that not all is well."""
    path = state / FILE_NAME
    with closing(sqlite3.connect(path)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'event_job'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    content = bytearray(path.read_bytes())
    content[(page - 1) * size : (page - 1) * size + 200] = b"\xff" * 200
    path.write_bytes(content)


def test_a_store_built_anew_replaces_no_newer_render_by_an_older_one(tmp_path: Path) -> None:
    more = {"collision": Collision.REPLACE}
    with JobStore(tmp_path / "state") as store:
        for content in (b"1", b"2"):
            store.submit(new_order(tmp_path, "replaced.wav", content, **more))
            output = published(store, b"result " + content).output
        for content in (b"3", b"4"):
            store.submit(new_order(tmp_path, "waits.wav", content, **more))
        store.submit(new_order(tmp_path, "gone.wav", b"5"))
        assert taken(store).output_name == "waits.wav"
        published(store, b"result 5").output.unlink()
    damage_an_index(tmp_path / "state")
    with JobStore(tmp_path / "state") as store:
        jobs = {job.order.request.source.name: job for job in store.jobs()}
        assert len(jobs) == len(store.jobs())
        assert {name: job.state for name, job in jobs.items()} == {
            "replaced.wav": State.DONE,
            "waits.wav": State.QUEUED,
            "gone.wav": State.QUEUED,
        }
        sources = [jobs[name].order.source.sha256 for name in ("replaced.wav", "waits.wav")]
        assert sources == [hashlib.sha256(content).hexdigest() for content in (b"2", b"4")]
    assert output.read_bytes() == b"result 2"


def test_a_store_built_anew_makes_what_was_asked_for_last(tmp_path: Path) -> None:
    orders = [new_order(tmp_path, content=content, collision=Collision.REPLACE) for content in (b"1", b"2")]
    with JobStore(tmp_path / "state") as store:
        for number in (0, 1):
            new_source(tmp_path / "in", "stem.wav", (b"1", b"2")[number])
            store.submit(orders[number])
            output = published(store, b"result").output
        output.unlink()
        store.submit(orders[0])
    damage_an_index(tmp_path / "state")
    with JobStore(tmp_path / "state") as store:
        assert [job.key for job in store.jobs([State.QUEUED])] == [orders[0].key]


def test_a_database_of_a_newer_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    with JobStore(tmp_path / "state"):
        pass
    path = tmp_path / "state" / FILE_NAME
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(JobError, match=r"version 99.*update audiosr_fx"):
        JobStore(tmp_path / "state")
    assert path.read_bytes() == before


def test_orders_are_stored_as_readable_json(tmp_path: Path, store: JobStore) -> None:
    order = new_order(tmp_path)
    store.submit(order)
    connection = sqlite3.connect(tmp_path / "state" / FILE_NAME)
    (text,) = connection.execute("SELECT order_json FROM job").fetchone()
    connection.close()
    assert json.loads(text) == order.to_dict()

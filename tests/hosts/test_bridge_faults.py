"""The bridge where a disk does not answer for a moment, or a job ends at an awkward time: no end is lost."""

from __future__ import annotations

import errno
import queue
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from audiosr_fx.errors import ParameterError, StorageError
from audiosr_fx.jobs.job import Event, Job, Submission
from audiosr_fx.jobs.order import Order, place_order
from audiosr_fx.jobs.request import RenderRequest
from audiosr_fx.jobs.settling import CHANGED
from audiosr_fx.jobs.states import State
from audiosr_fx.jobs.store import JobStore
from hosts.asks import Ask, Options
from hosts.bridge import Bridge
from hosts.client import render_message
from hosts.ledger import Ledger
from hosts.osc import Message, message
from hosts.peers import Peer
from hosts.replies import Replies
from hosts.roots import Roots
from hosts.spans import Span

WAIT_S = 60.0
PEER = Peer(port=7)


class HandQueue:
    """A queue over a real store whose jobs end when the test says so."""

    def __init__(self, store: JobStore) -> None:
        self.store = store
        self.ends_at_once = False
        self.is_deaf = False
        self.unwanted = ""
        self.batches: list[int] = []
        self._changed = threading.Condition()

    def submit_orders(self, orders: Sequence[Order]) -> list[Submission]:
        self.batches.append(len(orders))
        if any(order.request.source.stem == self.unwanted for order in orders):
            raise ParameterError("it is not wanted")
        taken_in = self.store.submit_all(orders)
        if self.ends_at_once:
            for _ in filter(lambda one: one.is_new, taken_in):
                self.finish()
        return taken_in

    def finish(self) -> Job:
        job = self.store.take()
        assert job is not None
        job.output.parent.mkdir(exist_ok=True)
        job.output.write_bytes(b"result")
        self.store.begin_publishing(job.id, job.token, "0" * 64, {})
        job = self.store.finish(job.id, job.token)
        with self._changed:
            self._changed.notify_all()
        return job

    def cancel(self, job: int, reason: str = "cancelled") -> Job:
        cancelled = self.store.cancel(job, reason)
        with self._changed:
            self._changed.notify_all()
        return cancelled

    def retry(self, job: int) -> Job:
        return self.store.retry(job)

    def events(
        self, since: int = 0, *, job: int | None = None, wait_s: float = 0.0, limit: int = 1000
    ) -> list[Event]:
        with self._changed:
            found = [] if self.is_deaf else self.store.events(since, job=job, limit=limit)
            if not found:
                self._changed.wait(wait_s)
            return found


class Desk:
    """A bridge, and what it replies."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.replies: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self.store = JobStore(folder / "state")
        self.ledger = Ledger(folder / "state")
        self.jobs = HandQueue(self.store)
        self.bridge = Bridge(
            self.jobs,
            self.ledger,
            Roots({"stems": folder}),
            lambda peer, said: self.replies.put(said),
            work=folder / "joined",
        )

    def ask(self, word: str, *, receipt: str = "") -> Ask:
        source = self.folder / f"{word}.wav"
        soundfile.write(source, np.random.default_rng(list(word.encode())).standard_normal(9) * 0.1, 48_000)
        return Ask(request=word, sources=(source,), span=Span(), options=Options(receipt=receipt))

    def next_end(self) -> tuple[object, str]:
        """Which request ended next, and how."""
        said = self.next_last_reply()
        return said.arguments[0], said.address

    def next_last_reply(self) -> Message:
        while True:
            said = self.replies.get(timeout=WAIT_S)
            if said.address in ("/audiosr/done", "/audiosr/error"):
                return said

    def close(self) -> None:
        self.bridge.stop()
        self.ledger.close()
        self.store.close()

    def handed_on(self, word: str, *, is_done: bool, receipt: str = "") -> int:
        """A request that has become a job, while nobody listened."""
        ask = self.ask(word, receipt=receipt)
        entry, _ = self.ledger.enter(ask, PEER, ask.digest)
        request = RenderRequest(source=ask.sources[0], folder=self.folder / "out", output_name=f"{word}.wav")
        job = self.jobs.submit_orders([place_order(request)])[0].job
        assert job is not None
        if is_done:
            self.jobs.finish()
        self.ledger.hand_on(entry.number, job.id)
        return job.id


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


def fail_once(monkeypatch: pytest.MonkeyPatch, what: object, name: str, thread: str) -> threading.Event:
    """Let a method find the disk full the first time that a thread of the bridge calls it."""
    real, failed = getattr(what, name), threading.Event()

    def failing(*arguments: Any, **more: Any) -> Any:
        if threading.current_thread().name == thread and not failed.is_set():
            failed.set()
            raise StorageError("the disk is full")
        return real(*arguments, **more)

    monkeypatch.setattr(what, name, failing)
    return failed


def note_calls(monkeypatch: pytest.MonkeyPatch, what: object, name: str, thread: str) -> threading.Event:
    """Say when a thread of the bridge has called a method."""
    real, called = getattr(what, name), threading.Event()

    def noting(*arguments: Any, **more: Any) -> Any:
        done = real(*arguments, **more)
        if threading.current_thread().name == thread:
            called.set()
        return done

    monkeypatch.setattr(what, name, noting)
    return called


@pytest.mark.parametrize("name", ["get", "hand_on", "end"])
def test_a_full_disk_delays_a_request_and_stops_nothing(
    name: str, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.jobs.ends_at_once = desk.jobs.is_deaf = True
    failed = fail_once(monkeypatch, desk.ledger, name, "bridge hand on")
    desk.bridge.start()
    for word in ("one", "two"):
        desk.bridge.render(desk.ask(word), PEER)
    assert {desk.next_end() for _ in range(2)} == {("one", "/audiosr/done"), ("two", "/audiosr/done")}
    assert failed.is_set()


def test_what_was_acknowledged_and_not_looked_at_is_after_a_restart(tmp_path: Path) -> None:
    before = Desk(tmp_path)  # never started: as one that is killed right after it has answered
    asks = {word: before.ask(word) for word in ("good", "bad")}
    asks["bad"].sources[0].write_text("no audio")
    said = {word: render_message(str(ask.sources[0]), request=word) for word, ask in asks.items()}
    for each in said.values():
        before.bridge.handle(each, PEER)
    accepted = [before.replies.get_nowait() for _ in asks]
    assert [each.address for each in accepted] == ["/audiosr/accepted"] * 2
    before.close()

    after = Desk(tmp_path)
    after.jobs.ends_at_once = True
    after.bridge.start()
    ends = {str(end.arguments[0]): end for end in (after.next_last_reply() for _ in asks)}
    assert [ends[word].address for word in asks] == ["/audiosr/done", "/audiosr/error"]
    assert [ends[word].arguments[:2] for word in asks] == [each.arguments for each in accepted]
    for word in asks:  # which each repeat is told again, and nothing else happens
        after.bridge.handle(said[word], PEER)
        assert after.replies.get_nowait().address == "/audiosr/accepted"
        assert after.replies.get_nowait() == ends[word]
    assert after.replies.empty()
    assert len(after.store.jobs()) == 1
    after.close()


def test_what_is_wrong_with_a_file_is_told_though_the_ledger_failed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = fail_once(monkeypatch, desk.ledger, "end", "bridge hand on")
    ask = desk.ask("text")
    ask.sources[0].write_text("no audio")
    desk.bridge.start()
    desk.bridge.render(ask, PEER)
    assert "cannot be read as audio" in str(desk.next_last_reply().arguments[2])
    assert failed.is_set()
    assert desk.replies.empty()
    assert desk.store.jobs() == []


def test_requests_that_come_together_are_handed_on_together(desk: Desk) -> None:
    desk.jobs.ends_at_once = True
    words = {f"w{number}" for number in range(5)}
    for word in words:
        desk.bridge.render(desk.ask(word), PEER)
    desk.bridge.start()
    assert {desk.next_end() for _ in words} == {(word, "/audiosr/done") for word in words}
    assert max(desk.jobs.batches) > 1


def test_one_that_the_queue_refuses_takes_no_other_along(desk: Desk) -> None:
    desk.jobs.ends_at_once, desk.jobs.unwanted = True, "two"
    for word in ("one", "two", "three"):
        desk.bridge.render(desk.ask(word), PEER)
    desk.bridge.start()
    ends = {desk.next_end() for _ in range(3)}
    assert ends == {("one", "/audiosr/done"), ("two", "/audiosr/error"), ("three", "/audiosr/done")}


def test_a_source_that_is_gone_ends_its_request_though_the_ledger_failed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = fail_once(monkeypatch, desk.ledger, "end", "bridge hand on")
    ask = desk.ask("gone")
    ask.sources[0].unlink()
    desk.bridge.start()
    desk.bridge.render(ask, PEER)
    assert desk.next_end() == ("gone", "/audiosr/error")
    assert failed.is_set()


def test_a_source_that_was_still_recorded_to_is_to_be_sent_again(desk: Desk) -> None:
    job = desk.handed_on("growing", is_done=False)
    desk.bridge.start()
    desk.store.supersede(job, f"growing.wav {CHANGED}")
    told = str(desk.next_last_reply().arguments[2])
    assert (
        told == "growing.wav has changed since it was asked for; send it again once its recording has ended"
    )


def test_an_end_that_could_not_be_read_is_told_later(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    job = desk.handed_on("late", is_done=False)
    settled = note_calls(monkeypatch, desk.store, "get", "bridge hand on")
    failed = fail_once(monkeypatch, desk.store, "get", "bridge events")
    desk.bridge.start()
    assert settled.wait(WAIT_S)  # as what runs still
    desk.jobs.finish()
    assert desk.next_end() == ("late", "/audiosr/done")
    assert failed.is_set()
    assert desk.store.get(job).state is State.DONE


def test_what_ended_while_nobody_listened_is_told_at_the_start(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.handed_on("before", is_done=True)
    failed = fail_once(monkeypatch, desk.store, "get", "bridge hand on")
    desk.bridge.start()
    assert desk.next_end() == ("before", "/audiosr/done")
    assert failed.is_set()


def test_a_request_that_becomes_a_job_while_it_is_cancelled_takes_that_along(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is handed on between a look at it and its end; another of the same region is a job of its own."""
    ask = desk.ask("stopped")
    desk.bridge.render(ask, PEER)
    settled = note_calls(monkeypatch, desk.store, "get", "bridge hand on")
    real = desk.ledger.end

    def end_late(*arguments: Any, **more: Any) -> Any:
        desk.bridge.start()
        assert settled.wait(WAIT_S)  # as what runs still
        return real(*arguments, **more)

    with monkeypatch.context() as patched:
        patched.setattr(desk.ledger, "end", end_late)
        desk.bridge.cancel("stopped")
    said = desk.next_last_reply()
    assert (said.arguments[0], said.arguments[2]) == ("stopped", "cancelled")
    (job,) = desk.store.jobs()
    assert job.state is State.CANCELLED
    desk.jobs.ends_at_once = True
    desk.bridge.render(replace(ask, request="other"), PEER)
    assert desk.next_end() == ("other", "/audiosr/done"), "after all that is told of the first"
    assert desk.store.get(job.id).state is State.CANCELLED


def test_who_asks_for_a_job_that_has_ended_is_told_the_end_once(desk: Desk) -> None:
    desk.handed_on("asked", is_done=True)
    desk.bridge.handle(message("/audiosr/status", "asked"), PEER)
    assert desk.replies.get_nowait().address == "/audiosr/done"
    assert desk.replies.empty()
    desk.bridge.handle(message("/audiosr/status", "asked"), replace(PEER, port=8))
    assert desk.replies.get_nowait().address == "/audiosr/done"


def test_a_job_that_was_cleared_is_no_riddle(desk: Desk) -> None:
    job = desk.handed_on("cleared", is_done=True)
    desk.store.clear([], ids=[job])
    desk.bridge.handle(message("/audiosr/status", "cleared"), PEER)
    said = desk.replies.get_nowait()
    assert (said.address, said.arguments[2]) == ("/audiosr/error", f"there is no job {job}")


def test_what_is_on_the_disk_is_rendered_though_its_acknowledgement_failed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.jobs.ends_at_once = True
    desk.bridge.start()
    with monkeypatch.context() as patched:
        patched.setattr(Replies, "accepted", fails)
        with pytest.raises(RuntimeError):
            desk.bridge.render(desk.ask("untold"), PEER)
    assert desk.next_end() == ("untold", "/audiosr/done")


def fails(*_: object) -> None:
    raise RuntimeError("a fault")


def test_a_full_disk_under_a_receipt_is_told_as_no_end(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.handed_on("full", is_done=True, receipt="yes")
    with monkeypatch.context() as patched:
        patched.setattr("hosts.receipts.os.replace", is_full)
        desk.bridge.handle(message("/audiosr/status", "full"), PEER)
        assert desk.replies.get_nowait().address == "/audiosr/accepted"
    for _ in range(2):
        desk.bridge.handle(message("/audiosr/status", "full"), PEER)
        assert desk.replies.get_nowait().address == "/audiosr/done"
        monkeypatch.setattr("hosts.receipts.os.replace", is_full)
    assert desk.replies.empty()


def is_full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "no space")

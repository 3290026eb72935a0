"""The inbox: one thing at a time in the order it came, and past one that is stuck."""

from __future__ import annotations

import queue
import threading

import pytest

from hosts.inbox import STUCK_S, Inbox


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def drained(inbox: Inbox[str]) -> list[str]:
    """All that can be had just now, each handled before the next."""
    things = []
    while True:
        with inbox.next(0.0) as thing:
            if thing is None:
                return things
            things.append(thing)


def test_things_come_in_the_order_they_were_put_whoever_sent_them(clock: Clock) -> None:
    inbox: Inbox[str] = Inbox(9, clock=clock)
    for sender, thing in (("a", "a1"), ("b", "b1"), ("a", "a2")):
        inbox.put(sender, thing)
    with inbox.next(0.0) as first, inbox.next(0.0) as meanwhile:
        assert (first, meanwhile) == ("a1", None)
    assert drained(inbox) == ["b1", "a2"]


def test_past_a_thing_that_is_stuck_come_those_of_other_senders_only(clock: Clock) -> None:
    inbox: Inbox[str] = Inbox(9, clock=clock)
    for sender, thing in (("a", "a1"), ("a", "a2"), ("b", "b1"), ("c", "c1")):
        inbox.put(sender, thing)
    with inbox.next(0.0) as first:
        assert first == "a1"
        clock.now += STUCK_S
        with inbox.next(0.0) as second, inbox.next(0.0) as third:
            assert (second, third) == ("b1", None)  # which is not stuck yet
        assert drained(inbox) == ["c1"]
    assert drained(inbox) == ["a2"]


def test_a_thing_whose_handling_fails_holds_up_nothing(clock: Clock) -> None:
    inbox: Inbox[str] = Inbox(9, clock=clock)
    inbox.put("a", "a1")
    inbox.put("a", "a2")
    with pytest.raises(RuntimeError), inbox.next(0.0):
        raise RuntimeError
    assert drained(inbox) == ["a2"]


def test_no_more_than_so_many_wait(clock: Clock) -> None:
    inbox: Inbox[str] = Inbox(2, clock=clock)
    inbox.put("a", "a1")
    inbox.put("a", "a2")
    with pytest.raises(queue.Full):
        inbox.put("b", "b1")
    assert drained(inbox) == ["a1", "a2"]


def test_many_threads_handle_each_thing_once_and_end_when_it_is_closed() -> None:
    inbox: Inbox[int] = Inbox(5000)
    handled: list[int] = []
    all_done = threading.Event()

    def handle() -> None:
        while True:
            with inbox.next() as thing:
                if thing is None:
                    return
                handled.append(thing)
                if len(handled) == 500:
                    all_done.set()

    threads = [threading.Thread(target=handle) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(500):
        inbox.put(number % 3, number)
    assert all_done.wait(60)
    inbox.close()
    for thread in threads:
        thread.join()
    assert sorted(handled) == list(range(500))
    inbox.put(0, 501)
    assert drained_none(inbox)


def drained_none(inbox: Inbox[int]) -> bool:
    with inbox.next() as thing:
        return thing is None

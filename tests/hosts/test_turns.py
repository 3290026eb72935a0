"""Short turns: asked for by a thread for itself, and nothing else about it changes."""

from __future__ import annotations

import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hosts.turns import first_turn, take_short_turns

SCHED = Path("/proc/thread-self/sched")


def turn_ns() -> int | None:
    """How long a turn of this thread is, where the kernel tells."""
    found = re.search(r"se\.slice\s*:\s*(\d+)", SCHED.read_text()) if SCHED.exists() else None
    return None if found is None else int(found[1])


def in_a_thread_of_its_own() -> tuple[bool, int | None, int]:
    asked = take_short_turns(0.000_3)
    return asked, turn_ns(), os.getpriority(os.PRIO_PROCESS, 0)


def test_a_thread_asks_for_itself_and_keeps_its_niceness() -> None:
    before = turn_ns()
    with ThreadPoolExecutor(1) as pool:
        asked, turn, nice = pool.submit(in_a_thread_of_its_own).result()
    assert nice == os.getpriority(os.PRIO_PROCESS, 0)
    assert turn_ns() == before
    if asked and turn is not None and turn != before:  # Linux 6.12 and later
        assert turn == 300_000


def policies_of_a_first_turn() -> tuple[bool, list[int], list[int | None]]:
    """Whether it was taken; the policy before, in it, of a thread begun in it, and after; turns around it."""
    take_short_turns(0.000_3)
    seen, turns = [policy()], [turn_ns()]
    with first_turn() as is_first, ThreadPoolExecutor(1) as pool:
        seen += [policy(), pool.submit(policy).result()]
    return is_first, [*seen, policy()], [*turns, turn_ns()]


def policy() -> int:
    return os.sched_getscheduler(0) & ~getattr(os, "SCHED_RESET_ON_FORK", 0)


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="this system has no policies")
def test_a_first_turn_is_taken_where_it_is_allowed_and_given_back() -> None:
    with ThreadPoolExecutor(1) as pool:
        is_first, (before, inside, other, after), turns = pool.submit(policies_of_a_first_turn).result()
    assert before == other == after == os.SCHED_OTHER
    assert inside == (os.SCHED_RR if is_first else os.SCHED_OTHER)
    assert turns[0] == turns[1]


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="this system has no policies")
def test_a_first_turn_ends_with_what_fails_in_it() -> None:
    with pytest.raises(ZeroDivisionError), first_turn():
        _ = 1 // 0
    assert policy() == os.SCHED_OTHER


def test_elsewhere_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not take_short_turns()
    with first_turn() as is_first:
        assert not is_first

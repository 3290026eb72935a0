"""Short turns: asked for by a thread for itself, and nothing else about it changes."""

from __future__ import annotations

import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hosts.turns import take_short_turns

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


def test_elsewhere_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not take_short_turns()

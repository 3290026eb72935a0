from __future__ import annotations

import os
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from audiosr_fx import child_process
from audiosr_fx.child_process import ChildProcess, Messages, describe_end, next_message
from audiosr_fx.errors import RenderCancelled

WAIT_S = 60.0
Start = Callable[..., tuple[ChildProcess, Messages]]


@pytest.fixture
def start() -> Iterator[Start]:
    """A child that does what it is told by words, and what it says."""
    with ExitStack() as children:

        def started(*words: str, **how: Any) -> tuple[ChildProcess, Messages]:
            child = ChildProcess("talking_child", *words, **how)
            children.callback(child.close)
            messages: Messages = queue.SimpleQueue()
            child.listen(messages.put)
            return child, messages

        yield started


def test_a_child_is_told_and_heard_to_its_end(start: Start, tmp_path: Path) -> None:
    (tmp_path / "shared").write_text("what both read")
    with (tmp_path / "shared").open("rb") as shared:
        words = ("print", "echo", "environment", "inherited")
        how = {"environment": {"OF_A_CHILD": "ü"}, "inherited": [shared.fileno()]}
        child, messages = start(*words, **how)
        child.tell(f"a line\n{shared.fileno()}\n".encode())
        said = [next_message(messages, WAIT_S, None) for _ in range(4)]
    assert said == [{"heard": "a line\n"}, {"environment": "ü"}, {"content": "what both read"}, None]
    assert child.wait() == 0
    assert child.has_ended
    assert child.last_words() == ["to stdout from Python", "to stdout from C"]
    child.tell(b"there is nobody left to hear this")


def test_a_child_finds_modules_where_its_parent_does(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "mix 12:30; ü"
    folder.mkdir()
    (folder / "over_there.py").write_text("import sys, json\nprint(json.dumps(sys.argv[1:]))\n")
    (tmp_path / "json.py").write_text("raise SystemExit('what lies in the present folder is not code')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(folder)
    child = ChildProcess("over_there", "-c", "a word")
    messages: Messages = queue.SimpleQueue()
    child.listen(messages.put)
    assert next_message(messages, WAIT_S, None) == ["-c", "a word"]
    child.close()


@pytest.mark.parametrize(
    ("word", "end", "last_words"),
    [("crash", "killed by SIGSEGV", []), ("fail", "exit code 1", ["the last words"])],
)
def test_how_a_child_ended_is_told_in_words(word: str, end: str, last_words: list[str], start: Start) -> None:
    child, messages = start(word)
    assert next_message(messages, WAIT_S, None) is None
    assert describe_end(child.wait()) == end
    assert child.last_words() == last_words


@pytest.mark.parametrize("word", ["voiceless", "no-json"])
def test_a_child_that_speaks_no_more_is_ended(
    word: str, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_process, "_END_S", 0.1)
    child, messages = start(word, "voiceless")
    assert next_message(messages, WAIT_S, None) is None
    assert describe_end(child.wait()) == "it closed its output"
    assert child._child.wait(WAIT_S) < 0, "it was killed, however long that takes"


def test_a_child_that_cannot_be_ended_keeps_nobody_waiting(
    start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(child_process, "_END_S", 0.1)
    child, messages = start("silent")
    with monkeypatch.context() as held:
        held.setattr(child._child, "kill", lambda: None)  # as to one that a dead mount holds in the kernel
        assert child.wait() is None
        child.close()
    assert not child.has_ended
    assert caplog.messages == [f"process {child.pid} was killed and has not ended; a disk does not answer it"]
    (waiting,) = (thread for thread in threading.enumerate() if thread.name == f"wait for {child.pid}")
    child.kill()
    waiting.join(WAIT_S)
    assert child.has_ended
    assert child._child.stdin is not None
    assert child._child.stdin.closed
    assert next_message(messages, WAIT_S, None) is None


MUCH = b"x" * 300_000
"""More than a pipe holds."""


@pytest.mark.parametrize("word", ["silent", "fail"])
def test_who_tells_much_does_not_wait_for_a_child_that_reads_nothing(word: str) -> None:
    before = set(threading.enumerate())
    with closing(ChildProcess("talking_child", word)) as child:
        (writes,) = (thread for thread in set(threading.enumerate()) - before if thread.name == "outbox")
        child.tell(MUCH)
        child.tell(b"and more\n")
        if word == "fail":  # then it is gone, and the pipe full
            assert child.wait() == 1
    assert not writes.is_alive()


def test_what_is_told_comes_whole_and_in_order(start: Start) -> None:
    child, messages = start("echo", "echo", "echo")
    lines = [MUCH + b"\n", b"\n", b"the end\n"]
    for line in lines:
        child.tell(line)
    said = [next_message(messages, WAIT_S, None) for _ in lines]
    assert said == [{"heard": line.decode()} for line in lines]


def test_a_child_is_waited_for_as_long_as_was_said(start: Start) -> None:
    child, messages = start("silent")
    with pytest.raises(TimeoutError):
        next_message(messages, 0.1, None)
    with pytest.raises(RenderCancelled):
        next_message(messages, None, lambda: True)
    assert not child.has_ended
    child.close()
    with pytest.raises(ProcessLookupError):
        os.kill(child.pid, 0)


def test_no_program_no_child(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "gone"))
    with pytest.raises(FileNotFoundError):
        ChildProcess("talking_child")


def test_codes_of_another_system_are_told_as_it_shows_them() -> None:
    assert describe_end(0xC0000005) == "exit code 0xc0000005"
    assert describe_end(-250) == "exit code -250"


def test_what_the_system_kills_says_why_it_may_have() -> None:
    assert describe_end(-signal.SIGKILL) == "killed by SIGKILL, as where memory runs out"

"""A process of our own: a fresh interpreter that runs one of our modules, is told bytes and answers in JSON.

What crashes or hangs in it ends there. The child's side of it is ``child_voice``.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from audiosr_fx.child_voice import Message
from audiosr_fx.last_words import LastWords
from audiosr_fx.outbox import Outbox
from audiosr_fx.progress import stop_if_asked

Messages: TypeAlias = "queue.SimpleQueue[Message | None]"

MAX_LINE: Final = 16 << 20
_END_S: Final = 5.0
_POLL_S: Final = 0.05
_BEGIN: Final = (
    "import json, runpy, sys; _, places, module, *sys.argv[1:] = sys.argv; "
    "sys.path[:] = json.loads(places); runpy.run_module(module, run_name='__main__', alter_sys=True)"
)
"""Run with -P, so that what lies in the present folder is not code."""
_log = logging.getLogger(__name__)


def command_line(module: str, *arguments: str) -> list[str]:
    """What starts a fresh interpreter that runs a module, and looks for modules where this one does.

    The places travel as JSON: in PYTHONPATH a folder whose name has a colon would fall apart.
    """
    places = json.dumps([place or os.getcwd() for place in sys.path])
    return [sys.executable, "-P", "-c", _BEGIN, places, module, *arguments]


class ChildProcess:
    """A module at work in a process of its own; who starts one closes it."""

    def __init__(
        self,
        module: str,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        inherited: Sequence[int] = (),
    ) -> None:
        """Start it.

        Args:
            module: that is run as a program.
            arguments: for its command line.
            environment: variables to set on top of this process's own.
            inherited: descriptors of open files that it has too, under the same numbers.

        Raises:
            OSError: it cannot be started.
        """
        self._child = subprocess.Popen(
            command_line(module, *arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **(environment or {})},
            start_new_session=True,  # Ctrl-C is for the parent, which then ends the child
            pass_fds=inherited,
        )
        assert self._child.stdin is not None
        assert self._child.stderr is not None
        self._outbox = Outbox(self._child.stdin)
        self._last_words = LastWords(self._child.stderr)

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._child.pid

    @property
    def has_ended(self) -> bool:
        """Whether it is gone."""
        return self._child.poll() is not None

    def listen(self, hear: Callable[[Message | None], None]) -> None:
        """Hand what it says to ``hear``, from a thread of its own; None is the end, and comes in any case."""
        threading.Thread(target=self._read, args=(hear,), name="listen to a child", daemon=True).start()

    def tell(self, content: bytes) -> None:
        """Have it written to its stdin, while it is listened to; where it is gone, that is heard."""
        self._outbox.put(content)

    def kill(self) -> None:
        """End it, whatever it does."""
        with contextlib.suppress(OSError):
            self._child.kill()

    def wait(self) -> int | None:
        """The exit code of one that was heard to the end, negative for a signal.

        None is one that lived on without a voice, and was killed.
        """
        try:
            return self._child.wait(_END_S)
        except subprocess.TimeoutExpired:
            self.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(_END_S)
            return None

    def last_words(self) -> list[str]:
        """The last lines that one that has ended wrote on stderr."""
        return self._last_words.lines()

    def close(self) -> None:
        """End it, wait for that, and let go of all that belongs to it.

        One that a dead mount holds in the kernel ends when that lets go: a thread waits on, and nobody else.
        """
        self.kill()
        try:
            self._child.wait(_END_S)
        except subprocess.TimeoutExpired:
            _log.warning("process %d was killed and has not ended; a disk does not answer it", self.pid)
            threading.Thread(target=self._let_go, name=f"wait for {self.pid}", daemon=True).start()
        else:
            self._let_go()

    def _let_go(self) -> None:
        """Wait, then close what it had; before its end that would wait for who reads it."""
        self._child.wait()
        self._outbox.close()
        for stream in (self._child.stdout, self._child.stderr):
            assert stream is not None
            with contextlib.suppress(OSError):
                stream.close()

    def _read(self, hear: Callable[[Message | None], None]) -> None:
        assert self._child.stdout is not None
        with contextlib.suppress(OSError, ValueError):  # ValueError: not JSON, or closed by the parent
            while line := self._child.stdout.readline(MAX_LINE):
                hear(json.loads(line))
        hear(None)


def next_message(
    messages: Messages, patience_s: float | None, should_cancel: Callable[[], bool] | None
) -> Message | None:
    """Wait for what a child says next; None is its end.

    Args:
        messages: that its ``listen`` fills.
        patience_s: how long to wait; None is for ever.
        should_cancel: asked many times a second.

    Raises:
        TimeoutError: it said nothing for so long.
        RenderCancelled: should_cancel said so.
    """
    until = None if patience_s is None else time.monotonic() + patience_s
    while True:
        stop_if_asked(should_cancel)
        with contextlib.suppress(queue.Empty):
            return messages.get(timeout=_POLL_S)
        if until is not None and time.monotonic() > until:
            raise TimeoutError


def describe_end(code: int | None) -> str:
    """How a child ended, in words, from what its ``wait`` gave."""
    if code is None:
        return "it closed its output"
    if code < 0:
        with contextlib.suppress(ValueError):
            name = signal.Signals(-code).name
            return f"killed by {name}" + (", as where memory runs out" if name == "SIGKILL" else "")
    return f"exit code {code & 0xFFFFFFFF:#x}" if code > 255 else f"exit code {code}"

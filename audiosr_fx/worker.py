"""A task in a process of its own: what crashes or hangs there ends there, and is told in one line.

The child is a fresh interpreter, so its tasks run on a main thread, as plugins demand. A task goes to it as
a pickle, from this process to its own child; what comes back is JSON only, one message a line. A ``Child``
does one task after another, and keeps what it has loaded.
"""

from __future__ import annotations

import io
import logging
import os
import pickle
import queue
import struct
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any, TypeAlias

import pedalboard

from audiosr_fx.child_process import ChildProcess, Messages, describe_end, next_message
from audiosr_fx.child_voice import Message, Voice, repeat_log
from audiosr_fx.errors import AudioSRError, ParameterError, PluginError, error_of, name_of
from audiosr_fx.native import build_native, describe_native
from audiosr_fx.wording import one_line

Report: TypeAlias = Callable[[Message], None]

START_S = 60.0
"""What a child may take on top to start on a busy machine."""
_log = logging.getLogger(__name__)


def run_apart(
    task: Callable[..., Message],
    *arguments: object,
    what: str,
    on_message: Report | None = None,
    should_cancel: Callable[[], bool] | None = None,
    timeout_s: float | None = None,
    inherited: Sequence[int] = (),
) -> Message:
    """Run ``task(*arguments, report)`` in a child process.

    Args:
        task: a function of a module; it may call ``report`` with anything JSON can say, and returns such.
        arguments: anything that can be pickled, and pedalboard's plugins.
        what: what the child does, for messages.
        on_message: hears the reports.
        should_cancel: asked many times a second.
        timeout_s: how long the child may be without a report; None is for ever.
        inherited: descriptors of open files that the child has too, under the same numbers.

    Returns:
        What the task returned.

    Raises:
        ParameterError: an argument cannot travel.
        PluginError: the child died, or gave no sign of life for ``timeout_s``.
        RenderCancelled: should_cancel said so; the child is gone.
        AudioSRError: as the task raised it.
    """
    child = Child(inherited=inherited)
    try:
        return child.run(
            task,
            *arguments,
            what=what,
            on_message=on_message,
            should_cancel=should_cancel,
            timeout_s=timeout_s,
        )
    finally:
        child.close()


class Child:
    """A child process that does one task after another; it starts with the first, and anew after a crash.

    One thread at a time.
    """

    def __init__(
        self, environment: Mapping[str, str] | None = None, *, inherited: Sequence[int] = ()
    ) -> None:
        """Nothing is started yet.

        Args:
            environment: variables to set on top of this process's own.
            inherited: descriptors of open files that it has too; they stay open as long as it may start.
        """
        self._environment = dict(environment or {})
        self._inherited = tuple(inherited)
        self._process: ChildProcess | None = None
        self._messages: Messages = queue.SimpleQueue()

    def run(
        self,
        task: Callable[..., Message],
        *arguments: object,
        what: str,
        on_message: Report | None = None,
        should_cancel: Callable[[], bool] | None = None,
        timeout_s: float | None = None,
    ) -> Message:
        """Run ``task(*arguments, report)``; arguments, result and errors as of ``run_apart``.

        A child that crashed, hung or was cancelled is gone; the next task gets a new one. One whose task
        raised an error goes on.
        """
        if timeout_s is not None and not timeout_s > 0:
            raise ParameterError(f"timeout_s is {timeout_s}; expected seconds above 0, or None")
        parcel = _packed((task, arguments))
        try:
            more_s = self._begin(parcel)
            return self._follow(what, on_message, should_cancel, timeout_s, more_s)
        except _OfTask as error:
            raise error.cause from None
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the child, whatever it does."""
        process, self._process = self._process, None
        if process is not None:
            process.close()

    def _begin(self, parcel: bytes) -> float:
        """Hand a task over; how many seconds more than usual its first sign of life may take."""
        if self._process is not None and self._process.has_ended:
            self.close()  # it was ended while it had nothing to do
        is_new = self._process is None
        if self._process is None:
            self._process = _started(self._environment, self._inherited)
            self._messages = queue.SimpleQueue()
            self._process.listen(self._messages.put)
        self._process.tell(struct.pack("<Q", len(parcel)) + parcel)
        return START_S if is_new else 0.0

    def _follow(
        self,
        what: str,
        on_message: Report | None,
        should_cancel: Callable[[], bool] | None,
        timeout_s: float | None,
        more_s: float,
    ) -> Message:
        """Hear the messages of a task, until its last; the first, that it has started, may take longer."""
        patience_s = None if timeout_s is None else timeout_s + more_s
        while True:
            try:
                message = next_message(self._messages, patience_s, should_cancel)
            except TimeoutError:
                raise PluginError(
                    f"{what} hangs: no sign of life for {timeout_s:g} s; it was ended"
                ) from None
            if message is None:
                raise PluginError(f"{what} crashed ({self._fate()}); nothing else is harmed")
            if "result" in message:
                result: Message = message["result"]
                return result
            _hear(message, what, on_message)
            patience_s = timeout_s

    def _fate(self) -> str:
        """How the child ended, in words; what it said on stderr goes to the log."""
        assert self._process is not None
        code = self._process.wait()
        _log.debug("the child said: %s", "\n".join(self._process.last_words()))
        return describe_end(code)


class _OfTask(Exception):
    """Carries what a task raised, as opposed to what became of its child."""

    def __init__(self, cause: AudioSRError) -> None:
        super().__init__(str(cause))
        self.cause = cause


def _hear(message: Message, what: str, on_message: Report | None) -> None:
    """Act on a message that is not the last."""
    if "ready" in message:
        return
    if "error" in message:
        error = error_of(message["error"], message["text"])
        raise _OfTask(error or PluginError(f"{what} failed: {message['text']}"))
    if "log" in message:
        repeat_log(message)
    elif on_message is not None:
        on_message(message["report"])


class _Pickler(pickle.Pickler):
    """Packs pedalboard's plugins too, which cannot be pickled, by their settings."""

    def reducer_override(self, thing: object) -> Any:
        kind = thing if isinstance(thing, type) else type(thing)
        if kind.__module__ == "__main__":
            raise ParameterError(
                f"{kind.__name__} is defined in the script itself, which another process does not run;"
                " put it into a module of its own"
            )
        if isinstance(thing, pedalboard.Plugin):
            return build_native, describe_native(thing)
        return NotImplemented


def _packed(things: object) -> bytes:
    buffer = io.BytesIO()
    pickle.dump(sys.path, buffer)  # first, so that it holds before the rest is looked for
    try:
        _Pickler(buffer).dump(things)
    except AudioSRError:
        raise
    except Exception as cause:
        raise ParameterError(f"this cannot be sent to another process: {one_line(cause)}") from cause
    return buffer.getvalue()


def _started(environment: Mapping[str, str], inherited: Sequence[int]) -> ChildProcess:
    """A child that waits for its first task."""
    try:
        return ChildProcess("audiosr_fx.worker", environment=environment, inherited=inherited)
    except OSError as cause:
        raise PluginError(f"another process cannot be started ({one_line(cause)})") from cause


def _work() -> None:
    """Be the child: take tasks from stdin, do them, and say what became of each on what was stdout."""
    voice = Voice()
    voice.forward_logs()
    parcels: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_take_parcels, args=(parcels,), daemon=True).start()
    while True:
        _do(io.BytesIO(parcels.get()), voice.say)


def _do(parcel: IO[bytes], say: Report) -> None:
    """One task, whatever becomes of it."""
    try:
        sys.path[:] = pickle.load(parcel)
        task, arguments = pickle.load(parcel)
        say({"ready": True})
        say({"result": task(*arguments, lambda message: say({"report": message}))})
    except AudioSRError as error:
        say({"error": name_of(error), "text": one_line(error)})
    except Exception as error:
        say({"error": "unexpected", "text": f"{type(error).__name__}: {one_line(error)}"})


def _take_parcels(parcels: queue.SimpleQueue[bytes]) -> None:
    """Read tasks as they come. The parent keeps our stdin open; where it ends, so do we."""
    while len(header := sys.stdin.buffer.read(8)) == 8:
        parcels.put(sys.stdin.buffer.read(struct.unpack("<Q", header)[0]))
    os._exit(1)


if __name__ == "__main__":
    _work()

"""A task in a process of its own: what crashes or hangs there ends there, and is told in one line.

The child is a fresh interpreter, so its tasks run on a main thread, as plugins demand. A task goes to it as
a pickle, from this process to its own child; what comes back is JSON only, one message a line. A ``Child``
does one task after another, and keeps what it has loaded.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import pickle
import queue
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from tempfile import TemporaryFile
from typing import IO, Any, TypeAlias

import pedalboard

from audiosr_fx import errors
from audiosr_fx.errors import AudioSRError, ParameterError, PluginError
from audiosr_fx.files import one_line
from audiosr_fx.native import build_native, describe_native
from audiosr_fx.recent import stop_if_asked

Message: TypeAlias = dict[str, Any]
Report: TypeAlias = Callable[[Message], None]

START_S = 60.0
"""What a child may take on top to start on a busy machine."""
_POLL_S = 0.05
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
        self._process: subprocess.Popen[bytes] | None = None
        self._noise: IO[bytes] | None = None
        self._messages: queue.SimpleQueue[Message | None] = queue.SimpleQueue()

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
            patience_s = self._begin(parcel)
            return self._follow(what, on_message, should_cancel, timeout_s, patience_s)
        except _OfTask as error:
            raise error.cause from None
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the child, whatever it does."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                with contextlib.suppress(OSError):
                    stream.close()  # type: ignore[union-attr]
        if self._noise is not None:
            self._noise.close()
            self._noise = None

    def _begin(self, parcel: bytes) -> float:
        """Hand a task over; how many seconds more than usual its first sign of life may take."""
        if self._process is not None and self._process.poll() is not None:
            self.close()  # it was ended while it had nothing to do
        is_new = self._process is None
        if self._process is None:
            self._noise = TemporaryFile()  # noqa: SIM115 - closed with the child
            self._process = _started(self._noise, self._environment, self._inherited)
            self._messages = queue.SimpleQueue()
            threading.Thread(target=_listen, args=(self._process, self._messages), daemon=True).start()
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # it died; the exit code tells
            self._process.stdin.write(struct.pack("<Q", len(parcel)) + parcel)
            self._process.stdin.flush()
        return START_S if is_new else 0.0

    def _follow(
        self,
        what: str,
        on_message: Report | None,
        should_cancel: Callable[[], bool] | None,
        timeout_s: float | None,
        patience_s: float,
    ) -> Message:
        """Hear the messages of a task, until its last."""
        last_sign = time.monotonic() + patience_s
        while True:
            stop_if_asked(should_cancel)
            try:
                message = self._messages.get(timeout=_POLL_S)
            except queue.Empty:
                if timeout_s is not None and time.monotonic() - last_sign > timeout_s:
                    raise PluginError(
                        f"{what} hangs: no sign of life for {timeout_s:g} s; it was ended"
                    ) from None
                continue
            last_sign = time.monotonic()  # the first is that it has started
            if message is None:
                assert self._process is not None
                assert self._noise is not None
                raise PluginError(
                    f"{what} crashed ({_fate(self._process, self._noise)}); nothing else is harmed"
                )
            if "result" in message:
                result: Message = message["result"]
                return result
            _hear(message, what, on_message)


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
        kind = vars(errors).get(message["error"])
        if isinstance(kind, type) and issubclass(kind, AudioSRError):
            raise _OfTask(kind(message["text"]))
        raise _OfTask(PluginError(f"{what} failed: {message['text']}"))
    if "log" in message:
        logging.getLogger(message["log"]).log(message["level"], "%s", message["text"])
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


def _started(
    noise: IO[bytes], environment: Mapping[str, str], inherited: Sequence[int]
) -> subprocess.Popen[bytes]:
    """A child that waits for its first task."""
    path = os.pathsep.join(path or os.getcwd() for path in sys.path)
    try:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "audiosr_fx.worker"],  # -P: what lies in this folder is not code
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=noise,
            env={**os.environ, **environment, "PYTHONPATH": path},
            start_new_session=True,  # Ctrl-C is for the parent, which then ends the child
            pass_fds=inherited,
        )
    except OSError as cause:
        raise PluginError(f"another process cannot be started ({one_line(cause)})") from cause


def _listen(child: subprocess.Popen[bytes], messages: queue.SimpleQueue[Message | None]) -> None:
    """Put what the child says into the queue, None at its end."""
    assert child.stdout is not None
    with contextlib.suppress(OSError, ValueError):  # ValueError: not JSON, or closed by the parent
        for line in child.stdout:
            messages.put(json.loads(line))
    messages.put(None)


def _fate(child: subprocess.Popen[bytes], noise: IO[bytes]) -> str:
    """How a child ended, in words; what it said on stderr goes to the log."""
    try:
        code = child.wait(timeout=5.0)
    except subprocess.TimeoutExpired:
        return "it closed its output"
    noise.seek(0)
    _log.debug("the child said: %s", noise.read().decode("utf-8", "replace"))
    if code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
    return f"exit code {code & 0xFFFFFFFF:#x}" if code > 255 else f"exit code {code}"


def _work() -> None:
    """Be the child: take tasks from stdin, do them, and say what became of each on what was stdout."""
    output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what plugins print must not get among the messages
    lock = threading.Lock()

    def say(message: Message) -> None:
        with lock:
            output.write(json.dumps(message) + "\n")
            output.flush()

    parcels: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_take_parcels, args=(parcels,), daemon=True).start()
    logging.getLogger("audiosr_fx").addHandler(_Forward(say))
    while True:
        _do(io.BytesIO(parcels.get()), say)


def _do(parcel: IO[bytes], say: Report) -> None:
    """One task, whatever becomes of it."""
    try:
        sys.path[:] = pickle.load(parcel)
        task, arguments = pickle.load(parcel)
        say({"ready": True})
        say({"result": task(*arguments, lambda message: say({"report": message}))})
    except AudioSRError as error:
        kinds = [kind.__name__ for kind in type(error).__mro__ if kind.__module__ == errors.__name__]
        say({"error": kinds[0], "text": one_line(error)})
    except Exception as error:
        say({"error": "unexpected", "text": f"{type(error).__name__}: {one_line(error)}"})


def _take_parcels(parcels: queue.SimpleQueue[bytes]) -> None:
    """Read tasks as they come. The parent keeps our stdin open; where it ends, so do we."""
    while len(header := sys.stdin.buffer.read(8)) == 8:
        parcels.put(sys.stdin.buffer.read(struct.unpack("<Q", header)[0]))
    os._exit(1)


class _Forward(logging.Handler):
    """Hands log records to the parent."""

    def __init__(self, say: Report) -> None:
        super().__init__()
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        self._say({"log": record.name, "level": record.levelno, "text": record.getMessage()})


if __name__ == "__main__":
    _work()

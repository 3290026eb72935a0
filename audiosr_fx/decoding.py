"""Decoding at arm's length: a file that crashes, hangs or swells its decoder fails alone, in one line.

The decoder runs in a short-lived process with bounds on memory, time and output. It gets the opened file and
an unnamed one for the samples, which are read from there and never decoded again.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryFile, gettempdir
from typing import IO, Any, Final

import numpy as np

from audiosr_fx.atomic import TEMPORARY_PREFIX
from audiosr_fx.child_process import ChildProcess, Messages, describe_end, next_message
from audiosr_fx.child_voice import Message
from audiosr_fx.decode_limits import DecodeLimits
from audiosr_fx.errors import AudioFormatError, NoRoom
from audiosr_fx.files import AudioInfo, FilePath
from audiosr_fx.sources import Audio
from audiosr_fx.wording import one_line, shown

_START_S: Final = 60.0
_MAX_KILLS: Final = 3
_CHILD: Final = "audiosr_fx.decode_child"
_log = logging.getLogger(__name__)


class DecodedFile:
    """The samples of a file that was decoded at arm's length: a source, gone when it is closed.

    Attributes:
        info: what the header says, as ``read_info`` gives it.
        sha256: of the file's bytes, as they were decoded.
    """

    def __init__(self, info: AudioInfo, sha256: str, spool: IO[bytes]) -> None:
        """``spool`` holds float32 (samples, channels)."""
        self.info = info
        self.sha256 = sha256
        self.sample_rate = info.sample_rate
        self.channels = info.channels
        self.frames = info.frames
        self.speakers = info.speakers
        self._spool = spool

    def __enter__(self) -> DecodedFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the samples; further reads fail."""
        self._spool.close()

    def check_unchanged(self) -> None:
        """See ``FileSource``: these samples are all of the bytes that were hashed."""

    @property
    def descriptor(self) -> int:
        """Of the unnamed file with the samples, for a child process to inherit."""
        return self._spool.fileno()

    def shared(self) -> SharedSamples:
        """What such a child opens them by."""
        return SharedSamples(info=self.info, sha256=self.sha256, descriptor=self.descriptor)

    def read(self, start: int, stop: int) -> Audio:
        """See ``Source.read``."""
        out = np.zeros((self.channels, max(0, stop - start)), np.float32)
        low, high = max(start, 0), min(stop, self.frames)
        if low < high:
            content = self._content(4 * self.channels * low, 4 * self.channels * (high - low))
            samples = np.frombuffer(content, np.float32).reshape(-1, self.channels)
            out[:, low - start : high - start] = samples.T
        return out

    def _content(self, start: int, size: int) -> bytes:
        """Bytes of the samples, by their place: a child may share the file's position."""
        content = b""
        while len(content) < size:
            more = os.pread(self.descriptor, size - len(content), start + len(content))
            if not more:
                raise AudioFormatError(f"{shown(self.info.path)}: its decoded samples are gone; try again")
            content += more
        return content


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedSamples:
    """A decoded file on its way to a child process that inherits ``descriptor``; see ``DecodedFile``."""

    info: AudioInfo
    sha256: str
    descriptor: int

    def open(self) -> DecodedFile:
        """The samples, in that child."""
        return DecodedFile(self.info, self.sha256, os.fdopen(self.descriptor, "rb"))


def decode_apart(
    path: FilePath,
    limits: DecodeLimits | None = None,
    *,
    folder: Path | None = None,
    check_info: Callable[[AudioInfo], None] | None = None,
    should_cancel: Callable[[], bool] | None = None,
    program: str = _CHILD,
) -> DecodedFile:
    """Decode a whole file in a process of its own.

    Args:
        path: the file.
        limits: None takes the service's.
        folder: where there is room for the samples; None is the system's temporary folder.
        check_info: told what the header says before a sample is decoded; what it raises ends it all.
        should_cancel: asked many times a second.
        program: the module that decodes.

    Raises:
        AudioFormatError: no audio that is taken, outside the limits, NaN or Inf, a decoder that crashed or
            hung, or a file that changed meanwhile.
        NoRoom: for the samples.
        RenderCancelled: should_cancel said so; the child is gone.
    """
    limits = limits or DecodeLimits()
    path = Path(path)
    hearing = _Hearing(
        name=shown(path), path=path, limits=limits, check_info=check_info, cancel=should_cancel
    )
    with _opened(path) as source:
        before = os.fstat(source)
        for _ in range(_MAX_KILLS - 1):
            with contextlib.suppress(_Killed):
                decoded = _decode(hearing, source, folder, program)
                break
        else:
            decoded = _decode(hearing, source, folder, program)
        after = os.fstat(source)
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        decoded.close()
        raise AudioFormatError(f"{shown(path)}: is being written; try again when that has ended")
    return decoded


class _Killed(AudioFormatError):
    """The decoder was killed from outside, as a system short of memory does; it may go well next time."""


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    name = shown(path)
    try:
        flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
        descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError) as cause:
        if isinstance(cause, FileNotFoundError):
            raise AudioFormatError(f"{name}: no such file") from cause
        raise AudioFormatError(f"{name}: cannot be read ({_reason(cause)})") from cause
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _decode(hearing: _Hearing, source: int, folder: Path | None, program: str) -> DecodedFile:
    try:
        spool = TemporaryFile(dir=folder)  # noqa: SIM115 - closed with the result
    except OSError as cause:
        raise AudioFormatError(f"a temporary file cannot be made ({_reason(cause)})") from cause
    try:
        request = {
            "path": os.fsdecode(hearing.path),
            "shown": hearing.name,
            "source": source,
            "spool": spool.fileno(),
            "folder": shown(_known_place(folder)),
            "limits": asdict(hearing.limits),
        }
        with _child(program, request) as child:
            told = hearing.answer(child)
        info = hearing.info_of(told)
        if info.warning:
            _log.warning("%s", info.warning)
        return DecodedFile(info, told["sha256"], spool)
    except BaseException:
        spool.close()
        raise


def _known_place(folder: Path | None) -> Path:
    """A folder to make room in: of one that is hidden and only there for a while, the one around it."""
    place = folder or Path(gettempdir())
    return place.parent if place.name.startswith(TEMPORARY_PREFIX) else place


@contextlib.contextmanager
def _child(program: str, request: Mapping[str, Any]) -> Iterator[ChildProcess]:
    """A decoder at work on a request; gone at the end, whatever happened."""
    try:
        child = ChildProcess(
            program,
            environment={"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"},
            inherited=(request["source"], request["spool"]),
        )
    except OSError as cause:
        raise AudioFormatError(
            f"{request['shown']}: no decoder can be started ({_reason(cause)}); try again"
        ) from cause
    with contextlib.closing(child):
        child.tell(json.dumps(request).encode("ascii") + b"\n")
        yield child


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hearing:
    """How a decoder is listened to; the fields as the arguments of ``decode_apart``."""

    name: str
    path: Path
    limits: DecodeLimits
    check_info: Callable[[AudioInfo], None] | None
    cancel: Callable[[], bool] | None

    def answer(self, child: ChildProcess) -> Message:
        """Listen until the decoder is done; what it says last."""
        messages: Messages = queue.SimpleQueue()
        child.listen(messages.put)
        patience_s = _START_S + self.limits.silence_s  # starting may take long on a busy machine
        while True:
            try:
                message = next_message(messages, patience_s, self.cancel)
            except TimeoutError:
                raise AudioFormatError(
                    f"{self.name}: its decoder hangs (nothing for {self.limits.silence_s:g} s) and was ended;"
                    " the file is damaged: copy or export it again"
                ) from None
            if message is None:
                raise _death(child, self.name)
            if "error" in message:
                raise (NoRoom if message.get("no_room") else AudioFormatError)(message["error"])
            if "sha256" in message:
                return message
            if "info" in message and self.check_info is not None:
                self.check_info(self.info_of(message))
            patience_s = self.limits.silence_s

    def info_of(self, message: Message) -> AudioInfo:
        """What the header says, as a message tells it."""
        return AudioInfo(**{**message["info"], "path": self.path})


def _death(child: ChildProcess, name: str) -> AudioFormatError:
    """Why a decoder ended without an answer, as an error."""
    code = child.wait()
    _log.debug("the decoder said: %s", "\n".join(child.last_words()))
    if code == -getattr(signal, "SIGXCPU", 0):
        return AudioFormatError(f"{name}: takes too much computing to decode; convert it to WAV first")
    if code == -getattr(signal, "SIGKILL", 0):
        return _Killed(f"{name}: its decoder was killed {_MAX_KILLS} times; close programs, and try again")
    return AudioFormatError(
        f"{name}: its decoder crashed ({describe_end(code)}); the file is damaged: copy or export it again"
    )


def _reason(cause: Exception) -> str:
    if isinstance(cause, OSError):
        return cause.strerror or one_line(cause)
    return one_line(cause)

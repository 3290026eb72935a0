"""MIDI inputs: of the system through python-rtmidi, of JACK, or a socket on this machine.

A machine without a driver gets one line that says so, and everything else goes on.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, Protocol, TypeAlias

import mido

from audiosr_fx.errors import ParameterError
from audiosr_fx.wording import one_line

CLIENT: Final = "audiosr_fx"
_SYSTEM: Final = "mido.backends.rtmidi"
_JACK: Final = "mido.backends.rtmidi/UNIX_JACK"
_MAX_CLIENTS: Final = 8

Hear: TypeAlias = Callable[[Any], None]


class MidiPort(Protocol):
    """An open input."""

    name: str

    def close(self) -> None:
        """Hear nothing more."""


def open_input(name: str, hear: Hear) -> MidiPort:
    """Open an input; ``hear`` is called from another thread with each ``mido.Message``.

    Args:
        name: of a port that there is, or the beginning of it; empty makes one of our own, ``audiosr_fx``,
            that others connect to. ``jack:`` is the same with JACK, ``jack:NAME`` a port of it.
            ``socket:PORT`` takes MIDI bytes over TCP from this machine.
        hear: what to do with a message.

    Raises:
        ParameterError: there is no such port, or no MIDI on this machine.
    """
    kind, colon, rest = name.partition(":")
    if colon and kind == "socket":
        return SocketInput(rest, hear)
    backend, wanted = (_JACK, rest) if colon and kind == "jack" else (_SYSTEM, name)
    with _midi_errors():
        midi = mido.Backend(backend, load=True)
        if not wanted:
            port: MidiPort = midi.open_input("in", virtual=True, client_name=CLIENT, callback=hear)
            return port
        names = midi.get_input_names()
        found = next((each for each in names if each.startswith(wanted)), None)
        if found is None:
            there = ", ".join(names) or "none"
            raise ParameterError(f"there is no MIDI input {wanted!r}; there are: {there}")
        opened: MidiPort = midi.open_input(found, callback=hear)
        return opened


def input_names() -> list[str]:
    """Inputs of the system.

    Raises:
        ParameterError: no MIDI on this machine.
    """
    with _midi_errors():
        return list(mido.Backend(_SYSTEM, load=True).get_input_names())


class SocketInput:
    """MIDI bytes over TCP, from this machine only; speaks to ``mido.sockets.connect``."""

    def __init__(self, port: str, hear: Hear) -> None:
        """Listen.

        Raises:
            ParameterError: no port, or one that is taken.
        """
        if not port.isdecimal() or not 0 <= int(port) <= 65535:
            raise ParameterError(f"socket is {port!r}; expected a port, such as socket:9130")
        self._hear = hear
        self._listener = socket.socket()
        try:
            self._listener.bind(("127.0.0.1", int(port)))
            self._listener.listen(_MAX_CLIENTS)
        except OSError as cause:
            self._listener.close()
            raise ParameterError(f"port {port} cannot be listened to ({cause.strerror})") from cause
        self.port: int = self._listener.getsockname()[1]
        self.name = f"socket:{self.port}"
        self._clients: dict[socket.socket, threading.Thread] = {}
        self._is_closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._accept, name="midi socket", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Hear nothing more."""
        with self._changed:
            self._is_closed = True  # who is accepted from now on is not taken in
            self._changed.notify_all()
            threads = [self._thread, *self._clients.values()]
            for each in (self._listener, *self._clients):
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in threads:
            thread.join()

    def _accept(self) -> None:
        while self._has_room():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._take_in(client)

    def _has_room(self) -> bool:
        """Whether there is a place for one more, which is waited for; not at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed or len(self._clients) < _MAX_CLIENTS)
            return not self._is_closed

    def _take_in(self, client: socket.socket) -> None:
        thread = threading.Thread(target=self._serve, args=(client,), name="midi client", daemon=True)
        with self._changed:
            if self._is_closed:
                client.close()
                return
            self._clients[client] = thread
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        try:
            self._read(client)
        finally:
            with self._changed:
                del self._clients[client]
                client.close()
                self._changed.notify_all()

    def _read(self, client: socket.socket) -> None:
        parser = mido.Parser()
        with suppress(OSError):
            while data := client.recv(1024):
                parser.feed(data)
                for message in parser:
                    self._hear(message)


@contextmanager
def _midi_errors() -> Iterator[None]:
    """Whatever a MIDI driver says, as one line; what it writes to stderr by itself is kept away."""
    try:
        with _silent_stderr():
            yield
    except ParameterError:
        raise
    except ImportError as cause:
        raise ParameterError("python-rtmidi is not installed; pip install 'audiosr-fx[midi]'") from cause
    except Exception as cause:  # SystemError from rtmidi without ALSA, and what else drivers raise
        raise ParameterError(
            f"no MIDI driver answers ({one_line(cause).removeprefix('MidiInAlsa::initialize: ')})"
        ) from cause


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """ALSA and JACK write there, past Python, what the exception says as well."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(nowhere)
        os.close(kept)

"""Everything that serves hosts, put together over one queue: OSC, its description over HTTP, and MIDI."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from audiosr_fx.errors import ParameterError, PluginError
from audiosr_fx.header_look import get_ready_to_look
from audiosr_fx.jobs.service import Service
from hosts.bridge import Bridge
from hosts.ledger import Ledger
from hosts.midi import MidiFront, MidiSettings
from hosts.nonces import FILE_NAME as NONCES
from hosts.nonces import Nonces
from hosts.oscquery import OscQuery
from hosts.roots import Roots
from hosts.server import OscServer, ServerSettings
from hosts.song import Song
from hosts.turns import take_short_turns

_STOP_S: Final = 10.0
_HANDLERS: Final = 8
_SWITCH_S: Final = 0.0005
_log = logging.getLogger(__name__)


class Part(Protocol):
    """Anything that runs beside the others from ``start`` to ``stop``."""

    def start(self) -> None:
        """Begin, in threads of its own."""

    def stop(self) -> None:
        """End, and wait until it has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSettings:
    """What is served to hosts.

    Attributes:
        roots: folders that may be named, by name.
        out: where outputs go; None is a folder beside each source.
        osc: the OSC server.
        http_port: of the description over HTTP; 0 takes a free one, None serves none.
        midi: None is no MIDI.
        tempo_map: a MIDI file with the song's tempo and markers, read again when it changes.
    """

    roots: dict[str, Path]
    out: Path | None = None
    osc: ServerSettings = field(default_factory=ServerSettings)
    http_port: int | None = None
    midi: MidiSettings | None = None
    tempo_map: Path | None = None

    def __post_init__(self) -> None:
        if not self.roots:
            raise ParameterError("no folder is served; name one with --root DIR")
        if self.http_port is not None and not 0 <= self.http_port <= 65535:
            raise ParameterError(f"http_port is {self.http_port}; expected 1 to 65535")


class HostServer:
    """The bridge and its front doors over a running service; a ``Part`` like those it is made of.

    Attributes:
        osc: the OSC server; its port is known at once.
        query: its description over HTTP, where one is served.
        bridge: between both and the queue.
        midi: the MIDI input, where there is one.
    """

    def __init__(self, settings: HostSettings, service: Service) -> None:
        """Bind sockets and open the ledger, in the folder of the queue.

        Raises:
            ParameterError: a folder that is none, or a port that is taken.
            JobError, StorageError: the ledger or the nonces cannot be used.
            MessageError: the tempo map is none.
        """
        folder = service.store.folder
        with ExitStack() as undo:
            self._ledger = Ledger(folder)
            undo.callback(self._ledger.close)
            self._nonces: Nonces | None = None
            if settings.osc.secret is not None:
                self._nonces = Nonces(folder / NONCES)
                undo.callback(self._nonces.close)
            self.osc = OscServer(settings.osc, nonces=self._nonces)
            undo.callback(self.osc.stop)
            self.bridge = Bridge(
                service,
                self._ledger,
                Roots(settings.roots),
                self.osc.send,
                out=settings.out,
                work=folder / "joined",
            )
            if settings.tempo_map is not None:
                self.bridge.use_song(Song(settings.tempo_map))
            self.query: OscQuery | None = None
            if settings.http_port is not None:
                self.query = OscQuery(self.bridge.controls, self.osc.port, port=settings.http_port)
                undo.callback(self.query.stop)
            self.midi = None if settings.midi is None else MidiFront(settings.midi, self.bridge)
            undo.pop_all()
        handlers = _Handlers(self.osc, self.bridge)
        fronts = [part for part in (self.query, self.midi) if part is not None]
        self._parts: Sequence[Part] = (self.bridge, handlers, self.osc, *fronts)

    def start(self) -> None:
        """Answer; the first request then waits for nothing that starts."""
        with suppress(PluginError):  # who asks is told
            get_ready_to_look()
        for part in self._parts:
            part.start()

    def stop(self) -> None:
        """Answer no more; what is open goes on with the next start."""
        for part in reversed(self._parts):
            part.stop()
        if self._nonces is not None:
            self._nonces.close()
        self._ledger.close()


def answer_at_once() -> None:
    """Let no thread of this process hold up one that answers: by default each may, for 5 ms at a time."""
    sys.setswitchinterval(_SWITCH_S)


class _Handlers:
    """Take what the server has received to the bridge: one works, and the others while that one is stuck."""

    def __init__(self, osc: OscServer, bridge: Bridge) -> None:
        self._osc, self._bridge = osc, bridge
        self._threads = [
            threading.Thread(target=self._run, name=f"osc handler {number}", daemon=True)
            for number in range(_HANDLERS)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._osc.received.close()
        until = time.monotonic() + _STOP_S
        for thread in self._threads:  # one on a dead mount may never end
            thread.join(max(0.0, until - time.monotonic()))

    def _run(self) -> None:
        take_short_turns()
        while True:
            with self._osc.received.next() as received:
                if received is None:
                    return
                try:
                    self._bridge.handle(*received)
                except Exception:  # a fault of ours must not silence the server
                    _log.exception("a fault while a message was handled; the server goes on")

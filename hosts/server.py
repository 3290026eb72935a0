"""The sockets of the OSC server: UDP, and TCP with SLIP frames, read by one thread that never waits for work.

What comes in is counted, read and checked here; what is a good message goes into a bounded queue for the
bridge. What is not is dropped without an answer: no sender can make this server talk to somebody else, or
write a traceback.
"""

from __future__ import annotations

import errno
import ipaddress
import logging
import queue
import selectors
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from audiosr_fx.errors import MessageError, ParameterError
from hosts.connections import MAX_CONNECTIONS, Connection, bind
from hosts.inbox import Inbox
from hosts.limits import Limiter, Rates
from hosts.nonces import Nonces
from hosts.osc import MAX_DATAGRAM, MAX_FRAME, Message, parse_packet
from hosts.peers import Peer
from hosts.protocol import BY_PATH
from hosts.signing import Verifier
from hosts.slip import frame
from hosts.turns import take_short_turns

DEFAULT_PORT: Final = 9123
MAX_WAITING: Final = 2000
IDLE_S: Final = 30.0
"""A connection that has begun a frame and not ended it for so long is closed."""
_BATCH: Final = 256
_COMPLAIN_S: Final = 60.0
_log = logging.getLogger(__name__)

Received: TypeAlias = tuple[Message, Peer]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Where to listen, and to whom.

    Attributes:
        host: an address of this machine; any but loopback needs both of the next two.
        port: for UDP and TCP; 0 takes a free one.
        allow_remote: listen beyond this machine.
        secret: that messages must be signed with; None takes unsigned ones.
        rates: how many messages are listened to.
    """

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    allow_remote: bool = False
    secret: bytes | None = field(default=None, repr=False)
    rates: Rates = field(default_factory=Rates)

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ParameterError(f"osc_port is {self.port}; expected 1 to 65535")
        try:
            address = ipaddress.ip_address(self.host)
        except ValueError:
            raise ParameterError(
                f"osc_host is {self.host!r}; expected an IP address, such as 127.0.0.1"
            ) from None
        if not address.is_loopback and not (self.allow_remote and self.secret):
            raise ParameterError(
                f"osc_host is {self.host}, which others can reach;"
                " that needs --allow-remote and --secret FILE"
            )


@dataclass(slots=True)
class Counts:
    """What has come in, for people."""

    taken: int = 0
    refused: int = 0
    limited: int = 0


class OscServer:
    """Listens from ``start`` to ``stop``; ``send`` answers from any thread."""

    def __init__(
        self,
        settings: ServerSettings,
        *,
        nonces: Nonces | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        """Bind the sockets.

        Args:
            settings: where to listen, and to whom.
            nonces: of signed messages that were taken before; None is none.
            clock: monotonic, in seconds.

        Raises:
            ParameterError: the port is taken, or the address is not of this machine.
        """
        self.settings = settings
        self.counts = Counts()
        self.received: Inbox[Received] = Inbox(MAX_WAITING)
        self._clock = clock
        self._limiter = Limiter(self.settings.rates, clock)
        self._complained_at: float | None = None
        self._is_loopback = ipaddress.ip_address(self.settings.host).is_loopback
        secret = self.settings.secret
        self._verifier = None if secret is None else Verifier(secret, nonces=nonces)
        self._udp, self._listener = bind(self.settings.host, self.settings.port)
        self.port: int = self._udp.getsockname()[1]
        self._connections: dict[int, Connection] = {}
        self._numbers = 0
        self._guard = threading.Lock()
        self._selector = selectors.DefaultSelector()
        self._waker, self._wakened = socket.socketpair()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen, in a thread of its own."""
        for each, handler in (
            (self._udp, self._read_datagrams),
            (self._listener, self._accept),
            (self._wakened, self._drain_wakes),
        ):
            each.setblocking(False)
            self._selector.register(each, selectors.EVENT_READ, handler)
        self._thread = threading.Thread(target=self._run, name="osc", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop listening, and close everything."""
        self._stopping.set()
        self._wake()
        if self._thread is not None:
            self._thread.join()
        for connection in list(self._connections.values()):
            connection.socket.close()
        self._connections.clear()
        self._selector.close()
        for each in (self._udp, self._listener, self._waker, self._wakened):
            each.close()

    def send(self, peer: Peer, message: Message) -> None:
        """Send a reply; one that cannot be sent is dropped, as UDP may do with any."""
        try:
            packet = message.encode()
        except MessageError as error:
            _log.warning("a reply is dropped: %s", error)
            return
        if peer.over == "udp" and peer.port:
            with suppress(OSError):
                self._udp.sendto(packet, (peer.host, peer.port))
        elif peer.over == "tcp":
            with self._guard:
                connection = self._connections.get(peer.connection)
                if connection is not None:
                    connection.hold(frame(packet))
            self._wake()

    # The thread

    def _run(self) -> None:
        take_short_turns()
        while not self._stopping.is_set():
            for key, events in self._selector.select(timeout=1.0):
                try:
                    key.data(events)
                except Exception:  # a fault of ours must not silence the server
                    _log.exception("a fault while a packet was read; the server goes on")
            self._tend_connections()

    def _read_datagrams(self, events: int) -> None:
        for _ in range(_BATCH):
            try:
                packet, address = self._udp.recvfrom(MAX_DATAGRAM + 1)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno not in (errno.ECONNREFUSED, errno.ECONNRESET, errno.EMSGSIZE):
                    raise
                continue  # what became of an earlier reply
            self._take(packet, Peer(host=address[0], port=address[1]), MAX_DATAGRAM)

    def _take(self, packet: bytes, peer: Peer, max_bytes: int) -> None:
        """Read a packet and queue what is in it; nobody hears of what is refused."""
        source = (peer.host, peer.port) if self._is_loopback else peer.host
        if not self._limiter.admits_source(source):
            self.counts.limited += 1
            return
        try:
            for message in parse_packet(packet, max_bytes=max_bytes):
                if self._verifier is not None:
                    message = self._verified(self._verifier, message, peer)
                if message.address not in BY_PATH:
                    raise MessageError(f"there is no address {message.address}")
                self._queue(message, peer)
        except MessageError as error:
            self.counts.refused += 1
            _log.debug("a packet from %s is refused: %s", peer.host, error)

    def _verified(self, verifier: Verifier, message: Message, peer: Peer) -> Message:
        """A message whose signature is good; of others, which nobody answers, the log has a line a minute."""
        try:
            return verifier.verify(message)
        except MessageError as error:
            now = self._clock()
            if self._complained_at is None or now - self._complained_at >= _COMPLAIN_S:
                self._complained_at = now
                _log.warning("not heard, from %s: %s", peer.host, error)
            raise

    def _queue(self, message: Message, peer: Peer) -> None:
        try:
            if self._limiter.admits_message():
                self.received.put(peer, (message, peer))
                self.counts.taken += 1
                return
        except queue.Full:
            pass
        self.counts.limited += 1

    # TCP

    def _accept(self, events: int) -> None:
        try:
            accepted, address = self._listener.accept()
        except OSError:
            return
        if len(self._connections) >= MAX_CONNECTIONS:
            accepted.close()
            return
        accepted.setblocking(False)
        self._numbers += 1
        peer = Peer(host=address[0], port=address[1], over="tcp", connection=self._numbers)
        connection = Connection(accepted, peer, self._clock())
        with self._guard:
            self._connections[self._numbers] = connection
        self._selector.register(
            accepted, selectors.EVENT_READ, lambda events: self._serve_connection(connection, events)
        )

    def _serve_connection(self, connection: Connection, events: int) -> None:
        try:
            if events & selectors.EVENT_READ:
                data = connection.socket.recv(65_536)
                if not data:
                    raise ConnectionResetError
                for packet in connection.reader.feed(data):
                    self._take(packet, connection.peer, MAX_FRAME)
                if connection.reader.held_bytes == 0:
                    connection.whole_at = self._clock()
            if events & selectors.EVENT_WRITE:
                connection.flush()
        except (BlockingIOError, InterruptedError):
            return
        except (OSError, MessageError) as error:
            if isinstance(error, MessageError):
                self.counts.refused += 1
            self._drop(connection)

    def _tend_connections(self) -> None:
        """Ask for writing where there is something to write; drop who stalls or does not read."""
        for connection in list(self._connections.values()):
            stalls = connection.reader.held_bytes and self._clock() - connection.whole_at > IDLE_S
            if stalls or connection.is_overrun:
                self._drop(connection)
                continue
            wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.outgoing else 0)
            if self._selector.get_key(connection.socket).events != wanted:
                self._selector.modify(
                    connection.socket, wanted, self._selector.get_key(connection.socket).data
                )

    def _drop(self, connection: Connection) -> None:
        with self._guard:
            if self._connections.pop(connection.peer.connection, None) is None:
                return
        self._selector.unregister(connection.socket)
        connection.socket.close()

    def _wake(self) -> None:
        with suppress(OSError):
            self._waker.send(b"\0")

    def _drain_wakes(self, events: int) -> None:
        with suppress(OSError):
            self._wakened.recv(4096)

"""The sockets that the OSC server hears and answers at: one for UDP, one for connections, and these."""

from __future__ import annotations

import errno
import socket
from collections import deque
from contextlib import suppress
from typing import Final

from audiosr_fx.errors import ParameterError
from hosts.osc import MAX_FRAME
from hosts.peers import Peer
from hosts.slip import FrameReader

MAX_CONNECTIONS: Final = 32
_RECEIVE_BUFFER: Final = 4 << 20
_SEND_BUFFER: Final = 256 << 10


def bind(host: str, port: int) -> tuple[socket.socket, socket.socket]:
    """A UDP and a TCP socket on the same port.

    Args:
        host: an address of this machine.
        port: for both; 0 takes a free one.

    Raises:
        ParameterError: the port is taken, or the address is not of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for attempt in range(20):
        udp, listener = socket.socket(family, socket.SOCK_DGRAM), socket.socket(family, socket.SOCK_STREAM)
        try:
            with suppress(OSError):
                udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            udp.bind((host, port))
            listener.bind((host, udp.getsockname()[1]))
            listener.listen(MAX_CONNECTIONS)
            return udp, listener
        except OSError as cause:
            udp.close()
            listener.close()
            if port == 0 and attempt < 19 and cause.errno == errno.EADDRINUSE:
                continue  # a free port for the one is taken for the other
            reason = "is taken; is another server running?" if cause.errno == errno.EADDRINUSE else ""
            raise ParameterError(
                f"port {port} of {host} {reason or f'cannot be listened to ({cause.strerror})'};"
                " choose another with --osc-port"
            ) from cause
    raise AssertionError


class Connection:
    """One TCP connection: what has come of a frame, and what waits to be written."""

    def __init__(self, accepted: socket.socket, peer: Peer, now: float) -> None:
        self.socket = accepted
        self.peer = peer
        self.reader = FrameReader(MAX_FRAME)
        self.whole_at = now
        self.outgoing: deque[bytes] = deque()
        self.is_overrun = False
        self._held = 0

    def hold(self, data: bytes) -> None:
        """Take a frame to be written."""
        if self._held + len(data) > _SEND_BUFFER:
            self.is_overrun = True
            return
        self._held += len(data)
        self.outgoing.append(data)

    def flush(self) -> None:
        """Write as much as goes."""
        while self.outgoing:
            data = self.outgoing.popleft()
            sent = self.socket.send(data)
            self._held -= sent
            if sent < len(data):
                self.outgoing.appendleft(data[sent:])
                return

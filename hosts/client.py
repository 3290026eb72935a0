"""A client of the OSC server for scripts and tests: says a thing until it is heard, and waits for its end."""

from __future__ import annotations

import queue
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final

from audiosr_fx.errors import MessageError, ParameterError
from hosts import protocol
from hosts.osc import MAX_DATAGRAM, MAX_FRAME, Argument, Message, message, parse_packet
from hosts.signing import sign
from hosts.slip import FrameReader, frame

REPEAT_S: Final = 0.25
ASK_AFTER_S: Final = 2.0
GIVE_UP_S: Final = 10.0


class NoAnswer(ParameterError):
    """Nobody answers there."""


class OscClient:
    """Talks to one server; use it as a context manager, or call ``close``.

    Args:
        host: of the server.
        port: of the server.
        over_tcp: TCP with SLIP frames instead of UDP.
        secret: to sign with, where the server wants it.
        give_up_s: how long the server may be silent before it counts as gone.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 9123,
        *,
        over_tcp: bool = False,
        secret: bytes | None = None,
        give_up_s: float = GIVE_UP_S,
    ) -> None:
        self._where = f"{host} port {port}"
        self._secret, self._give_up_s, self._over_tcp = secret, give_up_s, over_tcp
        self._is_refused = False
        self._replies: queue.SimpleQueue[Message] = queue.SimpleQueue()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        kind = socket.SOCK_STREAM if over_tcp else socket.SOCK_DGRAM
        self._socket = socket.socket(family, kind)
        try:
            self._socket.settimeout(give_up_s)
            self._socket.connect((host, port))
        except OSError as cause:
            self._socket.close()
            self._is_refused = isinstance(cause, ConnectionRefusedError)
            raise self._no_answer() from cause
        self._socket.settimeout(None)
        self._thread = threading.Thread(target=self._listen, name="osc client", daemon=True)
        self._thread.start()

    def __enter__(self) -> OscClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()

    def send(self, message: Message) -> None:
        """Send once, signed where there is a secret; what UDP loses is lost."""
        packet = (message if self._secret is None else sign(message, self._secret)).encode()
        with suppress(OSError):  # a server that is not there yet
            self._socket.sendall(frame(packet) if self._over_tcp else packet)

    def ask(
        self, message: Message, is_enough: Callable[[list[Message]], bool] = lambda replies: True
    ) -> list[Message]:
        """Send a message until what came back is enough, as any reply is; returns that.

        Raises:
            NoAnswer: the server is silent.
        """
        replies: list[Message] = []
        for reply in self._repeated(message):
            if reply is not None and reply.arguments[:1] == message.arguments[:1]:
                replies.append(reply)
                if is_enough(replies):
                    return replies
        raise self._no_answer()

    def render(self, message: Message) -> Iterator[Message]:
        """Send a render until it is acknowledged; gives its replies up to done or error, each once.

        Raises:
            NoAnswer: the server is silent.
        """
        request = message.arguments[0]
        status = Message(protocol.STATUS, (request,))
        said, heard_at = message, time.monotonic()
        seen: set[Message] = set()
        while time.monotonic() - heard_at < self._give_up_s:
            self.send(said)
            next_at = time.monotonic() + (REPEAT_S if said is message else ASK_AFTER_S)
            while (left := next_at - time.monotonic()) > 0:
                reply = self._next(left)
                if reply is None or reply.arguments[:1] != (request,):
                    continue
                heard_at = time.monotonic()
                if said is message and reply.address == protocol.ACCEPTED:
                    said = status  # it is on the disk there; from here on a lost reply is asked for
                    next_at = heard_at + ASK_AFTER_S
                if reply not in seen:
                    seen.add(reply)
                    yield reply
                if reply.address in (protocol.DONE, protocol.ERROR):
                    return
        raise self._no_answer()

    def _repeated(self, message: Message) -> Iterator[Message | None]:
        end = time.monotonic() + self._give_up_s
        while time.monotonic() < end:
            self.send(message)
            next_at = time.monotonic() + REPEAT_S
            while (left := next_at - time.monotonic()) > 0:
                yield self._next(left)

    def _next(self, wait_s: float) -> Message | None:
        try:
            return self._replies.get(timeout=wait_s)
        except queue.Empty:
            return None

    def _listen(self) -> None:
        reader = FrameReader(MAX_FRAME)
        while True:
            try:
                data = self._socket.recv(65_536 if self._over_tcp else MAX_DATAGRAM)
            except ConnectionRefusedError:
                self._is_refused = True
                time.sleep(0.05)  # nobody there yet; a UDP socket is told so, and lives
                continue
            except OSError:
                return
            if not data:
                return
            with suppress(MessageError):
                for packet in reader.feed(data) if self._over_tcp else (data,):
                    for each in parse_packet(packet, max_bytes=MAX_FRAME):
                        self._replies.put(each)

    def _no_answer(self) -> NoAnswer:
        """Nobody has the port, as this machine can tell of itself, or whoever has it does not hear us."""
        if self._is_refused:
            way_out = "start it with: audiosr-fx serve --root FOLDER"
        elif self._secret is None:
            way_out = "it is not started there, or takes signed messages only: --secret FILE"
        else:
            way_out = "it is not started there, or has another secret or another time"
        return NoAnswer(f"nothing answers at {self._where}; {way_out}")


def new_request() -> str:
    """A word for a request that nobody has used."""
    return f"r-{secrets.token_hex(8)}"


def render_message(
    path: str,
    *,
    root: str = "",
    start: Argument = 0,
    length: Argument = 0,
    rate: int = 0,
    preset: str = "",
    options: tuple[str, ...] = (),
    request: str | None = None,
) -> Message:
    """The message that asks for a render; see the protocol's table. Floats go as d."""
    arguments = (request or new_request(), root, path, start, length, rate, preset, *options)
    tags = message(protocol.RENDER, *arguments).type_tags.replace("f", "d")
    return Message(protocol.RENDER, arguments, tags)

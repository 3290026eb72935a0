"""Signed messages, for a server that listens beyond this machine.

A signed message ends with three more arguments: the time it was signed in whole seconds since 1970 (i or h),
a nonce (s, 16 to 64 characters), and a blob: HMAC-SHA256, under the shared secret, of the message as bytes
with all arguments but that blob. Each nonce is good once, within 30 seconds, across restarts too.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from audiosr_fx.errors import MessageError, ParameterError
from hosts.nonces import WINDOW_S, Nonces
from hosts.osc import Message

MIN_SECRET_BYTES: Final = 16


def read_secret(path: Path) -> bytes:
    """A secret from a file, without the white space around it.

    Raises:
        ParameterError: it cannot be read, is readable by others, or is too short.
    """
    try:
        with path.open("rb") as stream:
            secret = stream.read(4096).strip()
        mode = path.stat().st_mode
    except OSError as cause:
        raise ParameterError(f"the secret {path} cannot be read ({cause.strerror})") from cause
    if mode & 0o077 and Path("/proc").exists():
        raise ParameterError(f"the secret {path} can be read by others; chmod 600 {path}")
    return check_secret(secret)


def check_secret(secret: bytes) -> bytes:
    """The secret itself.

    Raises:
        ParameterError: it is too short.
    """
    if len(secret) < MIN_SECRET_BYTES:
        raise ParameterError(
            f"the secret has {len(secret)} bytes; expected {MIN_SECRET_BYTES} or more,"
            " such as openssl rand -hex 16 prints"
        )
    return secret


def sign(message: Message, secret: bytes, *, clock: Callable[[], float] = time.time) -> Message:
    """A message with time, nonce and signature behind its arguments."""
    stamped = Message(
        message.address,
        (*message.arguments, int(clock()), secrets.token_hex(16)),
        message.type_tags + "hs",
    )
    return Message(
        stamped.address, (*stamped.arguments, _signature(stamped, secret)), stamped.type_tags + "b"
    )


class Verifier:
    """Checks signatures, and remembers nonces so that a message that was overheard is worth nothing."""

    def __init__(
        self, secret: bytes, *, nonces: Nonces | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        """Listen to who has the secret.

        Args:
            secret: that messages are signed with.
            nonces: that were used; None begins with none, and forgets them with this.
            clock: seconds since 1970.

        Raises:
            ParameterError: the secret is too short.
        """
        self._secret = check_secret(secret)
        self._clock = clock
        self._nonces = nonces or Nonces()

    def verify(self, message: Message) -> Message:
        """The message without time, nonce and signature.

        Raises:
            MessageError: unsigned, signed otherwise, too old, from the future, or used before.
        """
        if message.type_tags[-3:] not in ("hsb", "isb"):
            raise MessageError("a message is not signed")
        *arguments, stamp, nonce, signature = message.arguments
        assert isinstance(stamp, int)
        assert isinstance(nonce, str)
        assert isinstance(signature, bytes)
        stamped = Message(message.address, message.arguments[:-1], message.type_tags[:-1])
        if not hmac.compare_digest(signature, _signature(stamped, self._secret)):
            raise MessageError("a message is signed with another secret")
        now = self._clock()
        if abs(now - stamp) > WINDOW_S:
            raise MessageError(f"a message was signed {now - stamp:.0f} s ago; check both clocks")
        self._nonces.use(nonce, now)
        return Message(message.address, tuple(arguments), message.type_tags[:-3])


def _signature(message: Message, secret: bytes) -> bytes:
    return hmac.new(secret, message.encode(), hashlib.sha256).digest()

"""SLIP frames out of a stream of bytes: OSC over TCP, with a bound on what a sender can make us hold.

Source: RFC 1055; OSC 1.1 frames each packet by END on both sides. Single END bytes between packets are taken
as well, and empty frames are passed over.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pythonosc import slip

from audiosr_fx.errors import MessageError
from hosts.osc import MAX_FRAME

END: Final = slip.END


def frame(packet: bytes) -> bytes:
    """A packet as a frame with END on both sides."""
    framed: bytes = slip.encode(packet)
    return framed


class FrameReader:
    """Collects a stream and gives its packets.

    Args:
        max_bytes: what a packet may have; a frame, in which bytes may be doubled, may have twice that.
    """

    def __init__(self, max_bytes: int = MAX_FRAME) -> None:
        self._max_bytes = max_bytes
        self._held = bytearray()

    @property
    def held_bytes(self) -> int:
        """Bytes of a frame that has not ended yet."""
        return len(self._held)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Packets that the next bytes of the stream complete.

        Raises:
            MessageError: a frame that is too long, or has an escape that means nothing. The stream has lost
                its place then: close it.
        """
        *complete, rest = data.split(END)
        for piece in complete:
            self._hold(piece)
            if self._held:
                yield self._take()
        self._hold(rest)

    def _hold(self, piece: bytes) -> None:
        if len(self._held) + len(piece) > 2 * self._max_bytes:
            raise MessageError(f"a frame has more than {2 * self._max_bytes} bytes")
        self._held += piece

    def _take(self) -> bytes:
        framed = bytes(self._held)
        self._held.clear()
        try:
            packet: bytes = slip.decode(framed)
        except slip.ProtocolError as cause:
            raise MessageError("a frame has an escape that means nothing") from cause
        return packet

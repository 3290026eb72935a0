"""OSC 1.0 packets, strictly: bytes become messages or a MessageError, and nothing else happens.

Addresses are exact: a packet whose address holds wildcards is refused, so no sender's pattern is ever
matched. A bundle is its messages; it may not hold bundles, and its time tag is read by nobody. Sizes and
shape are held against the packet before python-osc's parser sees it.

Source: opensoundcontrol.org, OSC 1.0 specification.
"""

from __future__ import annotations

import math
import re
import struct
from dataclasses import dataclass
from typing import Final, TypeAlias

from pythonosc.osc_message import OscMessage, ParseError
from pythonosc.osc_message_builder import BuildError, OscMessageBuilder

from audiosr_fx.errors import MessageError

Argument: TypeAlias = int | float | str | bytes | bool | None

MAX_DATAGRAM: Final = 8192
"""Bytes of a UDP packet that are taken."""
MAX_FRAME: Final = 1 << 20
"""Bytes of a packet over TCP that are taken."""
MAX_ADDRESS: Final = 128
MAX_ARGUMENTS: Final = 1024
MAX_MESSAGES: Final = 64

_BUNDLE: Final = b"#bundle\0"
_BUNDLE_HEADER: Final = len(_BUNDLE) + 8  # and a time tag
_ADDRESS: Final = re.compile(rb"(?:/[A-Za-z0-9_.:@+-]+)+")
_TAGS: Final = re.compile(rb",[ihfdsbTFN]*")
_FIXED_SIZES: Final = {
    ord("i"): 4,
    ord("h"): 8,
    ord("f"): 4,
    ord("d"): 8,
    ord("T"): 0,
    ord("F"): 0,
    ord("N"): 0,
}


@dataclass(frozen=True, slots=True)
class Message:
    """One message.

    Attributes:
        address: exact, such as ``/audiosr/ping``.
        arguments: int for i and h, float for f and d, str, bytes, bool for T and F, None for N.
        types: one letter for each argument; None takes int as i or h, and float as f.
    """

    address: str
    arguments: tuple[Argument, ...] = ()
    types: str | None = None

    @property
    def type_tags(self) -> str:
        """One letter for each argument."""
        return "".join(map(_tag, self.arguments)) if self.types is None else self.types

    def encode(self) -> bytes:
        """The message as a packet.

        Raises:
            MessageError: an address or arguments that OSC has no form for.
        """
        builder = OscMessageBuilder(self.address)
        try:
            for tag, argument in zip(self.type_tags, self.arguments, strict=True):
                if isinstance(argument, str) and "\0" in argument:
                    raise MessageError("a text holds the character that ends texts")
                builder.add_arg(argument, tag)
            packet = builder.build().dgram
            _check_message(packet)
        except (BuildError, MessageError, ValueError) as cause:
            raise MessageError(f"{self.address} {self.arguments!r:.80} cannot be sent ({cause})") from cause
        return packet


def parse_packet(packet: bytes, *, max_bytes: int = MAX_DATAGRAM) -> tuple[Message, ...]:
    """Read a packet: one message, or a bundle's.

    Args:
        packet: any bytes.
        max_bytes: what a packet may have.

    Raises:
        MessageError: anything that is not well-formed OSC of at most that size; see the limits of this file.
    """
    if not 4 <= len(packet) <= max_bytes or len(packet) % 4:
        raise MessageError(f"a packet has {len(packet)} bytes; expected 4 to {max_bytes}, a multiple of 4")
    if not packet.startswith(_BUNDLE):
        return (_parse_message(packet),)
    return tuple(_parse_message(element) for element in _elements(packet))


def _elements(bundle: bytes) -> list[bytes]:
    """The messages of a bundle; its time tag is passed over."""
    elements = []
    position = _BUNDLE_HEADER
    if len(bundle) < position:
        raise MessageError("a bundle ends within its time tag")
    while position < len(bundle):
        (size,) = struct.unpack_from(">I", bundle, position)
        position += 4
        if size % 4 or not 4 <= size <= len(bundle) - position:
            raise MessageError(f"a bundle's element has {size} bytes of {len(bundle) - position}")
        elements.append(bundle[position : position + size])
        position += size
        if len(elements) > MAX_MESSAGES:
            raise MessageError(f"a bundle has more than {MAX_MESSAGES} messages")
    return elements


def _parse_message(packet: bytes) -> Message:
    tags = _check_message(packet)
    try:
        parsed = OscMessage(packet)
    except (ParseError, ValueError, OverflowError) as cause:
        raise MessageError(f"a message cannot be read ({cause})") from cause
    arguments = tuple(parsed.params)
    if not all(math.isfinite(value) for value in arguments if isinstance(value, float)):
        raise MessageError(f"{parsed.address} has a number that is NaN or infinite")
    return Message(parsed.address, arguments, tags)


def _check_message(packet: bytes) -> str:
    """Hold the shape of a message against its bytes; returns its type tags."""
    address, position = _text(packet, 0)
    if not _ADDRESS.fullmatch(address) or len(address) > MAX_ADDRESS:
        raise MessageError(
            f"an address is {address[:40]!r}; expected /names of letters, digits and . _ : @ + -,"
            f" up to {MAX_ADDRESS} bytes, without wildcards"
        )
    if position == len(packet):
        return ""  # some old senders leave the type tags out where there are no arguments
    tags, position = _text(packet, position)
    if not _TAGS.fullmatch(tags) or len(tags) > MAX_ARGUMENTS + 1:
        raise MessageError(
            f"type tags are {tags[:40]!r}; expected a comma and up to {MAX_ARGUMENTS} of ihfdsbTFN"
        )
    for tag in tags[1:]:
        position = _end_of_argument(packet, tag, position)
    if position != len(packet):
        raise MessageError(f"a message has {len(packet)} bytes; its arguments end at {position}")
    return tags[1:].decode("ascii")


def _end_of_argument(packet: bytes, tag: int, position: int) -> int:
    if tag == ord("s"):
        text, end = _text(packet, position)
        try:
            text.decode("utf-8")
        except UnicodeDecodeError as cause:
            raise MessageError(f"a text is not UTF-8 at its byte {cause.start}") from cause
        return end
    if tag == ord("b"):
        if position + 4 > len(packet):
            raise MessageError("a message ends within the size of a blob")
        (size,) = struct.unpack_from(">I", packet, position)
        return _after_padding(packet, position + 4 + size, position + 4 + size + -size % 4)
    end = position + _FIXED_SIZES[tag]
    if end > len(packet):
        raise MessageError(f"a message ends within its argument of type {chr(tag)}")
    return end


def _text(packet: bytes, position: int) -> tuple[bytes, int]:
    """A text's bytes, and where its padding ends."""
    stop = packet.find(b"\0", position)
    if stop < 0:
        raise MessageError("a text has no end")
    return packet[position:stop], _after_padding(packet, stop, stop + 4 - stop % 4)


def _after_padding(packet: bytes, start: int, end: int) -> int:
    if end > len(packet) or packet.count(b"\0", start, end) != end - start:
        raise MessageError("a message ends within an argument, or is not padded with zeros")
    return end


def _tag(argument: Argument) -> str:
    match argument:
        case bool():
            return "T" if argument else "F"
        case int():
            return "i" if -(1 << 31) <= argument < 1 << 31 else "h"
        case float():
            return "f"
        case str():
            return "s"
        case bytes():
            return "b"
        case None:
            return "N"
    raise MessageError(f"an argument is {type(argument).__name__}; OSC has no form for it")


def message(address: str, *arguments: Argument) -> Message:
    """A message with the types its arguments have by themselves."""
    return Message(address, arguments)

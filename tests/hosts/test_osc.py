from __future__ import annotations

import random
import struct
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from osc_packets import mutated_packets
from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message_builder import OscMessageBuilder

from audiosr_fx.errors import MessageError
from hosts.osc import MAX_ADDRESS, MAX_DATAGRAM, Message, message, parse_packet

ADDRESSES = st.from_regex(r"(?:/[A-Za-z0-9_.:@+-]{1,12}){1,4}", fullmatch=True)
DOUBLES = st.floats(allow_nan=False, allow_infinity=False)
ARGUMENTS = st.one_of(
    st.tuples(st.just("i"), st.integers(-(1 << 31), (1 << 31) - 1)),
    st.tuples(st.just("h"), st.integers(-(1 << 63), (1 << 63) - 1)),
    st.tuples(st.just("f"), st.floats(width=32, allow_nan=False, allow_infinity=False)),
    st.tuples(st.just("d"), DOUBLES),
    st.tuples(st.just("s"), st.text(st.characters(codec="utf-8", exclude_characters="\0"))),
    st.tuples(st.just("b"), st.binary(min_size=1, max_size=70)),
    st.sampled_from([("T", True), ("F", False), ("N", None)]),
)


@given(ADDRESSES, st.lists(ARGUMENTS, max_size=12))
def test_what_is_sent_is_what_is_read(address: str, typed: list[tuple[str, object]]) -> None:
    sent = Message(address, tuple(value for _, value in typed), "".join(tag for tag, _ in typed))  # type: ignore[arg-type]
    assert parse_packet(sent.encode()) == (sent,)


@given(st.binary(max_size=200))
@example(b"")
@example(b"#bundle\0")
@example(b"/a\0\0,\0\0\0")
@example(b"/a\0\0,b\0\0\xff\xff\xff\xff")
def test_any_bytes_are_read_or_refused(packet: bytes) -> None:
    try:
        messages = parse_packet(packet)
    except MessageError:
        return
    assert all(each.address.startswith("/") for each in messages)


def test_mutated_packets_are_read_or_refused() -> None:
    read = refused = 0
    for packet in mutated_packets(5_000, random.Random(1)):
        try:
            parse_packet(packet)
            read += 1
        except MessageError:
            refused += 1
    assert read > 100
    assert refused > 2_000


@pytest.mark.parametrize(
    "packet",
    [
        b"/*\0\0,\0\0\0",
        b"/a?\0,\0\0\0",
        b"/{a}\0\0\0\0,\0\0\0",
        b"/[a]\0\0\0\0,\0\0\0",
        b"//a\0,\0\0\0",
        b"/\0\0\0,\0\0\0",
        b"a\0\0\0,\0\0\0",
        b"/\xc3\xa4\0,\0\0\0",
        b"/a b\0\0\0\0,\0\0\0",
        b"/a\0\0i\0\0\0\0\0\0\x01",
        b"/a\0\0,[i]\0\0\0\0\0\0\0\x01",
        b"/a\0\0,t\0\0" + bytes(8),
        b"/a\0\0,i\0\0",
        b"/a\0\0,i\0\0\0\0\0\x01\0\0\0\0",
        b"/a\0\0,s\0\0abc\xff",
        b"/a\0\0,s\0\0ab\0\x01",
        b"/a\0\0,s\0\0\xff\xfe\0\0",
        b"/a\0\0,b\0\0\0\0\0\x09abcd",
        b"/a\0\0,b\0\0\0\0",
        b"/a\0\0,f\0\0\x7f\xc0\0\0",
        b"/a\0\0,f\0\0\x7f\x80\0\0",
        b"/a\0x,\0\0\0",
        b"/a\0\0,\0\0",
        b"#bundle\0\0\0\0\0",
        b"#bundle\0" + bytes(8) + b"\0\0\0\x03/a\0\0",
        b"#bundle\0" + bytes(8) + b"\0\0\0\x08/a\0\0",
        b"/" + b"a" * 200 + b"\0" * 3 + b",\0\0\0",
    ],
)
def test_what_is_not_plain_osc_is_refused(packet: bytes) -> None:
    with pytest.raises(MessageError):
        parse_packet(packet)


def test_a_message_without_type_tags_has_no_arguments() -> None:
    assert parse_packet(b"/a\0\0") == (Message("/a", (), ""),)


def test_a_bundle_is_its_messages_whatever_its_time() -> None:
    in_a_year = 2_208_988_800 + 31_536_000 + int(time.time())
    first, second = message("/a", 1).encode(), message("/b", "x").encode()
    elements = b"".join(struct.pack(">I", len(each)) + each for each in (first, second))
    for tag in (struct.pack(">II", in_a_year, 0), bytes(8), b"\xff" * 8):
        read = parse_packet(b"#bundle\0" + tag + elements)
        assert [each.address for each in read] == ["/a", "/b"]


def test_a_bundle_in_a_bundle_is_refused() -> None:
    packet = message("/a").encode()
    for _ in range(300):
        packet = b"#bundle\0" + bytes(8) + struct.pack(">I", len(packet)) + packet
    with pytest.raises(MessageError, match=r"an address is b'#bundle"):
        parse_packet(packet)


def test_an_empty_bundle_is_no_message_and_an_endless_one_is_refused() -> None:
    head = b"#bundle\0" + bytes(8)
    assert parse_packet(head) == ()
    with pytest.raises(MessageError, match="more than 64 messages"):
        parse_packet(head + 65 * (b"\0\0\0\x04/a\0\0"))


def test_a_packet_that_is_too_long_is_refused_unread() -> None:
    packet = message("/a", "x" * MAX_DATAGRAM).encode()
    with pytest.raises(MessageError, match="expected 4 to 8192"):
        parse_packet(packet)
    assert parse_packet(packet, max_bytes=1 << 20)[0].arguments == ("x" * MAX_DATAGRAM,)


def test_other_libraries_packets_are_understood() -> None:
    builder = OscMessageBuilder("/audiosr/render")
    for value, tag in (("id", "s"), (48_000, "i"), (1.25, "d"), (1 << 40, "h"), (True, "T")):
        builder.add_arg(value, tag)
    bundle = OscBundleBuilder(IMMEDIATELY)
    bundle.add_content(builder.build())
    expected = Message("/audiosr/render", ("id", 48_000, 1.25, 1 << 40, True), "sidhT")
    assert parse_packet(builder.build().dgram) == (expected,)
    assert parse_packet(bundle.build().dgram) == (expected,)


@pytest.mark.parametrize(
    "bad",
    [
        Message("/*"),
        Message("/a", (1 << 70,)),
        Message("/a", ("\0",)),
        Message("/a", (b"",)),
        Message("/a", ("text",), "i"),
        Message("/a", (1, 2), "i"),
        Message("/" + "a" * MAX_ADDRESS),
        Message("/a", (object(),)),  # type: ignore[arg-type]
    ],
)
def test_what_osc_cannot_say_is_not_sent(bad: Message) -> None:
    with pytest.raises(MessageError):
        bad.encode()


@settings(max_examples=30)
@given(st.integers(0, 2**32))
def test_mutations_are_the_same_for_the_same_seed(seed: int) -> None:
    assert list(mutated_packets(5, random.Random(seed))) == list(mutated_packets(5, random.Random(seed)))

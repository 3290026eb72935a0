from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosr_fx.errors import MessageError
from hosts.slip import FrameReader, frame

PACKETS = st.lists(st.binary(min_size=1, max_size=40), max_size=8)


@given(PACKETS, st.integers(1, 17), st.booleans())
def test_packets_come_out_whole_however_the_stream_is_cut(
    packets: list[bytes], size: int, share_ends: bool
) -> None:
    stream = b"".join(frame(packet) for packet in packets)
    if share_ends:
        stream = stream.replace(b"\xc0\xc0", b"\xc0")
    reader = FrameReader()
    out = [
        packet
        for start in range(0, len(stream), size)
        for packet in reader.feed(stream[start : start + size])
    ]
    assert out == packets
    assert reader.held_bytes == 0


@given(st.binary(max_size=300))
def test_any_stream_gives_packets_or_is_refused(stream: bytes) -> None:
    try:
        packets = list(FrameReader(max_bytes=64).feed(stream))
    except MessageError:
        return
    assert all(len(packet) <= 128 for packet in packets)


def test_a_frame_without_end_is_refused_before_it_fills_the_memory() -> None:
    reader = FrameReader(max_bytes=1000)
    for _ in range(20):
        assert list(reader.feed(b"a" * 100)) == []
    with pytest.raises(MessageError, match="more than 2000 bytes"):
        list(reader.feed(b"a"))
    assert reader.held_bytes <= 2000


def test_an_escape_that_means_nothing_is_refused() -> None:
    with pytest.raises(MessageError, match="escape"):
        list(FrameReader().feed(b"\xc0\xdb\x01\xc0"))

from __future__ import annotations

from pathlib import Path

import pytest

from audiosr_fx.errors import MessageError, ParameterError
from hosts.osc import Message, parse_packet
from hosts.signing import WINDOW_S, Verifier, read_secret, sign

SECRET = b"0123456789abcdef0123"
PLAIN = Message("/audiosr/render", ("id", 1, 2.5, "ü", True), "sidsT")


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def travelled(message: Message) -> Message:
    return parse_packet(message.encode())[0]


def test_a_signed_message_comes_back_plain() -> None:
    clock = Clock()
    assert Verifier(SECRET, clock=clock).verify(travelled(sign(PLAIN, SECRET, clock=clock))) == PLAIN


def test_a_message_is_good_once() -> None:
    clock = Clock()
    verifier = Verifier(SECRET, clock=clock)
    signed = travelled(sign(PLAIN, SECRET, clock=clock))
    verifier.verify(signed)
    with pytest.raises(MessageError, match="nonce"):
        verifier.verify(signed)
    clock.now += 3 * WINDOW_S
    with pytest.raises(MessageError, match="clocks"):
        verifier.verify(signed)


@pytest.mark.parametrize("off_s", [-WINDOW_S - 2, WINDOW_S + 2, 10**9])
def test_a_message_from_another_time_is_refused(off_s: int) -> None:
    clock = Clock()
    signed = sign(PLAIN, SECRET, clock=lambda: clock.now + off_s)
    with pytest.raises(MessageError, match="check both clocks"):
        Verifier(SECRET, clock=clock).verify(signed)


@pytest.mark.parametrize("place", range(8))
def test_no_part_can_be_changed(place: int) -> None:
    clock = Clock()
    signed = sign(PLAIN, SECRET, clock=clock)
    changed = list(signed.arguments)
    others = ("other", 2, 2.0, "u", False, int(clock.now) + 1, "f" * 32, bytes(32))
    changed[place] = others[place]
    tags = signed.type_tags if place != 4 else signed.type_tags.replace("T", "F")
    with pytest.raises(MessageError, match="another secret"):
        Verifier(SECRET, clock=clock).verify(Message(signed.address, tuple(changed), tags))
    with pytest.raises(MessageError, match="another secret"):
        Verifier(SECRET, clock=clock).verify(Message("/audiosr/cancel", signed.arguments, signed.types))


def test_unsigned_and_otherwise_signed_messages_are_refused() -> None:
    with pytest.raises(MessageError, match="not signed"):
        Verifier(SECRET).verify(PLAIN)
    with pytest.raises(MessageError, match="another secret"):
        Verifier(SECRET).verify(sign(PLAIN, b"another secret of enough bytes"))


def test_a_secret_is_read_from_a_file_that_only_its_owner_reads(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(SECRET + b"\n")
    path.chmod(0o600)
    assert read_secret(path) == SECRET
    path.chmod(0o644)
    with pytest.raises(ParameterError, match="chmod 600"):
        read_secret(path)
    path.chmod(0o600)
    path.write_bytes(b"short")
    with pytest.raises(ParameterError, match="expected 16 or more"):
        read_secret(path)
    with pytest.raises(ParameterError, match="cannot be read"):
        read_secret(tmp_path / "none")

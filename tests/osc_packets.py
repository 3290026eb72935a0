"""Hostile packets: good ones mutated, wildcards, nested bundles, huge ones, time tags far ahead, noise."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator

from hosts.osc import Message, message

GOOD = (
    Message("/audiosr/render", ("id", "stems", "a.wav", 0, 48_000, 48_000, ""), "sssiiis"),
    message("/audiosr/ping", "id"),
    message("/audiosr/param/seed", 7),
    Message("/audiosr/render", ("id", "", "/x/ü.wav", 1.5, "2.25", 0, "podcast", "seed=3"), "sssdsiss"),
    message("/audiosr/status", b"\xff\xfe", True, None, 2**40),
)


def mutated_packets(count: int, chance: random.Random) -> Iterator[bytes]:
    """So many packets, each different in kind and place."""
    kinds = (flipped, cut, joined, nested, late, starred, noise, lying_blob, doubled_bytes, huge)
    for _ in range(count):
        packet = chance.choice(GOOD).encode()
        yield chance.choice(kinds)(packet, chance)


def flipped(packet: bytes, chance: random.Random) -> bytes:
    changed = bytearray(packet)
    for _ in range(chance.randint(1, 4)):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def cut(packet: bytes, chance: random.Random) -> bytes:
    return packet[: chance.randrange(len(packet) + 1)]


def joined(packet: bytes, chance: random.Random) -> bytes:
    return packet + flipped(packet, chance)[: 4 * chance.randrange(len(packet) // 4)]


def bundle(packet: bytes, tag: bytes) -> bytes:
    return b"#bundle\0" + tag + struct.pack(">I", len(packet)) + packet


def nested(packet: bytes, chance: random.Random) -> bytes:
    for _ in range(chance.randint(1, 60)):
        packet = bundle(packet, bytes(8))
    return packet


def late(packet: bytes, chance: random.Random) -> bytes:
    return bundle(packet, struct.pack(">II", chance.randrange(1 << 32), chance.randrange(1 << 32)))


def starred(packet: bytes, chance: random.Random) -> bytes:
    stars = b"/audiosr/" + b"*a" * chance.randint(1, 60) + b"!"
    return stars + bytes(4 - len(stars) % 4) + b",\0\0\0"


def noise(packet: bytes, chance: random.Random) -> bytes:
    return chance.randbytes(4 * chance.randrange(20))


def lying_blob(packet: bytes, chance: random.Random) -> bytes:
    return b"/audiosr/ping\0\0\0,b\0\0" + struct.pack(">I", chance.randrange(1 << 32)) + b"abcd"


def doubled_bytes(packet: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(packet))
    return packet[:place] + packet[place : place + 4] + packet[place:]


def huge(packet: bytes, chance: random.Random) -> bytes:
    return packet + b"A" * chance.choice((4, 4096, 9000, 60_000))

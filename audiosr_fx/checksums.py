"""Cyclic check sums as audio containers use them: highest bit first, nothing inverted."""

from __future__ import annotations

from typing import Final


def _table(polynomial: int, width: int) -> list[int]:
    top, mask = 1 << width - 1, (1 << width) - 1
    table = []
    for byte in range(256):
        value = byte << width - 8
        for _ in range(8):
            value = (value << 1 ^ (polynomial if value & top else 0)) & mask
        table.append(value)
    return table


_CRC8: Final = _table(0x07, 8)
_CRC16: Final = _table(0x8005, 16)
_CRC32: Final = _table(0x04C11DB7, 32)


def crc8(data: bytes) -> int:
    """Of a FLAC frame's header; 0 where its last byte is the sum of the others."""
    value = 0
    for byte in data:
        value = _CRC8[value ^ byte]
    return value


def crc16(data: bytes) -> int:
    """Of a FLAC frame; 0 where its last two bytes are the sum of the others."""
    value = 0
    for byte in data:
        value = (value << 8 & 0xFFFF) ^ _CRC16[value >> 8 ^ byte]
    return value


def crc32(data: bytes) -> int:
    """Of an Ogg page whose own sum is set to zero."""
    value = 0
    for byte in data:
        value = (value << 8 & 0xFFFFFFFF) ^ _CRC32[value >> 24 ^ byte]
    return value

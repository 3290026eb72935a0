"""Where a transport says it is: MIDI time code and MMC locates as seconds.

Source: MIDI 1.0, MTC (RP-004) and MMC (RP-013).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Final

_RATES: Final = (Fraction(24), Fraction(25), Fraction(30_000, 1001), Fraction(30))
_DROP: Final = 2
MMC_LOCATE: Final = 0x44


def seconds_of(hours_and_rate: int, minutes: int, seconds: int, frames: int) -> Fraction | None:
    """A time as MTC writes it, bits 5 and 6 of the hours being the rate; None where it cannot be."""
    rate_code, hours = hours_and_rate >> 5 & 3, hours_and_rate & 31
    nominal = (24, 25, 30, 30)[rate_code]
    if hours > 23 or minutes > 59 or seconds > 59 or frames >= nominal:
        return None
    count = ((hours * 60 + minutes) * 60 + seconds) * nominal + frames
    if rate_code == _DROP:  # two frame numbers are left out each minute, but for every tenth
        total_minutes = hours * 60 + minutes
        count -= 2 * (total_minutes - total_minutes // 10)
    return count / _RATES[rate_code]


def read_sysex(data: Sequence[int]) -> tuple[int | None, Fraction | None]:
    """An MMC command, and where a locate or a full time code message says that the transport is.

    Args:
        data: of the message, without F0 and F7.
    """
    if len(data) < 4 or data[0] != 0x7F:
        return None, None
    if data[2:4] == [1, 1] or tuple(data[2:4]) == (1, 1):
        return None, seconds_of(*data[4:8]) if len(data) == 8 else None
    if data[2] != 0x06:
        return None, None
    command = data[3]
    if command == MMC_LOCATE and len(data) >= 10 and data[5] == 1:
        return command, seconds_of(data[6], data[7], data[8], data[9])
    return command, None


class QuarterFrames:
    """Puts the eight pieces of a time code together."""

    def __init__(self) -> None:
        self._pieces: dict[int, int] = {}

    def feed(self, piece: int, value: int) -> Fraction | None:
        """Take a piece, 0 to 7; gives the time when the last of eight in a row has come."""
        if piece == 0:
            self._pieces.clear()
        elif piece != len(self._pieces):
            self._pieces.clear()
            return None
        self._pieces[piece] = value
        if len(self._pieces) < 8:
            return None
        frames, seconds, minutes, hours = (
            self._pieces[2 * i] | self._pieces[2 * i + 1] << 4 for i in range(4)
        )
        return seconds_of(hours, minutes, seconds, frames)

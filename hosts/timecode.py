"""Where a transport says it is: MIDI time code and MMC locates as seconds.

Source: MIDI 1.0, MTC (RP-004) and MMC (RP-013).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from fractions import Fraction
from typing import Final

_RATES: Final = (Fraction(24), Fraction(25), Fraction(30_000, 1001), Fraction(30))
_DROP: Final = 2
MMC_LOCATE: Final = 0x44
_FRAMES_LATE: Final = {tuple(range(8)): 2, tuple(range(7, -1, -1)): 0}


def seconds_of(
    hours_and_rate: int, minutes: int, seconds: int, frames: int, *, later: int = 0
) -> Fraction | None:
    """A time as MTC writes it, bits 5 and 6 of the hours being the rate; None where it cannot be.

    Args:
        hours_and_rate, minutes, seconds, frames: as they are sent.
        later: frames that have gone by since.
    """
    rate_code, hours = hours_and_rate >> 5 & 3, hours_and_rate & 31
    nominal = (24, 25, 30, 30)[rate_code]
    if hours > 23 or minutes > 59 or seconds > 59 or frames >= nominal:
        return None
    count = ((hours * 60 + minutes) * 60 + seconds) * nominal + frames
    if rate_code == _DROP:  # two frame numbers are left out each minute, but for every tenth
        total_minutes = hours * 60 + minutes
        count -= 2 * (total_minutes - total_minutes // 10)
    return (count + later) / _RATES[rate_code]


def read_sysex(data: Sequence[int]) -> tuple[int | None, Fraction | None]:
    """An MMC command, and where a locate or a full time code message says that the transport is.

    Args:
        data: of the message, without F0 and F7.
    """
    if len(data) < 4 or data[0] != 0x7F:
        return None, None
    if tuple(data[2:4]) == (1, 1):
        return None, seconds_of(*data[4:8]) if len(data) == 8 else None
    if data[2] != 0x06:
        return None, None
    command = data[3]
    if command == MMC_LOCATE and len(data) >= 10 and data[5] == 1:
        return command, seconds_of(*data[6:10])
    return command, None


class QuarterFrames:
    """Puts the eight pieces of a time code together, whichever way the transport runs.

    A piece is sent each quarter of a frame, and all eight tell the time at which piece 0 is. Forwards that is
    the first of them, and two frames have gone by when they are read; backwards it is the last.
    """

    def __init__(self) -> None:
        self._heard: deque[tuple[int, int]] = deque(maxlen=8)

    def feed(self, piece: int, value: int) -> Fraction | None:
        """Take a piece, 0 to 7; gives the time when the last of eight in a row has come."""
        self._heard.append((piece, value))
        late = _FRAMES_LATE.get(tuple(piece for piece, _ in self._heard))
        if late is None:
            return None
        nibbles = [value for _, value in sorted(self._heard)]
        frames, seconds, minutes, hours = (nibbles[i] | nibbles[i + 1] << 4 for i in range(0, 8, 2))
        return seconds_of(hours, minutes, seconds, frames, later=late)

"""What happens while metadata is read: how many bytes may still be taken, and what had to be dropped."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, Final, TypeVar

from audiosr_fx.wording import printable

MAX_METADATA_BYTES: Final = 16 << 20
"""Of one file, pictures included."""

MAX_CHUNKS: Final = 10_000
"""Chunks, blocks or frames of one file that are looked at."""

MAX_MARKERS: Final = 20_000
"""Of one file."""

MALFORMED: Final = (ValueError, struct.error, OverflowError, IndexError)
"""What parsers raise about bytes that are not what they should be."""

MAX_WARNINGS: Final = 10
"""Lines about one file, and then one more that says so."""

T = TypeVar("T")


class Findings:
    """Takes bytes against a limit, and collects one line about each thing that is dropped."""

    def __init__(self, max_bytes: int = MAX_METADATA_BYTES) -> None:
        self.warnings: list[str] = []
        self._left = max_bytes
        self._limit = max_bytes

    def drop(self, what: str, why: object) -> None:
        """Note that something is dropped."""
        text = printable(f"{what}: dropped, {why}")
        if len(self.warnings) == MAX_WARNINGS:
            text = "more of the metadata: dropped"
        if text not in self.warnings and len(self.warnings) <= MAX_WARNINGS:
            self.warnings.append(text)

    def take(self, stream: BinaryIO, start: int, size: int, what: str) -> bytes | None:
        """Read a stretch of a file; None, and a note, where it is cut short or passes the limit."""
        if size > self._left:
            self.drop(what, f"{size} bytes; a file's metadata may have {self._limit}")
            return None
        stream.seek(start)
        payload = stream.read(size)
        if len(payload) < size:
            self.drop(what, f"it says {size} bytes and has {len(payload)}")
            return None
        self._left -= size
        return payload

    @contextmanager
    def dropping(self, what: str) -> Iterator[None]:
        """Leave out what turns out to be malformed inside."""
        try:
            yield
        except MALFORMED as cause:
            self.drop(what, cause)

    def parsed(self, what: str, parse: Callable[[bytes], T], payload: bytes) -> T | None:
        """What a parser makes of a payload; None, and a note, where it is malformed."""
        try:
            return parse(payload)
        except MALFORMED as cause:
            self.drop(what, cause)
            return None

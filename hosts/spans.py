"""Regions as senders say them: exact, and held against a file once somebody has looked at it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from audiosr_fx.errors import MessageError, ParameterError
from audiosr_fx.files import AudioInfo
from audiosr_fx.settings import end_slack
from audiosr_fx.wording import shown
from hosts.osc import Argument

_EXACT_IN_F: Final = 1 << 24
_NUMBER: Final = re.compile(r"\d{1,12}(\.\d{1,18})?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Where a region lies, whatever file it is of.

    Attributes:
        start: where it begins.
        stop: where it ends, excluded; None is the end of the file.
        rate: in Hz, that both are counted in; 0 is seconds, None samples of the file.
    """

    start: Fraction = Fraction(0)
    stop: Fraction | None = None
    rate: int | None = 0

    def within(self, info: AudioInfo) -> tuple[int, int]:
        """First sample and end of it in a file.

        Raises:
            ParameterError: it reaches beyond the file.
        """
        scale = Fraction(info.sample_rate, info.sample_rate if self.rate is None else self.rate or 1)
        start = round(self.start * scale)
        stop = info.frames if self.stop is None else round(self.stop * scale)
        if info.frames < stop <= info.frames + self._slack(info.sample_rate):
            stop = info.frames
        if not 0 <= start < stop <= info.frames:
            told = f"begins at {start}" if self.stop is None else f"is {start} to {stop}"
            raise ParameterError(
                f"the region {told}; {shown(info.path)} has {info.frames} samples at {info.sample_rate} Hz"
            )
        return start, stop

    def to_dict(self) -> dict[str, Any]:
        """As JSON can say it; ``span_from_dict`` reads it back."""
        stop = None if self.stop is None else str(self.stop)
        return {"start": str(self.start), "stop": stop, "rate": self.rate}

    def __str__(self) -> str:
        if not self.start and self.stop is None:
            return "all of it"
        stop = "the end" if self.stop is None else _plain(self.stop)
        if self.rate == 0:
            return f"{_plain(self.start)} s to {stop}{'' if self.stop is None else ' s'}"
        return f"samples {_plain(self.start)} to {stop}" + (f" at {self.rate} Hz" if self.rate else "")

    def _slack(self, sample_rate: int) -> int:
        """Samples by which rounding takes the end of a file beyond itself."""
        if self.rate == 0:
            return end_slack(sample_rate)
        return 0 if self.rate in (None, sample_rate) else 1


def span_from_dict(told: Mapping[str, Any]) -> Span:
    """Read back what ``Span.to_dict`` said, in this program's own store."""
    stop = None if told["stop"] is None else Fraction(told["stop"])
    return Span(start=Fraction(told["start"]), stop=stop, rate=told["rate"])


def read_span(start: Argument, length: Argument, rate: Argument, types: str) -> Span:
    """A region from what a message says.

    Args:
        start, length: a number, or one as text; length 0 is up to the end.
        rate: in Hz; 0 says they are seconds.
        types: the OSC types of start and length.

    Raises:
        MessageError: numbers that are none, or not exact.
    """
    hz = _rate(rate)
    first, long = _exact("start", start, types[0], hz), _exact("length", length, types[1], hz)
    return Span(start=first, stop=first + long if long else None, rate=hz)


def _rate(rate: Argument) -> int:
    if isinstance(rate, bool) or not isinstance(rate, (int, float)) or rate != int(rate):
        raise MessageError(f"rate is {rate!r:.40}; expected whole Hz, or 0")
    if rate != 0 and not 1_000 <= rate <= 768_000:
        raise MessageError(f"rate is {rate!r:.40}; expected 1000 to 768000 Hz, or 0 for seconds")
    return int(rate)


def _exact(name: str, value: Argument, tag: str, rate: int) -> Fraction:
    """A position without rounding."""
    if isinstance(value, str):
        if not _NUMBER.fullmatch(value.strip()):
            raise MessageError(f"{name} is {value!r:.40}; expected a number such as 12.5")
        value = value.strip()
    elif isinstance(value, bool) or not isinstance(value, (int, float)):
        raise MessageError(f"{name} is {value!r:.40}; expected a number")
    exact = Fraction(value)
    if rate and exact.denominator != 1:
        raise MessageError(f"{name} is {value}; expected whole samples, or seconds with rate 0")
    if tag == "f" and (not rate or abs(exact) > _EXACT_IN_F) and exact:
        raise MessageError(f"{name} is a 32-bit float, which is not exact; send i, h, d or text")
    if not 0 <= exact < 1 << 48:
        raise MessageError(f"{name} is {value}; expected 0 or more")
    return exact


def _plain(position: Fraction) -> str:
    return str(position) if position.denominator == 1 else f"{float(position):.6g}"

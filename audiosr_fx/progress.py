"""How far a render is: one event, the same for the command line, a board and a service."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressEvent:
    """How far a render is.

    Attributes:
        stage: ``measure`` while the file is read for its bandwidth and peak, then ``render``.
        windows_done: model windows finished, of ``windows_total``; both 0 for a file that passes through.
        seconds_done: seconds of audio finished, of ``seconds_total``.
    """

    stage: Literal["measure", "render"]
    windows_done: int
    windows_total: int
    seconds_done: float
    seconds_total: float


OnEvent: TypeAlias = Callable[[ProgressEvent], None]
ShouldCancel: TypeAlias = Callable[[], bool]

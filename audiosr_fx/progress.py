"""How far a render is, and whether it is to go on: the same for the command line, a board and a service."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from audiosr_fx.errors import RenderCancelled


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


def stop_if_asked(should_cancel: ShouldCancel | None) -> None:
    """Raise RenderCancelled when should_cancel says so."""
    if should_cancel is not None and should_cancel():
        raise RenderCancelled("the render was cancelled")


@dataclass(slots=True)
class PassProgress:
    """Progress over several passes, told as one that goes from 0 to the length of the signal."""

    on_event: OnEvent | None
    seconds: float
    passes: int
    done: float = 0.0
    windows: list[tuple[int, int]] = field(default_factory=list)

    def begin(self) -> None:
        """Nothing is done yet."""
        self._tell("measure")

    def advance(self, seconds: float) -> None:
        """So much of one pass is done."""
        self.done += seconds
        self._tell("render")

    def listener(self) -> OnEvent:
        """What a model's events go to: its windows are added to those of others."""
        place = len(self.windows)
        self.windows.append((0, 0))

        def hear(event: ProgressEvent) -> None:
            self.windows[place] = (event.windows_done, event.windows_total)
            self._tell("measure" if event.stage == "measure" and self.done == 0.0 else "render")

        return hear

    def _tell(self, stage: Literal["measure", "render"]) -> None:
        if self.on_event is not None:
            self.on_event(
                ProgressEvent(
                    stage=stage,
                    windows_done=sum(done for done, _ in self.windows),
                    windows_total=sum(total for _, total in self.windows),
                    seconds_done=min(self.done / self.passes, self.seconds),
                    seconds_total=self.seconds,
                )
            )

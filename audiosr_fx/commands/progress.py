"""The progress bar of a batch of renders."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from audiosr_fx.commands.terminal import printable

if TYPE_CHECKING:
    from audiosr_fx.render import ProgressEvent


class RenderProgress:
    """One line on stderr: file, windows done, speed, time left; silent where stderr is no terminal."""

    def __init__(self, *, files: int, quiet: bool = False) -> None:
        console = Console(stderr=True)
        self._files = files
        self._begun = 0
        self._render_started: float | None = None
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[state]}"),
            TimeRemainingColumn(),
            console=console,
            disable=quiet or not console.is_terminal,
            transient=True,
            redirect_stdout=sys.stdout.isatty(),  # above the bar; a file or a pipe gets results straight
        )
        self._task = self._progress.add_task("loading the model", total=None, state="")

    def __enter__(self) -> RenderProgress:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def begin(self, name: str) -> None:
        """Start the bar of the next file."""
        self._begun += 1
        self._render_started = None
        name = printable(name)
        description = name if self._files == 1 else f"{self._begun}/{self._files} {name}"
        self._progress.reset(self._task, total=None, description=description, state="measuring")

    def update(self, event: ProgressEvent) -> None:
        """Show how far the file is."""
        if event.stage == "measure":
            return
        if self._render_started is None:
            self._render_started = time.monotonic()
            self._progress.reset(self._task)
        elapsed_s = time.monotonic() - self._render_started
        speed = f", {event.seconds_done / elapsed_s:.1f}x real time" if elapsed_s > 0 else ""
        if event.windows_total:
            done, total, words = event.windows_done, event.windows_total, "windows"
        else:
            done, total, words = (
                round(event.seconds_done),
                round(event.seconds_total),
                "seconds passed through",
            )
        self._progress.update(self._task, total=total, completed=done, state=f"{done}/{total} {words}{speed}")

"""Progress on stderr: one bar for what is counted, and for a batch of renders one for every file at work."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TaskID, TextColumn, TimeRemainingColumn

from audiosr_fx.commands.terminal import printable

if TYPE_CHECKING:
    from audiosr_fx.progress import ProgressEvent


@contextmanager
def counted(
    what: str, total: int | None = None, *, columns: tuple[ProgressColumn, ...] = ()
) -> Iterator[Callable[..., None]]:
    """A bar on stderr, where that is a terminal; what it gives is told how many are done, and of how many.

    Args:
        what: stands in front.
        total: of what is counted; None where it is told later, beside what is done.
        columns: of the bar; none are rich's own.
    """
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done, total=None: bar.update(task, completed=done, total=total)


class Bars:
    """Bars on stderr while inside; silent where stderr is no terminal."""

    def __init__(self, *columns: ProgressColumn, quiet: bool) -> None:
        console = Console(stderr=True)
        self._progress = Progress(
            *columns,
            console=console,
            disable=quiet or not console.is_terminal,
            transient=True,
            redirect_stdout=sys.stdout.isatty(),  # above the bar; a file or a pipe gets results straight
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


class RenderProgress(Bars):
    """Lines on stderr: file, windows done, speed, time left.

    Files may begin and end on several threads.
    """

    def __init__(self, *, files: int, quiet: bool = False) -> None:
        super().__init__(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[state]}", markup=False),
            TimeRemainingColumn(),
            quiet=quiet,
        )
        self._files = files
        self._begun = 0
        self._ended = 0
        self._lock = threading.Lock()
        self._first: TaskID | None = self._progress.add_task("loading the model", total=None, state="")
        self._all: TaskID | None = None

    def say(self, text: str) -> None:
        """What goes on before the first file."""
        if self._first is not None:
            self._progress.update(self._first, description=text)

    def begin(self, name: str) -> FileProgress:
        """Start the bar of the next file."""
        with self._lock:
            self._begun += 1
            if self._first is not None:
                self._progress.remove_task(self._first)
                self._first = None
                if self._files > 1:
                    self._all = self._progress.add_task("all files", total=self._files, state="")
            name = printable(name)
            description = name if self._files == 1 else f"{self._begun}/{self._files} {name}"
            return FileProgress(self, self._progress, description)

    def file_ended(self) -> None:
        """One file more is done with."""
        with self._lock:
            self._ended += 1
            if self._all is not None:
                state = f"{self._ended}/{self._files} files"
                self._progress.update(self._all, completed=self._ended, state=state)


class FileProgress:
    """The bar of one file."""

    def __init__(self, batch: RenderProgress, progress: Progress, description: str) -> None:
        self._batch = batch
        self._progress = progress
        self._row = progress.add_task(description, total=None, state="measuring")
        self._started: float | None = None

    def update(self, event: ProgressEvent) -> None:
        """Show how far the file is."""
        if event.stage == "measure":
            return
        if self._started is None:
            self._started = time.monotonic()
            self._progress.reset(self._row)
        elapsed_s = time.monotonic() - self._started
        speed = f", {event.seconds_done / elapsed_s:.1f}x real time" if elapsed_s > 0 else ""
        if event.windows_total:
            done, total, words = event.windows_done, event.windows_total, "windows"
        else:
            done, total, words = round(event.seconds_done), round(event.seconds_total), "seconds"
        self._progress.update(self._row, total=total, completed=done, state=f"{done}/{total} {words}{speed}")

    def end(self) -> None:
        """Take the bar away."""
        self._progress.remove_task(self._row)
        self._batch.file_ended()

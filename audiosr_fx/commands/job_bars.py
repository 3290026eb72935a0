"""Bars for the jobs that run, while others are followed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn


class JobBars:
    """One bar on stderr for every job that runs; silent where stderr is no terminal."""

    def __init__(self, *, quiet: bool) -> None:
        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            console=console,
            disable=quiet or not console.is_terminal,
            transient=True,
            redirect_stdout=sys.stdout.isatty(),
        )
        self._bars: dict[int, TaskID] = {}

    def __enter__(self) -> JobBars:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def hear(self, event: Mapping[str, Any], name: Callable[[int], str]) -> None:
        """Show what an event says; ``name`` is asked for what a new bar is to be called."""
        if self._progress.disable:
            return
        job = event["job"]
        if event["new"] == "running":
            if job not in self._bars:
                self._bars[job] = self._progress.add_task(name(job), total=1.0)
            self._progress.update(self._bars[job], completed=event["progress"])
        elif job in self._bars:
            self._progress.remove_task(self._bars.pop(job))

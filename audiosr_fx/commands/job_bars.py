"""Bars for the jobs that run, while others are followed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rich.progress import BarColumn, TaskID, TaskProgressColumn, TextColumn

from audiosr_fx.commands.progress import Bars


class JobBars(Bars):
    """One bar for every job that runs."""

    def __init__(self, *, quiet: bool) -> None:
        description = TextColumn("{task.description}", markup=False)
        super().__init__(description, BarColumn(), TaskProgressColumn(), quiet=quiet)
        self._bars: dict[int, TaskID] = {}

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

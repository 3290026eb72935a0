"""Several processes that share a batch: each keeps one model, and whatever ends one ends one file only.

A process writes into a hidden folder beside the output, from which this one gives the finished file its name;
so nothing half-written stays behind when a process is killed.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from contextvars import copy_context
from dataclasses import asdict, replace

from audiosr_fx.atomic import folder_beside, publish
from audiosr_fx.child_voice import Message
from audiosr_fx.commands.job import Failure, Outcome, Recipe, Result, check_output, failure_of
from audiosr_fx.commands.outputs import Task
from audiosr_fx.commands.progress import RenderProgress
from audiosr_fx.commands.terminal import output_errors, printable
from audiosr_fx.errors import PluginError, RenderCancelled
from audiosr_fx.progress import ProgressEvent
from audiosr_fx.wording import shown
from audiosr_fx.worker import Child, Report

_POLL_S = 0.2


def render_apart(
    tasks: Sequence[Task], recipe: Recipe, progress: RenderProgress, jobs: int, threads: int | None
) -> Iterator[tuple[int, Outcome]]:
    """Render all files in so many processes; gives places and outcomes as they come.

    Raises: as ``render_each``.
    """
    pool = _Pool(tasks, recipe, progress, threads or max(1, _cores() // jobs))
    drivers = [threading.Thread(target=copy_context().run, args=(pool.drive,)) for _ in range(jobs)]
    try:
        for driver in drivers:
            driver.start()
        for _ in tasks:
            yield pool.next_outcome()
    finally:
        pool.stop.set()
        for driver in drivers:
            driver.join()


def _cores() -> int:
    """How many threads a single process would use."""
    asked = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    if asked.isdecimal() and int(asked):
        return int(asked)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Pool:
    """The files that wait, and what became of those that do not."""

    def __init__(self, tasks: Sequence[Task], recipe: Recipe, progress: RenderProgress, threads: int) -> None:
        self.stop = threading.Event()
        self._recipe = recipe.apart()
        self._progress = progress
        self._threads = threads
        self._waiting: queue.SimpleQueue[tuple[int, Task]] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[tuple[int, Outcome] | BaseException] = queue.SimpleQueue()
        for item in enumerate(tasks):
            self._waiting.put(item)

    def next_outcome(self) -> tuple[int, Outcome]:
        """Wait for a file to be finished; an interrupt gets through."""
        while True:
            try:
                done = self._done.get(timeout=_POLL_S)
            except queue.Empty:
                continue
            if isinstance(done, BaseException):
                raise done
            return done

    def drive(self) -> None:
        """Lead one process through files until none waits; runs on a thread of its own."""
        child = Child({"OMP_NUM_THREADS": str(self._threads)})
        try:
            self._prepare(child)
            while not self.stop.is_set():
                index, task = self._waiting.get_nowait()
                self._done.put((index, self._render(task, child)))
        except (queue.Empty, RenderCancelled):
            pass
        except BaseException as error:
            self._done.put(error)
        finally:
            child.close()

    def _prepare(self, child: Child) -> None:
        """Load what all files need. A process that dies of it is tried again with its first file."""
        with suppress(PluginError):
            child.run(_prepare_there, self._recipe, what="loading", should_cancel=self.stop.is_set)

    def _render(self, task: Task, child: Child) -> Outcome:
        row = self._progress.begin(task.source.name)
        job = self._recipe.job
        try:
            check_output(task, job)
            with ExitStack() as stack:
                with output_errors():
                    folder = stack.enter_context(folder_beside(task.output))
                aside = replace(task, output=folder / task.output.name)
                told = child.run(
                    _render_there,
                    self._recipe,
                    aside,
                    what=f"{shown(task.source)}: its process",
                    on_message=lambda message: row.update(ProgressEvent(**message)),
                    should_cancel=self.stop.is_set,
                    timeout_s=self._recipe.timeout_s,
                )
                if "exit_code" in told:
                    text = told["error"].replace(f"{shown(folder)}{os.sep}", _shown_folder(task))
                    return Failure(input=str(task.source), error=text, exit_code=told["exit_code"])
                result = Result.from_told(told)
                if result.output is None:
                    return result
                check_output(task, job)
                with output_errors():
                    publish(aside.output, task.output, overwrite=job.overwrite)
            return replace(result, output=str(task.output))
        except RenderCancelled:
            raise
        except Exception as error:
            return failure_of(task, error)
        finally:
            row.end()
            if self._recipe.timeout_s is not None:
                child.close()  # a plugin that crashes while it is unloaded must not take the next file along


def _shown_folder(task: Task) -> str:
    folder = str(task.output.parent)
    return "" if folder == "." else f"{printable(folder)}{os.sep}"


def _prepare_there(recipe: Recipe, report: Report) -> Message:
    """The child's side: load."""
    recipe.prepare()
    return {}


def _render_there(recipe: Recipe, task: Task, report: Report) -> Message:
    """The child's side: one file; what goes wrong with it is told, not raised."""
    try:
        return asdict(recipe.render(task, lambda event: report(asdict(event))))
    except Exception as error:
        return asdict(failure_of(task, error))

"""A batch: every file of it rendered, here or in several processes, and each one's outcome in input order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from audiosr_fx.commands.job import Failure, Outcome, Recipe, check_task, failure_of
from audiosr_fx.commands.outputs import Task
from audiosr_fx.commands.progress import RenderProgress
from audiosr_fx.errors import AudioSRError, ParameterError

MAX_JOBS = 64


def check_jobs(jobs: int) -> int:
    """The number of processes, or ParameterError."""
    if not 1 <= jobs <= MAX_JOBS:
        raise ParameterError(f"jobs is {jobs}; expected 1 to {MAX_JOBS}")
    return jobs


def render_each(
    tasks: Sequence[Task],
    recipe: Recipe,
    progress: RenderProgress,
    *,
    jobs: int,
    threads: int | None = None,
    refused: Mapping[Path, Failure] | None = None,
) -> Iterator[Outcome]:
    """Render all files; a file that fails, or whose process dies, stops no other.

    Args:
        tasks: the files.
        recipe: what each goes through.
        progress: shows how far they are.
        jobs: processes at a time; 1 renders in this one.
        threads: of the model in each; None divides what there is among the processes. The result is the same
            to the bit whatever ``jobs``, as long as ``threads`` is.
        refused: what ``refuse_early`` found, told in its place. Where nothing is left, no model is loaded.

    Yields:
        What became of each, in the order of ``tasks``.

    Raises:
        AudioSRError: what all files need is not there.
    """
    refused = refused or {}
    begun = [task for task in tasks if task.output not in refused]
    outcomes = _render_begun(begun, recipe, progress, jobs, threads)
    for task in tasks:
        failure = refused.get(task.output)
        if failure is not None:
            progress.begin(task.source.name).end()
        yield failure or next(outcomes)


def refuse_early(tasks: Sequence[Task], recipe: Recipe) -> dict[Path, Failure]:
    """What of a batch can be seen to fail before a model is loaded, by its output."""
    refused = {}
    for task in tasks:
        try:
            check_task(task, recipe.job)
        except (AudioSRError, OSError) as error:
            refused[task.output] = failure_of(task, error)
    return refused


def _render_begun(
    tasks: Sequence[Task], recipe: Recipe, progress: RenderProgress, jobs: int, threads: int | None
) -> Iterator[Outcome]:
    if jobs > 1 and len(tasks) > 1:
        from audiosr_fx.commands.pool import render_apart

        done: dict[int, Outcome] = {}
        waiting = iter(range(len(tasks)))
        place = next(waiting)
        for index, outcome in render_apart(tasks, recipe, progress, min(jobs, len(tasks)), threads):
            done[index] = outcome
            while place in done:
                yield done.pop(place)
                place = next(waiting, -1)
        return
    if threads is not None:
        _set_threads(threads)
    recipe.prepare()
    for task in tasks:
        yield _render_here(task, recipe, progress)


def _render_here(task: Task, recipe: Recipe, progress: RenderProgress) -> Outcome:
    row = progress.begin(task.source.name)
    try:
        return recipe.render(task, row.update)
    except Exception as error:
        return failure_of(task, error)
    finally:
        row.end()


def _set_threads(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)

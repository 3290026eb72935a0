"""Where a batch of inputs goes: names, formats and clashes, decided before anything is rendered."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from audiosr_fx.commands.inputs import Input
from audiosr_fx.errors import ParameterError


class OutputFormat(StrEnum):
    """File formats that can be written."""

    WAV = "wav"
    FLAC = "flac"
    AIFF = "aiff"


_SUFFIXES = {
    ".wav": OutputFormat.WAV,
    ".wave": OutputFormat.WAV,
    ".flac": OutputFormat.FLAC,
    ".aif": OutputFormat.AIFF,
    ".aiff": OutputFormat.AIFF,
}


@dataclass(frozen=True, slots=True)
class Task:
    """One input and the file it becomes.

    ``cutoff_hz`` and ``note``: what a set of stems has decided for it, and why.
    """

    source: Path
    output: Path
    format: OutputFormat
    cutoff_hz: float | None = None
    note: str = ""


def plan_outputs(inputs: Sequence[Input], out: Path, chosen: OutputFormat | None) -> list[Task]:
    """Decide every output's name and format.

    ``out`` is a file for one input unless it is an existing folder or has no suffix we write; for
    several inputs, or what was found in a folder, it is a folder. There, outputs keep the input's base name
    and sub-folder, and its format where that can be written (WAV otherwise), unless a format is chosen.

    Raises:
        ParameterError: ``out`` cannot hold the inputs, its suffix contradicts the format, two inputs would
            become the same file, or a result would lie where inputs are sought.
    """
    is_one = len(inputs) == 1 and inputs[0].folder is None
    if is_one and not _means_folder(out):
        return [Task(inputs[0].path, out, _format_of_file(out, chosen))]
    if out.is_file() or (not out.is_dir() and out.suffix.lower() in _SUFFIXES):
        many = f"there are {len(inputs)} inputs" if len(inputs) != 1 else "the input is one"
        raise ParameterError(f"output is {out}; expected a folder, because {many}")
    tasks = [_task_in_folder(one.path, out / (one.folder or ""), chosen) for one in inputs]
    _check_apart(inputs, tasks)
    taken: dict[Path, Path] = {}
    for task in tasks:
        if task.output in taken:
            raise ParameterError(
                f"{taken[task.output]} and {task.source} would both become {task.output}; render them apart"
            )
        taken[task.output] = task.source
    return tasks


@contextmanager
def without_empty_folders(folders: Iterable[Path]) -> Iterator[None]:
    """Take back, in the end, those of these folders that were not there at first and hold nothing then."""
    new = {path for folder in folders for path in (folder, *folder.parents) if not os.path.lexists(path)}
    try:
        yield
    finally:
        for folder in sorted(new, key=lambda path: len(path.parts), reverse=True):
            with suppress(OSError):  # something lies in it, or it was not made
                folder.rmdir()


def _check_apart(inputs: Sequence[Input], tasks: Sequence[Task]) -> None:
    """Keep results out of the folders that are read, or the next run would take them for recordings."""
    roots = {one.root.resolve(): one.is_deep for one in inputs if one.root is not None}
    for place in {task.output.parent.resolve() for task in tasks}:
        for root, is_deep in roots.items():
            if place == root or (is_deep and place.is_relative_to(root)):
                raise ParameterError(
                    f"output {place} lies inside {root}, which is read; choose a folder beside it"
                )


def _means_folder(out: Path) -> bool:
    return out.is_dir() or (out.suffix == "" and not out.is_file())


def _format_of_file(out: Path, chosen: OutputFormat | None) -> OutputFormat:
    named = _SUFFIXES.get(out.suffix.lower())
    if named is None:
        raise ParameterError(f"output is {out}; expected a name in .wav, .flac or .aiff")
    if chosen not in (None, named):
        raise ParameterError(f"output is {out}, but the format is {chosen}; change one of them")
    return named


def _task_in_folder(source: Path, folder: Path, chosen: OutputFormat | None) -> Task:
    kept = _SUFFIXES.get(source.suffix.lower())
    return Task(
        source,
        folder / f"{source.stem}.{chosen or kept or OutputFormat.WAV}",
        chosen or kept or OutputFormat.WAV,
    )

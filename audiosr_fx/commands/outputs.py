"""Where a batch of inputs goes: names, formats and clashes, decided before anything is rendered."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
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


@dataclass(frozen=True, slots=True)
class Place:
    """Where results go, as it was typed.

    ``is_folder``: it ends in a slash, which a ``Path`` forgets, so it is a folder whatever its name.
    """

    path: Path
    is_folder: bool = False

    @classmethod
    def from_text(cls, text: str) -> Place:
        return cls(Path(text), is_folder=os.path.basename(text) in ("", "."))

    def __fspath__(self) -> str:
        return str(self.path)


def plan_outputs(
    inputs: Sequence[Input], out: Path, chosen: OutputFormat | None, *, is_folder: bool = False
) -> list[Task]:
    """Decide every output's name and format.

    ``out`` is a file for one input unless it is an existing folder, has no suffix we write or ``is_folder``
    says otherwise; for several inputs, or what was found in a folder, it is a folder. There, outputs keep the
    input's base name and sub-folder, and its format where that can be written (WAV otherwise), unless a
    format is chosen.

    Raises:
        ParameterError: ``out`` cannot hold the inputs, its suffix contradicts the format, two inputs would
            become the same file, or a result would lie where inputs are sought.
    """
    is_one = len(inputs) == 1 and inputs[0].folder is None
    if is_one and not (is_folder or _means_folder(out)):
        return [Task(inputs[0].path, out, _format_of_file(out, chosen))]
    if not is_folder and (out.is_file() or (not out.is_dir() and out.suffix.lower() in _SUFFIXES)):
        many = f"there are {len(inputs)} inputs" if len(inputs) != 1 else "the input is one"
        raise ParameterError(f"output is {out}; expected a folder, because {many}")
    tasks = [_task_in_folder(one.path, out / (one.folder or ""), chosen) for one in inputs]
    _check_apart(inputs, tasks)
    check_distinct(tasks)
    return tasks


def check_distinct(tasks: Sequence[Task]) -> None:
    """Refuse what would leave one output for two inputs.

    Raises:
        ParameterError: two tasks have the same.
    """
    taken: dict[Path, Path] = {}
    for task in tasks:
        if task.output in taken:
            raise ParameterError(
                f"{taken[task.output]} and {task.source} would both become {task.output}; render them apart"
            )
        taken[task.output] = task.source


_made: ContextVar[list[Path] | None] = ContextVar("made", default=None)


def make_folder(folder: Path) -> None:
    """Make a folder and what it lies in, unless they are there; ``without_empty_folders`` hears of it.

    Raises:
        OSError: it cannot be made, or is a file.
    """
    made = _made.get()
    for path in reversed([path for path in (folder, *folder.parents) if not path.exists()]):
        try:
            path.mkdir()
        except FileExistsError:  # another program was quicker, and it is its folder
            continue
        if made is not None:
            made.append(path)
    folder.mkdir(exist_ok=True)


@contextmanager
def without_empty_folders() -> Iterator[None]:
    """Take back, in the end, the folders that ``make_folder`` made and that hold nothing.

    Those of other programs stay: one that renders beside this one will want its folder in a moment.
    """
    made: list[Path] = []
    token = _made.set(made)
    try:
        yield
    finally:
        _made.reset(token)
        for folder in reversed(made):
            with suppress(OSError):  # something lies in it
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
        raise ParameterError(
            f"output is {out}; expected a name in .wav, .flac or .aiff, or a folder that is there"
        )
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

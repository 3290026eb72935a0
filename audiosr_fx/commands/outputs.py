"""Where a batch of inputs goes: names, formats and clashes, decided before anything is rendered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

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
    """One input and the file it becomes."""

    source: Path
    output: Path
    format: OutputFormat


def plan_outputs(sources: Sequence[Path], out: Path, chosen: OutputFormat | None) -> list[Task]:
    """Decide every output's name and format.

    ``out`` is a file for one input unless it is an existing folder or has no suffix we write; for
    several inputs it is a folder. In a folder, outputs keep the input's base name, and its format where
    that can be written (WAV otherwise), unless a format is chosen.

    Raises:
        ParameterError: ``out`` cannot hold the inputs, its suffix contradicts the format, or two inputs
            would become the same file.
    """
    if len(sources) == 1 and not _means_folder(out):
        return [Task(sources[0], out, _format_of_file(out, chosen))]
    if out.is_file() or (not out.is_dir() and out.suffix.lower() in _SUFFIXES):
        raise ParameterError(f"output is {out}; expected a folder, because there are {len(sources)} inputs")
    tasks = [_task_in_folder(source, out, chosen) for source in sources]
    taken: dict[Path, Path] = {}
    for task in tasks:
        if task.output in taken:
            raise ParameterError(
                f"{taken[task.output]} and {task.source} would both become {task.output}; render them apart"
            )
        taken[task.output] = task.source
    return tasks


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

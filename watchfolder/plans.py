"""How stems would be rendered: by which rule, and into which file; or why they cannot be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Final

from audiosr_fx.errors import ParameterError, PresetError
from audiosr_fx.presets import find_presets
from watchfolder.folder import ReadyBatch
from watchfolder.naming import fill_template
from watchfolder.studio import FolderSettings
from watchfolder.subfolders import Rule, find_rule

ALONE: Final = (
    "lies in no sub-folder, so an album preset gives it a gain of its own; stems of a song need one"
)
"""What is said of a stem at the top of a folder whose preset measures sets."""
_SUFFIX: Final = {"wav": ".wav", "flac": ".flac", "aiff": ".aiff"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """How one stem would be rendered."""

    name: str
    rule: Rule
    output: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class PutOff:
    """A stem that cannot be rendered as things are: a rule to mend, a file that may not be read."""

    name: str
    reason: str


def plan_files(settings: FolderSettings, root: int, names: Iterable[str]) -> list[Planned | PutOff]:
    """How each stem would be rendered, or why it cannot be.

    Args:
        settings: of the watched folder.
        root: the folder, opened.
        names: of the stems, relative to it.
    """
    base = Rule(preset=settings.preset, model=settings.model)
    presets = find_presets()
    rules: dict[str, Rule | PresetError] = {}
    planned: list[Planned | PutOff] = []
    for name in names:
        place = name.rpartition("/")[0]
        if place not in rules:
            rules[place] = _rule_or_fault(root, place, base, presets)
        planned.append(_plan(settings, name, rules[place]))
    return planned


def plan_batches(batches: Sequence[ReadyBatch]) -> list[tuple[ReadyBatch, list[Planned | PutOff]]]:
    """How the files of each batch would be rendered; each folder's rules are read once."""
    by_folder: dict[int, list[ReadyBatch]] = {}
    for batch in batches:
        by_folder.setdefault(id(batch.folder), []).append(batch)
    done: list[tuple[ReadyBatch, list[Planned | PutOff]]] = []
    for group in by_folder.values():
        folder = group[0].folder
        names = [name for batch in group for name in batch.names]
        plans = iter(plan_files(folder.settings, folder.descriptor, names))
        done += [(batch, list(islice(plans, len(batch.names)))) for batch in group]
    return done


def _rule_or_fault(root: int, place: str, base: Rule, presets: Mapping[str, object]) -> Rule | PresetError:
    try:
        return find_rule(root, PurePosixPath(place), base, presets)
    except PresetError as error:
        return error


def _plan(settings: FolderSettings, name: str, rule: Rule | PresetError) -> Planned | PutOff:
    if isinstance(rule, PresetError):
        return PutOff(name=name, reason=str(rule))
    try:
        return Planned(name=name, rule=rule, output=_output(settings, name, rule))
    except ParameterError as error:
        return PutOff(name=name, reason=str(error))


def _output(settings: FolderSettings, name: str, rule: Rule) -> Path:
    folder, _, own = name.rpartition("/")
    path = PurePosixPath(own)
    values = {
        "name": path.stem,
        "folder": folder,
        "preset": Path(rule.preset).stem or "restore",
        "model": Path(rule.model).stem or "mini",
        "source_format": path.suffix.lstrip(".").lower(),
    }
    relative = fill_template(settings.template, values)
    return settings.output / f"{relative}{_SUFFIX[settings.format]}"

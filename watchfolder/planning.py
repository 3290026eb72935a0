"""What would be rendered of what lies in a folder now, without touching anything."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

from audiosr_fx.headers import Wholeness, read_header
from audiosr_fx.jobs.names import folded, is_on_disk, numbered
from audiosr_fx.jobs.request import Collision
from audiosr_fx.jobs.states import State
from audiosr_fx.presets import load_preset
from audiosr_fx.wording import shown
from watchfolder.ignored import is_ignored
from watchfolder.known import Known
from watchfolder.memory import Taken
from watchfolder.plans import ALONE, Planned, PutOff, plan_files
from watchfolder.snapshot import open_file_within, take_snapshot
from watchfolder.studio import ON_REQUEST, TAKEN, FolderSettings

_DONE: Final = "done already"
_IGNORED: Final = "hidden, temporary, or what programs keep beside audio"
_SUB_FOLDERS: Final = "sub-folders, which --recursive looks into"
_SUFFIXES: Final = (*TAKEN, *(suffix for some in ON_REQUEST.values() for suffix in some))


@dataclass(slots=True, kw_only=True)
class Plan:
    """What would become of a folder.

    Attributes:
        lines: one for each file that something would come of, or that is in the queue.
        renders: how many files would be rendered.
        left: how many are left alone, by reason.
    """

    lines: list[str] = field(default_factory=list)
    renders: int = 0
    left: Counter[str] = field(default_factory=Counter)


def plan_now(settings: FolderSettings, known: Known, promised: set[tuple[bytes, bytes]]) -> Plan:
    """Plan a folder.

    Args:
        settings: of the watched folder.
        known: what the queue knows.
        promised: names that were planned for outputs, folders' and files', to which these are added.

    Raises:
        OSError: the folder cannot be looked at.
    """
    plan = Plan()

    def wants(name: str) -> bool:
        if is_wanted := settings.wants(name):
            return is_wanted
        plan.left[_why_left(settings, name)] += 1
        return False

    def ignores(name: str) -> bool:
        plan.left[_IGNORED] += is_ignored(name)
        return settings.ignores(name)

    snapshot = take_snapshot(settings.input, wants, ignores, recursive=settings.recursive)
    plan.left[_SUB_FOLDERS] += 0 if settings.recursive else len(snapshot.folders)
    taken = known.taken(settings.input)
    old = {name for name, stamp in snapshot.files.items() if name in taken and taken[name].stamp == stamp}
    for name in sorted(old):
        _add_old(plan, settings, known, name, taken[name])
    root = os.open(settings.input, os.O_RDONLY | os.O_DIRECTORY)
    try:
        names = _Names(settings=settings, known=known, promised=promised)
        for planned in plan_files(settings, root, sorted(snapshot.files.keys() - old)):
            before = taken[planned.name].job if planned.name in taken else 0
            _add_new(plan, settings, root, planned, names, before)
    finally:
        os.close(root)
    return plan


def _add_old(plan: Plan, settings: FolderSettings, known: Known, name: str, taken: Taken) -> None:
    """Say of a file that was taken as it is why nothing comes of it now."""
    state = known.states.get(taken.job)
    if state is State.DONE:
        plan.left[_DONE] += 1
        return
    why = f"it is job {taken.job}, {state}" if state else "it was taken before"
    plan.lines.append(f"{shown(settings.input / name)}: nothing new ({why})")


def _add_new(
    plan: Plan, settings: FolderSettings, root: int, planned: Planned | PutOff, names: _Names, before: int
) -> None:
    """Say of a file that has not been taken as it is what it would become; ``before``: its older job."""
    source = shown(settings.input / planned.name)
    if isinstance(planned, PutOff):
        plan.lines.append(f"{source}: cannot be taken: {planned.reason}")
        return
    try:
        with open_file_within(root, planned.name) as stream:
            header = read_header(stream)
    except OSError as error:
        plan.lines.append(f"{source}: cannot be taken: {error.strerror or error}")
        return
    if header.kind in ON_REQUEST and header.kind not in settings.also:
        plan.left[_only_with(header.kind)] += 1
        return
    output, note = names.take(planned.output, settings.input / planned.name, before)
    if output is None:
        plan.lines.append(f"{source}: left: {note}")
        return
    with_ = f" with {Path(planned.rule.preset).stem}" if planned.rule.preset else ""
    but = "" if header.wholeness is Wholeness.WHOLE else f"; waits: {header.reason}"
    is_top = settings.album and "/" not in planned.name
    alone = f"; {ALONE}" if is_top and _measures_sets(planned.rule.preset) else ""
    plan.lines.append(f"{source} -> {shown(output)}{with_}{note}{but}{alone}")
    plan.renders += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Names:
    """Gives outputs the names that the queue would give them; see ``Ledger.reserve``."""

    settings: FolderSettings
    known: Known
    promised: set[tuple[bytes, bytes]]

    def take(self, wanted: Path, source: Path, before: int) -> tuple[Path | None, str]:
        """The name of an output, or none; and what is to be said of that.

        ``before``: the job that its source was; one that has not ended is given up.
        """
        folder, collision = wanted.parent, Collision(self.settings.name_taken)
        place = folded(os.path.realpath(folder))
        for name in numbered(wanted.name):
            key = (place, folded(name))
            is_promised = key in self.promised
            is_held = self.known.holds(folder, name, but=before)
            is_taken = is_promised or is_held or is_on_disk(folder, name)
            if is_taken and collision is Collision.SKIP:
                return None, f"{shown(wanted)} is taken, and is to be left"
            is_replaced = (
                is_taken
                and collision is Collision.REPLACE
                and not is_promised
                and self.known.may_replace(folder / name, source, wanted.name)
            )
            if is_replaced or not is_taken:
                self.promised.add(key)
                return folder / name, "; replaces what has that name" if is_replaced else ""
        raise AssertionError("numbered names do not end")


def _why_left(settings: FolderSettings, name: str) -> str:
    """Why a file does not count, by its name."""
    if kind := settings.passes_over(name):
        return _only_with(kind)
    own = name.rpartition("/")[2].lower()
    return (
        f"not named {settings.pattern}" if own.endswith(_SUFFIXES) else "no audio that is taken, by its name"
    )


def _only_with(kind: str) -> str:
    return f"{kind}, which is taken only with --also {kind}"


@cache
def _measures_sets(preset: str) -> bool:
    """Whether a preset gives sets a gain, so that a stem outside of any loses its balance with others."""
    from watchfolder.albums import is_album  # large, to measure with

    return bool(preset) and is_album(load_preset(preset))

"""Stem sets: files that arrive together in one sub-folder, and are decided on together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import TypeAlias

from watchfolder.scanner import Sighting, View

Batch: TypeAlias = tuple[str, ...]
"""Relative paths of files that are handed on together, in the order of names."""


def form_batches(view: View, ready: Iterable[str], settle_s: float) -> list[Batch]:
    """Group files that are ready; a set with a member still on its way stays back as a whole.

    Files belong together where they lie in the same sub-folder and the pauses between their arrivals are no
    longer than ``settle_s``: one after the other, as a copy brings them, is together too. Files at the top
    are each alone. A member that is held because its header and its bytes disagree does not keep the others.

    Args:
        view: everything that is known of the folder.
        ready: what has settled and may go.
        settle_s: as for a single file.
    """
    wanted = set(ready)
    batches: list[Batch] = [(name,) for name in sorted(wanted) if "/" not in name]
    for members in _by_folder(view.files).values():
        if not any(name in wanted for name in members):
            continue
        for arrival in _arrivals(members, view.files, settle_s):
            going = tuple(sorted(name for name in arrival if name in wanted))
            late = [name for name in arrival if name not in wanted and not view.files[name].held]
            if going and not late:
                batches.append(going)
    return batches


def _by_folder(files: Mapping[str, Sighting]) -> dict[str, list[str]]:
    """What waits in each sub-folder."""
    folders: dict[str, list[str]] = {}
    for name, sighting in files.items():
        if "/" in name and sighting.is_waiting:
            folders.setdefault(str(PurePosixPath(name).parent), []).append(name)
    return folders


def _arrivals(names: Sequence[str], files: Mapping[str, Sighting], settle_s: float) -> list[list[str]]:
    """Files in runs without a pause; each arrives from when it was first seen to when it last changed."""
    runs: list[list[str]] = []
    end = float("-inf")
    for name in sorted(names, key=lambda name: (_began(files[name]), name)):
        if runs and _began(files[name]) - end <= settle_s:
            runs[-1].append(name)
        else:
            runs.append([name])
            end = float("-inf")
        end = max(end, files[name].since_s)
    return runs


def _began(sighting: Sighting) -> float:
    """When this content of a file began to arrive; what replaces a file that was taken begins anew."""
    return sighting.first_s if sighting.taken is None else sighting.since_s

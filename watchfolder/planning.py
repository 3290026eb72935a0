"""What would be rendered of what lies in a folder now, without touching anything."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from audiosr_fx.headers import Wholeness, read_header
from audiosr_fx.presets import load_preset
from audiosr_fx.wording import shown
from watchfolder.plans import ALONE, PutOff, plan_files
from watchfolder.snapshot import open_file_within, take_snapshot
from watchfolder.studio import FolderSettings


def plan_now(settings: FolderSettings) -> Iterator[str]:
    """A line for each file.

    Raises:
        OSError: the folder cannot be looked at.
    """
    snapshot = take_snapshot(settings.input, settings.wants, settings.ignores, recursive=settings.recursive)
    measures_sets = cache(_measures_sets)
    root = os.open(settings.input, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for planned in plan_files(settings, root, sorted(snapshot.files)):
            source = shown(settings.input / planned.name)
            if isinstance(planned, PutOff):
                yield f"{source}: cannot be taken: {planned.reason}"
                continue
            with_ = f" with {Path(planned.rule.preset).stem}" if planned.rule.preset else ""
            with open_file_within(root, planned.name) as stream:
                header = read_header(stream)
            but = "" if header.wholeness is Wholeness.WHOLE else f"; waits: {header.reason}"
            is_top = settings.album and "/" not in planned.name
            alone = f"; {ALONE}" if is_top and measures_sets(planned.rule.preset) else ""
            yield f"{source} -> {shown(planned.output)}{with_}{but}{alone}"
    finally:
        os.close(root)


def _measures_sets(preset: str) -> bool:
    """Whether a preset gives sets a gain, so that a stem outside of any loses its balance with others."""
    from watchfolder.albums import is_album  # large, to measure with

    return bool(preset) and is_album(load_preset(preset))

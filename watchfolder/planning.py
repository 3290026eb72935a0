"""What would be rendered of what lies in a folder now, without touching anything."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from audiosr_fx.headers import Wholeness, read_header
from audiosr_fx.wording import shown
from watchfolder.plans import PutOff, plan_files
from watchfolder.snapshot import open_within, take_snapshot
from watchfolder.studio import FolderSettings


def plan_now(settings: FolderSettings) -> Iterator[str]:
    """A line for each file.

    Raises:
        OSError: the folder cannot be looked at.
    """
    snapshot = take_snapshot(settings.input, settings.wants, settings.ignores, recursive=settings.recursive)
    root = os.open(settings.input, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for planned in plan_files(settings, root, sorted(snapshot.files)):
            source = shown(settings.input / planned.name)
            if isinstance(planned, PutOff):
                yield f"{source}: cannot be taken: {planned.reason}"
                continue
            with_ = f" with {Path(planned.rule.preset).stem}" if planned.rule.preset else ""
            with os.fdopen(open_within(root, planned.name), "rb") as stream:
                header = read_header(stream)
            but = "" if header.wholeness is Wholeness.WHOLE else f"; waits: {header.reason}"
            yield f"{source} -> {shown(planned.output)}{with_}{but}"
    finally:
        os.close(root)

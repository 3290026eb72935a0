"""Stems in the sub-folders of a folder that is watched without them: they are told of, not looked after."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Final

from audiosr_fx.wording import shown
from watchfolder.snapshot import Snapshot, take_snapshot
from watchfolder.studio import FolderSettings

_MOST_FOLDERS: Final = 64
_MOST_IN_EACH: Final = 8
"""Sub-folders looked into: who watches the top of a large tree is not to pay for all of it."""
_LEFT: Final = (
    "%s: %d stems in its sub-folders are left; --recursive takes them, as does recursive = true in a studio"
    " file"
)
_log = logging.getLogger(__name__)


class StemsBelow:
    """Says once how many stems lie in sub-folders that are not looked into."""

    def __init__(self) -> None:
        self._seen = 0
        self._is_told = False

    def look(self, settings: FolderSettings, snapshot: Snapshot) -> None:
        """Look, until there were some and no more than the time before, as a copy may still go on."""
        if settings.recursive:
            self._seen, self._is_told = 0, False
        elif not self._is_told:
            before, self._seen = self._seen, count_below(settings, snapshot)
            self._is_told = 0 < self._seen == before
            if self._is_told:
                _log.warning(_LEFT, shown(settings.input), self._seen)


def count_below(settings: FolderSettings, snapshot: Snapshot) -> int:
    """How many stems lie in the sub-folders of a folder, of which the first few are looked into."""
    count = 0
    for name in snapshot.folders[:_MOST_FOLDERS]:
        with suppress(OSError):  # it is gone again, or not ours to see
            inner = take_snapshot(
                settings.input / name,
                settings.wants,
                settings.ignores,
                recursive=True,
                most_folders=_MOST_IN_EACH,
            )
            count += len(inner.files)
    return count

"""File-system events as a hint to look sooner, and nothing more: what they lose, the next look finds.

watchdog's observer dies of an exception in a handler, and says it lives when its folder was taken away and
put back. So nothing here raises, and ``check`` sets up anew whatever no longer hears.
"""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeAlias

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirModifiedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer

from audiosr_fx.wording import one_line, shown

ObserverFactory: TypeAlias = Callable[[], Any]
"""Makes a watchdog observer, or what looks like one."""

_HEARD: Final = (
    *(DirCreatedEvent, DirModifiedEvent, DirMovedEvent, DirDeletedEvent),
    *(FileCreatedEvent, FileModifiedEvent, FileMovedEvent, FileDeletedEvent, FileClosedEvent),
)
"""All but that a file was opened or read, which our own looking does: four events for each stem."""
_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 300.0
_JOIN_S: Final = 2.0
_log = logging.getLogger(__name__)


class Wakeups:
    """Events of one folder, as far as they can be had.

    Attributes:
        is_hearing: whether they come, as far as can be told.
    """

    def __init__(
        self,
        folder: Path,
        wake: Callable[[], None],
        *,
        recursive: bool,
        make_observer: ObserverFactory = Observer,
    ) -> None:
        """Nothing is set up before the first ``check``.

        Args:
            folder: to be heard from.
            wake: called from another thread when something happens.
            recursive: hear from sub-folders too.
            make_observer: of a kind; None of its faults get through.
        """
        self.is_hearing = False
        self._folder = folder
        self._recursive = recursive
        self._make_observer = make_observer
        self._handler = _Handler(wake)
        self._observer: Any = None
        self._root: tuple[int, int] | None = None
        self._pause_s = _FIRST_PAUSE_S
        self._not_before_s = float("-inf")
        self._was_told = False

    def check(self, root: tuple[int, int] | None, now_s: float) -> None:
        """Make sure that events come.

        Args:
            root: device and inode of the folder as it is now; None where it is not there.
            now_s: monotonic time.
        """
        if self._observer is not None and (root != self._root or not self._is_alive()):
            _log.info("%s: events no longer come; setting them up anew", shown(self._folder))
            self._drop()
        if self._observer is None and root is not None and now_s >= self._not_before_s:
            self._set_up(root, now_s)
        self.is_hearing = self._observer is not None

    def close(self) -> None:
        """Stop hearing."""
        self._drop()
        self.is_hearing = False

    def _set_up(self, root: tuple[int, int], now_s: float) -> None:
        observer = None
        # Where a folder is made and looked into at once, watchdog hears of it twice, and says so on stderr.
        warnings.filterwarnings("ignore", "Callback with id", RuntimeWarning)
        try:
            observer = self._make_observer()
            observer.daemon = True
            observer.schedule(
                self._handler, str(self._folder), recursive=self._recursive, event_filter=list(_HEARD)
            )
            observer.start()
        except Exception as error:  # whatever it is, the looks go on without it
            if not self._was_told:
                _log.warning(
                    "%s: no events from the system (%s); it is looked at every few seconds instead",
                    shown(self._folder),
                    one_line(error),
                )
            self._was_told = True
            self._not_before_s = now_s + self._pause_s
            self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
            _stop(observer)
            return
        self._observer, self._root = observer, root
        self._pause_s, self._was_told = _FIRST_PAUSE_S, False

    def _is_alive(self) -> bool:
        try:
            emitters = list(self._observer.emitters)
            return bool(self._observer.is_alive() and emitters and all(one.is_alive() for one in emitters))
        except Exception:  # an observer that cannot even say so
            return False

    def _drop(self) -> None:
        observer, self._observer = self._observer, None
        _stop(observer)


class _Handler(FileSystemEventHandler):
    """Wakes, and never raises: that would end the observer."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake

    def dispatch(self, event: FileSystemEvent) -> None:
        try:
            self._wake()
        except Exception as error:
            _log.error("an event was lost: %s", one_line(error))


def _stop(observer: Any) -> None:
    """Stop an observer in a thread of its own, because it may hang on a folder that does not answer."""
    if observer is None:
        return

    def stop() -> None:
        with suppress(Exception):
            observer.stop()
        with suppress(Exception):
            observer.join(_JOIN_S)

    thread = threading.Thread(target=stop, name="stop-observer", daemon=True)
    thread.start()
    thread.join(_JOIN_S)

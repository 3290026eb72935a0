"""One watched folder at work: looked at, waited for, checked, and handed on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from audiosr_fx.errors import JobError
from audiosr_fx.headers import Wholeness, read_header
from audiosr_fx.wording import shown
from watchfolder.below import StemsBelow
from watchfolder.claims import FolderClaim
from watchfolder.scanner import View, observe
from watchfolder.snapshot import Snapshot, Stamp, open_file_within, take_snapshot
from watchfolder.stem_sets import Batch, form_batches
from watchfolder.studio import ON_REQUEST, FolderSettings
from watchfolder.wakeups import ObserverFactory, Wakeups

_NOT_ALLOWED: Final = "which this folder takes only with --also"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyBatch:
    """Files of one folder that are handed on together, each with the stamp it had then."""

    folder: WatchedFolder
    stamps: Mapping[str, Stamp]

    @property
    def names(self) -> Batch:
        """Relative paths, in their order."""
        return tuple(self.stamps)


class WatchedFolder:
    """A folder, what is known of it, and the claim on it.

    Attributes:
        settings: as they are now; see ``change``.
        problem: what keeps it from being looked at, for people; empty where nothing does.
        view: all that is known of its files.
    """

    def __init__(
        self,
        settings: FolderSettings,
        wake: Callable[[], None],
        *,
        make_observer: ObserverFactory | None = None,
        is_patient: bool = True,
    ) -> None:
        """Claim the folder.

        Args:
            settings: which folder, and how.
            wake: called when events hint at something new.
            make_observer: of events; None is watchdog's.
            is_patient: wait longer for files whose header and bytes disagree.

        Raises:
            JobError: another process watches it.
            OSError: it is not there.
        """
        self.settings = settings
        self.problem = ""
        self.view = View()
        self._is_patient = is_patient
        self._passed_over: set[str] = set()
        self._below = StemsBelow()
        self._claim = FolderClaim(settings.input)
        self._wake = wake
        self._make_observer = make_observer
        self._wakeups = self._make_wakeups(settings)

    def change(self, settings: FolderSettings) -> None:
        """Go on with other settings of the same folder."""
        if settings.recursive != self.settings.recursive:
            self._wakeups.close()
            self._wakeups = self._make_wakeups(settings)
        self.settings = settings

    def close(self) -> None:
        """Let go of it."""
        self._wakeups.close()
        self._claim.close()

    @property
    def descriptor(self) -> int:
        """Of the opened folder; below zero where it is not there."""
        return self._claim.descriptor

    @property
    def is_hearing(self) -> bool:
        """Whether events wake us; otherwise it is only looked at every few seconds."""
        return self._wakeups.is_hearing

    def remember(self, taken: Mapping[str, Stamp], now_s: float) -> list[str]:
        """Take what an earlier run noted for known, where the files are still the same.

        Returns:
            Names that are no longer there.
        """
        snapshot = self._look()
        if snapshot is None:
            return []
        self.view = observe(self.view, snapshot, now_s)
        files = self.view.files
        known = {name: replace(files[name], taken=stamp) for name, stamp in taken.items() if name in files}
        self.view = self.view.with_changed(known)
        return [name for name in taken if name not in files]

    def turn(self, now_s: float) -> list[ReadyBatch]:
        """Look once; what is ready counts as taken from now on, until ``give_back``."""
        snapshot = self._look()
        self._wakeups.check(None if snapshot is None else snapshot.root, now_s)
        if snapshot is None:
            return []
        self.view = observe(self.view, snapshot, now_s)
        settled = self.view.settled(now_s, self.settings.settle_s)
        ready = [name for name in settled if self._is_ready(name, now_s)]
        batches = []
        for names in self._grouped(ready):
            stamps = {name: self.view.files[name].stamp for name in names}
            batches.append(ReadyBatch(folder=self, stamps=stamps))
        self.view = self.view.with_taken(name for batch in batches for name in batch.names)
        return batches

    def give_back(self, batch: ReadyBatch) -> None:
        """Let files that could not be handed on be found again."""
        files = self.view.files
        self.let_go(n for n, stamp in batch.stamps.items() if n in files and files[n].taken == stamp)

    def let_go(self, names: Iterable[str]) -> None:
        """Let files be found again that were handed on, and were lost before they were rendered."""
        files = self.view.files
        found = {name: replace(files[name], taken=None) for name in names if name in files}
        self.view = self.view.with_changed(found)

    def put_off(self, batch: ReadyBatch, reasons: Mapping[str, str], now_s: float) -> None:
        """Let files that cannot be rendered as things are wait, and be tried again after a while.

        What has changed since the batch was made is another matter, and waits for nothing.
        """
        files = self.view.files
        waiting = {
            name: replace(files[name], taken=None, held=reason, since_s=now_s)
            for name, reason in reasons.items()
            if name in files and files[name].stamp == batch.stamps[name]
        }
        self.view = self.view.with_changed(waiting)

    def next_s(self, now_s: float) -> float:
        """The monotonic time of the next turn, if nothing wakes us before."""
        due = self.view.next_s(self.settings.settle_s)
        regular = now_s + self.settings.scan_s
        return regular if due is None else max(now_s + 0.05, min(regular, due))

    def _make_wakeups(self, settings: FolderSettings) -> Wakeups:
        more = {} if self._make_observer is None else {"make_observer": self._make_observer}
        return Wakeups(settings.input, self._wake, recursive=settings.recursive, **more)

    def _grouped(self, ready: list[str]) -> list[Batch]:
        if self.settings.album:
            return form_batches(self.view, ready, self.settings.settle_s)
        return [(name,) for name in ready]

    def _look(self) -> Snapshot | None:
        """What is there; None while the folder is not."""
        settings = self.settings
        passed_over: set[str] = set()

        def wants(name: str) -> bool:
            is_wanted = settings.wants(name)
            if not is_wanted and settings.passes_over(name):
                passed_over.add(name)
            return is_wanted

        try:
            snapshot = take_snapshot(settings.input, wants, settings.ignores, recursive=settings.recursive)
            self._tell_passed_over(passed_over)
            self._below.look(settings, snapshot)
            if snapshot.root != self._claim.identity or self._claim.descriptor < 0:
                self._claim.close()
                self._claim = FolderClaim(settings.input)
                _log.info("%s: is another folder than before; looking into that", shown(settings.input))
            self._tell(_unreadable(snapshot))
        except (OSError, JobError) as error:
            reason = error.strerror or str(error) if isinstance(error, OSError) else str(error)
            self._tell(f"cannot be looked at: {reason}")
            return None
        return snapshot

    def _tell_passed_over(self, names: set[str]) -> None:
        """Say once of each file why it is left; what goes and comes again is told of again."""
        for name in sorted(names - self._passed_over):
            kind = self.settings.passes_over(name)
            _log.info(
                "%s is left: it is %s, %s %s", shown(self.settings.input / name), kind, _NOT_ALLOWED, kind
            )
        self._passed_over = names

    def _tell(self, problem: str) -> None:
        """Say a problem once, and when it is over."""
        if problem == self.problem:
            return
        if problem:
            _log.warning("%s: %s", shown(self.settings.input), problem)
        else:
            _log.info("%s: can be looked at again", shown(self.settings.input))
        self.problem = problem

    def _is_ready(self, name: str, now_s: float) -> bool:
        """Whether header and bytes of a file that lies still agree, or it has lain long enough to fail."""
        sighting = self.view.files[name]
        if sighting.held:
            is_over = now_s - sighting.since_s >= self.settings.patience_s
            return is_over and not sighting.held.endswith(_NOT_ALLOWED)
        held = self._why_held(name)
        if not held or not (self._is_patient or held.endswith(_NOT_ALLOWED)):
            return True
        _log.info("%s waits: %s", shown(self.settings.input / name), held)
        self.view = self.view.with_held({name: held})
        return False

    def _why_held(self, name: str) -> str:
        """Why a file waits, by its header; empty where it is whole, or cannot be read at all."""
        with suppress(OSError, ValueError):
            with open_file_within(self._claim.descriptor, name) as stream:
                header = read_header(stream)
            if header.kind in ON_REQUEST and header.kind not in self.settings.also:
                return f"it is {header.kind}, {_NOT_ALLOWED}"
            return "" if header.wholeness is Wholeness.WHOLE else header.reason
        return ""


def _unreadable(snapshot: Snapshot) -> str:
    if not snapshot.unreadable:
        return ""
    name, reason = next(iter(sorted(snapshot.unreadable.items())))
    more = f" and {len(snapshot.unreadable) - 1} more" if len(snapshot.unreadable) > 1 else ""
    return f"{shown(Path(name))}{more}: {reason}"

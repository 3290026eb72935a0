"""The daemon: watched folders on one side, the queue on the other, good manners between start and stop."""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from audiosr_fx.errors import AudioSRError, JobError, ParameterError, StorageError
from audiosr_fx.jobs.service import Service
from audiosr_fx.jobs.states import LIVE, State
from audiosr_fx.wording import shown
from watchfolder.aftermath import Aftermath
from watchfolder.apart import holds, overlap
from watchfolder.claims import FolderClaim
from watchfolder.folder import WatchedFolder
from watchfolder.handover import Handover
from watchfolder.intake import Intake
from watchfolder.known_names import check_names
from watchfolder.memory import Memory
from watchfolder.status import folder_status, write_status
from watchfolder.studio import FolderSettings, StudioSettings, read_studio
from watchfolder.wakeups import ObserverFactory

STATUS_S: Final = 5.0
_SHORTEST_TURN_S: Final = 0.1
_LONGEST_REST_S: Final = 2.0
_REST: Final = 3.0
"""Seconds of rest for a second of looking, so that a crowded folder leaves most of the time to others."""
_RETRY_S: Final = 5.0
_JOIN_S: Final = 3.0
_FOLLOW_S: Final = 0.5
_MOST_RESTS: Final = 5
"""Rests of the queue in a row, a device's or a disk's, that ``once`` waits for; about eight seconds."""
_MOST_RETURNS: Final = 3
"""Times in a row that ``once`` hands files to a queue that takes nothing; about fifteen seconds."""
_log = logging.getLogger(__name__)


class Daemon:
    """Watches folders and renders what is dropped into them, until it is asked to stop.

    One thread looks at the folders, one hands what is ready to the queue, which has threads of its own.

    Attributes:
        unfinished: how many stems were not done when a ``run`` with ``once`` was stopped before its end; None
            where it was not.
    """

    def __init__(
        self,
        studio: StudioSettings,
        service: Service,
        state: Path,
        *,
        make_observer: ObserverFactory | None = None,
        clock: Callable[[], float] = time.monotonic,
        once: bool = False,
    ) -> None:
        """Claim every folder; outputs are made where they are missing.

        Args:
            studio: what to watch.
            service: started or about to be; not stopped here.
            state: folder for what is kept over restarts.
            make_observer: of file-system events; None is watchdog's.
            clock: monotonic, in seconds.
            once: take what is there now, and end when all of it has ended.

        Raises:
            JobError: another process has one of the folders.
            OSError: a folder is not there, or cannot be made.
        """
        self._studio = studio
        self._service = service
        self._state = state
        self._make_observer = make_observer
        self._clock = clock
        self._once = once
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._reload_asked = threading.Event()
        self._told_s = float("-inf")
        self.unfinished: int | None = None
        self._lost: queue.SimpleQueue[tuple[Path, list[str]]] = queue.SimpleQueue()
        self._folders: list[WatchedFolder] = []
        self._outputs: dict[str, FolderClaim] = {}
        try:
            for settings in studio.folders:
                self._folders.append(self._watched(settings))
            self._claim_outputs(studio, self._outputs)
            self._memory = Memory(state)
            self._memory.follow(service.store.identity)
        except BaseException:
            self._release()
            raise
        intake = Intake(service=service, memory=self._memory, should_cancel=self._stopping.is_set)
        self._handover = Handover(intake, self._wake.set, self._stopping, clock)
        self._aftermath = Aftermath(service, self._memory, self._stopping.is_set, self._note_lost)

    def stop(self) -> None:
        """Ask it to end; for signals and other threads."""
        self._stopping.set()
        self._wake.set()

    def reload(self) -> None:
        """Ask it to read its studio file and presets anew; for signals and other threads."""
        self._reload_asked.set()
        self._wake.set()

    def run(self) -> int:
        """Watch until asked to stop, or with ``once`` until all has ended; returns the failed files."""
        after = threading.Thread(target=self._follow, name="aftermath", daemon=True)
        try:
            now_s = self._clock()
            for folder in self._folders:
                self._remember(folder, now_s)
                _log.info(
                    "watching %s, results go to %s",
                    shown(folder.settings.input),
                    shown(folder.settings.output),
                )
            self._handover.start()
            after.start()
            while not self._stopping.is_set():
                self._turn()
                if self._once and self._is_over():
                    return self._failures()
            if self._once:
                self._tell_unfinished()
            return self._failures()
        finally:
            self._stopping.set()
            self._handover.join(_JOIN_S)
            if after.is_alive():
                after.join(_JOIN_S)
            self._tell_status("stopped")
            self._release()
            self._memory.close()

    # One turn

    def _turn(self) -> None:
        self._wake.clear()
        now_s = self._clock()
        self._handover.take_back(now_s)
        self._let_go_of_lost()
        if self._reload_asked.is_set():
            self._reload_asked.clear()
            self._reload()
        for folder in self._folders:
            known = set(folder.view.files)
            for batch in folder.turn(now_s):
                self._handover.put(batch)
            self._memory.forget(folder.settings.input, known - set(folder.view.files))
        rest_s = min(_LONGEST_REST_S, _REST * (self._clock() - now_s))
        if now_s - self._told_s >= STATUS_S:
            self._told_s = now_s
            self._tell_status("running")
        next_s = min(folder.next_s(now_s) for folder in self._folders)
        if self._once:
            next_s = min(next_s, now_s + 0.5)
        self._wake.wait(max(0.0, next_s - self._clock()))
        self._stopping.wait(max(_SHORTEST_TURN_S, rest_s))  # events come in swarms

    def _note_lost(self, folder: Path, names: Iterable[str]) -> None:
        """Files of a folder are to be taken in once more; from the thread that follows the queue."""
        self._lost.put((folder, list(names)))
        self._wake.set()

    def _let_go_of_lost(self) -> None:
        by_input = {folder.settings.input: folder for folder in self._folders}
        with suppress(queue.Empty):
            while True:
                place, names = self._lost.get_nowait()
                if place in by_input:
                    by_input[place].let_go(names)

    def _is_over(self) -> bool:
        """Whether all that waited has ended, or nobody should wait for the rest of it."""
        comes = self._has_more()
        if comes and self._handover.returns < _MOST_RETURNS:
            return False
        waits = self._count_live() > 0
        if waits and self._service.rests < _MOST_RESTS:
            return False
        if comes or waits:
            self._give_up()
            return True
        return self._aftermath.is_done and self._lost.empty()  # it may have let go of files just before

    def _has_more(self) -> bool:
        """Whether something waits in the folders, or is on its way to the queue."""
        if not self._handover.is_idle:
            return True
        seen = [folder for folder in self._folders if not folder.problem]  # what is away is not waited for
        return any(s.is_waiting and not s.held for folder in seen for s in folder.view.files.values())

    def _give_up(self) -> None:
        self._handover.take_back(float("inf"))
        count = self._unfinished()
        _log.error("no room or no device came for %d stems; they are kept for the next start", count)

    def _follow(self) -> None:
        """Act on what becomes of jobs, in a thread of its own: a report takes a while."""
        while not self._stopping.is_set():
            try:
                self._aftermath.turn([folder.settings for folder in self._folders], _FOLLOW_S)
            except StorageError as error:
                _log.warning("%s", error)
                self._stopping.wait(_RETRY_S)
            except Exception:
                _log.exception("a fault in what follows a job's end; the daemon goes on")
                self._stopping.wait(_RETRY_S)

    def _failures(self) -> int:
        """How many files that are there now have not become a file: held back, failed, not begun."""
        failed = 0
        for folder in self._folders:
            taken = self._memory.taken(folder.settings.input)
            for name, sighting in folder.view.files.items():
                if sighting.is_waiting:
                    failed += 1
                elif name in taken and taken[name].job:
                    with suppress(JobError):
                        job = self._service.store.get(taken[name].job)
                        failed += job.state is not State.DONE
        return failed

    def _tell_unfinished(self) -> None:
        """Say how much is left to do in the folders, on the way and in the queue."""
        self._handover.join(_JOIN_S)
        self.unfinished = self._unfinished()
        _log.warning("stopped; %d stems are not done yet, and go on with the next start", self.unfinished)

    def _unfinished(self) -> int:
        count = self._count_live()
        for folder in self._folders:
            taken = self._memory.taken(folder.settings.input)
            count += sum(
                not seen.held and (name not in taken or taken[name].stamp != seen.stamp)
                for name, seen in folder.view.files.items()
            )
        return count

    def _count_live(self) -> int:
        counts = self._service.store.counts()
        return sum(counts[state] for state in LIVE)

    # Start, reload, stop

    def _watched(self, settings: FolderSettings) -> WatchedFolder:
        return WatchedFolder(
            settings, self._wake.set, make_observer=self._make_observer, is_patient=not self._once
        )

    def _remember(self, folder: WatchedFolder, now_s: float) -> None:
        taken = self._memory.taken(folder.settings.input)
        gone = folder.remember({name: one.stamp for name, one in taken.items()}, now_s)
        self._memory.forget(folder.settings.input, gone)

    def _claim_outputs(self, studio: StudioSettings, claims: dict[str, FolderClaim]) -> None:
        """Claim the output folders that are not ours yet, into a table; all are made where need be."""
        for settings in studio.folders:
            settings.output.mkdir(parents=True, exist_ok=True)
        for output in _output_folders(studio):
            if output not in self._outputs:
                claims[output] = FolderClaim(Path(output))

    def _reload(self) -> None:
        """Take on a changed studio file: settings of folders, and folders that came or went."""
        if self._studio.source is None:
            _log.info("presets are read anew for each stem; there is no studio file to read")
            return
        try:
            studio = read_studio(self._studio.source)
            check_names(studio)
        except AudioSRError as error:
            _log.error("kept the settings as they were: %s", error)
            return
        known = {folder.settings.input: folder for folder in self._folders}
        added: dict[Path, WatchedFolder] = {}
        outputs: dict[str, FolderClaim] = {}
        try:
            self._check_beside_ours(studio)
            for settings in studio.folders:
                if settings.input not in known:
                    added[settings.input] = self._watched(settings)
            self._claim_outputs(studio, outputs)
        except (AudioSRError, OSError) as error:
            _log.error("kept the settings as they were: %s", error)
            for folder in added.values():
                folder.close()
            for claim in outputs.values():
                claim.close()
            return
        self._take_on(studio, known | added, self._outputs | outputs)
        now_s = self._clock()
        for folder in added.values():
            self._remember(folder, now_s)
        _log.info("settings read anew: %d folders", len(self._folders))

    def _check_beside_ours(self, studio: StudioSettings) -> None:
        """Refuse new folders that hold ours or lie in them, which our own claims keep from being claimed.

        Raises:
            ParameterError: there is one.
        """
        ours = [*(str(folder.settings.input) for folder in self._folders), *self._outputs]
        wanted = [*(str(settings.input) for settings in studio.folders), *_output_folders(studio)]
        for new in set(wanted).difference(ours):
            for old in ours:
                if overlap(Path(new), Path(old)):
                    raise ParameterError(
                        f"{shown(Path(new))} and {shown(Path(old))}, as it was until now, lie in one another;"
                        " that takes a stop and a start"
                    )

    def _take_on(
        self,
        studio: StudioSettings,
        folders: Mapping[Path, WatchedFolder],
        outputs: Mapping[str, FolderClaim],
    ) -> None:
        """Go on with other settings, for which everything is there; let go of what they do not name."""
        self._studio = studio
        self._folders = [folders[settings.input] for settings in studio.folders]
        for folder, settings in zip(self._folders, studio.folders, strict=True):
            folder.change(settings)
        wanted = _output_folders(studio)
        self._outputs = {output: claim for output, claim in outputs.items() if output in wanted}
        for folder in folders.values():
            if folder not in self._folders:
                folder.close()
        for output, claim in outputs.items():
            if output not in wanted:
                claim.close()

    def _release(self) -> None:
        for folder in self._folders:
            folder.close()
        for claim in self._outputs.values():
            claim.close()

    def _tell_status(self, state: str) -> None:
        told: dict[str, Any] = {
            "state": state,
            "pid": os.getpid(),
            "updated": time.time(),
            "handing_on": self._handover.size,
            "folders": [folder_status(folder) for folder in self._folders],
        }
        with suppress(AudioSRError):
            told |= self._service.status()
        write_status(self._state, told)


def _output_folders(studio: StudioSettings) -> dict[str, None]:
    """Where results go, each folder once, by its real name; not those that lie in another of them."""
    found: list[str] = []
    for output in sorted({os.path.realpath(folder.output) for folder in studio.folders}, key=len):
        if not any(holds(Path(outer), Path(output)) for outer in found):
            found.append(output)
    return dict.fromkeys(found)

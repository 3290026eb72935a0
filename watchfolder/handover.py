"""The thread between the looks and the queue: it reads what is ready, so that no look waits for a disk."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Final

from audiosr_fx.errors import AudioSRError, RenderCancelled
from audiosr_fx.wording import shown
from watchfolder.folder import ReadyBatch
from watchfolder.intake import Intake

RETRY_S: Final = 5.0
FAULT_S: Final = 60.0
MOST_AT_ONCE: Final = 300
"""Files in one step: more are quicker, but keep who asks the queue something waiting for longer."""
_log = logging.getLogger(__name__)


class Handover:
    """Batches go in, jobs come of them; what the queue does not take is given back after a while."""

    def __init__(
        self, intake: Intake, wake: Callable[[], None], stopping: threading.Event, clock: Callable[[], float]
    ) -> None:
        """``wake``: called when all was handed on. ``stopping``: ends the thread."""
        self._intake = intake
        self._wake = wake
        self._stopping = stopping
        self._clock = clock
        self._batches: queue.SimpleQueue[ReadyBatch | None] = queue.SimpleQueue()
        self._returned: queue.SimpleQueue[tuple[float, ReadyBatch, dict[str, str]]] = queue.SimpleQueue()
        self._guard = threading.Lock()
        self._size = 0
        self._thread = threading.Thread(target=self._run, name="handover", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def join(self, timeout_s: float) -> None:
        """Wait for its end, after ``stopping`` was set."""
        self._batches.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    @property
    def size(self) -> int:
        """How many files are on their way."""
        return self._size

    @property
    def is_idle(self) -> bool:
        """Whether nothing is on its way or is to be given back."""
        return self._size == 0 and self._returned.empty()

    def put(self, batch: ReadyBatch) -> None:
        """Hand a batch on; returns at once."""
        self._count(len(batch.stamps))
        self._batches.put(batch)

    def take_back(self, now_s: float) -> None:
        """Let files be found again that could not be handed on; for the thread that looks."""
        later = []
        while True:
            try:
                due_s, batch, reasons = self._returned.get_nowait()
            except queue.Empty:
                break
            if due_s > now_s:
                later.append((due_s, batch, reasons))
            elif reasons:
                batch.folder.put_off(reasons, now_s)
            else:
                batch.folder.give_back(batch)
        for entry in later:
            self._returned.put(entry)

    def _run(self) -> None:
        while (batch := self._batches.get()) is not None and not self._stopping.is_set():
            batches = self._with_more(batch)
            self._submit(batches)
            self._count(-sum(len(one.stamps) for one in batches))
            if self._size == 0:  # not after every step: each look takes a while where files are many
                self._wake()

    def _with_more(self, batch: ReadyBatch) -> list[ReadyBatch]:
        """A batch and those behind it, as many as go into one step."""
        batches, count = [batch], len(batch.stamps)
        while count < MOST_AT_ONCE:
            try:
                more = self._batches.get_nowait()
            except queue.Empty:
                break
            if more is None:
                self._batches.put(None)
                break
            batches.append(more)
            count += len(more.stamps)
        return batches

    def _submit(self, batches: Sequence[ReadyBatch]) -> None:
        count = sum(len(batch.stamps) for batch in batches)
        try:
            for batch, one in self._intake.submit(batches):
                source = batch.folder.settings.input / one.name
                _log.error("%s cannot be taken: %s", shown(source), one.reason)
                self._returned.put((self._clock(), batch, {one.name: one.reason}))
        except RenderCancelled:
            return
        except (AudioSRError, OSError) as error:  # a full disk, above all; nothing was taken in
            _log.warning("%d files wait to be handed on: %s", count, error)
            self._give_back(batches, RETRY_S)
        except Exception:
            _log.exception("a fault in handing files on; it is tried again")
            self._give_back(batches, FAULT_S)

    def _give_back(self, batches: Sequence[ReadyBatch], pause_s: float) -> None:
        due_s = self._clock() + pause_s
        for batch in batches:
            self._returned.put((due_s, batch, {}))

    def _count(self, change: int) -> None:
        with self._guard:
            self._size += change

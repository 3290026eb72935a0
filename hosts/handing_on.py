"""Requests that were acknowledged become jobs of the queue, which reads and hashes their files."""

from __future__ import annotations

import logging
import queue
import threading
from pathlib import Path
from typing import Final

from audiosr_fx.errors import AudioSRError, JobError, StorageError
from audiosr_fx.jobs.database import is_disk_full
from audiosr_fx.jobs.request import RenderRequest
from audiosr_fx.jobs.states import State
from audiosr_fx.wording import one_line
from hosts.endings import Endings
from hosts.joining import join_channels
from hosts.ledger import Entry, Ledger
from hosts.render_queue import RenderQueue

_WAIT_S: Final = 0.5
_LONGEST_WAIT_S: Final = 8.0
_log = logging.getLogger(__name__)


class HandingOn:
    """Hands requests on from ``start`` to ``stop``, one after another, until each is on the queue's disk."""

    def __init__(
        self, jobs: RenderQueue, ledger: Ledger, endings: Endings, *, out: Path | None, work: Path
    ) -> None:
        """Nothing is started yet.

        Args:
            jobs: the queue.
            ledger: of requests.
            endings: of what cannot be handed on, or has ended at once.
            out: where outputs go; None is a folder beside each source.
            work: a folder for files that are put together here.
        """
        self._jobs, self._ledger, self._endings = jobs, ledger, endings
        self._out, self._work = out, work
        self._waiting: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bridge hand on", daemon=True)

    def start(self) -> None:
        """Go on with what an earlier run left, then with what comes."""
        for entry in (*self._ledger.running(), *self._ledger.waiting()):
            self.put(entry.number)
        self._thread.start()

    def stop(self) -> None:
        """Stop; what is open stays in the ledger."""
        self._stopping.set()
        self._waiting.put(None)
        if self._thread.is_alive():
            self._thread.join()

    def put(self, number: int) -> None:
        """Hand on a request of the ledger as soon as may be."""
        self._waiting.put(number)

    def _run(self) -> None:
        wait_s = _WAIT_S
        while (number := self._waiting.get()) is not None and not self._stopping.is_set():
            try:
                self._hand_one_on(number)
                wait_s = _WAIT_S
            except Exception as error:  # as a full disk: it stays in the ledger, and is tried again
                if isinstance(error, StorageError):
                    _log.warning("osc-%d waits: %s", number, error)
                else:
                    _log.exception("a fault of the bridge; osc-%d waits", number)
                self._stopping.wait(wait_s)
                wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
                self._waiting.put(number)

    def _hand_one_on(self, number: int) -> None:
        """Hand a request on, or end it with the reason why that cannot be; of one that was, tell its end.

        Raises:
            StorageError: a disk does not answer; nothing is lost, and it may be called again.
        """
        entry = self._ledger.get(number)
        if entry.is_ended:
            return
        if entry.job is not None:  # by an earlier run, or just before a disk failed
            self._endings.settle(entry)
            return
        try:
            self._hand_on(entry)
        except StorageError:
            raise
        except Exception as error:
            if is_disk_full(error):
                raise StorageError(one_line(error)) from error
            if isinstance(error, AudioSRError):
                self._endings.end(entry, error=one_line(error))
                return
            _log.exception("request %s could not be handed on", entry.ask.request)
            reason = f"a fault of this program ({type(error).__name__}); its log says more"
            self._endings.end(entry, error=reason)

    def _hand_on(self, entry: Entry) -> None:
        """Make a job of a request, or find the one it already is."""
        request = self._request(entry)
        job = self._jobs.submit(request).job
        if job is None:
            raise JobError(f"{request.output_name} is taken")
        if job.state in (State.FAILED, State.CANCELLED):
            job = self._jobs.retry(job.id)
        entry = self._ledger.hand_on(entry.number, job.id)
        if entry.is_ended:  # cancelled meanwhile
            self._endings.cancel(job.id)
        else:  # it may have ended before anybody could know whose it is
            self._endings.settle(entry)

    def _request(self, entry: Entry) -> RenderRequest:
        """What the queue is asked for; split stereo is put together."""
        ask = entry.ask
        source = ask.sources[0]
        if len(ask.sources) > 1:
            source = join_channels(ask.sources, self._work, self._is_needed)
        options = ask.options
        return RenderRequest(
            source=source,
            folder=ask.folder(self._out),
            output_name=ask.output_name,
            preset=ask.preset,
            overrides=options.overrides,
            model=options.model,
            seed=options.seed,
            region=f"{ask.start}s-{ask.stop}s",
            splice=options.mode,
            format=options.format,
            bits=options.bits,
            priority=10,  # somebody waits for it
            origin="osc",
            tag=f"{entry.name} {ask.request}",
        )

    def _is_needed(self, path: Path) -> bool:
        """Whether a job that has not ended is still to read a file of ours."""
        return self._jobs.store.find_source(path) is not None

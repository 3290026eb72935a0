"""What becomes of requests: events of the queue are followed, and each request is ended once."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from pathlib import Path
from typing import Final

from audiosr_fx.errors import AudioSRError, JobError, StorageError
from audiosr_fx.jobs.job import Event, Job
from audiosr_fx.jobs.settling import CHANGED
from audiosr_fx.jobs.states import State
from audiosr_fx.wording import one_line, shown
from hosts.ledger import Entry, Ledger
from hosts.receipts import Receipts
from hosts.render_queue import RenderQueue
from hosts.replies import Replies, end_of

_WAIT_S: Final = 0.5
_PAGE: Final = 1000
_log = logging.getLogger(__name__)


class Endings:
    """Hears what becomes of jobs from ``start`` to ``stop``; its other methods are for any thread."""

    def __init__(self, jobs: RenderQueue, ledger: Ledger, receipts: Receipts, replies: Replies) -> None:
        self._jobs, self._ledger, self._receipts, self._replies = jobs, ledger, receipts, replies
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Hear, in a thread of its own, what happens from now on."""
        since = self._jobs.store.last_event()
        self._thread = threading.Thread(target=self._hear, args=(since,), name="bridge events", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Hear no more."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def settle(self, entry: Entry) -> None:
        """End a request whose job has ended, with a file or without, or is not known any more.

        Raises:
            StorageError: a disk does not answer; it may be called again.
        """
        assert entry.job is not None
        try:
            job = self._jobs.store.get(entry.job)
        except StorageError:
            raise
        except JobError as error:
            self.end(entry, error=one_line(error))
            return
        if job.state.is_live:
            return
        if job.state is State.DONE:
            self.end(entry, output=str(job.output))
        else:
            self.end(entry, error=_reason(job))

    def end(self, entry: Entry, *, output: str = "", error: str = "") -> Entry | None:
        """End a request that may have ended already, and say so.

        Returns:
            The entry as it ended; None where another thread came first, and has told it.

        Raises:
            StorageError: a disk does not answer; it may be called again.
        """
        reply = end_of(replace(entry, is_ended=True, output=output, error=error))
        with self._receipts.ending(entry, reply):
            ended = self._ledger.end(entry.number, output=output, error=error)
        if ended is not None:
            what = f"is done: {shown(Path(output))}" if output else f"has ended: {error}"
            _log.info("%s %s", entry.ask.request, what)
            self._replies.end(ended)
        return ended

    def cancel(self, entry: Entry) -> None:
        """Stop a request that has not ended, as far as is known, and the job that it is or has just become.

        Raises:
            StorageError: a disk does not answer.
        """
        if entry.job is not None:
            self.cancel_job(entry.job)
            return
        ended = self.end(entry, error="cancelled")
        if ended is not None and ended.job is not None:  # handed on since, by who took it for an open one
            self.cancel_job(ended.job)

    def cancel_job(self, job: int) -> None:
        """Stop a job; one that has just ended is left to its events.

        Raises:
            StorageError: a disk does not answer.
        """
        try:
            self._jobs.cancel(job, "cancelled")
        except StorageError:
            raise
        except JobError as error:
            _log.debug("%s", error)

    def _hear(self, since: int) -> None:
        while not self._stopping.is_set():
            try:
                for event in self._jobs.events(since, wait_s=_WAIT_S, limit=_PAGE):
                    self._follow(event)
                    since = event.id  # not before: what fails is heard again
            except AudioSRError as error:
                _log.warning("the queue does not answer: %s", error)
                self._stopping.wait(_WAIT_S)
            except Exception:
                _log.exception("a fault of the bridge; it goes on")
                self._stopping.wait(_WAIT_S)

    def _follow(self, event: Event) -> None:
        """Tell those who asked what happened to a job.

        Raises:
            StorageError: a disk does not answer; it may be called again.
        """
        try:
            for entry in self._ledger.of_job(event.job):
                if entry.is_ended:
                    continue
                if event.new.is_live:
                    self._replies.progress(entry, event.progress, event.new)
                else:
                    self.settle(entry)
        except StorageError:
            raise
        except Exception:  # it would be the same the next time, and hide all that comes after it
            _log.exception("a fault of the bridge; event %d is passed over", event.id)


def _reason(job: Job) -> str:
    """Why there is no file; a source that changed is to be sent again, as only a watch folder looks again."""
    if job.state is State.SUPERSEDED and job.reason.endswith(CHANGED):
        return f"{job.reason} since it was asked for; send it again once its recording has ended"
    return job.reason or str(job.state)

"""What the end of a job asks for: its file is published, or it is queued again, parked or failed."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Final

from audiosr_fx.errors import JobError, StorageError
from audiosr_fx.jobs.database import is_disk_full
from audiosr_fx.jobs.job import Job
from audiosr_fx.jobs.order import is_unchanged
from audiosr_fx.jobs.pause import Pause
from audiosr_fx.jobs.publish import Publisher
from audiosr_fx.jobs.states import State
from audiosr_fx.jobs.store import JobStore
from audiosr_fx.jobs.task import Ending
from audiosr_fx.jobs.waiting import Waiting
from audiosr_fx.jobs.worker import Report
from audiosr_fx.wording import shown

FAULT: Final = "a fault of this program; its log says more"
CHANGED: Final = "has changed"
_log = logging.getLogger(__name__)


class Settling:
    """Settles the ends of jobs one after another; for one thread.

    What a disk keeps from being settled stays, and is tried again.
    """

    def __init__(
        self,
        store: JobStore,
        publisher: Publisher,
        waiting: Waiting,
        pause: Pause,
        tell_changed: Callable[[], None],
    ) -> None:
        """``tell_changed``: called after each job that was settled."""
        self._store = store
        self._publisher = publisher
        self._waiting = waiting
        self._pause = pause
        self._tell_changed = tell_changed
        self._reports: deque[Report] = deque()
        self._unpublished: deque[Job] = deque()

    def recover(self) -> None:
        """Take over what an earlier run left: what ran is queued, what was being published is still to be.

        Raises:
            StorageError: the store cannot be written.
        """
        self._unpublished.extend(self._store.recover())

    def put(self, report: Report) -> None:
        """Take in how a job ended; ``settle`` acts on it."""
        self._reports.append(report)

    def settle(self) -> None:
        """Settle all there is.

        Raises:
            OSError, StorageError: the disk failed; to be called again after a while.
        """
        self.publish_rest()
        while self._reports:
            self._settle(self._reports[0])
            self._reports.popleft()
            self._tell_changed()

    def publish_rest(self) -> None:
        """Go on with jobs whose publishing was interrupted; raises as ``settle``."""
        while self._unpublished:
            job = self._unpublished[0]
            try:
                self._publisher.recover(job)
            except OSError as error:
                if is_disk_full(error):
                    raise
                self._fail(job, f"{shown(job.output)}: cannot be published ({error.strerror or error})")
            except StorageError:
                raise
            except Exception:
                self._fail_by_fault(job)
            self._unpublished.popleft()
            self._tell_changed()

    def settle_done(self) -> list[Job]:
        """At the end: settle what is done; the jobs of the other reports, which nobody acts on any more.

        Raises: as ``settle``.
        """
        others = []
        while self._reports:
            report = self._reports[0]
            if report.ending is Ending.DONE:
                self._settle(report)
            else:
                others.append(report.job)
            self._reports.popleft()
        return others

    def _settle(self, report: Report) -> None:
        """Do what a job's end asks for; after StorageError or OSError it is done again."""
        try:
            self._act(report)
        except (OSError, StorageError):
            raise
        except JobError as error:  # cancelled, superseded or taken anew meanwhile
            _log.debug("job %d: %s", report.job.id, error)
            _log.info("job %d was cancelled or changed meanwhile; its result is not kept", report.job.id)
            self._publisher.discard(report.job)
        except Exception:  # done again it would be the same, and all others would wait for ever
            self._fail_by_fault(report.job)

    def _act(self, report: Report) -> None:
        job, text = report.job, report.text
        held = (job.id, job.token)
        if report.ending is Ending.DONE:
            self._publish(report)
            return
        self._publisher.discard(job)
        if report.ending not in (Ending.DISK_FULL, Ending.NO_DEVICE):
            self._waiting.forget(job)
        match report.ending:
            case Ending.CANCELLED:
                self._store.hand_back(*held, "it was asked to stop")
            case Ending.CRASHED:
                if self._store.note_crash(*held, text).state.is_live:  # else it has failed, which others tell
                    _log.warning("job %d: its renderer ended (%s); it is tried again", job.id, text)
            case Ending.NO_MEMORY:
                self._store.note_no_memory(*held, text)
            case Ending.DISK_FULL:
                self._park(report, "disk")
            case Ending.NO_DEVICE:
                self._park(report, "device")
            case _ if what := _other_source(job):
                self._store.supersede(job.id, f"{shown(job.order.request.source)} {what}", job.token)
            case Ending.ERROR:
                self._store.note_error(*held, text)
            case _:
                self._store.fail(*held, text)

    def _publish(self, report: Report) -> None:
        try:
            self._publisher.publish(report.job, report.sha256, report.result)
        except (OSError, StorageError) as error:
            now = self._store.get(report.job.id)
            if now.state is State.PUBLISHING:
                self._unpublished.append(now)
                self._pause.rest_after(error)
            elif isinstance(error, StorageError):
                raise
            else:  # after a failed sync nobody knows what the disk has: it is made anew
                ending = Ending.DISK_FULL if is_disk_full(error) else Ending.ERROR
                text = f"{shown(report.job.output)}: cannot be written ({error.strerror or error})"
                self._act(Report(job=report.job, ending=ending, text=text, result={}))
            return
        self._waiting.forget(report.job)
        if self._pause.forget():
            _log.info("the queue goes on")

    def _park(self, report: Report, kind: str) -> None:
        is_first_time = self._waiting.park(report.job, report.text)
        is_news = is_first_time and kind == "disk"  # another job may be smaller; a device is missing for all
        self._pause.rest(report.text, kind, is_news=is_news)

    def _fail_by_fault(self, job: Job) -> None:
        """End a job over which this program itself is at fault, so that the others go on."""
        _log.exception("a fault of the job service over job %d; it goes on", job.id)
        self._fail(job, FAULT)

    def _fail(self, job: Job, reason: str) -> None:
        try:
            self._store.fail(job.id, job.token, reason)
        except StorageError:
            raise
        except JobError:  # it has ended already
            return


def _other_source(job: Job) -> str:
    """What keeps a job's source from being what was ordered; empty where it is that.

    One that is gone, be it with a whole share for a moment, is no fault of the job: it is wanted again when
    it comes again.
    """
    source = job.order.request.source
    if not source.exists():
        return "is not there any more"
    return "" if is_unchanged(source, job.order.source) else CHANGED

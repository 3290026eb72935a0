"""What follows a job's end: it is told, a finished set gets its report, and sources may be moved aside.

The report reads the sources, so those of a set are moved when all of it has ended.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from audiosr_fx.errors import AudioSRError, JobError, StorageError
from audiosr_fx.jobs.job import Event, Job
from audiosr_fx.jobs.ledger import REPLACED
from audiosr_fx.jobs.names import numbered
from audiosr_fx.jobs.order import SourceIdentity, hash_file, is_unchanged
from audiosr_fx.jobs.service import Service
from audiosr_fx.jobs.states import LIVE, State
from audiosr_fx.wording import gave_way, shown
from watchfolder.intake import ORIGIN
from watchfolder.memory import Memory
from watchfolder.studio import After, FolderSettings
from watchfolder.trash import put_away

REPORT_NAME: Final = "stems.report.html"
_PAGE: Final = 500
_log = logging.getLogger(__name__)


class Aftermath:
    """Acts on what happens to the jobs that came through watched folders; each end is acted on once."""

    def __init__(
        self,
        service: Service,
        memory: Memory,
        should_stop: Callable[[], bool],
        let_go: Callable[[Path, Iterable[str]], None],
    ) -> None:
        """Begin where an earlier run ended.

        Args:
            service: the queue.
            memory: of what was taken.
            should_stop: asked while a report is written.
            let_go: told of files of a watched folder that are to be taken in once more.
        """
        self._service = service
        self._memory = memory
        self._should_stop = should_stop
        self._let_go = let_go
        self._told: dict[str, _Told] = {}
        if memory.last_event < 0:
            memory.last_event = service.store.last_event()

    @property
    def is_done(self) -> bool:
        """Whether everything that has happened so far was acted on."""
        is_told = self._memory.last_event >= self._service.store.last_event()
        return is_told and not self._memory.fresh_sets()

    def turn(self, folders: Sequence[FolderSettings], wait_s: float = 0.0) -> bool:
        """Act on what is new, waiting so long for it; whether there was anything."""
        since, fresh = self._memory.last_event, self._memory.fresh_sets()
        events = self._service.events(since, wait_s=0.0 if fresh else wait_s, limit=_PAGE)
        if not events and not fresh:
            return False
        self._memory.wait_until_entered()
        told: set[str] = set()
        for event in events:
            if self._should_stop():
                return True
            with _apart_from_others(f"job {event.job}"):
                if event.is_move:
                    told |= self._act(event, folders)
            since = event.id
        for stem_set in sorted(told | fresh.keys()):
            with _apart_from_others("a set"):
                self._end_set(stem_set, folders, is_news=stem_set in told)
            if self._should_stop():
                return True
        self._memory.looked_at(fresh)
        if events:
            self._memory.last_event = since
        return True

    def _act(self, event: Event, folders: Sequence[FolderSettings]) -> set[str]:
        """Act on one move; the sets of the job, where it has ended."""
        if event.new in LIVE and not _log.isEnabledFor(
            logging.DEBUG
        ):  # thousands where a full folder is found
            return set()
        try:
            job = self._service.store.get(event.job)
        except StorageError:
            raise
        except JobError:  # cleared since
            return set()
        if job.order.request.origin != ORIGIN:
            return set()
        _tell(event, job)
        sets = self._memory.sets_of(job.id)
        if event.new is State.DONE and job.state is State.DONE and not sets:
            self._move(job, folders)
        if event.new is State.SUPERSEDED and job.state is State.SUPERSEDED:
            self._forget_lost(job, folders, is_replaced=event.reason == REPLACED)
        return set() if event.new in LIVE else sets

    def _forget_lost(self, job: Job, folders: Iterable[FolderSettings], *, is_replaced: bool) -> None:
        """Let the files of a job be taken in once more that were not there when their turn came.

        By now they may be back. Others of the same content have lost it too; but not the source itself where
        it has changed, as which it is taken in, or where a newer request for it is why the job was given up.
        """
        source = job.order.request.source
        is_lost = not is_replaced and (not source.exists() or is_unchanged(source, job.order.source))
        for settings in folders:
            files = self._memory.files_of(settings.input, job.id)
            names = [name for name in files if is_lost or settings.input / name != source]
            if names:
                self._memory.forget(settings.input, names)
                self._let_go(settings.input, names)

    def _move(self, job: Job, folders: Iterable[FolderSettings]) -> None:
        """Put away every file that is known as the job's: one content may have been dropped more than once.

        What an earlier run put into the queue but did not come to note stays: it may be one of a set, whose
        report comes first. It is found again, and known then.
        """
        identity = job.order.source
        for settings in folders:
            if settings.after is After.KEEP:
                continue
            for name, stamp in self._memory.files_of(settings.input, job.id).items():
                rendered = replace(identity, inode=stamp.inode, size=stamp.size, mtime_ns=stamp.mtime_ns)
                if _is_content(settings.input / name, rendered, identity):
                    put_away(settings, name, rendered)

    def _end_set(self, stem_set: str, folders: Iterable[FolderSettings], *, is_news: bool) -> None:
        """Write the report of a set once all of it has ended, and only then put its sources away.

        Args:
            stem_set: which may have ended or not.
            folders: that are watched.
            is_news: whether one of its jobs ended just now; otherwise a report that is there will do.
        """
        seen = self._memory.fresh_sets().get(stem_set, 0)
        jobs = self._jobs(self._memory.members(stem_set))
        if any(job.state in LIVE for job in jobs):
            return
        self._report(stem_set, [job for job in jobs if job.state is not State.SUPERSEDED], is_news=is_news)
        if self._should_stop():  # it is all done again after the next start
            return
        for job in jobs:
            if job.state is State.DONE:
                self._move(job, folders)
        if all(job.state in (State.DONE, State.SUPERSEDED) for job in jobs):  # the others may be tried again
            self._memory.end_set(stem_set, seen)

    def _jobs(self, ids: Iterable[int]) -> list[Job]:
        """Those that have not been cleared."""
        jobs = []
        for id in ids:
            try:
                jobs.append(self._service.store.get(id))
            except StorageError:
                raise
            except JobError:
                continue
        return jobs

    def _report(self, stem_set: str, jobs: Sequence[Job], *, is_news: bool) -> None:
        """Write the report of a set of which something came; not over that of another, nor twice the same.

        What comes after a set that was told of has a page of its own, be it a single stem. Sources that are
        gone, as they are put away, cannot be told of again.
        """
        done = [job for job in jobs if job.state is State.DONE]
        ends = frozenset((job.id, job.token, job.state) for job in jobs)
        before = self._told.get(stem_set)
        if not done or (before is not None and before.ends == ends):
            return
        folder = done[0].order.request.folder
        has_page = (folder / REPORT_NAME).exists()
        if has_page and not (is_news and all(job.order.request.source.exists() for job in done)):
            return
        if not has_page and len(jobs) < 2:
            return
        path = _free_page(folder) if before is None else before.page
        try:
            write_set_report(path, jobs, self._should_stop)
            self._told[stem_set] = _Told(page=path, ends=ends)
            _log.info("%s tells of a set of %d stems", shown(path), len(jobs))
        except (AudioSRError, OSError) as error:
            _log.warning("no report of a set of %d stems: %s", len(jobs), error)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """The page of a set, which may be tried again or rendered anew, and the ends of jobs that it tells of."""

    page: Path
    ends: frozenset[tuple[int, int, State]]


def _free_page(folder: Path) -> Path:
    """Where the next report of a folder goes: those of other sets stay."""
    return next(path for path in map(folder.joinpath, numbered(REPORT_NAME)) if not os.path.lexists(path))


@contextmanager
def _apart_from_others(what: str) -> Iterator[None]:
    """Tell a fault over one job or set, which would come again, and go on with the others."""
    try:
        yield
    except StorageError:
        raise
    except Exception:
        _log.exception("a fault in what follows the end of %s; the daemon goes on", what)


def _is_content(path: Path, found: SourceIdentity, rendered: SourceIdentity) -> bool:
    """Whether a file that is remembered under a job's number is of the content that the job rendered.

    Numbers begin anew with a new queue, and the memory may be of the one before.
    """
    try:
        return found == rendered or hash_file(path) == rendered.sha256
    except OSError:
        return False


def write_set_report(path: Path, jobs: Sequence[Job], should_cancel: Callable[[], bool]) -> None:
    """Measure a set in a process of its own and write its page.

    Raises:
        AudioSRError: it cannot be written.
        RenderCancelled: should_cancel said so.
    """
    from audiosr_fx.worker import run_apart

    rows = [_row(job) for job in jobs]
    title = f"Stem set {path.parent.name}"
    run_apart(
        _write_report,
        os.fspath(path),
        rows,
        title,
        what="the report",
        should_cancel=should_cancel,
        timeout_s=600.0,
    )


def _row(job: Job) -> dict[str, Any]:
    result = job.result
    verdicts = result.get("verdicts", [])
    is_done = job.state is State.DONE
    return {
        "source": os.fspath(job.order.request.source),
        "output": os.fspath(job.output) if is_done else None,
        "error": "" if is_done else f"{job.state}: {job.reason}",
        "preset": job.order.request.preset,
        "rendered": any(verdict.get("process") for verdict in verdicts),
        "is_cleaned": any(verdict.get("is_cleaned") for verdict in verdicts),
        "cutoff_hz": result.get("cutoff_hz"),
        "reason": "; ".join(str(verdict.get("reason", "")) for verdict in verdicts),
        "decisions": list(result.get("decisions", [])),
        "render_s": result.get("render_s"),
    }


def _write_report(
    path: str, rows: list[dict[str, Any]], title: str, report: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """The child's side of ``write_set_report``."""
    from audiosr_fx.quality.report import write_report
    from audiosr_fx.quality.report_rows import ReportRow

    made = [
        ReportRow(
            **{
                **row,
                "source": Path(row["source"]),
                "output": None if row["output"] is None else Path(row["output"]),
                "decisions": tuple(row["decisions"]),
            }
        )
        for row in rows
    ]
    write_report(
        Path(path),
        made,
        title=title,
        overwrite=True,
        on_event=lambda event: report({"rows": event.rows_done}),
    )
    return {}


def _at_full_scale(result: Mapping[str, Any]) -> Iterator[str]:
    """What an integer format had no room for, by the result of a job; an older one says less."""
    if seconds := result.get("gave_way_s"):
        yield f"{gave_way(seconds, result['lift_db'])} (bits = 32 keeps it)"
    if clipped := result.get("clipped_samples"):
        yield f"{clipped} samples clipped at full scale (bits = 32 keeps them)"


def _tell(event: Event, job: Job) -> None:
    name = shown(job.order.request.source)
    fields = {
        "job": job.id,
        "state": str(event.new),
        "source": os.fspath(job.order.request.source),
        "output": os.fspath(job.output),
    }
    more = {"fields": fields}
    match event.new:
        case State.DONE:
            level = logging.WARNING if job.result.get("clipped_samples") else logging.INFO
            said = "; ".join([shown(job.output), *_at_full_scale(job.result)])
            _log.log(level, "%s done: %s", name, said, extra=more)
        case State.FAILED:
            _log.error("job %d failed: %s", job.id, event.reason or name, extra=more)
        case State.RUNNING:
            _log.debug("%s is rendered", name, extra=more)
        case State.PARKED:
            _log.debug("%s rests: %s", name, event.reason, extra=more)  # the queue says so itself
        case State.SUPERSEDED | State.CANCELLED:
            _log.info("%s %s: %s", name, event.new, event.reason, extra=more)

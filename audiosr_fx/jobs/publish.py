"""Publishing: how a rendered file gets its name, so that no reader and no kill ever meets half of one.

A worker writes into a folder of its own beside the output. Then, in this order: the store notes which content
is about to get the name; the file gets it in one step, never over another's; its manifest is put beside it;
the worker's folder is removed; the store says done. Killed between any two of these, ``recover`` goes on
where it ended. Whoever hears that a job has ended here finds the folder of outputs as it will be.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from audiosr_fx import atomic
from audiosr_fx.jobs.database import is_disk_full
from audiosr_fx.jobs.job import Job
from audiosr_fx.jobs.manifest import Manifest, write_manifest
from audiosr_fx.jobs.order import hash_file, is_unchanged
from audiosr_fx.jobs.states import State
from audiosr_fx.jobs.store import JobStore
from audiosr_fx.wording import shown

_log = logging.getLogger(__name__)


class Publisher:
    """Brings rendered files out, for the jobs of one store."""

    def __init__(self, store: JobStore) -> None:
        self._store = store

    def prepare(self, job: Job) -> Path:
        """Make the folder that a running job is rendered into; returns the file to be written there.

        Raises:
            OSError: the output's folder cannot be made or written to.
        """
        aside = self._aside(job)
        aside.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        return self._staged(job)

    def publish(self, job: Job, output_sha256: str, result: Mapping[str, Any]) -> Job:
        """Give a running job's file its name; returns the job as it is then: done or superseded.

        After an error it may be that the job is still running: then its file is as it was, unless that is an
        OSError, which leaves a file that nobody should trust. Or it is publishing: then call ``recover``.

        Raises:
            JobError: the job is not running under its token any more; others will make its file.
            OSError, StorageError: the disk failed.
        """
        request = job.order.request
        if not is_unchanged(request.source, job.order.source):
            told = f"{shown(request.source)} changed while it was rendered"
            return self._give_up(job, told)
        atomic.sync(self._staged(job))
        return self._complete(self._store.begin_publishing(job.id, job.token, output_sha256, result))

    def recover(self, job: Job) -> Job:
        """Go on with a job that is publishing, from what lies on the disk.

        Raises:
            OSError, StorageError: the disk failed; it may be called again.
        """
        if _holds(job.output, job.output_sha256):
            return self._conclude(job)
        if _holds(self._staged(job), job.output_sha256):
            return self._complete(job)
        job = self._store.hand_back(job.id, job.token, "its file was lost before it was published")
        self.discard(job)
        return job

    def discard(self, job: Job) -> None:
        """Remove what a job wrote that nobody will publish."""
        shutil.rmtree(self._aside(job), ignore_errors=True)

    def sweep(self) -> int:
        """Remove what earlier runs of this store left behind in the folders of outputs; returns how many.

        To be called when nothing runs, after ``recover``.
        """
        count = 0
        kept = {self._aside(job) for job in self._store.jobs([State.PUBLISHING])}
        for folder in self._store.output_folders():
            with suppress(OSError):
                for path in folder.iterdir():
                    if (
                        path.name.startswith(self._prefix)
                        and path.suffix == atomic.TEMPORARY_SUFFIX
                        and path not in kept
                    ):
                        shutil.rmtree(path, ignore_errors=True)
                        count += 1
        return count

    @property
    def _prefix(self) -> str:
        return f"{atomic.TEMPORARY_PREFIX}{self._store.name}-"

    def _aside(self, job: Job) -> Path:
        name = f"{self._prefix}{job.id}-{job.token}{atomic.TEMPORARY_SUFFIX}"
        return job.order.request.folder / name

    def _staged(self, job: Job) -> Path:
        return self._aside(job) / job.order.request.output_name

    def _complete(self, job: Job) -> Job:
        """Give the file its name; another, if something took that since it was reserved.

        What is a source, by now or by another name, is never replaced.
        """
        while True:
            if job.order.output_is_replaced:
                needed = self._store.find_source(job.output)
                if needed is not None:
                    told = (
                        f"{shown(job.output)} is the source of job {needed}, and sources are never replaced"
                    )
                    return self._give_up(job, told)
            try:
                atomic.publish(self._staged(job), job.output, overwrite=job.order.output_is_replaced)
                break
            except FileExistsError:
                renamed = self._store.rename(job.id, job.token)
            if renamed is None:
                return self._give_up(job, f"{shown(job.output)} is taken, and is to be left")
            job = renamed
        return self._conclude(job)

    def _give_up(self, job: Job, reason: str) -> Job:
        """Leave what has the name of a job's output.

        Killed in between, the job is rendered once more, and comes here again.
        """
        self.discard(job)
        return self._store.supersede(job.id, reason, job.token)

    def _conclude(self, job: Job) -> Job:
        """Put the manifest beside a file that has its name, and say that it is done."""
        manifest = Manifest(
            order=job.order, output_name=job.output_name, output_sha256=job.output_sha256, result=job.result
        )
        try:
            self._aside(job).mkdir(exist_ok=True)  # gone, where it was interrupted after that
            write_manifest(job.order.request.folder, manifest, self._aside(job))
        except OSError as error:
            if is_disk_full(error):
                raise
            _log.warning("%s: its manifest cannot be written (%s)", shown(job.output), error.strerror)
        self.discard(job)
        return self._store.finish(job.id, job.token)


def _holds(path: Path, sha256: str) -> bool:
    """Whether a file is there and has a content."""
    try:
        return os.path.isfile(path) and hash_file(path) == sha256
    except FileNotFoundError:
        return False

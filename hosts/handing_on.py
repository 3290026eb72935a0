"""Requests whose regions are known become jobs of the queue, after their files were read and hashed.

What comes together goes together: a script sends all that is selected, and each would else have the disk
write a transaction of the queue through just while the next is to be acknowledged.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from audiosr_fx.errors import AudioSRError, JobError, StorageError
from audiosr_fx.jobs.database import is_disk_full
from audiosr_fx.jobs.job import Submission
from audiosr_fx.jobs.order import Order, RecipeBook, check_recipe, place_order
from audiosr_fx.jobs.request import RenderRequest
from audiosr_fx.jobs.states import State
from audiosr_fx.wording import one_line
from hosts.asks import Ask
from hosts.checking import Found, Region
from hosts.endings import Endings
from hosts.joining import join_channels
from hosts.ledger import Entry, Ledger
from hosts.render_queue import RenderQueue

_WAIT_S: Final = 0.5
_LONGEST_WAIT_S: Final = 8.0
_LULL_S: Final = 0.05
"""Without another request, the ones that have come are handed on."""
_GATHER_S: Final = 0.5
"""They are then, whatever comes."""
_MOST: Final = 50
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Checked:
    """A request's number, and what was found of it; None where it had become a job before."""

    number: int
    found: Found | None

    @property
    def region(self) -> Region:
        """Raises what was found wrong."""
        assert self.found is not None
        if isinstance(self.found, Exception):
            raise self.found.with_traceback(None)
        return self.found


@dataclass(frozen=True, slots=True)
class _Placed:
    """A request on its way into the queue."""

    checked: _Checked
    entry: Entry
    order: Order


class HandingOn:
    """Hands requests on from ``start`` to ``stop``, until each is on the queue's disk."""

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
        self._waiting: queue.SimpleQueue[_Checked | None] = queue.SimpleQueue()
        self._kept_back: list[_Checked] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bridge hand on", daemon=True)

    def start(self) -> None:
        """Tell what became of what an earlier run handed on, then go on with what comes."""
        for entry in self._ledger.running():
            self._waiting.put(_Checked(entry.number, None))
        self._thread.start()

    def stop(self) -> None:
        """Stop; what is open stays in the ledger."""
        self._stopping.set()
        self._waiting.put(None)
        if self._thread.is_alive():
            self._thread.join()

    def put(self, number: int, found: Found) -> None:
        """Hand on a request of the ledger as soon as may be, or end it for what was found wrong with it."""
        self._waiting.put(_Checked(number, found))

    def check(self, ask: Ask, region: Region) -> None:
        """Refuse what would end at once were it handed on, whatever its files hold; for any thread.

        Raises:
            PresetError, ParameterError, CheckpointError: in the words it would end with.
        """
        check_recipe(self._request_for(ask, ask.sources[0], region, ask.request))

    def _run(self) -> None:
        wait_s = _WAIT_S
        while not self._stopping.is_set():
            self._hand_on(self._gathered())
            if not self._kept_back:
                wait_s = _WAIT_S
                continue
            self._stopping.wait(wait_s)
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
            while self._kept_back:
                self._waiting.put(self._kept_back.pop())

    def _gathered(self) -> list[_Checked]:
        """What waits, as soon as nothing more comes; what came before a stop is left."""
        gathered: list[_Checked] = []
        checked, until = self._waiting.get(), time.monotonic() + _GATHER_S
        while checked is not None:
            gathered.append(checked)
            left = min(_LULL_S, until - time.monotonic())
            if len(gathered) == _MOST or left <= 0:
                return gathered
            try:
                checked = self._waiting.get(timeout=left)
            except queue.Empty:
                return gathered
        return []

    def _hand_on(self, gathered: Sequence[_Checked]) -> None:
        """Make jobs of requests, or end them with the reason why that cannot be; of a job, tell its end."""
        book, placed = RecipeBook(), []
        for checked in gathered:
            with self._keeping(checked):
                entry = self._ledger.get(checked.number)
                if entry.job is not None and not entry.is_ended:  # by an earlier run, or the disk failed then
                    self._endings.settle(entry)
                elif not entry.is_ended:
                    with self._ending(entry):
                        request = self._request(entry, checked.region)
                        placed.append(_Placed(checked, entry, place_order(request, book)))
        for each, submission in self._submitted(placed):
            with self._keeping(each.checked), self._ending(each.entry):
                self._note(each.entry, submission)

    def _submitted(self, placed: Sequence[_Placed]) -> list[tuple[_Placed, Submission]]:
        """All in one transaction; where that fails one by one, so that each fails for its own reason."""
        if len(placed) > 1:
            try:
                return list(
                    zip(placed, self._jobs.submit_orders([each.order for each in placed]), strict=True)
                )
            except Exception as error:
                _log.debug("%d requests are handed on one by one: %s", len(placed), error)
        done = []
        for each in placed:
            with self._keeping(each.checked), self._ending(each.entry):
                done.append((each, self._jobs.submit_orders([each.order])[0]))
        return done

    def _note(self, entry: Entry, submission: Submission) -> None:
        """Say which job a request has become, or is already."""
        job = submission.job
        if job is None:
            raise JobError(f"{entry.ask.output_name} is taken")
        if job.state in (State.FAILED, State.CANCELLED):
            job = self._jobs.retry(job.id)
        entry = self._ledger.hand_on(entry.number, job.id)
        if entry.is_ended:  # cancelled meanwhile
            self._endings.cancel_job(job.id)
        else:  # it may have ended before anybody could know whose it is
            self._endings.settle(entry)

    @contextmanager
    def _keeping(self, checked: _Checked) -> Iterator[None]:
        """Keep a request for another time where a disk does not answer; nothing of it is lost."""
        try:
            yield
        except Exception as error:
            if isinstance(error, StorageError):
                _log.warning("osc-%d waits: %s", checked.number, error)
            else:
                _log.exception("a fault of the bridge; osc-%d waits", checked.number)
            self._kept_back.append(checked)

    @contextmanager
    def _ending(self, entry: Entry) -> Iterator[None]:
        """End a request that cannot be handed on, with the reason.

        Raises:
            StorageError: a disk does not answer, which is no reason.
        """
        try:
            yield
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

    def _request(self, entry: Entry, region: Region) -> RenderRequest:
        """What the queue is asked for; split stereo is put together."""
        ask = entry.ask
        source = ask.sources[0]
        if len(ask.sources) > 1:
            source = join_channels(ask.sources, self._work, self._is_needed)
        return self._request_for(ask, source, region, f"{entry.name} {ask.request}")

    def _request_for(self, ask: Ask, source: Path, region: Region, tag: str) -> RenderRequest:
        start, stop = region
        options = ask.options
        return RenderRequest(
            source=source,
            folder=ask.folder(self._out),
            output_name=ask.output_name,
            preset=ask.preset,
            overrides=options.overrides,
            model=options.model,
            seed=options.seed,
            region=f"{start}s-{stop}s",
            splice=options.mode,
            format=options.format,
            bits=options.bits,
            priority=10,  # somebody waits for it
            origin="osc",
            tag=tag,
        )

    def _is_needed(self, path: Path) -> bool:
        """Whether a job that has not ended is still to read a file of ours."""
        return self._jobs.store.find_source(path) is not None

"""A store built anew: from what can still be read of a damaged one, and from the manifests beside outputs."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from audiosr_fx.errors import AudioSRError
from audiosr_fx.jobs.job import Job
from audiosr_fx.jobs.ledger import Ledger
from audiosr_fx.jobs.manifest import Manifest, find_manifests
from audiosr_fx.jobs.names import RealNames
from audiosr_fx.jobs.order import Order, hash_file, order_from_dict
from audiosr_fx.jobs.states import State

_ROWS: Final = "SELECT id, order_json, output_name, state FROM job ORDER BY id"
_DONE: Final = State.DONE.encode()
_OVER: Final = frozenset(state.encode() for state in (State.FAILED, State.CANCELLED, State.SUPERSEDED))
_log = logging.getLogger(__name__)


def rebuild(ledger: Ledger, damaged: Path, folders: Iterable[Path]) -> int:
    """Fill a new store inside a transaction; returns how many jobs it holds then.

    What was finished is known by its manifest and is not made again; what else can be read is queued again,
    but for what nobody waits for: it failed, was cancelled or superseded, or is done and something has the
    name of its output, be that an edit or what replaced it.
    """
    orders = {found.order.key: found.order for folder in folders for found in find_manifests(folder)}
    for order in _readable(damaged):
        orders.setdefault(order.key, order)
    for key, order in orders.items():
        try:
            _enter(ledger, order, key)
        except AudioSRError as error:
            _log.warning("a job of the damaged store is left out: %s", error)
    _log.warning("the job store was built anew, with %d jobs", len(orders))
    return len(orders)


def adopt(ledger: Ledger, job: Job, manifest: Manifest) -> Job:
    """Take a queued job for done: its output is there, and its manifest says that this order made it."""
    job = ledger.move(job, State.RUNNING, token=job.token + 1)
    told = json.dumps(manifest.result)
    job = ledger.move(
        job, State.PUBLISHING, output_sha256=manifest.output_sha256, result_json=told, progress=1.0
    )
    return ledger.move(job, State.DONE, "was made before, as its manifest says")


def _enter(ledger: Ledger, order: Order, key: str) -> None:
    real = RealNames()
    job = ledger.insert(order, key, real)
    name, made = ledger.reserve(job, real, hash_file)
    if name is None:
        ledger.delete(job.id)
        return
    ledger.note(job.id, None, State.QUEUED, "found again")
    if made is not None:
        adopt(ledger, ledger.get(job.id), made)


def _readable(damaged: Path) -> Iterator[Order]:
    """The orders that can still be read and are to be made, as far as that goes; what waits comes last.

    So what still waited goes before a done one of the same name, whichever was taken in first.
    """
    waiting: list[Order] = []
    with suppress(sqlite3.Error), closing(sqlite3.connect(damaged)) as connection:
        connection.text_factory = bytes
        last = 0
        with suppress(sqlite3.Error):
            for id, text, name, state in connection.execute(_ROWS):
                last = id
                if state in _OVER:
                    continue
                with suppress(AudioSRError, TypeError, ValueError):
                    order = order_from_dict(json.loads(text))
                    if state != _DONE:
                        waiting.append(order)
                    elif not os.path.lexists(order.request.folder / os.fsdecode(name)):
                        yield order
        _log.warning("the damaged store could be read up to job %d", last)
    yield from waiting

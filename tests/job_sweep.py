"""A service that dies, or finds the disk full, at each of its file operations in turn.

Run as ``python job_sweep.py kill|full FOLDER STEP``, to try every STEP-th operation; it prints one JSON
object. Every point is a fork of this process, which has no threads, so that it does not cost the start of an
interpreter.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import sqlite3
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fake_renderers import expected_content, is_whole
from file_faults import Faults
from inline_worker import InlineWorker
from job_orders import make_order, new_source

from audiosr_fx.errors import StorageError
from audiosr_fx.jobs import parking, pause
from audiosr_fx.jobs import service as service_module
from audiosr_fx.jobs.database import FILE_NAME
from audiosr_fx.jobs.manifest import find_manifest
from audiosr_fx.jobs.order import Order
from audiosr_fx.jobs.request import MANIFEST_SUFFIX, Collision
from audiosr_fx.jobs.service import Service
from audiosr_fx.jobs.states import State
from audiosr_fx.jobs.store import JobStore

OLD = expected_content(b"an older one")


def orders(folder: Path) -> list[Order]:
    """Three jobs: a plain one, one whose name is taken by the first, and one that replaces what is there."""
    first = new_source(folder / "in", "first.wav", b"first")
    second = new_source(folder / "in", "second.wav", b"second")
    third = new_source(folder / "in", "third.wav", b"third")
    out = folder / "out"
    return [
        make_order(first, out, "a.wav"),
        make_order(second, out, "a.wav"),
        make_order(third, out, "c.wav", collision=Collision.REPLACE),
    ]


def serve(folder: Path, wanted: list[Order]) -> None:
    """A service's whole life: open, take in, render, publish, end. It does not give up on a full disk."""
    store = patiently(lambda: JobStore(folder / "state"))
    service = Service(store, make_worker=InlineWorker)
    for order in wanted:
        patiently(lambda order=order: store.submit(order))  # type: ignore[misc]
    patiently(service.start)
    assert service.drain(20.0), [job.to_dict() for job in store.jobs()]
    service.stop()
    store.close()


def patiently(action: Callable[[], Any]) -> Any:
    """Do something again until the disk takes it, as the programs at the front doors do."""
    for _ in range(50):
        try:
            return action()
        except (StorageError, OSError, sqlite3.OperationalError) as error:
            last = error
    raise last


def check_visible(folder: Path) -> list[str]:
    """What is wrong with what a reader would see now."""
    wrong = []
    for path in sorted((folder / "out").iterdir()) if (folder / "out").exists() else []:
        if path.name.startswith("."):
            continue
        content = path.read_bytes()
        if path.name.endswith(MANIFEST_SUFFIX):
            try:
                json.loads(content)
            except ValueError:
                wrong.append(f"half a manifest: {path.name}")
        elif not is_whole(content):
            wrong.append(f"half a file: {path.name}")
    return wrong


def check_end(folder: Path, wanted: list[Order]) -> list[str]:
    """What is wrong when all is said and done."""
    wrong = check_visible(folder)
    expected = {
        "a.wav": expected_content(b"first"),
        "a-2.wav": expected_content(b"second"),
        "c.wav": expected_content(b"third"),
    }
    found = {path.name: path for path in (folder / "out").iterdir()}
    for name, content in expected.items():
        if name not in found or found[name].read_bytes() != content:
            wrong.append(f"{name} is missing or another")
        elif find_manifest(found[name]) is None:
            wrong.append(f"{name} has no manifest")
    if extra := set(found) - {*expected, *(name + MANIFEST_SUFFIX for name in expected)}:
        wrong.append(f"left behind: {sorted(extra)}")
    connection = sqlite3.connect(folder / "state" / FILE_NAME)
    if connection.execute("PRAGMA integrity_check").fetchone() != ("ok",):
        wrong.append("the database is damaged")
    states = [row[0] for row in connection.execute("SELECT state FROM job")]
    connection.close()
    if states != [State.DONE] * len(wanted):
        wrong.append(f"states are {states}")
    if any(order.request.source.read_bytes() != order.request.source.stem.encode() for order in wanted):
        wrong.append("a source was changed")
    if leftovers := [path.name for path in (folder / "state").iterdir() if "damaged" in path.name]:
        wrong.append(f"a sound database was moved aside: {leftovers}")
    return wrong


def in_fork(task: Callable[[], None]) -> int:
    """Run a task in a fork; returns its exit code, negative for a signal."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            task()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def point(folder: Path, faults: Faults) -> list[str]:
    """One run with a fault, and one without after it; returns what went wrong."""
    shutil.rmtree(folder, ignore_errors=True)
    wanted = orders(folder)
    (folder / "out").mkdir()
    (folder / "out" / "c.wav").write_bytes(OLD)

    def faulty() -> None:
        service_module._TURN_S = 0.002  # type: ignore[misc]
        pause.FIRST_S = parking.FIRST_S = 0.001  # type: ignore[misc]
        pause.LONGEST_S = dict.fromkeys(pause.LONGEST_S, 0.002)  # type: ignore[misc]
        parking.LONGEST_S = 0.002  # type: ignore[misc]
        faults.install()
        serve(folder, wanted)
        (folder / "count").write_text(json.dumps(faults.log))

    code = in_fork(faulty)
    wrong = check_visible(folder)
    if faults.kill_at and code not in (0, -signal.SIGKILL):
        wrong.append(f"the run with the fault ended with {code}")
    if faults.full_from:
        wrong += [f"ended with {code}"] if code else check_end(folder, wanted)
    if (again := in_fork(lambda: serve(folder, wanted))) != 0:
        wrong.append(f"the run after it ended with {again}")
    return wrong + check_end(folder, wanted)


def main() -> None:
    """Sweep."""
    kind, folder, step = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    logging.disable()
    wrong = point(folder, Faults())
    log = json.loads((folder / "count").read_text())
    points = range(1, len(log) + 1, step)
    for number in points:
        faults = Faults(kill_at=number) if kind == "kill" else Faults(full_from=number)
        wrong += [f"{kind} at {number} ({log[number - 1]}): {text}" for text in point(folder, faults)]
    told = {"operations": len(log), "points": len(points), "kinds": sorted(set(log)), "wrong": wrong}
    print(json.dumps(told))


if __name__ == "__main__":
    main()

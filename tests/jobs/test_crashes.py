"""What is promised whatever is killed, and whenever a disk is full.

The default run takes samples; ``-m slow`` takes the figures of a pull request; with ``AUDIOSR_FX_NIGHTLY=1``
in front of that, those of a night.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from fake_renderers import expected_content, is_whole
from file_faults import sqlite_can_be_shimmed
from job_orders import make_order, new_source
from nightly import IS_NIGHT

from audiosr_fx.jobs.manifest import find_manifest
from audiosr_fx.jobs.order import Order
from audiosr_fx.jobs.states import State
from audiosr_fx.jobs.store import JobStore

TESTS = Path(__file__).parent.parent
SAMPLE = (8, 24)
FULL = (5_000, 20_000) if IS_NIGHT else (200, 500)
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@pytest.fixture
def folder() -> Iterator[Path]:
    """In memory where that can be: a kill takes nothing from there either, and it is quick."""
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=place) as name:
        yield Path(name)


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)])}


@pytest.mark.parametrize("step", [29, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", ["kill", "full"])
def test_whatever_file_operation_fails_nothing_is_lost_or_half(kind: str, step: int, folder: Path) -> None:
    if not sqlite_can_be_shimmed():
        pytest.skip("SQLite is hidden inside the interpreter")
    arguments = [sys.executable, str(TESTS / "job_sweep.py"), kind, str(folder / "sweep"), str(step)]
    run = subprocess.run(arguments, env=environment(), capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    told = json.loads(run.stdout)
    print(f"{kind} at {told['points']} of {told['operations']} operations: {len(told['wrong'])} wrong")
    assert told["wrong"] == []
    assert told["points"] == -(-told["operations"] // step)
    assert told["operations"] > 400
    assert {"sqlite pwrite64", "sqlite unlink", "link", "replace", "fsync"} <= set(told["kinds"])


class Reader(threading.Thread):
    """Looks at every file that can be seen, over and over."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self.folder = folder
        self.reads = 0
        self.half: list[str] = []
        self.has_ended = threading.Event()

    def run(self) -> None:
        whole: set[tuple[str, int]] = set()
        while not self.has_ended.wait(0.002):
            for entry in os.scandir(self.folder):
                if entry.name.startswith("."):
                    continue
                with suppress(FileNotFoundError):
                    inode = entry.inode()
                    if (entry.name, inode) in whole and random.random() > 0.02:
                        continue
                    content = Path(entry.path).read_bytes()
                    self.reads += 1
                    if self._is_whole(entry.name, content):
                        whole.add((entry.name, inode))
                    else:
                        self.half.append(entry.name)

    def _is_whole(self, name: str, content: bytes) -> bool:
        if not name.endswith(".json"):
            return is_whole(content)
        try:
            return bool(json.loads(content))
        except ValueError:
            return False


def children(pid: int) -> list[int]:
    """The processes that any thread of a process started."""
    found: list[int] = []
    with suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                found += [int(word) for word in (thread / "children").read_text().split()]
    return found


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")
@pytest.mark.parametrize(("kills", "jobs"), [SAMPLE, pytest.param(*FULL, marks=pytest.mark.slow)])
def test_whoever_is_killed_every_job_is_done_once_and_no_file_is_ever_half(
    kills: int, jobs: int, folder: Path
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    names = [f"{number}.wav" for number in range(jobs)]
    sources = [new_source(folder / "in", name, f"brief {name}".encode()) for name in names]
    orders = [make_order(source, folder / "out") for source in sources]
    (folder / "out").mkdir()
    reader = Reader(folder / "out")
    reader.start()
    done = 0
    while True:
        take_in(folder, orders)
        done += storm(folder, kills - done, dice)
        while ask_again(folder):
            storm(folder, 0, dice)
        if done >= kills:
            break
        for source in dice.sample(sources, jobs // 2 + 1):  # there are kills left: make some once more
            (folder / "out" / source.name).unlink()
    reader.has_ended.set()
    reader.join()
    for source, order in zip(sources, orders, strict=True):
        output = folder / "out" / source.name
        assert output.read_bytes() == expected_content(source.read_bytes())
        manifest = find_manifest(output)
        assert manifest is not None
        assert manifest.order == order
    assert len(os.listdir(folder / "out")) == 2 * jobs
    assert reader.half == []
    with JobStore(folder / "state") as store:
        assert store.counts()[State.DONE] == jobs
        attempts = max(job.attempts for job in store.jobs(limit=jobs))
    print(f"{done} kills, {jobs} jobs, 0 lost, {reader.reads} reads, 0 half, at most {attempts} attempts")
    assert done >= kills


def take_in(folder: Path, orders: list[Order]) -> None:
    """Hand orders to a store that nobody serves; those that are there already are the jobs they were."""
    with JobStore(folder / "state") as store:
        for start in range(0, len(orders), 500):
            store.submit_all(orders[start : start + 500])


def ask_again(folder: Path) -> int:
    """Retry the jobs that failed because their workers were killed so often; returns how many."""
    with JobStore(folder / "state") as store:
        failed = [job for job in store.jobs(limit=100_000) if job.state is State.FAILED]
        for job in failed:
            assert job.crashes >= 3, job.reason
            store.retry(job.id)
    return len(failed)


def storm(folder: Path, kills: int, dice: random.Random) -> int:
    """Run a service until all is done, and kill it and its workers meanwhile; returns how often."""
    nursery = subprocess.Popen(
        [sys.executable, str(TESTS / "job_daemon.py"), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(),
        text=True,
    )
    assert nursery.stdin is not None
    assert nursery.stdout is not None
    done = 0
    with nursery:
        while True:
            nursery.stdin.write("\n")
            nursery.stdin.flush()
            daemon = int(nursery.stdout.readline())
            done += torment(daemon, folder / "out", kills - done, dice)
            if int(nursery.stdout.readline()) == 0:
                break
        nursery.stdin.close()
    return done


def torment(daemon: int, out: Path, left: int, dice: random.Random) -> int:
    """Kill workers of a service, mostly while they work, and at last the service; returns how many."""
    done = 0
    while done < left and Path(f"/proc/{daemon}/task").exists():
        patience = time.monotonic() + (0.0 if dice.random() < 0.2 else 5.0)
        while time.monotonic() < patience and not any(
            name.startswith(".audiosr_fx-") and name.endswith(".part") for name in os.listdir(out)
        ):
            time.sleep(0.005)
        time.sleep(dice.uniform(0.0, 0.1))
        is_for_all = dice.random() < 0.3
        victims = [daemon] if is_for_all else children(daemon)
        for victim in victims[:1] if is_for_all else dice.sample(victims, min(1, len(victims))):
            with suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
                done += 1
        if is_for_all:
            break
    return done


def test_the_nursery_of_services_leaves_nothing_behind(folder: Path) -> None:
    with JobStore(folder / "state") as store:
        store.submit(make_order(new_source(folder / "in", "a.wav", b"a"), folder / "out"))
    assert storm(folder, 0, random.Random(0)) == 0
    kept = sorted(path.name for path in (folder / "state").iterdir())
    assert kept == ["folders.jsonl", "jobs.sqlite3", "lock"]
    shutil.rmtree(folder / "out")

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from audio_kinds import some_audio, write_kind
from fake_renderers import expected_content, is_whole

from audiosr_fx.jobs.client import Client
from audiosr_fx.jobs.states import State
from audiosr_fx.jobs.store import JobStore

KINDS = ("pcm16.wav", "pcm24.flac", "pcm16.aiff", "wave64.w64")


class Process:
    """A daemon that can be stopped and killed for real."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.input, self.output, self.state = base / "in", base / "out", base / "state"
        self.input.mkdir()
        self.running: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self.running = subprocess.Popen(
            [sys.executable, "-m", "watch_process", str(self.input), str(self.output), str(self.state)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.running.stdout is not None
        assert self.running.stdout.readline() == "ready\n"

    def signal(self, number: int) -> None:
        assert self.running is not None
        self.running.send_signal(number)

    def end(self, number: int) -> str:
        """Send a signal and wait for the end; what was said last."""
        if self.running is None:
            return ""
        self.running.send_signal(number)
        said, _ = self.running.communicate()
        self.running = None
        return said

    def drop(self, name: str, seed: int) -> Path:
        kind = KINDS[seed % len(KINDS)]
        aside = write_kind(self.base / f"aside-{kind}", kind, some_audio(500, seed=seed))
        path = self.input / f"{name}.{kind}"
        path.parent.mkdir(exist_ok=True)
        aside.rename(path)
        return path

    def done(self) -> int:
        """How many jobs are done, seen from outside."""
        return len(Client(self.state).jobs([State.DONE])) if self.state.exists() else 0


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    process = Process(tmp_path)
    yield process
    process.end(signal.SIGKILL)


def wait_for(process: Process, count: int) -> None:
    pause = threading.Event()
    while process.done() < count:
        pause.wait(0.2)


def check_all(process: Process, sources: dict[Path, str]) -> None:
    """Every stem is there once and whole, sources are as they were, and nothing is left over."""
    with JobStore(process.state) as store:
        jobs = store.jobs(limit=100_000)
    assert {job.order.request.source for job in jobs} == set(sources)
    assert len(jobs) == len(sources)
    assert all(job.state is State.DONE for job in jobs)
    for path, digest in sources.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == digest
    expected = sorted(expected_content(path.read_bytes()) for path in sources)
    found = [path for path in process.output.rglob("*") if path.suffix == ".wav"]
    assert sorted(path.read_bytes() for path in found) == expected
    assert not [path for path in process.output.rglob("*") if path.name.startswith(".")]


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.slow
def test_killed_at_any_moment_it_loses_nothing_and_shows_nothing_half(process: Process) -> None:
    random_ = random.Random(3)
    sources: dict[Path, str] = {}
    half: list[Path] = []
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(0.01):
            for folder, inside, names in os.walk(process.output):  # it passes over what vanishes
                inside[:] = [name for name in inside if not name.startswith(".")]
                paths = [Path(folder, name) for name in names if name.endswith(".wav") and name[0] != "."]
                half.extend(path for path in paths if not is_whole(path.read_bytes()))

    reader = threading.Thread(target=look)
    reader.start()
    for round_ in range(3):
        process.start()
        for n in range(8):
            place = "" if n % 2 else f"song {round_}/"
            path = process.drop(f"{place}{round_}-{n}", 10 * round_ + n)
            sources[path] = digest_of(path)
        threading.Event().wait(random_.uniform(0.1, 2.0))
        process.end(signal.SIGKILL)
    process.start()
    wait_for(process, len(sources))
    assert "stopped" in process.end(signal.SIGTERM)
    ended.set()
    reader.join()
    assert half == []
    check_all(process, sources)


@pytest.mark.slow
def test_files_that_land_while_it_is_stopped_are_all_found(process: Process) -> None:
    process.start()
    first = process.drop("first", 0)
    wait_for(process, 1)
    process.signal(signal.SIGSTOP)
    sources = {first: digest_of(first)}
    for n in range(100):
        path = process.drop(f"{n}", 1 + n)
        sources[path] = digest_of(path)
    for n in range(10_000):  # more than the system's queue of events can hold
        (process.input / f"{n}.txt").touch()
    process.signal(signal.SIGCONT)
    wait_for(process, len(sources))
    assert "stopped" in process.end(signal.SIGTERM)
    check_all(process, sources)

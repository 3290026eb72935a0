"""An hour of weather for a real daemon: ``python -m watchfolder.bench_storm --minutes 60``.

Stems of mixed formats and sizes are renamed, copied slowly, truncated, replaced and dropped again into the
folder of a running ``audiosr-fx watch``, while it, its worker and its decoders are killed with SIGKILL, it is
ended with SIGTERM, and its disk is filled to the last byte. Then it calms down, and everything is counted;
the exit code is 1 if anything is missing, twice, half, or not as it was left.

For Linux. As root, outputs and queue lie on a small disk in memory, which is filled; otherwise no disk is.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Final

import typer

from audiosr_fx.errors import AudioSRError
from audiosr_fx.jobs.client import Client
from audiosr_fx.jobs.states import State
from watchfolder.storm_stems import Dropper
from watchfolder.storm_verdict import Onlooker, Verdict, judge, manifests, missing

SETTLE_S: Final = 1.0
DISK_MB: Final = 2048
MOST_BEHIND: Final = 40
"""With more stems to come than these, nothing is dropped: a slow machine shall storm too."""
CALM_S: Final = 900.0
START_S: Final = 120.0
"""The longest that a daemon is left alone until it has worked; some are not left alone at all."""
_DROPPERS: Final = 2
_PATIENCE_S: Final = 60.0  # with a daemon that was sent a signal
_FAULT: Final = ("Traceback", "a fault of", "a fault in", "a fault at")
_CHAIN: Final = """\
schema = 1
name = "Storm"
description = "A short chain, so that there are many renders in an hour."

[[chain]]
type = "Gain"
gain_db = -1.0
"""


class Daemon:
    """``audiosr-fx watch`` in a process of its own.

    Attributes:
        counts: how its lives ended.
        slowest_term_s: of those that ended with SIGTERM, from the signal to the exit.
    """

    def __init__(self, base: Path, disk: Path) -> None:
        self.state, self.output, self.input = disk / "state", disk / "out", base / "in"
        self.log = base / "daemon.log"
        self.counts: Counter[str] = Counter()
        self.slowest_term_s = 0.0
        preset = base / "storm.toml"
        preset.write_text(_CHAIN)
        self._command = [sys.executable, "-m", "audiosr_fx", "watch", str(self.input)]
        self._command += ["--out", str(self.output), "--queue", str(self.state), "--preset", str(preset)]
        self._command += ["--recursive", "--settle", str(SETTLE_S), "--scan", "1", "--device", "cpu"]
        self._process: subprocess.Popen[bytes] | None = None
        self._begun_at = 0

    def keep_up(self) -> None:
        """Start it where it does not run, as a service manager does."""
        if self._process is not None and self._process.poll() is not None:
            self.counts[f"ended by itself ({self._process.returncode})"] += 1
            self._process = None
        if self._process is None:
            self.counts["starts"] += 1
            with self.log.open("ab") as log:
                self._begun_at = log.tell()
                self._process = subprocess.Popen(self._command, stdout=log, stderr=log)

    @property
    def has_worked(self) -> bool:
        """Whether it has brought out a result since it was started, or has ended."""
        if self._process is None or self._process.poll() is not None:
            return True
        with self.log.open("rb") as log:
            log.seek(self._begun_at)
            return b" done: " in log.read()

    def end(self, number: signal.Signals) -> None:
        """Send a signal and wait for the end."""
        if self._process is None or self._process.poll() is not None:
            return
        sent_s = time.monotonic()
        self._process.send_signal(number)
        try:
            self._process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.counts[f"deaf to {number.name}"] += 1
            self._process.kill()
            self._process.wait()
        self._process = None
        self.counts[number.name] += 1
        if number is signal.SIGTERM:
            self.slowest_term_s = max(self.slowest_term_s, time.monotonic() - sent_s)

    def kill_child(self, dice: random.Random) -> None:
        """SIGKILL for one of the processes that it started, and those that these started."""
        below = [] if self._process is None else list(_below(self._process.pid))
        if not below:
            return
        victim = dice.choice(below)
        with suppress(OSError):
            kind = "decoder" if "decode_child" in _command_of(victim) else "worker"
            os.kill(victim, signal.SIGKILL)
            self.counts[f"{kind} killed"] += 1

    def faults(self) -> list[str]:
        """The lines of its log that tell of a fault of the program, and the signals that it did not obey."""
        with self.log.open(errors="replace") as lines:
            told = [line.strip() for line in lines if any(sign in line for sign in _FAULT)]
        return told + [ending for ending in self.counts if ending.startswith("deaf")]


def run_storm(minutes: float, seed: int, base: Path) -> tuple[Verdict, list[str]]:
    """Let it storm; returns what was found, and a table of what happened.

    Args:
        minutes: of storm; the calm after it takes as long as it needs.
        seed: of all that is random, but for the times that things take.
        base: an empty folder.
    """
    for name in ("in", "aside", "disk"):
        (base / name).mkdir()
    with _small_disk(base / "disk") as can_fill:
        dropper = Dropper(base / "in", base / "aside", SETTLE_S, seed)
        daemon = Daemon(base, base / "disk")
        onlooker = Onlooker(daemon.output)
        onlooker.start()
        _storm(minutes, random.Random(seed), dropper, daemon, base / "disk" if can_fill else None)
        retried = _calm(dropper, daemon)
        daemon.end(signal.SIGTERM)
        onlooker.end()
        verdict = judge(dropper.stems, daemon.output, onlooker, daemon.faults())
        done = len(manifests(daemon.output))
    table = [f"{minutes:g} minutes, seed {seed}"]
    table += [f"{name:28} {count:7}" for name, count in sorted(dropper.counts.items())]
    table += [f"daemon: {name:20} {count:7}" for name, count in sorted(daemon.counts.items())]
    table += [
        f"{'slowest end after SIGTERM':28} {daemon.slowest_term_s:7.1f} s",
        f"{'failed by kills, retried':28} {retried:7}",
        f"{'outputs':28} {done:7}",
        f"{'looked at as they appeared':28} {onlooker.looks:7}",
        *verdict.lines(),
    ]
    return verdict, table


def _storm(minutes: float, dice: random.Random, dropper: Dropper, daemon: Daemon, disk: Path | None) -> None:
    """Drops in threads of their own, and everything else one after the other."""
    is_over, may_drop = threading.Event(), threading.Event()
    may_drop.set()

    def drop() -> None:
        while not is_over.is_set():
            if may_drop.wait(1.0):
                dropper.drop_something()
            is_over.wait(random.uniform(0.0, 4.0))

    droppers = [threading.Thread(target=drop) for _ in range(_DROPPERS)]
    daemon.keep_up()
    for thread in droppers:
        thread.start()
    end_s = time.monotonic() + 60.0 * minutes
    told_s = time.monotonic()
    try:
        while time.monotonic() < end_s:
            patience_s = 0.0 if dice.random() < 0.3 else START_S
            until_s = min(time.monotonic() + patience_s, end_s)
            while time.monotonic() < until_s and not daemon.has_worked:
                is_over.wait(0.2)
            is_over.wait(min(dice.uniform(0.0, 25.0), 6.0 * minutes))
            match dice.choices(("kill", "term", "child", "full"), (3, 1, 4, 1))[0]:
                case "kill":
                    daemon.end(signal.SIGKILL)
                case "term":
                    daemon.end(signal.SIGTERM)
                case "child":
                    daemon.kill_child(dice)
                case "full" if disk is not None:
                    with _full(disk, dice, dropper.counts):
                        daemon.keep_up()
                        is_over.wait(min(dice.uniform(3.0, 15.0), 3.0 * minutes))
            daemon.keep_up()
            left = missing(dropper.stems, manifests(daemon.output))
            (may_drop.clear if len(left) > MOST_BEHIND else may_drop.set)()
            if time.monotonic() - told_s > 60.0:
                told_s = time.monotonic()
                typer.echo(
                    f"{(end_s - told_s) / 60:5.1f} min left, {len(dropper.stems)} stems, {len(left)} open"
                )
    finally:
        is_over.set()
        for thread in droppers:
            thread.join()


def _calm(dropper: Dropper, daemon: Daemon) -> int:
    """Wait until all is rendered; what was killed three times is asked for again, as its user would."""
    retried = 0
    end_s = time.monotonic() + CALM_S
    while time.monotonic() < end_s and missing(dropper.stems, manifests(daemon.output)):
        daemon.keep_up()
        time.sleep(2.0)
        with suppress(AudioSRError, OSError):
            client = Client(daemon.state)
            for job in client.jobs([State.FAILED]):
                if "times over it" in job["reason"] or "decoder was killed" in job["reason"]:
                    client.retry(job["id"])
                    retried += 1
    return retried


@contextmanager
def _small_disk(folder: Path) -> Iterator[bool]:
    """A disk of its own in memory at a folder, where the system lets us; whether it did."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(folder)]
    try:
        is_mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        is_mounted = False
    try:
        yield is_mounted
    finally:
        if is_mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=False)


@contextmanager
def _full(disk: Path, dice: random.Random, counts: Counter[str]) -> Iterator[None]:
    """A disk with next to no room while inside."""
    ballast = disk / "ballast"
    try:
        with ballast.open("wb") as stream, suppress(OSError):
            status = os.statvfs(disk)
            room = status.f_bavail * status.f_frsize - dice.choice((0, 4_096, 65_536, 262_144))
            os.posix_fallocate(stream.fileno(), 0, max(room, 1))
        counts["disk full"] += 1
        yield
    finally:
        ballast.unlink(missing_ok=True)


def _below(pid: int) -> Iterator[int]:
    """The processes that a process started, and those that these did."""
    with suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                for word in (thread / "children").read_text().split():
                    yield int(word)
                    yield from _below(int(word))


def _command_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace")


def bench_storm(
    minutes: Annotated[float, typer.Option(min=0.1, help="Of storm.")] = 60.0,
    seed: Annotated[int | None, typer.Option(help="Of what happens; left out, a new one.")] = None,
) -> None:
    """Torment a daemon, and count what it lost."""
    base = Path(tempfile.mkdtemp(prefix="storm-"))
    chosen = random.randrange(2**32) if seed is None else seed
    typer.echo(f"in {base}, seed {chosen}")
    verdict, table = run_storm(minutes, chosen, base)
    for line in table:
        typer.echo(line)
    raise typer.Exit(0 if verdict.is_good else 1)


if __name__ == "__main__":
    typer.run(bench_storm)
